"""What is to be sent, to which integration, and how it went. Written with what led to it, in one transaction.

A line is due until it is sent, failed for good, or replaced by a later one of the same group and integration. Whoever
sends it holds a lease on it meanwhile; of one group and integration only the oldest line can be claimed.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, case, func, insert, or_, select, update

from alerting.alert import Decision, Group, Notification
from alerting.notifiers.base import Handle
from pipeline.desk import log, tables
from pipeline.desk.bulk import chunks, upsert
from pipeline.desk.lines import Line, State, bodies, counted, listed, notification, store, waiting
from pipeline.desk.payloads import merged, unpacked, without_ends

DEADLINE_S = 3600.0  # from the first attempt
NO_ENDS = "isn't told of ends (send_resolved)"
_t = tables.outbox.c
_n = tables.notifications.c
_Place = tuple[str, str, float]  # group, integration, life
_encode = msgspec.json.Encoder().encode
_handle = msgspec.json.Decoder(Handle)


@dataclass(frozen=True)
class Delivery:
    """A line that was claimed. attempts: this one included; deadline_s: the time after which no other is made, infinite
    for an end that somebody waits for: a ticket would stay open."""

    id: int
    integration: str
    notification: Notification
    handle: Handle
    attempts: int
    created_s: float
    deadline_s: float


@dataclass(frozen=True)
class Entry:
    """A notification and whom it goes to: names of integrations -> whether they are told of ends.

    is_handed_on: to those of a fallback, not to the group's own receiver.
    """

    notification: Notification
    integrations: Mapping[str, bool] = field(default_factory=dict)
    is_handed_on: bool = False


def put(
    conn: Connection, notification: Notification, integration: str, now_s: float, *, with_resolved: bool = True
) -> None:
    """One more line. See `put_all`."""
    put_all(conn, [Entry(notification, {integration: with_resolved})], now_s)


def put_all(conn: Connection, entries: Sequence[Entry], now_s: float) -> None:
    """Takes the place of lines for the same group, in this life of it, and integration that nobody is sending now.

    The new line says what those would have said, and goes on with their attempts, back-off and deadline. Where the
    group's receiver isn't told of an end, whoever stood in for it is.
    """
    unsent = _unsent(conn, {entry.notification.group.id for entry in entries}, now_s)
    old_bodies = bodies(conn, {row.notification_id for rows in unsent.values() for row in rows})
    notes: list[Notification] = []
    lines: list[dict[str, Any]] = []
    decisions: list[Decision] = []
    replaced: list[int] = []
    skipped: list[int] = []
    for entry in entries:
        places: dict[tuple[int, ...], int] = {}  # notifications that were replaced -> place in `notes`
        group, note = entry.notification.group, entry.notification
        stand_ins = _stand_ins(conn, entry)
        decisions += [_line(note, now_s, "handed_on", name, f"message {note.number} ends it") for name in stand_ins]
        for integration, with_resolved in {**entry.integrations, **stand_ins}.items():
            olds = unsent.pop((group.id, integration, group.first_seen_s), [])
            merging = note
            for row in reversed(olds):
                merging = merged(old_bodies[row.notification_id], merging)
            if not with_resolved and not merging.firing:
                earlier = [row.note for row in olds] or [None]
                decisions += [_line(note, now_s, "skipped", integration, NO_ENDS, heard) for heard in earlier]
                skipped += [row.id for row in olds]
                continue
            key = tuple(row.notification_id for row in olds)
            if key not in places:
                places[key] = len(notes)
                notes.append(merging)
            lines.append(_new(places[key], integration, group, with_resolved, olds, now_s))
            replaced += [row.id for row in olds]
            text = f"message {note.number} says it too"
            decisions += [_line(note, now_s, "replaced", integration, text, row.note) for row in olds]
    ids = store(conn, notes)
    if lines:
        conn.execute(
            insert(tables.outbox), [{**line, "notification_id": ids[line["notification_id"]]} for line in lines]
        )
    _settle(conn, replaced, "replaced", now_s)
    _settle(conn, skipped, "skipped", now_s, NO_ENDS)
    log.add(conn, decisions)


def claim(
    conn: Connection,
    integration: str,
    owner: str,
    now_s: float,
    lease_s: float,
    limit: int,
    deadline_s: float = DEADLINE_S,
) -> list[Delivery]:
    """Lines that may be sent now, oldest first, each of another group; nobody else gets them while the lease lasts.

    deadline_s: how long sending is tried, from the first attempt; where it was set already, that holds.
    """
    ready = and_(_t.due_s <= now_s, or_(_t.owner.is_(None), _t.lease_until_s <= now_s))
    asked = (
        select(tables.outbox, _n.body, tables.handles.c.body.label("handle"))
        .join(tables.notifications, _n.id == _t.notification_id)
        .join(
            tables.handles,
            and_(
                tables.handles.c.group_id == _t.group_id,
                tables.handles.c.integration == _t.integration,
                tables.handles.c.life_s == _t.life_s,
            ),
            isouter=True,
        )
        .where(_t.id.in_(_firsts(integration)), ready)
        .order_by(_t.id)
        .limit(limit)
    )
    rows = conn.execute(asked).all()
    if rows:
        until_s = now_s + deadline_s
        taken = {
            "owner": owner,
            "lease_until_s": now_s + lease_s,
            "attempts": _t.attempts + 1,
            "deadline_s": func.coalesce(_t.deadline_s, until_s),
        }
        conn.execute(update(tables.outbox).where(_t.id.in_([row.id for row in rows])).values(taken))
    return [_delivery(row, now_s + deadline_s) for row in rows]


def renew(conn: Connection, ids: Collection[int], owner: str, until_s: float) -> set[int]:
    """Holds on to lines that are still being sent. Returns those that still are `owner`'s."""
    mine = and_(_t.id.in_(list(ids)), _t.owner == owner, _t.status == "due")
    conn.execute(update(tables.outbox).where(mine).values(lease_until_s=until_s))
    return set(conn.execute(select(_t.id).where(mine)).scalars())


def release(conn: Connection, owner: str) -> int:
    """Lines that `owner` died with can be claimed at once. Only for who knows that it is dead. Returns how many."""
    mine = and_(_t.owner == owner, _t.status == "due")
    return conn.execute(update(tables.outbox).where(mine).values(owner=None, lease_until_s=None)).rowcount


def sent(conn: Connection, id: int, handle: Handle, now_s: float, note: str = "") -> None:
    """Done; `handle` is given to the next delivery of this group to this integration, until the group ends."""
    row = _row(conn, id)
    if row is None:
        return
    _settle(conn, [id], "sent", now_s, note)
    remembered = {"group_id": row.group_id, "integration": row.integration, "life_s": row.life_s, "updated_s": now_s}
    upsert(conn, tables.handles, [{**remembered, "body": _encode(handle)}])
    text = f"message {row.number} was sent" + (f": {note}" if note else "")
    log.add(conn, [_about(row, now_s, "sent", text)])


def retry(conn: Connection, id: int, due_s: float, reason: str, now_s: float) -> None:
    """Not sent; again from `due_s` on. Where a later line waits behind it, that one says it too, from then on."""
    row = _row(conn, id)
    if row is None:
        return
    log.add(conn, [_about(row, now_s, "retried", f"message {row.number} was not sent: {reason}")])
    again = {"owner": None, "lease_until_s": None, "due_s": due_s, "note": reason}
    conn.execute(update(tables.outbox).where(_t.id == id).values(again))
    same = and_(_t.group_id == row.group_id, _t.integration == row.integration, _t.life_s == row.life_s)
    later = conn.execute(select(tables.outbox).where(same, _t.status == "due", _t.id > id).order_by(_t.id)).first()
    if later is None:
        return
    said = bodies(conn, {row.notification_id, later.notification_id})
    both = merged(said[row.notification_id], said[later.notification_id])
    taken_over = {
        "notification_id": store(conn, [both])[0],
        "attempts": row.attempts,
        "due_s": due_s,
        "deadline_s": row.deadline_s,
        "note": reason,
    }
    conn.execute(update(tables.outbox).where(_t.id == later.id).values(taken_over))
    _settle(conn, [id], "replaced", now_s, reason)
    log.add(conn, [_about(row, now_s, "replaced", f"message {both.number} says what message {row.number} was to")])


def failed(conn: Connection, id: int, reason: str, now_s: float) -> None:
    """Given up: a dead letter, kept as long as what was sent."""
    row = _row(conn, id)
    if row is not None:
        _settle(conn, [id], "failed", now_s, reason)
        log.add(conn, [_about(row, now_s, "failed", f"message {row.number} was given up: {reason}")])


def skipped(conn: Connection, id: int, reason: str, now_s: float) -> None:
    """Not sent, and rightly so."""
    row = _row(conn, id)
    if row is not None:
        _settle(conn, [id], "skipped", now_s, reason)
        log.add(conn, [_about(row, now_s, "skipped", f"message {row.number} isn't sent: {reason}")])


def abandon(conn: Connection, integrations: Collection[str], now_s: float) -> int:
    """Lines for others than these, which are all that the config has: nobody would ever send them. Returns how many.

    What another desk, with another config, is sending now is left to it.
    """
    free = or_(_t.owner.is_(None), _t.lease_until_s <= now_s)
    lost = and_(_t.status == "due", _t.integration.not_in(list(integrations)), free)
    asked = select(tables.outbox, _n.number, _n.receiver).join(tables.notifications, _n.id == _t.notification_id)
    rows = conn.execute(asked.where(lost)).all()
    reason = "the config has no such integration any more"
    _settle(conn, [row.id for row in rows], "failed", now_s, reason)
    log.add(conn, [_about(row, now_s, "failed", f"message {row.number} was given up: {reason}") for row in rows])
    return len(rows)


def replace(conn: Connection, ids: Sequence[int], reason: str, now_s: float) -> None:
    """Something else says what they were to say."""
    rows = [row for id in ids if (row := _row(conn, id)) is not None]
    _settle(conn, [row.id for row in rows], "replaced", now_s, reason)
    log.add(conn, [_about(row, now_s, "replaced", f"message {row.number} was not sent: {reason}") for row in rows])


def due_s(conn: Connection, integration: str) -> float | None:
    """When a line of it can next be claimed, if nothing happens until then."""
    held = case((_t.owner.is_(None), _t.due_s), (_t.lease_until_s > _t.due_s, _t.lease_until_s), else_=_t.due_s)
    found: float | None = conn.execute(select(func.min(held)).where(_t.id.in_(_firsts(integration)))).scalar_one()
    return found


def _firsts(integration: str) -> Select[int]:
    """The oldest unsettled line of each group."""
    return select(func.min(_t.id)).where(_t.status == "due", _t.integration == integration).group_by(_t.group_id)


def _unsent(conn: Connection, groups: Collection[str], now_s: float) -> dict[_Place, list[Row[Any]]]:
    """Lines that nobody is sending, oldest first."""
    found = defaultdict(list)
    free = or_(_t.owner.is_(None), _t.lease_until_s <= now_s)
    for chunk in chunks(sorted(groups)):
        asked = select(tables.outbox).where(_t.status == "due", _t.group_id.in_(chunk), free).order_by(_t.id)
        for row in conn.execute(asked):
            found[row.group_id, row.integration, row.life_s].append(row)
    return found


def _stand_ins(conn: Connection, entry: Entry) -> dict[str, bool]:
    """Whoever was told instead of one that isn't told of ends, and hasn't heard the end; as `Entry.integrations`."""
    note = entry.notification
    if entry.is_handed_on or not note.resolved or all(entry.integrations.values()):
        return {}
    d, group = tables.decisions.c, note.group
    told = and_(d.group_id == group.id, d.what == "handed_on", d.at_s >= group.first_seen_s)
    names = set(conn.execute(select(d.integration).where(told).distinct()).scalars()) - entry.integrations.keys()
    found = {}
    for name in sorted(names):
        here = and_(_t.group_id == group.id, _t.integration == name, _t.life_s == group.first_seen_s)
        asked = select(_t.with_resolved, _n.status).join(tables.notifications, _n.id == _t.notification_id)
        newest = conn.execute(asked.where(here, _t.status != "replaced").order_by(_t.id.desc()).limit(1)).first()
        if newest is not None and newest.status == "firing":
            found[name] = newest.with_resolved
    return found


def _new(
    notification: int, integration: str, group: Group, with_resolved: bool, olds: Sequence[Row[Any]], now_s: float
) -> dict[str, Any]:
    deadlines = [row.deadline_s for row in olds if row.deadline_s is not None]
    return {
        "integration": integration,
        "group_id": group.id,
        "life_s": group.first_seen_s,
        "notification_id": notification,
        "status": "due",
        "with_resolved": with_resolved,
        "attempts": max((row.attempts for row in olds), default=0),
        "created_s": now_s,
        "due_s": max((row.due_s for row in olds), default=now_s),
        "deadline_s": min(deadlines, default=None),
        "note": olds[-1].note if olds else None,
    }


def _settle(conn: Connection, ids: Sequence[int], status: State, now_s: float, note: str | None = None) -> None:
    done = {"status": status, "settled_s": now_s, "owner": None, "lease_until_s": None}
    for chunk in chunks(ids):
        conn.execute(update(tables.outbox).where(_t.id.in_(chunk)).values({**done, **({"note": note} if note else {})}))


def _row(conn: Connection, id: int) -> Row[Any] | None:
    """A line that isn't settled: another desk may have been faster."""
    asked = select(tables.outbox, _n.number, _n.receiver).join(tables.notifications, _n.id == _t.notification_id)
    return conn.execute(asked.where(_t.id == id, _t.status == "due")).first()


def _delivery(row: Row[Any], deadline_s: float) -> Delivery:
    note = unpacked(row.body) if row.with_resolved else without_ends(unpacked(row.body))
    if note.resolved and row.handle is not None:  # something of the group got there: an end is owed
        deadline_s = math.inf
    elif row.deadline_s is not None:
        deadline_s = row.deadline_s
    return Delivery(
        id=row.id,
        integration=row.integration,
        notification=note,
        handle={} if row.handle is None else _handle.decode(row.handle),
        attempts=row.attempts + 1,
        created_s=row.created_s,
        deadline_s=deadline_s,
    )


def _about(row: Row[Any], now_s: float, what: str, text: str) -> Decision:
    return Decision(
        at_s=now_s, what=what, text=text, group=row.group_id, receiver=row.receiver, integration=row.integration
    )


def _line(
    note: Notification, now_s: float, what: str, integration: str, text: str, earlier: str | None = None
) -> Decision:
    """earlier: what was last heard of the line that is replaced."""
    text = f"{text}; the earlier was not sent: {earlier}" if earlier else text
    group = note.group
    return Decision(at_s=now_s, what=what, text=text, group=group.id, receiver=group.receiver, integration=integration)


__all__ = [
    "DEADLINE_S",
    "Delivery",
    "Entry",
    "Line",
    "State",
    "abandon",
    "claim",
    "counted",
    "due_s",
    "failed",
    "listed",
    "notification",
    "put",
    "put_all",
    "release",
    "renew",
    "replace",
    "retry",
    "sent",
    "skipped",
    "waiting",
]
