"""Acts in the database. Every change says which version it is made from, so that of two only one holds."""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, and_, func, or_, select, update

from incidents.remedies.lifecycle import TOUCHING, State
from incidents.remedies.model import Act
from pipeline.desk import tables
from pipeline.desk.bulk import chunks, upsert

_t = tables.acts.c
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Act).decode


def add(conn: Connection, act: Act, next_s: float | None) -> None:
    """A new one; one that is there already stays as it is, so that nothing is intended twice."""
    if conn.execute(select(_t.id).where(_t.id == act.id)).first() is None:
        upsert(conn, tables.acts, [_row(act, next_s)])


def save(conn: Connection, act: Act, next_s: float | None) -> Act | None:
    """The act one version on; without an owner. None where somebody has changed it since it was read."""
    known = get(conn, act.id)
    if known is None or known.version != act.version:
        return None
    saved = msgspec.structs.replace(act, version=act.version + 1)
    conn.execute(update(tables.acts).where(_t.id == act.id).values(_row(saved, next_s)))
    return saved


def lease(conn: Connection, act_id: str, owner: str, until_s: float) -> None:
    conn.execute(update(tables.acts).where(_t.id == act_id).values(owner=owner, lease_until_s=until_s))


def renew(conn: Connection, ids: Collection[str], owner: str, until_s: float) -> None:
    mine = and_(_t.id.in_(list(ids)), _t.owner == owner)
    conn.execute(update(tables.acts).where(mine).values(lease_until_s=until_s))


def is_owned(conn: Connection, act_id: str, owner: str) -> bool:
    return conn.execute(select(_t.owner).where(_t.id == act_id)).scalar() == owner


def get(conn: Connection, act_id: str) -> Act | None:
    body = conn.execute(select(_t.body).where(_t.id == act_id)).scalar()
    return None if body is None else _decode(body)


def beginning_with(conn: Connection, prefix: str, limit: int = 2) -> list[Act]:
    """prefix: of the id, hex."""
    asked = select(_t.body).where(_t.id.like(f"{prefix}%")).order_by(_t.id).limit(limit)
    return [_decode(body) for body in conn.execute(asked).scalars()]


def of_incident(conn: Connection, incident: int) -> list[Act]:
    """In the order in which they were made."""
    asked = select(_t.body).where(_t.incident == incident)
    found = [_decode(body) for body in conn.execute(asked).scalars()]
    return sorted(found, key=lambda act: (act.made_s, act.attempt, act.id))


def known(conn: Connection, incidents: Collection[int]) -> set[tuple[int, str, str]]:
    """(incident, remedy, target) of which there is one."""
    found: set[tuple[int, str, str]] = set()
    for chunk in chunks(sorted(incidents)):
        asked = select(_t.incident, _t.remedy, _t.target).where(_t.incident.in_(chunk))
        found |= {(row[0], row[1], row[2]) for row in conn.execute(asked)}
    return found


def in_states(conn: Connection, states: Collection[State], limit: int = 1000) -> list[Act]:
    """Oldest intent first."""
    asked = select(_t.body).where(_t.state.in_(list(states))).order_by(_t.intended_s, _t.id).limit(limit)
    return [_decode(body) for body in conn.execute(asked).scalars()]


def listed(conn: Connection, *, remedy: str | None = None, state: State | None = None, limit: int = 100) -> list[Act]:
    """Newest first."""
    asked = select(_t.body).order_by(_t.intended_s.desc(), _t.id).limit(limit)
    if remedy is not None:
        asked = asked.where(_t.remedy == remedy)
    if state is not None:
        asked = asked.where(_t.state == state)
    return [_decode(body) for body in conn.execute(asked).scalars()]


def since(conn: Connection, at_s: float) -> list[Act]:
    """All that touched something later than that, or have their target for themselves now."""
    asked = select(_t.body).where(or_(_t.intended_s > at_s, _t.state.in_(list(TOUCHING)))).order_by(_t.intended_s)
    return [_decode(body) for body in conn.execute(asked).scalars()]


def claimable(conn: Connection, now_s: float, limit: int) -> list[Act]:
    """What is to be begun, taken back, or asked about, and is nobody's now."""
    waits = _t.state.in_(["intended", "reverting", "unknown"])
    free = or_(_t.owner.is_(None), _t.lease_until_s <= now_s)
    due = or_(_t.next_s.is_(None), _t.next_s <= now_s, _t.state != "unknown")
    asked = select(_t.body).where(waits, free, due).order_by(_t.intended_s, _t.id).limit(limit)
    return [_decode(body) for body in conn.execute(asked).scalars()]


def left_behind(conn: Connection, owner: str, under_way: Collection[str], now_s: float) -> list[Act]:
    """What somebody began and nobody is doing any more: its lease is over, or it is ours and we don't know of it."""
    ours = and_(_t.owner == owner, _t.id.not_in(list(under_way)))
    over = and_(_t.owner != owner, _t.lease_until_s <= now_s)
    asked = select(_t.body).where(_t.state.in_(["running", "undoing"]), or_(ours, over, _t.owner.is_(None)))
    return [_decode(body) for body in conn.execute(asked.order_by(_t.id)).scalars()]


def counted(conn: Connection) -> dict[tuple[str, str], int]:
    """(remedy, state) -> how many there are."""
    asked = select(_t.remedy, _t.state, func.count()).group_by(_t.remedy, _t.state)
    return {(row[0], row[1]): row[2] for row in conn.execute(asked)}


def _row(act: Act, next_s: float | None) -> dict[str, object]:
    return {
        "id": act.id,
        "incident": act.incident,
        "remedy": act.remedy,
        "target": act.target,
        "state": act.state,
        "intended_s": next(at_s for at_s in (act.began_s, act.intended_s, act.made_s) if at_s is not None),
        "next_s": next_s,
        "owner": None,
        "lease_until_s": None,
        "body": _encode(act),
    }


def attempts(conn: Connection, incident: int, remedy: str, target: str) -> Sequence[Act]:
    """Of one remedy on one target in one incident, first to last."""
    same = [act for act in of_incident(conn, incident) if (act.remedy, act.target) == (remedy, target)]
    return sorted(same, key=lambda act: act.attempt)
