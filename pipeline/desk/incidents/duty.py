"""Who is on call, and the overrides that people made. What they mean is in `incidents/oncall`."""

from dataclasses import replace

import msgspec
from sqlalchemy import Connection, delete, select

from incidents.oncall.overrides import Override
from incidents.oncall.schedule import on_call
from pipeline.desk import tables
from pipeline.desk.bulk import upsert
from schemas.desk import Desk
from schemas.response.escalation import Target
from schemas.response.oncall import OnCallPlan, Person

_FOREVER_S = 1e11
_o = tables.overrides.c
_encode = msgspec.json.Encoder().encode
_override = msgspec.json.Decoder(Override)


def people(conn: Connection, desk: Desk, target: Target, now_s: float) -> list[Person]:
    """Whom the target means at that moment: of a schedule, and of a team that has one, whoever is on call.

    Nobody where it is a receiver, in a gap, and where the config knows no such name (any more).
    """
    plan = desk.response.oncall
    return [plan.people[name] for name in _names(conn, plan, target, now_s) if name in plan.people]


def _names(conn: Connection, plan: OnCallPlan, target: Target, now_s: float) -> tuple[str, ...]:
    if target.kind == "person":
        return (target.name,)
    if target.kind == "team" and target.name in plan.teams:
        team = plan.teams[target.name]
        return _names(conn, plan, Target("schedule", team.schedule), now_s) if team.schedule else team.members
    if target.kind == "schedule" and target.name in plan.schedules:
        in_force = effective(plan, overrides(conn, now_s, now_s))
        return tuple(on_call(plan.schedules[target.name], in_force, now_s))
    return ()


def effective(plan: OnCallPlan, found: list[Override]) -> list[Override]:
    """Those by which somebody is on call whom the config knows: nobody could tell the others."""
    return [one for one in found if one.person in plan.people]


def overrides(conn: Connection, from_s: float, to_s: float) -> list[Override]:
    """Those that have a part in [from, to], as they were made."""
    asked = select(_o.body).where(_o.ends_at_s > from_s, _o.starts_at_s <= to_s)
    found = [_override.decode(body) for body in conn.execute(asked).scalars()]
    return sorted(found, key=lambda one: (one.made_s, one.id))


def put(conn: Connection, override: Override) -> None:
    row = {
        "id": override.id,
        "schedule": override.schedule,
        "starts_at_s": override.start_s,
        "ends_at_s": override.end_s,
        "body": _encode(override),
    }
    upsert(conn, tables.overrides, [row])


def withdraw(conn: Connection, id: str, now_s: float) -> list[Override]:
    """That one, and the other half where it is a swap: gone where they are to come, ended where they have begun.

    Nothing where there is no such override, or it is over.
    """
    found = [one for one in overrides(conn, now_s, _FOREVER_S) if id in (one.id, one.swap)]
    swaps = {one.swap for one in found if one.swap}
    found += [one for one in overrides(conn, now_s, _FOREVER_S) if one.swap in swaps and one not in found]
    for one in found:
        if one.start_s < now_s:
            put(conn, replace(one, end_s=now_s))
        else:
            conn.execute(delete(tables.overrides).where(_o.id == one.id))
    return found
