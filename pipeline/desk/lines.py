"""The outbox as it is read: what waits, how it went, for people and metrics; and what its lines say."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, func, insert, select

from alerting.alert import Notification
from pipeline.desk import tables
from pipeline.desk.bulk import chunks
from pipeline.desk.payloads import packed, unpacked, without_ends

State = Literal["due", "sent", "failed", "replaced", "skipped"]
_t = tables.outbox.c
_n = tables.notifications.c


@dataclass(frozen=True)
class Line:
    """For people. `notification` is `Notification.id`; note: what was last heard of it."""

    id: int
    integration: str
    group: str
    receiver: str
    notification: str
    number: int
    reason: str
    status: State
    attempts: int
    created_s: float
    due_s: float
    settled_s: float | None
    note: str | None


def waiting(conn: Connection) -> dict[str, int]:
    """Lines that are due or being sent, by integration; also of those that the config has no more."""
    asked = select(_t.integration, func.count()).where(_t.status == "due").group_by(_t.integration)
    return dict(conn.execute(asked).all())


def counted(conn: Connection) -> dict[tuple[str, str], int]:
    """Lines by integration and status, of those that are kept."""
    asked = select(_t.integration, _t.status, func.count()).group_by(_t.integration, _t.status)
    return {(name, status): count for name, status, count in conn.execute(asked)}


def listed(
    conn: Connection,
    *,
    status: State | None = None,
    integration: str | None = None,
    group: str | None = None,
    limit: int = 100,
) -> list[Line]:
    """The newest first."""
    asked = select(
        _t.id,
        _t.integration,
        _t.group_id.label("group"),
        _n.receiver,
        _n.notification,
        _n.number,
        _n.reason,
        _t.status,
        _t.attempts,
        _t.created_s,
        _t.due_s,
        _t.settled_s,
        _t.note,
    ).join(tables.notifications, _n.id == _t.notification_id)
    asked = asked.order_by(_t.id.desc()).limit(limit)
    for column, value in ((_t.status, status), (_t.integration, integration), (_t.group_id, group)):
        if value is not None:
            asked = asked.where(column == value)
    return [Line(**row) for row in conn.execute(asked).mappings()]


def notification(conn: Connection, id: int) -> Notification | None:
    """What a line says."""
    asked = select(_n.body, _t.with_resolved).join(tables.outbox, _t.notification_id == _n.id).where(_t.id == id)
    row = conn.execute(asked).first()
    if row is None:
        return None
    return unpacked(row.body) if row.with_resolved else without_ends(unpacked(row.body))


def bodies(conn: Connection, ids: Collection[int]) -> dict[int, Notification]:
    """By number of the row."""
    found = {}
    for chunk in chunks(sorted(ids)):
        for row in conn.execute(select(_n.id, _n.body).where(_n.id.in_(chunk))):
            found[row.id] = unpacked(row.body)
    return found


def store(conn: Connection, notes: Sequence[Notification]) -> list[int]:
    """Numbers of the rows, in the order given."""
    if not notes:
        return []
    rows = [
        {
            "notification": note.id,
            "group_id": note.group.id,
            "kind": note.group.kind,
            "receiver": note.group.receiver,
            "number": note.number,
            "status": note.status,
            "reason": note.reason,
            "at_s": note.at_s,
            "body": packed(note),
        }
        for note in notes
    ]
    made = insert(tables.notifications).returning(_n.id, sort_by_parameter_order=True)
    return list(conn.execute(made, rows).scalars())
