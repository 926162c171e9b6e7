"""Looks at incidents that have changed or whose time has come: one transaction each, one attendant after the other."""

from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy import Connection

from pipeline.desk.database import Database, passes
from pipeline.desk.incidents import paging, remedies, reviewing, states, store, triage, updates
from pipeline.desk.incidents.scene import Scene
from schemas.desk import Desk

logger = structlog.get_logger(__name__)
INCIDENTS_MAX = 200  # of one step
_POSTPONED_S = 60.0

Attendant = Callable[[Scene], float | None]
"""Does what it has to about one incident now; returns when it wants to look again if nothing changes until then."""

ATTENDANTS: tuple[Attendant, ...] = (
    states.attend,  # its alerts as they stand now, and what follows for its state
    triage.attend,  # severity, roles, suspects
    remedies.attend,  # automation
    paging.attend,  # escalation
    updates.attend,  # stakeholders, reminders of tasks
    reviewing.attend,  # the draft of the review
)


def step(db: Database, desk: Desk, now_s: float) -> int:
    """For every second. Returns how many were looked at."""
    due = db.read(lambda conn: store.due(conn, now_s, INCIDENTS_MAX))
    for number in due:
        try:
            db.write(partial(look, desk=desk, number=number, now_s=now_s))
        except Exception as error:
            if passes(error):
                raise
            logger.exception("an incident can't be looked at", incident=number, again_after_s=_POSTPONED_S)
            db.write(partial(store.look_again, number=number, at_s=now_s + _POSTPONED_S))
    return len(due)


def look(conn: Connection, desk: Desk, number: int, now_s: float) -> None:
    """Until nothing about it changes any more: what one attendant changed may concern one before it."""
    incident = store.get(conn, number)
    if incident is None:
        return
    for _ in range(len(ATTENDANTS)):
        scene = Scene(conn, desk, now_s, incident, store.parts(conn, number))
        wanted = [at_s for attend in ATTENDANTS if (at_s := attend(scene)) is not None]
        is_settled = not scene.is_changed
        scene.save()
        incident = scene.incident
        if is_settled:
            break
    store.look_again(conn, number, min(wanted, default=None))
