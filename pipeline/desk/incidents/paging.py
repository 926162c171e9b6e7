"""Escalation of an incident: which policies climb with it, whom their steps mean now, what the timeline says of it."""

from functools import partial

import msgspec
from sqlalchemy import Connection, select

from alerting.noise import maintenance
from alerting.noise.intervals import contains
from incidents.climbing import walk
from incidents.escalation import Course, Facts, Move, Reach, begin, policy_of
from incidents.model import Line, Part
from pipeline.desk import tables
from pipeline.desk.automation import holding
from pipeline.desk.bulk import upsert
from pipeline.desk.incidents import duty, pages, store
from pipeline.desk.incidents.acting import act
from pipeline.desk.incidents.scene import Scene
from schemas.alert import rfc3339
from schemas.response.escalation import Policy, Step

HELD_LOOK_S = 10.0  # while planned work or a remedy holds a page: how often it is asked whether it still does
_e = tables.escalations.c
_encode = msgspec.json.Encoder().encode
_course = msgspec.json.Decoder(Course)
_Whom = dict[str, list[str]]  # receivers -> people who are told by it


def attend(scene: Scene) -> float | None:
    """Each policy's steps that are due; then who was paged hears of what has changed."""
    looks = [_climb(scene, course) for course in _courses(scene)]
    pages.follow(scene)
    return min((at_s for at_s in looks if at_s is not None), default=None)


def escalate(scene: Scene, target_or_policy: str, reason: str) -> None:
    """Begins a policy, or pages a target (`team:devops`), besides the incident's own policy and though somebody may
    have acknowledged it. reason: what those who are paged are told. A policy that climbs already begins again.
    """
    policy = _policy(scene, target_or_policy)
    if policy is None:
        own = own_policy(scene)
        scene.write("escalation", f"can't be escalated to {target_or_policy}, which the config doesn't know: {reason}")
        policy = _policy(scene, own) if own else None
        if policy is None:
            return
    scene.write("escalation", f"escalated to {target_or_policy}: {reason}")
    is_own = policy.name == own_policy(scene)
    _save(scene.conn, scene.incident.number, begin(policy, scene.now_s, reason=reason, is_own=is_own, insists=True))
    scene.is_changed = True  # so that it is looked at, whoever asked


def unreached(conn: Connection, number: int, group: str, now_s: float) -> None:
    """A page was given up. Where all of the newest were, the next step comes at once."""
    p, o = tables.pages.c, tables.outbox.c
    newest = conn.execute(select(p.at_s, p.body).where(p.incident == number).order_by(p.at_s.desc())).all()
    at_once = [msgspec.json.decode(row.body) for row in newest if row.at_s == newest[0].at_s]
    names = {name for page in at_once for name in page["integrations"]}
    asked = select(o.integration, o.status).where(o.group_id == group, o.integration.in_(sorted(names))).order_by(o.id)
    stands = dict(conn.execute(asked).all())
    if not names or any(stands.get(name) != "failed" for name in names):
        return
    for course in courses(conn, number):
        if course.stage == "climbing" and course.next_s is not None and course.next_s > now_s and course.paged:
            _save(conn, number, msgspec.structs.replace(course, next_s=now_s))
            text = f"nobody could be reached by {', '.join(sorted(names))}: {course.policy} goes on at once"
            store.append(conn, number, [Line(what="escalation", text=text)], now_s)
    store.look_again(conn, number, now_s)


def courses(conn: Connection, number: int) -> list[Course]:
    """All that ever began with the incident, by policy."""
    asked = select(_e.body).where(_e.incident == number).order_by(_e.policy)
    return [_course.decode(body) for body in conn.execute(asked).scalars()]


def own_policy(scene: Scene) -> str:
    """The name of the policy that the incident has, or its team has; empty: neither."""
    incident = scene.incident
    written = incident.policy or (f"team:{incident.team}" if incident.team else "")
    policy = _policy(scene, written) if written else None
    return written if policy is None else policy.name


def _courses(scene: Scene) -> list[Course]:
    """Those that there are, and the incident's own, which begins with it."""
    incident = scene.incident
    found = courses(scene.conn, incident.number)
    own = own_policy(scene)
    if any(course.policy == own and course.is_own for course in found):
        return found
    if incident.is_over or incident.merged_into is not None:
        return found
    policy = _policy(scene, own) if own else None
    if policy is not None:
        others = [course for course in found if course.policy != policy.name]
        return [*others, begin(policy, scene.now_s)]
    why = f"no policy or target {own} in the config" if own else "it has no policy and no team"
    scene.write("escalation", f"nobody is paged by a policy: {why}")
    stopped = Course(policy=own, stage="stopped", why=why, begun_s=scene.now_s, state=incident.state, is_dropped=True)
    _save(scene.conn, incident.number, stopped)
    return found


def _climb(scene: Scene, course: Course) -> float | None:
    """One look at one policy. Returns when it wants the next."""
    policy = _policy(scene, course.policy)
    if course.is_own and course.policy != own_policy(scene):
        policy = None
    climbed, moves = walk(course, policy, _facts(scene, course), partial(_reach, scene))
    whom: _Whom = {}
    for move in moves:
        if move.what == "page" and policy is not None and move.step is not None:
            text = _merge(whom, _whom(scene, policy.steps[move.step]))
            scene.write("page", f"{move.text} pages {text}", details=_details(course, move))
        elif move.what == "expired":
            scene.write("escalation", move.text, details=_details(course, move))
            if scene.incident.state == "acknowledged":  # else another policy's time was shorter
                act(
                    scene, "ack_expired", f"open again: the acknowledgement by {scene.incident.acknowledged_by} expired"
                )
        else:
            scene.write("escalation", move.text, details=_details(course, move))
    if whom:
        step = max(move.step for move in moves if move.what == "page" and move.step is not None)
        why = course.reason or f"step {step + 1} of {course.policy}"
        pages.page(scene, whom, why, scene.now_s, policy=course.policy, step=step)
    if climbed != course or course not in courses(scene.conn, scene.incident.number):
        _save(scene.conn, scene.incident.number, climbed)
    if climbed.is_held and climbed.next_s is not None:
        return max(climbed.next_s, scene.now_s + HELD_LOOK_S)
    return climbed.look_s


def _facts(scene: Scene, course: Course) -> Facts:
    incident = scene.incident
    named = scene.desk.time_intervals
    return Facts(
        now_s=scene.now_s,
        version=incident.version,
        state=incident.state,
        severity=incident.severity,
        acknowledged_s=incident.acknowledged_s,
        acknowledged_by=incident.acknowledged_by,
        merged_into=incident.merged_into,
        held=_held(scene) or (holding.why(scene) if course.is_own and not course.insists else ""),
        is_in=lambda name: any(contains(one, scene.now_s) for one in named.get(name, ())),
    )


def _held(scene: Scene) -> str:
    """Planned work on all of its alerts that fire. Silences hold no page: who is silenced opens no incident."""
    why = ""
    for part in scene.firing:
        labels = _matchable(part)
        found = [
            (until_s, planned.name)
            for planned in scene.desk.maintenance
            if planned.matchers.matches(labels)
            and (until_s := maintenance.open_until_s(planned, scene.now_s)) is not None
        ]
        if not found:
            return ""
        until_s, name = max(found)
        why = f"planned work {name} until {rfc3339(until_s)[:16].replace('T', ' ')} UTC"
    return why


def _matchable(part: Part) -> dict[str, str]:
    """As `alerting.alert.Alert.matchable`."""
    return {"severity": part.level, **part.labels, "level": part.level}


def _reach(scene: Scene, step: Step) -> Reach:
    whom = _whom(scene, step)
    names = [name for people in whom.values() for name in people]
    names += [f"receiver {name}" for name, people in whom.items() if not people]
    return Reach(tuple(dict.fromkeys(names)), "" if names else _nobody(scene, step))


def _whom(scene: Scene, step: Step) -> _Whom:
    """Each receiver once, whoever leads to it, and only those that the config has a way for."""
    found: _Whom = {}
    for target in step.targets:
        if target.kind == "receiver":
            _add(scene, found, target.name, None)
        for person in duty.people(scene.conn, scene.desk, target, scene.now_s):
            for receiver in person.receivers:
                _add(scene, found, receiver, person.name)
    return found


def _add(scene: Scene, found: _Whom, receiver: str, person: str | None) -> None:
    known = scene.desk.receivers.get(receiver)
    if known is not None and known.integrations:
        people = found.setdefault(receiver, [])
        if person is not None and person not in people:
            people.append(person)


def _nobody(scene: Scene, step: Step) -> str:
    """Why a step reaches nobody, target by target."""
    reasons = []
    for target in step.targets:
        people = duty.people(scene.conn, scene.desk, target, scene.now_s)
        if target.kind == "receiver":
            reasons.append(f"receiver {target.name} has no way of telling")
        elif people:
            reasons.append(f"{', '.join(person.name for person in people)} can't be told by any receiver")
        else:
            reasons.append(f"nobody is meant by {target} now")
    return "; ".join(reasons)


def _merge(whom: _Whom, more: _Whom) -> str:
    """Adds; returns who it is, in words."""
    for receiver, people in more.items():
        known = whom.setdefault(receiver, [])
        known += [name for name in people if name not in known]
    words = [f"{', '.join(people)} by {receiver}" if people else receiver for receiver, people in more.items()]
    return "; ".join(words)


def _policy(scene: Scene, name: str) -> Policy | None:
    return policy_of(name, scene.desk.response.escalation, scene.desk.response.oncall)


def _details(course: Course, move: Move) -> dict[str, object]:
    step = {} if move.step is None else {"step": move.step + 1, "repeat": move.round}
    return {"policy": course.policy, "what": move.what, **step}


def _save(conn: Connection, number: int, course: Course) -> None:
    row = {"incident": number, "policy": course.policy, "next_s": course.look_s, "body": _encode(course)}
    upsert(conn, tables.escalations, [row])
