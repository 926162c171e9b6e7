"""Severity, roles and suspects of an incident: what the rules say now, into the incident and its timeline."""

from typing import Any

from msgspec.structs import replace

from incidents import impact, roles, severity
from incidents.impact import Facts
from incidents.severity import Judgement
from incidents.tasks import Task
from pipeline.desk.incidents import changes, duty, messages, store, tasks
from pipeline.desk.incidents.messages import Message
from pipeline.desk.incidents.scene import Scene
from schemas.response.triage import Role, TriagePlan

LOOK_EVERY_S = 60.0  # while time alone makes it worse, or nobody is on call for a role


def attend(scene: Scene) -> float | None:
    """At least until each minute where time matters."""
    grows = _severity(scene)
    waits = _roles(scene)
    _changes(scene)
    return scene.now_s + LOOK_EVERY_S if grows or waits else None


def judged(scene: Scene) -> tuple[Facts, Judgement] | None:
    """What the rules see and say now; None where the incident has no alerts to judge by."""
    if not scene.parts:
        return None
    plan = plan_of(scene)
    facts = impact.facts(scene.parts, plan.impact, scene.desk.service_label, scene.now_s)
    fixed = next((rule for rule in scene.desk.response.incidents.rules if rule.name == scene.incident.rule), None)
    if fixed is not None and fixed.severity is not None:
        return facts, Judgement(fixed.severity, f"SEV{fixed.severity}: rule {fixed.name} says so")
    return facts, severity.judged(facts, scene.parts, plan.table)


def plan_of(scene: Scene) -> TriagePlan:
    return scene.desk.response.incidents.triage


def take_role(scene: Scene, role: Role, person: str, why: str, *, by: str = "tidegauge", source: str = "desk") -> bool:
    """Given, handed over or (person: empty) given back; whoever gets it is told. Whether that changed anything."""
    moved = roles.move(scene.incident, role.name, person, why)
    if moved.what == "same":
        return False
    before = scene.incident.roles.get(role.name, "")
    scene.change(roles=moved.roles)
    scene.write("role", moved.text, by=by, source=source, details={"role": role.name, "from": before, "to": person})
    own = [task for task in tasks.listed(scene.conn, scene.incident.number) if task.role == role.name]
    for task in own:
        if not task.is_done and task.owner != person:
            tasks.save(scene.conn, replace(task, owner=person))
    if not any(task.kind == "check" for task in own) and person:
        tasks.add(scene.conn, _checklist(scene, role, person))
    if person:
        _tell(scene, role, person)
    return True


def _severity(scene: Scene) -> bool:
    """Whether it may get worse by time alone."""
    found = judged(scene)
    if found is None:
        return False
    facts, now = found
    incident = scene.incident
    step = severity.step(incident, now)
    if step is not None:
        scene.change(severity=step.severity, severity_reason=step.reason)
        details = {"from": incident.severity if incident.severity_reason else None, "to": step.severity}
        scene.write("severity", f"{step.reason} ({facts.words()})", details=details)
    grows = bool(facts.share) and bool(scene.firing)
    return grows and scene.incident.severity > 1 and not scene.incident.severity_by and not scene.incident.is_over


def _roles(scene: Scene) -> bool:
    """Whether a role waits for somebody to be on call."""
    waits = False
    for role in roles.wanted(scene.incident, plan_of(scene).roles):
        if role.assign is None:
            continue
        found = duty.people(scene.conn, scene.desk, role.assign, scene.now_s)
        if found:
            take_role(scene, role, found[0].name, f"{role.assign}")
            continue
        waits = True
        said = store.entries(scene.conn, scene.incident.number, what="role")
        if not any(entry.details == {"role": role.name, "nobody": str(role.assign)} for entry in said):
            text = f"{role.name}: nobody is on call in {role.assign}; `incident role` gives it to somebody"
            scene.write("role", text, details={"role": role.name, "nobody": str(role.assign)})
    return waits


def _changes(scene: Scene) -> None:
    found = changes.concerned(scene)
    if not found:
        return
    known = changes.written(scene.conn, scene.incident.number)
    suspected = {one.change.id: (rank, one) for rank, one in enumerate(changes.suspects(scene), 1)}
    for change in found:
        if change.id in known:
            continue
        details: dict[str, Any] = {"id": change.id, "service": change.service, "version": change.version}
        rank, suspect = suspected.get(change.id, (0, None))
        why = ""
        if suspect is not None:
            why = f" (suspect {rank}: {suspect.reason})"
            details |= {"suspect": rank, "score": suspect.score}
        links = [link.href for link in change.links]
        scene.write(
            "change",
            change.words() + why,
            by=change.by or "somebody",
            source="changes",
            at_s=change.at_s,
            details=details | ({"links": links} if links else {}),
        )


def _checklist(scene: Scene, role: Role, person: str) -> list[Task]:
    return [
        Task(
            incident=scene.incident.number,
            kind="check",
            text=text,
            owner=person,
            role=role.name,
            link=role.runbook_url,
            created_s=scene.now_s,
        )
        for text in role.checklist
    ]


def _tell(scene: Scene, role: Role, person: str) -> None:
    known = scene.desk.response.oncall.people.get(person)
    incident = scene.incident
    if known is None:
        return
    text = f"You have the role {role.name}: {role.description}".rstrip(": ")
    told = messages.send(
        scene.conn,
        scene.desk,
        incident,
        known.receivers,
        Message(f"role/{role.name}/{person}", f"{incident.id}: {role.name} is yours: {incident.title}", text, "info"),
        scene.now_s,
        with_pagers=False,
    )
    text = f"is told by {', '.join(told)}" if told else "can't be told but by pagers, and those are for pages"
    scene.write("message", f"{person} {text}: the role {role.name}")
