"""Does what a webhook asks for, once, in one transaction with the note that it was heard."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, insert, select

from alerting.alert import Group
from alerting.notifiers import KINDS
from alerting.notifiers.wire import group_hash
from incidents.lifecycle import Refused
from incidents.model import Incident, Line
from pipeline.desk import acks, groups, tables
from pipeline.desk.bulk import upsert
from pipeline.desk.hooks.wishes import Source, Wish
from pipeline.desk.incidents import pages, people, store, triage
from pipeline.desk.incidents.scene import scene_of
from schemas.desk import Desk

log = structlog.get_logger(__name__)
SKEW_S = 30.0  # between their clock and ours
_NAMES: dict[Source, str] = {"pagerduty": "PagerDuty", "slack": "Slack", "opsgenie": "Opsgenie"}
_Do = Callable[..., Incident]
_ACTS: dict[str, _Do] = {
    "acknowledge": people.acknowledge,
    "unacknowledge": people.unacknowledge,
    "resolve": people.resolve,
}


@dataclass(frozen=True)
class Outcome:
    """text: for whoever asked. number: the incident that it is about, None: none. is_done: something was changed."""

    text: str
    number: int | None = None
    is_done: bool = False


class Stranger(Exception):
    """Nobody whom the config knows."""


def grant(conn: Connection, desk: Desk, wish: Wish, now_s: float) -> Outcome:
    """Asked the same again it does nothing."""
    if not _is_new(conn, wish, now_s):
        return Outcome("was heard already")
    number = _number(conn, wish, now_s)
    if wish.act == "nothing":
        return Outcome(wish.why, number)
    if number is None:
        return _of_group(conn, desk, wish, now_s)
    incident = store.get(conn, number)
    if incident is None:
        return Outcome("the incident isn't known any more")
    if wish.at_s is not None and wish.at_s < pages.life_s(incident) - SKEW_S:
        return Outcome(f"it was done before {incident.id} was opened again", number)
    try:
        return _of_incident(conn, desk, wish, incident, now_s)
    except Stranger as unknown:
        line = Line(what="message", text=f"refused: {wish.by} wanted to {wish.act}: {unknown}", source=wish.source)
        store.append(conn, number, [line], now_s)
        return Outcome(str(unknown), number)
    except Refused as no:
        return Outcome(str(no), number)


def _of_incident(conn: Connection, desk: Desk, wish: Wish, incident: Incident, now_s: float) -> Outcome:
    by, number = who(desk, wish), incident.number
    if wish.act == "note":
        line = Line(what="message", text=wish.comment, by=by, source=wish.source)
        store.append(conn, number, [line], now_s)
        return Outcome("noted", number, is_done=True)
    if wish.act == "comment":
        if not wish.comment:
            return Outcome("the note is empty", number)
        people.comment(conn, desk, number, by, now_s, source=wish.source, comment=wish.comment)
        return Outcome("noted", number, is_done=True)
    if wish.act == "role":
        return _role(conn, desk, wish, number, by, now_s)
    made = _ACTS[wish.act](conn, desk, number, by, now_s, source=wish.source)
    return Outcome(f"{made.id} is {made.state}", number, is_done=True)


def _role(conn: Connection, desk: Desk, wish: Wish, number: int, by: str, now_s: float) -> Outcome:
    """The first role of the config, which leads."""
    scene = scene_of(conn, desk, number, now_s)
    roles = triage.plan_of(scene).roles
    if scene.incident.is_over:
        raise Refused(f"{scene.incident.id} is {scene.incident.state}; nobody needs to lead it")
    if not roles:
        return Outcome("the config has no roles", number)
    lead = roles[0]
    is_new = triage.take_role(scene, lead, by, f"{by} took it", by=by, source=wish.source)
    scene.save()
    return Outcome(f"{by} is {lead.name} of {scene.incident.id}", number, is_done=is_new)


def who(desk: Desk, wish: Wish) -> str:
    """The person whom the config knows by that handle; else the name that they have there.

    Raises Stranger where Slack's users must be known.
    """
    wanted = wish.handle.lower()
    for person in desk.response.oncall.people.values():
        handles = (person.handles.get(wish.source), person.handles.get("email"))
        if wanted and wanted in [handle.lower() for handle in handles if handle]:
            return person.name
    if wish.source == "slack" and desk.response.escalation.hooks.slack_strangers == "refuse":
        raise Stranger(
            f"nobody in oncall.people has the Slack ID {wish.handle[:40]}; add it to handles.slack of a person"
        )
    name = wish.by or wish.handle or "somebody"
    return f"{name[:100]} ({_NAMES[wish.source]})"


def _number(conn: Connection, wish: Wish, now_s: float) -> int | None:
    """The incident that was paged under this key. What PagerDuty says of a note has its own name for it alone, which
    was said with the key before."""
    if wish.source == "slack":
        digits, _, group = wish.key.partition("/")
        number = digits.removeprefix("INC-")
        incident = store.get(conn, int(number)) if number.isdecimal() and len(number) < 10 else None
        return incident.number if incident is not None and pages.group_id(incident) == group else None
    found = pages.incident_of(conn, wish.key) if wish.key else None
    name = f"{wish.source} {wish.ref}"[:200]
    if found is not None and wish.ref:
        remembered = {"group_id": wish.key[:32], "integration": name, "life_s": 0.0, "updated_s": now_s}
        upsert(conn, tables.handles, [{**remembered, "body": b"%d" % found}])
    elif found is None and wish.ref:
        h = tables.handles.c
        known = conn.execute(select(h.body).where(h.integration == name)).scalar()
        found = int(known) if known is not None else None
    return found


def _of_group(conn: Connection, desk: Desk, wish: Wish, now_s: float) -> Outcome:
    """An alert group that the service was told of under this key, by a route: its alerts are somebody's now."""
    group = _group(conn, desk, wish.key) if wish.key else None
    if group is None:
        return Outcome("it isn't about anything that is open here")
    told = [
        alert
        for member, alert in groups.members_of(conn, [group.id])[group.id]
        if member.told_status == "firing" and alert.is_firing
    ]
    by = who(desk, wish)
    if wish.act == "acknowledge":
        for alert in told:
            people.acknowledge_alert(conn, desk, alert.episode, by, now_s, source=wish.source)
        return Outcome(f"{len(told)} alerts are acknowledged", is_done=bool(told))
    if wish.act == "unacknowledge":
        gone = [acks.withdraw(conn, "acknowledged", alert.episode, by, now_s) for alert in told]
        return Outcome(f"{sum(gone)} alerts are nobody's again", is_done=any(gone))
    return Outcome("an alert ends here when its values say so")


def _group(conn: Connection, desk: Desk, key: str) -> Group | None:
    pagers = {
        receiver.name
        for receiver in desk.receivers.values()
        if any(KINDS[one.kind].keeps_incident for one in receiver.integrations)
    }
    open_ = (group for group, _ in groups.listed(conn) if group.receiver in pagers)
    return next((group for group in open_ if group_hash(group) == key), None)


def _is_new(conn: Connection, wish: Wish, now_s: float) -> bool:
    h = tables.heard.c
    id_ = hashlib.sha256(f"{wish.source}\0{wish.id}".encode("utf-8", "replace")).hexdigest()
    if conn.execute(select(h.id).where(h.id == id_)).first() is not None:
        return False
    conn.execute(insert(tables.heard).values(id=id_, at_s=now_s))
    return True
