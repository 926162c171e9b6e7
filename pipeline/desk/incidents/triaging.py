"""What people do in triage: severity, roles, tasks, updates, the verdict. One function an act, whoever asks for it.

Each is one transaction's part, as in `people.py`. Each raises LookupError where there is no such incident, role, task
or template, and `Refused` where the act doesn't fit.
"""

from typing import Literal

from msgspec.structs import replace
from sqlalchemy import Connection

from incidents.lifecycle import Refused
from incidents.model import Incident, Verdict
from incidents.tasks import Task
from pipeline.desk.incidents import controls, store, tasks, triage, updates
from pipeline.desk.incidents.scene import Scene
from schemas.config.errors import suggestion
from schemas.desk import Desk

VERDICTS: dict[str, Verdict] = {"true": "true_positive", "false": "false_positive", "none": ""}
Word = Literal["true", "false", "none"]


def severity(
    conn: Connection,
    desk: Desk,
    number: int,
    value: int | None,
    by: str,
    now_s: float,
    *,
    note: str = "",
    source: str = "api",
) -> Incident:
    """Overrules it: the rules leave it alone from then on. None gives it back to them: they judge it afresh, by what is
    so now."""
    scene = scene_of(conn, desk, number, now_s)
    was = scene.incident
    if value is None:
        if not was.severity_by:
            raise Refused(f"{was.id}: its severity is the rules' already")
        scene.change(severity_by="", severity_reason="")
        text = f"SEV{was.severity} of {was.severity_by} is given back to the rules"
        if found := triage.judged(scene):
            scene.change(severity=found[1].severity, severity_reason=found[1].reason)
            text += f", now {found[1].reason}"
    else:
        if not 1 <= value <= 5:
            raise Refused(f"{was.id}: SEV{value} is none; from 1, the worst, to 5")
        if not note.strip():
            raise Refused(f"{was.id}: to overrule the severity takes a note that says why")
        scene.change(severity=value, severity_by=by, severity_reason=f"SEV{value}, says {by}: {note}")
        text = f"SEV{value}, says {by} (was SEV{was.severity})"
    text += f" ({note})" if note and value is None else f": {note}" if note else ""
    details = {"from": was.severity, "to": scene.incident.severity}
    scene.write("severity", text, by=by, source=source, details=details)
    scene.save()
    return scene.incident


def role(
    conn: Connection,
    desk: Desk,
    number: int,
    name: str,
    person: str,
    by: str,
    now_s: float,
    *,
    note: str = "",
    source: str = "api",
) -> Incident:
    """person: who has it from now on; empty gives it back. Somebody whom the config doesn't know may have one too."""
    scene = scene_of(conn, desk, number, now_s)
    known = {one.name: one for one in triage.plan_of(scene).roles}
    if name not in known:
        raise LookupError(f"no role {name}; {suggestion(name, known)}")
    why = ", ".join(text for text in (f"by {by}" if by != person else "", note) if text)
    if not triage.take_role(scene, known[name], person, why, by=by, source=source):
        raise Refused(f"{scene.incident.id}: {person or 'nobody'} has the role {name} already")
    scene.save()
    return scene.incident


def done(
    conn: Connection,
    desk: Desk,
    number: int,
    task: int,
    by: str,
    now_s: float,
    *,
    note: str = "",
    source: str = "api",
    is_done: bool = True,
) -> Task:
    """Ticks a task off; with `is_done` false it is open again. An update is done by writing it."""
    scene = scene_of(conn, desk, number, now_s)
    found = tasks.get(conn, task)
    if found is None or found.incident != number:
        raise LookupError(f"{scene.incident.id} has no task {task}")
    if found.kind == "update":
        raise Refused(f"task {task}: an update is done by writing it: `tidegauge incident update {scene.incident.id}`")
    if found.is_done == is_done:
        raise Refused(f"task {task} is {'done' if is_done else 'open'} already")
    changed = replace(
        found,
        done_s=now_s if is_done else None,
        done_by=by if is_done else "",
        note=note or found.note,
        reminded_s=found.reminded_s if is_done else None,
    )
    tasks.save(conn, changed)
    if is_done:
        updates.end_reminder(scene, changed)
    text = f"{'done' if is_done else 'open again'}: {found.text}" + (f" ({note})" if note else "")
    scene.write("task", text, by=by, source=source, details={"task": task, "kind": found.kind, "done": is_done})
    scene.save()
    store.look_again(conn, number, now_s)
    return changed


def update(
    conn: Connection,
    desk: Desk,
    number: int,
    text: str,
    by: str,
    now_s: float,
    *,
    template: str = "",
    receivers: tuple[str, ...] = (),
    source: str = "api",
) -> Task:
    """Tells stakeholders. template: empty takes `update`, or `resolved` where it is over. Raises ValueError where the
    template fails."""
    scene = scene_of(conn, desk, number, now_s)
    for name in receivers:
        if name not in desk.receivers:
            raise LookupError(f"no receiver {name}; {suggestion(name, desk.receivers)}")
    chosen = template or ("resolved" if scene.incident.is_over else "update")
    if not text.strip() and chosen == "update":
        raise Refused(f"{scene.incident.id}: an update without a text says nothing")
    made = updates.send(scene, text, template=chosen, by=by, source=source, receivers=receivers)
    scene.save()
    store.look_again(conn, number, now_s)
    return made


def verdict(
    conn: Connection, desk: Desk, number: int, word: Word, by: str, now_s: float, *, note: str = "", source: str = "api"
) -> tuple[Incident, list[str]]:
    """Whether it was real. `false` teaches the detectors of its alerts; anything else after it takes that back. Returns
    a line for each alert, too: what becomes of it, or why nothing."""
    scene = scene_of(conn, desk, number, now_s)
    was = scene.incident
    if VERDICTS[word] == was.verdict:
        raise Refused(f"{was.id}: that is its verdict already")
    scene.change(verdict=VERDICTS[word])
    said = {
        "true": "a true positive: it was real",
        "false": "a false positive: no alert was due",
        "none": "no verdict any more",
    }[word]
    lines: list[str] = []
    if word == "false":
        lines = controls.say(conn, "noise", [part.episode for part in scene.parts], by, note or was.id, now_s)
    elif was.verdict == "false_positive":
        lines = controls.take_back(conn, [part.episode for part in scene.parts], by, note or was.id, now_s)
    text = f"{said}, says {by}" + (f": {note}" if note else "")
    scene.write("verdict", text, by=by, source=source, details={"verdict": VERDICTS[word], "feedback": lines})
    scene.save()
    return scene.incident, lines


def scene_of(conn: Connection, desk: Desk, number: int, now_s: float) -> Scene:
    """Raises LookupError."""
    incident = store.get(conn, number)
    if incident is None:
        raise LookupError(f"no incident INC-{number}")
    return Scene(conn, desk, now_s, incident, store.parts(conn, number))
