"""What is written once a conversation has ended: one transaction each, of functions that take the connection first.

A message that one receiver can't be told goes on to its fallback, once. Whoever was told of an alert that way is told
of its end too, also where the first receiver works again by then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from sqlalchemy import Connection, and_, exists, func, select, update

from alerting.alert import Decision, Notification, Told
from alerting.notifiers.base import Handle
from pipeline.desk import intake, log, outbox, tables
from pipeline.desk.external import External
from pipeline.desk.incidents import delivered
from pipeline.desk.outbox import Delivery, Entry
from pipeline.desk.payloads import unpacked
from pipeline.desk.standing import Standing
from schemas.desk import Desk, Integration

SELF_ALERT = "TidegaugeReceiverFailing"
_t, _n = tables.outbox.c, tables.notifications.c


@dataclass(frozen=True)
class Repeat:
    """What an integration that forgets is told again: the newest message of a group that reached it."""

    notification: Notification
    handle: Handle


def told(conn: Connection, delivery: Delivery, fallback: Sequence[Integration], handle: Handle, now_s: float) -> None:
    note = "; ".join(handle[key] for key in ("untold", "refused") if handle.get(key))
    outbox.sent(conn, delivery.id, handle, now_s, note)
    delivered.told(conn, delivery, now_s)
    notification = delivery.notification
    if fallback and notification.resolved:
        group = notification.group.id
        followers = [
            one
            for one in fallback
            if _waits_for_the_end(conn, group, one.name) and not _has(conn, notification.id, one.name)
        ]
        _hand_on(conn, notification, followers, delivery.integration, "was told of it meanwhile", now_s)


def postponed(conn: Connection, delivery: Delivery, due_s: float, reason: str, now_s: float) -> None:
    outbox.retry(conn, delivery.id, due_s, reason, now_s)
    delivered.postponed(conn, delivery, reason, now_s)


def given_up(conn: Connection, delivery: Delivery, fallback: Sequence[Integration], reason: str, now_s: float) -> None:
    """A dead letter."""
    handed_on(conn, delivery, fallback, reason, now_s)
    outbox.failed(conn, delivery.id, reason, now_s)
    delivered.given_up(conn, delivery, reason, now_s)


def handed_on(conn: Connection, delivery: Delivery, fallback: Sequence[Integration], reason: str, now_s: float) -> None:
    """To those of the fallback that don't have it yet. An acknowledgement is nothing to those who weren't told."""
    if delivery.notification.says != "tell":
        return
    new = [one for one in fallback if not _has(conn, delivery.notification.id, one.name)]
    _hand_on(conn, delivery.notification, new, delivery.integration, reason, now_s)


def hurried(conn: Connection, integration: str, now_s: float) -> None:
    """It works again: what waits out its back-off needn't."""
    waiting = and_(_t.integration == integration, _t.status == "due", _t.owner.is_(None), _t.due_s > now_s)
    conn.execute(update(tables.outbox).where(waiting, _t.attempts > 0).values(due_s=now_s))


def again(conn: Connection, id_: int, who: str, now_s: float) -> Literal["due", "sent", "newer", "unknown"]:
    """A dead letter is to be sent after all, or what waits is to be sent now. Not where something newer was told."""
    row = conn.execute(select(tables.outbox).where(_t.id == id_)).first()
    if row is None:
        return "unknown"
    if row.status == "sent":
        return "sent"
    same = and_(_t.group_id == row.group_id, _t.integration == row.integration)
    later = select(_t.id).where(same, _t.id > id_, _t.status.in_(("due", "sent"))).limit(1)
    if row.status in ("replaced", "skipped") or conn.execute(later).first() is not None:
        return "newer"
    fresh = {"status": "due", "due_s": now_s, "settled_s": None}
    if row.status == "failed":
        fresh |= {"attempts": 0, "deadline_s": None}
    conn.execute(update(tables.outbox).where(_t.id == id_).values(fresh))
    line = Decision(
        at_s=now_s, what="retried", text=f"{who} asked for it", group=row.group_id, integration=row.integration
    )
    log.add(conn, [line])
    return "due"


def newest_sent_s(conn: Connection, integration: str) -> float | None:
    """When a message last reached it, through whichever desk."""
    asked = select(func.max(_t.settled_s)).where(_t.integration == integration, _t.status == "sent")
    found: float | None = conn.execute(asked).scalar_one()
    return found


def repeats(conn: Connection, integration: str, now_s: float, resolved_for_s: float) -> list[Repeat]:
    """By group: what still fires, as its receiver was told last, and what ended less than `resolved_for_s` ago.

    Groups with something unsent are left out: that is newer. An end that never got there is not told so, but nobody is
    told any more that it fires.
    """
    newest = select(func.max(_t.id)).where(_t.integration == integration, _t.status == "sent").group_by(_t.group_id)
    unsent = select(_t.group_id).where(_t.integration == integration, _t.status == "due")
    asked = (
        select(_n.body, _t.with_resolved, tables.handles.c.body.label("handle"))
        .join(tables.outbox, _t.notification_id == _n.id)
        .join(
            tables.handles,
            and_(tables.handles.c.group_id == _t.group_id, tables.handles.c.integration == _t.integration),
            isouter=True,
        )
        .where(_t.id.in_(newest), _t.group_id.not_in(unsent))
        .where((_n.status == "firing") | (_n.at_s > now_s - resolved_for_s))
        .order_by(_t.id)
    )
    found = []
    rows = conn.execute(asked).all()
    notes = [unpacked(row.body) for row in rows]
    standing = Standing.of(conn, notes)
    for row, note in zip(rows, notes, strict=True):
        ends_too = row.with_resolved and now_s - note.at_s < resolved_for_s
        alerts = [again for one in standing.only(note).alerts if (again := _again(one, ends_too)) is not None]
        if alerts:
            handle = {} if row.handle is None else msgspec.json.decode(row.handle, type=Handle)
            as_told = msgspec.structs.replace(note, alerts=alerts, reason="repeat_interval", says="tell")
            found.append(Repeat(as_told, handle))
    return found


def failing(conn: Connection, integration: Integration, reason: str, since_s: float, desk: Desk, now_s: float) -> None:
    """The alert about ourselves; said again each minute, as it ends by itself otherwise."""
    intake.take_external(conn, [_self_alert(integration, reason, since_s, None)], desk, now_s)


def works(conn: Connection, integration: Integration, since_s: float, desk: Desk, now_s: float) -> None:
    intake.take_external(conn, [_self_alert(integration, "", since_s, now_s)], desk, now_s)


def without_itself(notification: Notification, integration: str) -> Notification:
    """Nobody is told through an integration that it doesn't work."""
    alerts = [told for told in notification.alerts if not _is_about(told, integration)]
    if len(alerts) == len(notification.alerts):
        return notification
    return msgspec.structs.replace(notification, alerts=alerts)


def _is_about(told: Told, integration: str) -> bool:
    alert = told.alert
    return alert.origin == "self" and alert.labels.get("integration") == integration


def _self_alert(integration: Integration, reason: str, since_s: float, ends_at_s: float | None) -> External:
    labels = {
        "alertname": SELF_ALERT,
        "receiver": integration.receiver,
        "integration": integration.name,
        "severity": "critical",
    }
    annotations = {
        "summary": f"messages don't reach {integration.name}",
        "description": f"{reason}. `tidegauge receiver test {integration.receiver}` tries it out." if reason else "",
    }
    return External(
        labels=labels,
        annotations={name: text for name, text in annotations.items() if text},
        starts_at_s=since_s,
        ends_at_s=ends_at_s,
        origin="self",
    )


def _hand_on(
    conn: Connection, note: Notification, to: Sequence[Integration], instead_of: str, reason: str, now_s: float
) -> None:
    if not to:
        return
    outbox.put_all(conn, [Entry(note, {one.name: one.send_resolved for one in to}, is_handed_on=True)], now_s)
    lines = [
        Decision(
            at_s=now_s,
            what="handed_on",
            text=f"message {note.number} goes to {one.name} instead of {instead_of}: {reason}",
            group=note.group.id,
            receiver=one.receiver,
            integration=one.name,
        )
        for one in to
    ]
    log.add(conn, lines)


def _has(conn: Connection, notification: str, integration: str) -> bool:
    """Whether it was put into its outbox, whatever became of it there."""
    there = exists().where(_t.notification_id == _n.id, _t.integration == integration, _n.notification == notification)
    return bool(conn.execute(select(there)).scalar_one())


def _waits_for_the_end(conn: Connection, group: str, integration: str) -> bool:
    """A fallback isn't a receiver of the group, so it has lines of it only where it stood in."""
    asked = (
        select(_n.status)
        .join(tables.outbox, _t.notification_id == _n.id)
        .where(_t.group_id == group, _t.integration == integration)
        .order_by(_t.id.desc())
        .limit(1)
    )
    return conn.execute(asked).scalar() == "firing"


def _again(told: Told, ends_too: bool) -> Told | None:
    if told.what in ("resolved", "departed"):
        return told if ends_too else None
    return msgspec.structs.replace(told, what="same", previous_level=None)
