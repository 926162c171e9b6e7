"""The log of decisions: why each alert was told or wasn't. Read by `explain`; deleted when it is old."""

from collections.abc import Sequence

from sqlalchemy import Connection, distinct, func, insert, select

from alerting.alert import Decision, Mute
from pipeline.desk import tables

_t = tables.decisions.c
_FIELDS = (
    *(_t[name] for name in ("at_s", "what", "text", "episode", "fingerprint")),
    _t.group_id.label("group"),
    *(_t[name] for name in ("receiver", "integration", "by", "ref")),
)


def add(conn: Connection, decisions: Sequence[Decision]) -> None:
    if decisions:
        conn.execute(
            insert(tables.decisions),
            [
                {
                    "at_s": one.at_s,
                    "what": one.what,
                    "text": one.text,
                    "episode": one.episode,
                    "fingerprint": one.fingerprint,
                    "group_id": one.group,
                    "receiver": one.receiver,
                    "integration": one.integration,
                    "by": one.by,
                    "ref": one.ref,
                }
                for one in decisions
            ],
        )


def of(
    conn: Connection,
    *,
    episode: str | None = None,
    fingerprint: str | None = None,
    group: str | None = None,
    limit: int = 1000,
) -> list[Decision]:
    """In the order they were made; the newest `limit` of them that have all that is given."""
    asked = select(*_FIELDS).order_by(_t.id.desc()).limit(limit)
    for column, value in ((_t.episode, episode), (_t.fingerprint, fingerprint), (_t.group_id, group)):
        if value is not None:
            asked = asked.where(column == value)
    return [Decision(**row) for row in reversed(conn.execute(asked).mappings().all())]


def count_muted_by(conn: Connection, kind: Mute, ref: str) -> int:
    """How many alerts that one silence, window, ... held back, each counted once."""
    asked = select(func.count(distinct(_t.fingerprint))).where(_t.what == "muted", _t.by == kind, _t.ref == ref)
    return conn.execute(asked).scalar_one()
