"""Small things that automation keeps for itself: the kill switch, what would be touched now, refusals by guard."""

from collections import Counter
from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, delete, select

from alerting.alert import Decision
from pipeline.desk import log, tables
from pipeline.desk.bulk import upsert
from schemas.alert import rfc3339_seconds

_PAUSED, _WANTED, _REFUSALS = "automation.paused", "automation.wanted", "automation.refusals"
TARGETS_MAX = 1000  # remembered; no storm limit is higher
_t = tables.state.c


class Paused(msgspec.Struct, frozen=True):
    """Nothing is done until somebody resumes."""

    by: str
    at_s: float
    comment: str = ""

    def __str__(self) -> str:
        """
        >>> str(Paused("ann", 0.0, "racks move"))
        'automation is paused by ann since 1970-01-01T00:00:00Z: racks move'
        """
        why = f": {self.comment}" if self.comment else ""
        return f"automation is paused by {self.by} since {rfc3339_seconds(self.at_s)}{why}"


_paused = msgspec.json.Decoder(Paused)
_targets = msgspec.json.Decoder(list[str])
_counts = msgspec.json.Decoder(dict[str, int])


def paused(conn: Connection) -> Paused | None:
    text = _get(conn, _PAUSED)
    return None if text is None else _paused.decode(text)


def pause(conn: Connection, by: str, comment: str, now_s: float) -> Paused:
    """Who paused it first is kept."""
    known = paused(conn)
    if known is not None:
        return known
    made = Paused(by, now_s, comment)
    _put(conn, _PAUSED, msgspec.json.encode(made).decode())
    log.add(conn, [Decision(at_s=now_s, what="automation paused", text=str(made), by="person", ref=by)])
    return made


def resume(conn: Connection, by: str, now_s: float) -> bool:
    """Whether it was paused."""
    gone = conn.execute(delete(tables.state).where(_t.key == _PAUSED)).rowcount > 0
    if gone:
        text = f"automation is resumed by {by}"
        log.add(conn, [Decision(at_s=now_s, what="automation resumed", text=text, by="person", ref=by)])
    return gone


def wanted(conn: Connection) -> frozenset[str]:
    """Targets for which a remedy's alert fires now, as they were last looked through."""
    text = _get(conn, _WANTED)
    return frozenset(() if text is None else _targets.decode(text))


def set_wanted(conn: Connection, targets: Collection[str]) -> None:
    _put(conn, _WANTED, msgspec.json.encode(sorted(targets)[:TARGETS_MAX]).decode())


def refusals(conn: Connection) -> Counter[str]:
    """Guard -> how often it has refused, each reason of each act once."""
    text = _get(conn, _REFUSALS)
    return Counter({} if text is None else _counts.decode(text))


def count_refusal(conn: Connection, guard: str) -> None:
    counts = refusals(conn)
    counts[guard] += 1
    _put(conn, _REFUSALS, msgspec.json.encode(dict(sorted(counts.items()))).decode())


def _get(conn: Connection, key: str) -> str | None:
    found: str | None = conn.execute(select(_t.value).where(_t.key == key)).scalar()
    return found


def _put(conn: Connection, key: str, value: str) -> None:
    upsert(conn, tables.state, [{"key": key, "value": value}])
