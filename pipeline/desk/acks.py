"""Acknowledgements (no repeats) and snoozes (not a word) of one episode of an alert: who, why, until when."""

from typing import Literal

import msgspec
from sqlalchemy import Connection, delete, select

from alerting.alert import Decision
from pipeline.desk import alerts, groups, log, tables
from pipeline.desk.bulk import upsert

Kind = Literal["acknowledged", "snooze"]
_t = tables.acks.c
_DONE = {"acknowledged": "acknowledged", "snooze": "snoozed"}


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """until_s: None lasts as long as the episode."""

    kind: Kind
    episode: str
    fingerprint: str
    by: str
    comment: str
    at_s: float
    until_s: float | None


def acknowledge(conn: Connection, episode: str, by: str, comment: str, until_s: float | None, now_s: float) -> Ack:
    """Raises LookupError where there is no such episode. A later one replaces the earlier."""
    return _put(conn, "acknowledged", episode, by, comment, until_s, now_s)


def snooze(conn: Connection, episode: str, by: str, comment: str, until_s: float, now_s: float) -> Ack:
    """As `acknowledge`."""
    return _put(conn, "snooze", episode, by, comment, until_s, now_s)


def withdraw(conn: Connection, kind: Kind, episode: str, by: str, now_s: float) -> bool:
    """Whether there was one. Who is told of the episode is looked at again at once."""
    gone = conn.execute(delete(tables.acks).where(_t.kind == kind, _t.episode == episode)).rowcount > 0
    if gone:
        groups.look_soon(conn, kind, episode, now_s)
        text = f"no longer {_DONE[kind]}, says {by}"
        log.add(conn, [Decision(at_s=now_s, what=f"not {kind}", text=text, episode=episode, by=kind, ref=by)])
    return gone


def listed(conn: Connection, now_s: float | None = None, *, kind: Kind | None = None) -> list[Ack]:
    """Those that hold at `now_s`, or all that are kept; oldest first."""
    asked = select(tables.acks).order_by(_t.at_s, _t.episode)
    if now_s is not None:
        asked = asked.where((_t.until_s.is_(None)) | (_t.until_s > now_s))
    if kind is not None:
        asked = asked.where(_t.kind == kind)
    return [Ack(**row) for row in conn.execute(asked).mappings()]


def acknowledged(conn: Connection, now_s: float) -> frozenset[str]:
    """Episodes."""
    return frozenset(ack.episode for ack in listed(conn, now_s, kind="acknowledged"))


def _put(conn: Connection, kind: Kind, episode: str, by: str, comment: str, until_s: float | None, now_s: float) -> Ack:
    alert = alerts.by_episode(conn, episode)
    if alert is None:
        raise LookupError(f"no alert with the id {episode}")
    ack = Ack(
        kind=kind,
        episode=episode,
        fingerprint=alert.fingerprint,
        by=by,
        comment=comment,
        at_s=now_s,
        until_s=until_s,
    )
    upsert(conn, tables.acks, [msgspec.structs.asdict(ack)])
    log.add(conn, [_line(ack)])
    return ack


def _line(ack: Ack) -> Decision:
    text = f"{_DONE[ack.kind]} by {ack.by}" + (f": {ack.comment}" if ack.comment else "")
    return Decision(
        at_s=ack.at_s,
        what=ack.kind,
        text=text,
        episode=ack.episode,
        fingerprint=ack.fingerprint,
        by=ack.kind,
        ref=ack.by,
    )
