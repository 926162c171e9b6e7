"""What people say of alerts at the desk, on its way to the workers: kept here until the control topic has it.

At least once: workers pass over a second record of one id, so several desks may send the same.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from alerting.delivery import backoff
from pipeline.desk import alerts, tables
from pipeline.desk.database import Database
from pipeline.feedback import NotFound, control_about, undoing
from schemas.alert import decode_alert
from schemas.control import Control, ControlError, Verdict, decode_control, encode_control

SEND_MAX = 100  # of one step
_TEXT_CHARS_MAX = 2_000
_t = tables.controls.c


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """For people. sent: Kafka has it. note: why it hadn't, when it was tried last."""

    control: Control
    made_s: float
    is_sent: bool
    attempts: int
    note: str


def give(conn: Connection, verdict: Verdict, episode: str, by: str, note: str, now_s: float) -> Control:
    """Raises NotFound (a LookupError): there is no such alert, or nothing would learn from it."""
    story = alerts.events(conn, episode)
    if not story:
        raise NotFound(f"no alert {episode[:64]}")
    if (known := active(conn, episode)) is not None and known.verdict == verdict:
        raise NotFound(f"alert {episode}: {verdict} was said already, by {known.by or 'somebody'} ({known.id})")
    event = decode_alert(story[-1])
    if event.detector == "external":
        raise NotFound(f"alert {episode} isn't from one of our detectors: nothing would learn from it")
    count = conn.execute(select(func.count()).where(_t.episode == episode)).scalar_one()
    control = control_about(event, verdict, _id(episode, verdict, count), now_s, by, note[:_TEXT_CHARS_MAX])
    _put(conn, control, episode, now_s)
    return control


def say(conn: Connection, verdict: Verdict, episodes: Sequence[str], by: str, note: str, now_s: float) -> list[str]:
    """Of each alert a line: that it was said, or why it wasn't."""
    lines = []
    for episode in episodes:
        try:
            made = give(conn, verdict, episode, by, note, now_s)
            lines.append(f"{made.id}: {verdict}: {made.rule} on {made.series}")
        except (LookupError, ControlError) as error:
            lines.append(f"nothing: {error}")
    return lines


def take_back(conn: Connection, episodes: Sequence[str], by: str, note: str, now_s: float) -> list[str]:
    """What was said of each, where it still holds."""
    lines = []
    for episode in episodes:
        said = active(conn, episode)
        if said is None:
            continue
        count = conn.execute(select(func.count()).where(_t.episode == episode)).scalar_one()
        taken = undoing(said, _id(episode, "undo", count), (), now_s, by, note[:_TEXT_CHARS_MAX])
        _put(conn, taken, episode, now_s)
        lines.append(f"{taken.id}: {said.id} is taken back: {said.rule} on {said.series}")
    return lines


def active(conn: Connection, episode: str) -> Control | None:
    """The newest that was said here of the alert and not taken back."""
    asked = select(_t.body).where(_t.episode == episode).order_by(_t.made_s, _t.id)
    said = [decode_control(body) for body in conn.execute(asked).scalars()]
    undone = {control.undo for control in said if isinstance(control.undo, str)}
    held = [control for control in said if not isinstance(control.undo, str) and control.id not in undone]
    return held[-1] if held else None


def listed(conn: Connection, limit: int = 100) -> list[Row]:
    """The newest first."""
    asked = select(tables.controls).order_by(_t.made_s.desc(), _t.id).limit(limit)
    return [
        Row(
            control=decode_control(row.body),
            made_s=row.made_s,
            is_sent=row.due_s is None,
            attempts=row.attempts,
            note=row.note or "",
        )
        for row in conn.execute(asked)
    ]


def step(db: Database, publish: Callable[[Control], str | None], now_s: float) -> int:
    """For every second: sends what is due. publish: None where Kafka has it, else why not. Returns how many it has.

    Where one can't be sent none after it is tried: Kafka is away.
    """
    asked = select(_t.id, _t.body, _t.attempts).where(_t.due_s <= now_s).order_by(_t.made_s, _t.id).limit(SEND_MAX)
    rows = db.read(lambda conn: conn.execute(asked).all())
    for count, row in enumerate(rows):
        problem = publish(decode_control(row.body))
        attempts = row.attempts + 1
        due_s = None if problem is None else backoff.due_s(now_s, attempts, row.id, 0.0)
        changed = {"due_s": due_s, "attempts": attempts, "note": problem}
        db.write(partial(_settle, id=row.id, changed=changed))
        if problem is not None:
            return count
    return len(rows)


def _settle(conn: Connection, id: str, changed: dict[str, Any]) -> None:
    conn.execute(update(tables.controls).where(_t.id == id).values(changed))


def _put(conn: Connection, control: Control, episode: str, now_s: float) -> None:
    body = encode_control(control)
    decode_control(body)  # what a worker would refuse is never sent
    row = {"id": control.id, "episode": episode, "made_s": now_s, "due_s": now_s, "attempts": 0, "body": body}
    conn.execute(insert(tables.controls).values(row))


def _id(episode: str, what: str, count: int) -> str:
    return hashlib.blake2b(f"{episode}\0{what}\0{count}".encode(), digest_size=8).hexdigest()
