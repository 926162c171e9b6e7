"""Retention: what has been over for `keep_days` goes, little by little, so that nobody waits for it."""

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, select, tuple_

from incidents.model import OVER
from pipeline.desk import tables
from pipeline.desk.database import Database

ROWS_MAX = 1000  # of a table in one transaction
_TRANSACTIONS_MAX = 200  # of one call; the rest has time until the next
_DAY_S = 86_400.0


def forget(db: Database, keep_days: float, now_s: float) -> int:
    """Returns how many rows went."""
    total = 0
    for _ in range(_TRANSACTIONS_MAX):
        count = db.write(lambda conn: forget_some(conn, now_s - keep_days * _DAY_S))
        total += count
        if not count:
            break
    return total


def forget_some(conn: Connection, before_s: float) -> int:
    """At most ROWS_MAX rows of each table: what was over before `before_s`. What still fires, waits, or is a member of
    a group stays whole, however old."""
    return sum(_delete(conn, table, _over(table, before_s)) for table in _ORDER)


_ORDER = (
    tables.outbox,
    tables.notifications,
    tables.handles,
    tables.decisions,
    tables.alerts,
    tables.events,
    tables.flaps,
    tables.acks,
    tables.silences,
    tables.heard,
    tables.changes,
    tables.controls,
    tables.incidents,  # and with each all that is its own, by the database's foreign keys
)


def _over(table: Table, before_s: float) -> ColumnElement[bool]:
    a, e, g, m, o = tables.alerts.c, tables.events.c, tables.groups.c, tables.members.c, tables.outbox.c
    t = table.c
    match table.name:
        case "outbox":
            return t.settled_s < before_s
        case "notifications":
            return and_(t.at_s < before_s, ~exists().where(o.notification_id == t.id))
        case "handles":
            return and_(t.updated_s < before_s, ~exists().where(g.id == t.group_id))
        case "decisions":
            return t.at_s < before_s
        case "alerts":
            member = exists().where(m.fingerprint == t.fingerprint)
            return and_(t.status == "resolved", t.updated_s < before_s, ~member)
        case "events":
            return and_(t.seen_s < before_s, ~exists().where(a.episode == t.episode))
        case "flaps":
            return ~exists().where(a.fingerprint == t.fingerprint)
        case "acks":
            return and_(t.at_s < before_s, ~exists().where(e.episode == t.episode))
        case "silences":
            return t.ends_at_s < before_s
        case "heard":
            return t.at_s < before_s
        case "changes":
            return t.seen_s < before_s
        case "controls":  # what Kafka hasn't yet stays
            return and_(t.due_s.is_(None), t.made_s < before_s, ~exists().where(e.episode == t.episode))
        case "incidents":
            return and_(t.state.in_(OVER), t.updated_s < before_s)
        case _:
            raise ValueError(table.name)


def _delete(conn: Connection, table: Table, over: ColumnElement[bool]) -> int:
    key = list(table.primary_key)
    found = conn.execute(select(*key).where(over).limit(ROWS_MAX)).all()
    if not found:
        return 0
    conn.execute(delete(table).where(tuple_(*key).in_([tuple(row) for row in found])))
    return len(found)
