"""Silences as people made them. What they mean is in `alerting/noise/silences.py`; what they hid, in the log."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from alerting.noise import silences as rules
from alerting.noise.silences import Silence
from pipeline.desk import tables
from pipeline.desk.bulk import upsert
from schemas.matchers import ApiMatcher, Matchers

_t = tables.silences.c


class _Body(msgspec.Struct):
    matchers: list[ApiMatcher]
    created_by: str
    comment: str
    annotations: dict[str, str] = {}


_encode = msgspec.json.Encoder().encode
_body = msgspec.json.Decoder(_Body)


def put(conn: Connection, silence: Silence) -> None:
    """New, or in place of the one with its id."""
    body = _Body(silence.matchers.as_api(), silence.created_by, silence.comment, dict(silence.annotations))
    row = {
        "id": silence.id,
        "starts_at_s": silence.starts_at_s,
        "ends_at_s": silence.ends_at_s,
        "updated_at_s": silence.updated_at_s,
        "reminded_s": None,
        "body": _encode(body),
    }
    upsert(conn, tables.silences, [row])


def get(conn: Connection, id: str) -> Silence | None:
    row = conn.execute(select(tables.silences).where(_t.id == id)).mappings().first()
    return None if row is None else _silence(row)


def listed(conn: Connection, now_s: float | None = None) -> list[Silence]:
    """Those that aren't over at `now_s`, or all that are kept; by id."""
    asked = select(tables.silences).order_by(_t.id)
    if now_s is not None:
        asked = asked.where(_t.ends_at_s > now_s)
    return [_silence(row) for row in conn.execute(asked).mappings()]


def expire(conn: Connection, id: str, now_s: float) -> bool:
    """It is over from `now_s` on, one that was to come never starts; nothing changes where it is over already.

    False where there is none with this id.
    """
    found = get(conn, id)
    if found is not None and found.state(now_s) != "expired":
        put(conn, rules.expire(found, now_s))
    return found is not None


def not_reminded(conn: Connection, now_s: float) -> list[Silence]:
    """Those that aren't over, and of whose end nobody was reminded."""
    asked = select(tables.silences).where(_t.ends_at_s > now_s, _t.reminded_s.is_(None)).order_by(_t.id)
    return [_silence(row) for row in conn.execute(asked).mappings()]


def reminded(conn: Connection, ids: Iterable[str], now_s: float) -> None:
    conn.execute(update(tables.silences).where(_t.id.in_(list(ids))).values(reminded_s=now_s))


def _silence(row: Any) -> Silence:
    body = _body.decode(row["body"])
    return Silence(
        id=row["id"],
        matchers=Matchers.from_api(body.matchers),
        starts_at_s=row["starts_at_s"],
        ends_at_s=row["ends_at_s"],
        created_by=body.created_by,
        comment=body.comment,
        updated_at_s=row["updated_at_s"],
        annotations=body.annotations,
    )
