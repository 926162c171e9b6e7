"""Which acts this desk is to do next, and what becomes of those that a dead one left behind. Inside a transaction."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection

from incidents.remedies.course import INTENT_LASTS_S
from incidents.remedies.lifecycle import after
from incidents.remedies.load import Load
from incidents.remedies.model import Act
from pipeline.desk.automation import acts, switch
from pipeline.desk.automation.settling import settle
from pipeline.desk.incidents import store
from schemas.response.automation import AutomationPlan

LEASE_S = 60.0
SEVERE = 2  # an incident of this severity or worse is critical whatever its alerts' levels
_VERIFY_WITHIN_S = 600.0  # where the config has the remedy no more


def claim(
    conn: Connection, plan: AutomationPlan, owner: str, under_way: Collection[str], now_s: float, limit: int
) -> list[Act]:
    """Written down as begun before anything is done: who dies after this leaves an act that is never begun again."""
    for act in acts.left_behind(conn, owner, under_way, now_s):
        _leave(conn, plan, act, now_s)
    is_paused = switch.paused(conn) is not None
    found = []
    for act in acts.claimable(conn, now_s, limit):
        if act.id in under_way:
            continue
        if act.state == "unknown":
            found.append(act)
        elif is_paused or (act.state == "intended" and now_s >= (act.intended_s or 0.0) + INTENT_LASTS_S):
            continue  # whoever looks at its incident puts it back
        else:
            began_s = now_s if act.state == "intended" else act.began_s
            begun = msgspec.structs.replace(act, state=after(act.state, "take"), began_s=began_s)
            saved = acts.save(conn, begun, None)
            if saved is not None:
                found.append(saved)
    for act in found:
        acts.lease(conn, act.id, owner, now_s + LEASE_S)
    return found


def _leave(conn: Connection, plan: AutomationPlan, act: Act, now_s: float) -> None:
    reason = "whoever did it is gone"
    within_s = {rule.name: rule.verify_within_s for rule in plan.remedies}.get(act.remedy, _VERIFY_WITHIN_S)
    if act.state == "undoing":
        undone = f"{reason}: nobody knows whether it was taken back"
        settle(conn, act, "lose", now_s, reason=undone, undone=undone)
    elif act.mode == "dry_run":
        settle(conn, act, "tell", now_s, reason=f"{reason}: nobody knows what it would do")
    elif act.plan is None:
        settle(conn, act, "put_back", now_s, reason=f"{reason} before anything was done", began_s=None, intended_s=None)
    else:
        settle(conn, act, "lose", now_s, reason=reason, verify_by_s=now_s + within_s)


def see(conn: Connection, act: Act, load: Load, now_s: float) -> None:
    """Writes down where its metric stands, unless it has gone on meanwhile."""
    seen = msgspec.structs.replace(act, seen_value=load.value, seen_s=load.at_s)
    if acts.save(conn, seen, None) is not None:
        store.look_again(conn, act.incident, now_s)


def may_lower(conn: Connection, service: str) -> bool:
    """Whether no critical incident is open on the service."""
    if not service:
        return True
    return not any(
        incident.severity <= SEVERE
        or any(part.is_firing and part.level == "critical" for part in store.parts(conn, incident.number))
        for incident in store.listed(conn, store.NOT_OVER)
        if incident.service == service
    )
