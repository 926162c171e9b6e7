"""Messages about an incident: pages, that somebody is on it, its end. In the outbox, under one key for all of them.

What each way of telling was told last is read from the outbox itself, so that nothing else can differ from it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from alerting.alert import Alert, Group, Notification, Reason, Says, Told
from alerting.notifiers import KINDS
from alerting.notifiers.wire import group_hash
from incidents.model import Incident, Part
from incidents.opening import runbook_of
from pipeline.desk import links, outbox, tables
from pipeline.desk.incidents.scene import Scene
from pipeline.desk.outbox import Entry
from pipeline.desk.payloads import unpacked
from pipeline.desk.secrets import NoSecret
from schemas.alert import fingerprint
from schemas.desk import Desk
from schemas.levels import LEVELS, LevelName

LEVEL_OF: dict[int, LevelName] = {1: "critical", 2: "critical", 3: "warning", 4: "warning", 5: "info"}
PARTS_SHOWN = 10
_o, _n = tables.outbox.c, tables.notifications.c
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Way:
    """An integration and what it was told last, or is about to be."""

    integration: str
    note: Notification
    with_resolved: bool


def life_s(incident: Incident) -> float:
    """When this life of it began."""
    return incident.opened_s if incident.reopened_s is None else incident.reopened_s


def group_id(incident: Incident) -> str:
    """The same for all who are paged and as long as the incident is kept: so a pager service that two people share has
    one incident of it."""
    return hashlib.blake2b(f"{incident.number}\0{incident.opened_s!r}\0page".encode(), digest_size=16).hexdigest()


def page(
    scene: Scene, whom: Mapping[str, Sequence[str]], why: str, now_s: float, *, policy: str, step: int | None
) -> list[str]:
    """whom: receivers -> the people who are told by it, none for a receiver that was named itself. Returns the names of
    the integrations. Whoever was told meanwhile that somebody has it is told that this isn't so any more."""
    conn, incident, desk = scene.conn, scene.incident, scene.desk
    before = {way.integration: way for way in ways(conn, incident)}
    told: list[str] = []
    for receiver, people in whom.items():
        integrations = desk.receivers[receiver].integrations
        names = {one.name: one.send_resolved for one in integrations}
        again = [name for name in names if name in before and before[name].note.says != "tell"]
        fresh = [name for name in names if name not in again]
        groups: tuple[tuple[list[str], Reason], ...] = ((again, "taken_back"), (fresh, "escalation"))
        for chosen, reason in groups:
            if chosen:
                note = _note(scene, receiver, people, why, reason, now_s)
                outbox.put_all(conn, [Entry(note, {name: names[name] for name in chosen})], now_s)
        told += names
        conn.execute(
            insert(tables.pages).values(
                incident=incident.number,
                receiver=receiver,
                person=", ".join(people),
                key=group_hash(group_of(incident, receiver, now_s, 0)),
                at_s=now_s,
                body=_encode({"policy": policy, "step": step, "people": list(people), "integrations": list(names)}),
            )
        )
    return told


def follow(scene: Scene) -> None:
    """Whoever was told hears of an acknowledgement, of its being taken back, and of the end; what wasn't sent yet and
    is no longer wanted isn't sent. Called again it does nothing."""
    incident, conn, now_s = scene.incident, scene.conn, scene.now_s
    if incident.is_over or incident.merged_into is not None:
        _withdraw(scene, now_s, f"the incident is {incident.state}")
        for way in ways(conn, incident):
            if way.note.status == "firing":
                outbox.put_all(conn, [Entry(_end(scene, way), {way.integration: way.with_resolved})], now_s)
        return
    attended_s = max(
        (at_s for at_s in (incident.acknowledged_s, incident.mitigated_s) if at_s is not None), default=None
    )
    if incident.state == "open" or attended_s is None:
        for way in ways(conn, incident):
            if way.note.says == "acknowledge":
                _say(scene, way, "unacknowledge", incident.acknowledged_by)
        return
    by = incident.acknowledged_by or "the end of its alerts"
    _withdraw(scene, attended_s, f"acknowledged by {by}" if incident.acknowledged_by else "mitigated")
    for way in ways(conn, incident):
        if way.note.status == "firing" and way.note.says != "acknowledge" and way.note.at_s <= attended_s:
            _say(scene, way, "acknowledge", by)


def ways(conn: Connection, incident: Incident) -> list[Way]:
    """By integration, in this life of the incident; fallbacks too, where one stood in."""
    asked = (
        select(_o.integration, _o.with_resolved, _n.body)
        .join(tables.notifications, _n.id == _o.notification_id)
        .where(_o.group_id == group_id(incident), _o.life_s == life_s(incident), _o.status.in_(("sent", "due")))
        .order_by(_o.id)
    )
    found: dict[str, Way] = {}
    for row in conn.execute(asked):
        found[row.integration] = Way(row.integration, unpacked(row.body), row.with_resolved)
    return list(found.values())


def incident_of(conn: Connection, key: str) -> int | None:
    """The incident that a pager service knows by this key, whatever its state; None: there is none."""
    p = tables.pages.c
    found: int | None = conn.execute(select(p.incident).where(p.key == key).limit(1)).scalar()
    return found


def shown(incident: Incident, parts: Sequence[Part], desk: Desk, why: str, now_s: float) -> Alert:
    """The incident as the one alert that every kind of receiver knows how to tell."""
    runbook = runbook_of(desk.response.incidents.rules, incident)
    labels = {
        **incident.labels,
        "alertname": "Incident",
        "incident": incident.id,
        "severity": f"sev{incident.severity}",
        **({"service": incident.service} if incident.service else {}),
        **({"team": incident.team} if incident.team else {}),
    }
    annotations = {
        "summary": f"{incident.id} SEV{incident.severity}: {incident.title}",
        "description": "\n".join(_described(incident, parts)),
        **({"runbook_url": runbook} if runbook else {}),
    }
    ended_s = (incident.resolved_s or now_s) if incident.is_over or incident.merged_into is not None else None
    return Alert(
        fingerprint=fingerprint({"alertname": "Incident", "incident": incident.id}),
        episode=group_id(incident),
        seq=incident.version,
        status="firing" if ended_s is None else "resolved",
        level=LEVEL_OF[incident.severity],
        labels=labels,
        annotations=annotations,
        starts_at_s=life_s(incident),
        ends_at_s=ended_s,
        first_seen_s=incident.opened_s,
        updated_s=now_s,
        origin="self",
        rule="Incident",
        why=why,
    )


def _described(incident: Incident, parts: Sequence[Part]) -> Iterable[str]:
    if incident.merged_into is not None:
        yield f"merged into INC-{incident.merged_into}"
    if incident.summary:
        yield incident.summary
    firing = sorted((part for part in parts if part.is_firing), key=lambda part: -LEVELS.index(part.level))
    for part in firing[:PARTS_SHOWN]:
        yield f"{part.level}: {part.annotations.get('summary') or part.name}"
    if len(firing) > PARTS_SHOWN:
        yield f"and {len(firing) - PARTS_SHOWN} more alerts"


def _note(scene: Scene, receiver: str, people: Sequence[str], why: str, reason: Reason, now_s: float) -> Notification:
    alert = shown(scene.incident, scene.parts, scene.desk, why, now_s)
    by = people[0] if len(people) == 1 else f"{receiver} (shared)"
    try:
        key = links.key_of(scene.conn, scene.desk)
    except NoSecret as missing:
        scene.write("page", f"pages have no link to acknowledge: {missing.reason}")
    else:
        until_s = now_s + scene.desk.response.escalation.links_last_s
        link = links.Link(scene.incident.number, "acknowledge", by, life_s(scene.incident), until_s)
        url = links.address(scene.desk, link, key)
        alert = msgspec.structs.replace(alert, annotations={**alert.annotations, "acknowledge_url": url})
    return _made(scene, receiver, [Told(alert, "new")], reason, now_s)


def _end(scene: Scene, way: Way) -> Notification:
    alert = shown(scene.incident, scene.parts, scene.desk, "", scene.now_s)
    return _made(scene, way.note.group.receiver, [Told(alert, "resolved")], "all_resolved", scene.now_s)


def _say(scene: Scene, way: Way, says: Says, by: str) -> None:
    """Nothing, where the kind has no way to say it: PagerDuty takes no acknowledgement back, a mail is only read."""
    receiver = scene.desk.receivers.get(way.integration.rpartition("/")[0])
    ways_of = receiver.integrations if receiver is not None else ()
    one = next((one for one in ways_of if one.name == way.integration), None)
    if one is None or not KINDS[one.kind](one.settings).can_say(says):
        return
    alerts = [Told(shown(scene.incident, scene.parts, scene.desk, "", scene.now_s), "same")]
    note = _made(scene, way.note.group.receiver, alerts, way.note.reason, scene.now_s)
    note = msgspec.structs.replace(note, says=says, by=by or "nobody", comment=scene.incident.id)
    outbox.put_all(scene.conn, [Entry(note, {way.integration: way.with_resolved})], scene.now_s)


def _made(scene: Scene, receiver: str, alerts: list[Told], reason: Reason, now_s: float) -> Notification:
    incident = scene.incident
    id_ = group_id(incident)
    number = int(scene.conn.execute(select(func.count()).where(_n.group_id == id_)).scalar_one()) + 1
    return Notification(
        id=hashlib.blake2b(f"{id_}\0{number}".encode(), digest_size=16).hexdigest(),
        number=number,
        group=group_of(incident, receiver, now_s, number),
        reason=reason,
        alerts=alerts,
        at_s=now_s,
        repeat_interval_s=0.0,
    )


def group_of(incident: Incident, receiver: str, now_s: float, number: int) -> Group:
    return Group(
        id=group_id(incident),
        kind="incident",
        key=f"incident/{incident.id}/page",
        receiver=receiver,
        route="",
        labels={"incident": incident.id},
        first_seen_s=life_s(incident),
        next_flush_s=now_s,
        last_told_s=now_s,
        told_count=number,
    )


def _withdraw(scene: Scene, until_s: float, why: str) -> None:
    """Pages made until then that nobody has tried to send; and those that were given up, which might be sent after all
    when their receiver works again."""
    conn, incident = scene.conn, scene.incident
    asked = (
        select(_o.id, _o.integration, _o.status, _o.owner, _o.attempts, _n.body)
        .join(tables.notifications, _n.id == _o.notification_id)
        .where(_o.group_id == group_id(incident), _o.status.in_(("due", "failed")))
        .order_by(_o.id)
    )
    for row in conn.execute(asked).all():
        note = unpacked(row.body)
        is_page = note.says == "tell" and note.firing and note.at_s <= until_s
        if not is_page or row.owner is not None:
            continue
        if row.status == "failed" or row.attempts == 0:
            done = {"status": "skipped", "settled_s": scene.now_s, "note": why}
            conn.execute(update(tables.outbox).where(_o.id == row.id).values(done))
            scene.write("page", f"the page to {row.integration} isn't sent any more: {why}")
