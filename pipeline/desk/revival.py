"""Dead letters of an integration that works again: what they say and is still so is sent after all."""

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, select, update

from alerting.alert import Decision, Notification
from pipeline.desk import log, outbox, tables
from pipeline.desk.lines import bodies, store
from pipeline.desk.payloads import merged, without_ends
from pipeline.desk.settling import without_itself
from pipeline.desk.standing import Standing

# Others got through so shortly before a message was given up: then it was the message.
_OTHERS_S = 600.0
_OLD_S = 7 * 86_400.0  # older ones are for people to look at
_t, _n = tables.outbox.c, tables.notifications.c
_other = tables.outbox.alias("other")
_Letters = list[Row[Any]]


def revive(conn: Connection, integration: str, now_s: float, *, is_trial: bool = False) -> int:
    """Makes them due again; returns how many. Of a group one, the newest, which says all that the others did.

    None where something newer of the group got through, nor where others got through while it was tried.
    is_trial: one of them, for one try, to learn whether it works.
    """
    letters = _letters(conn, integration, now_s)
    said = bodies(conn, {letter.notification_id for found in letters for letter in found})
    notes = [reduce(merged, (said[letter.notification_id] for letter in found)) for found in letters]
    standing = Standing.of(conn, notes)
    count = 0
    for found, note in zip(letters, notes, strict=True):
        true = without_itself(standing.only(note), integration)
        true = true if found[-1].with_resolved else without_ends(true)
        if (true.firing or (true.resolved and _was_told(conn, found[-1]))) and _put(conn, found, true, now_s, is_trial):
            count += 1
            if is_trial:
                break
    return count


def _letters(conn: Connection, integration: str, now_s: float) -> list[_Letters]:
    """By group and its life, oldest first; those groups first that were given up first, so that trials take turns."""
    o = _other.c
    newer = exists().where(o.integration == _t.integration, o.group_id == _t.group_id, o.status == "sent", o.id > _t.id)
    others = exists().where(
        o.integration == _t.integration,
        o.status == "sent",
        o.settled_s > _t.deadline_s - outbox.DEADLINE_S,
        o.settled_s > _t.settled_s - _OTHERS_S,
        o.settled_s <= _t.settled_s,
    )
    dead = and_(
        _t.integration == integration, _t.status == "failed", _t.created_s > now_s - _OLD_S, _t.deadline_s.is_not(None)
    )
    asked = select(tables.outbox, _n.number, _n.receiver).join(tables.notifications, _n.id == _t.notification_id)
    found: dict[tuple[str, float], _Letters] = defaultdict(list)
    for row in conn.execute(asked.where(dead, ~newer, ~others).order_by(_t.id)):
        found[row.group_id, row.life_s].append(row)
    return sorted(found.values(), key=lambda letters: letters[-1].settled_s)


def _was_told(conn: Connection, letter: Row[Any]) -> bool:
    """Something of the group's life: then an end is owed."""
    h = tables.handles.c
    same = and_(h.group_id == letter.group_id, h.integration == letter.integration, h.life_s == letter.life_s)
    return bool(conn.execute(select(exists().where(same))).scalar_one())


def _put(conn: Connection, letters: Sequence[Row[Any]], note: Notification, now_s: float, is_trial: bool) -> bool:
    """Into the line that waits, where one does, else as the newest letter. Not behind one that is being sent."""
    newest = letters[-1]
    same = and_(_t.integration == newest.integration, _t.group_id == newest.group_id, _t.status == "due")
    waiting = conn.execute(select(tables.outbox).where(same).order_by(_t.id)).first()
    if waiting is not None:
        if waiting.owner is not None or waiting.life_s != newest.life_s or is_trial:
            return False
        note = merged(note, bodies(conn, {waiting.notification_id})[waiting.notification_id])
        fresh: dict[str, Any] = {}
    else:
        keeps_deadline = is_trial or newest.settled_s < newest.deadline_s  # else it has the whole time again
        fresh = {
            "status": "due",
            "due_s": now_s,
            "settled_s": None,
            "owner": None,
            "lease_until_s": None,
            "attempts": 1,  # it was tried: it may have arrived
            "deadline_s": newest.deadline_s if keeps_deadline else None,
        }
    into = newest if waiting is None else waiting
    conn.execute(update(tables.outbox).where(_t.id == into.id).values(notification_id=store(conn, [note])[0], **fresh))
    old = [letter.id for letter in letters if letter.id != into.id]
    conn.execute(update(tables.outbox).where(_t.id.in_(old)).values(status="replaced"))
    why = "to learn whether it works" if is_trial else "it works again"
    line = Decision(
        at_s=now_s,
        what="retried",
        text=f"message {note.number} is sent after all: {why}",
        group=newest.group_id,
        receiver=newest.receiver,
        integration=newest.integration,
    )
    log.add(conn, [line])
    return True
