"""Updates to stakeholders, and reminders of tasks that fall due."""

from collections.abc import Sequence

from msgspec.structs import replace

from alerting.words.jinja_sandbox import BUDGET, STEPS_MAX, Sandbox
from incidents import impact, roles, updates
from incidents import tasks as due
from incidents.tasks import Task
from pipeline.desk import intake
from pipeline.desk.external import External
from pipeline.desk.incidents import messages, tasks
from pipeline.desk.incidents.messages import Message
from pipeline.desk.incidents.scene import Scene
from schemas.alert import rfc3339, rfc3339_seconds
from schemas.duration import format_duration
from schemas.response.triage import TEMPLATE_NAMES, UpdateRow

REMINDER = "TidegaugeIncidentTask"
AUDIENCE = "update"  # the conversation with stakeholders
_TITLE_CHARS_MAX = 200
_TEXT_CHARS_MAX = 10_000


def attend(scene: Scene) -> float | None:
    """When the next update or reminder is due."""
    known = tasks.listed(scene.conn, scene.incident.number)
    plan = scene.desk.response.incidents.triage.updates
    row = updates.row_for(scene.incident.severity, plan.schedule)
    step = updates.step(scene.incident, row, known, scene.now_s)
    waiting = next((task for task in known if task.kind == "update" and not task.is_done), None)
    match step.what:
        case "plan" if row is not None:
            _plan(scene, row, waiting, step.due_s)
        case "remind" if waiting is not None:
            _remind(scene, waiting, step.text, step.again_s)
        case "last":
            send(scene, "", template="resolved", by="tidegauge", source="desk")
        case "drop" if waiting is not None:
            tasks.save(scene.conn, replace(waiting, done_s=scene.now_s, done_by="tidegauge", note=step.text))
            end_reminder(scene, waiting)
    for reminder in due.reminders(known, scene.now_s):
        _remind(scene, reminder.task, reminder.text, scene.now_s + due.REMIND_AGAIN_S)
    again_s = due.next_s(tasks.listed(scene.conn, scene.incident.number))
    return min((at_s for at_s in (step.again_s, again_s) if at_s is not None), default=None)


def send(scene: Scene, text: str, *, template: str, by: str, source: str, receivers: Sequence[str] = ()) -> Task:
    """Tells stakeholders, and starts the clock anew. receivers: besides those of the config.

    Raises LookupError where nobody would hear it, or there is no such template; ValueError where it fails.
    """
    plan = scene.desk.response.incidents.triage.updates
    known = tasks.listed(scene.conn, scene.incident.number, kind="update")
    row = updates.row_for(scene.incident.severity, plan.schedule)
    is_last = scene.incident.is_over
    whom = dict.fromkeys((*(row.receivers if row else ()), *receivers, *updates.told(known)))
    words = rendered(scene, text, template, by, None if is_last or row is None else scene.now_s + row.every_s)
    title = words.strip().splitlines()[0][:_TITLE_CHARS_MAX] if words.strip() else scene.incident.title
    message = Message(AUDIENCE, title, words, messages.LEVELS[scene.incident.severity], is_end=is_last)
    told = messages.send(scene.conn, scene.desk, scene.incident, tuple(whom), message, scene.now_s)
    if not told and not is_last:
        raise LookupError(
            f"nobody would hear it: SEV{scene.incident.severity} has no audience under incidents.updates.schedule "
            "that can be told; name receivers"
        )
    waiting = next((task for task in known if not task.is_done), None)
    done = Task(
        id=waiting.id if waiting else 0,
        incident=scene.incident.number,
        kind="update",
        text=text or title,
        owner=waiting.owner if waiting else by,
        role="communication",
        created_s=waiting.created_s if waiting else scene.now_s,
        due_s=waiting.due_s if waiting else None,
        done_s=scene.now_s,
        done_by=by,
        told=tuple(told) or tuple(whom),
        is_last=is_last,
    )
    if waiting is None:
        (done,) = tasks.add(scene.conn, [done])
    else:
        tasks.save(scene.conn, done)
        end_reminder(scene, waiting)
    details = {"receivers": list(told), "template": template, "last": is_last}
    scene.write("update", words[:_TEXT_CHARS_MAX], by=by, source=source, details=details)
    return done


def rendered(scene: Scene, text: str, template: str, by: str, next_s: float | None) -> str:
    """Raises LookupError where there is no such template, ValueError where it fails."""
    plan, incident = scene.desk.response.incidents.triage, scene.incident
    if template not in plan.updates.templates:
        raise LookupError(f"no template {template}; known here: {', '.join(sorted(plan.updates.templates))}")
    seen = impact.facts(scene.parts, plan.impact, scene.desk.service_label, scene.now_s) if scene.parts else None
    ended_s = scene.now_s if incident.resolved_s is None else incident.resolved_s
    values: tuple[object, ...] = (
        incident.id,
        incident.title,
        f"SEV{incident.severity}",
        incident.state,
        incident.service,
        incident.summary,
        text,
        by,
        rfc3339_seconds(incident.opened_s),
        format_duration(max(0.0, ended_s - incident.opened_s)),
        "" if next_s is None else f"{rfc3339(next_s)[11:16]} UTC",
        incident.labels,
        0 if seen is None else seen.customers,
        "" if seen is None or seen.share is None else impact.percent(seen.share),
    )
    names = dict(zip(TEMPLATE_NAMES, values, strict=True))
    sandbox = Sandbox("text", False, scene.desk.templates.get)
    try:
        made = sandbox.from_string(plan.updates.templates[template]).render({**names, BUDGET: [STEPS_MAX]})
    except Exception as error:  # whatever a text of the config can do wrong
        raise ValueError(f"template {template}: {error or type(error).__name__}") from None
    return made[:_TEXT_CHARS_MAX]


def _plan(scene: Scene, row: UpdateRow, waiting: Task | None, due_s: float | None) -> None:
    """Not written down: the task itself says it."""
    owner = roles.holder(scene.incident.roles, "communication", "commander")
    if waiting is not None:
        tasks.save(scene.conn, replace(waiting, due_s=due_s, owner=owner or waiting.owner))
        return
    task = Task(
        incident=scene.incident.number,
        kind="update",
        text=f"tell {', '.join(row.receivers)} how it stands",
        owner=owner,
        role="communication",
        created_s=scene.now_s,
        due_s=due_s,
    )
    tasks.add(scene.conn, [task])


def _remind(scene: Scene, task: Task, text: str, until_s: float | None) -> None:
    """Its owner; where nobody can be told, whoever gets the desk's own alerts. until_s: of such an alert."""
    conn, incident = scene.conn, scene.incident
    owner = task.owner
    if task.kind == "update":
        owner = roles.holder(incident.roles, "communication", "commander") or owner
    person = scene.desk.response.oncall.people.get(owner)
    message = Message(f"task/{task.id}", f"{incident.id}: {text}", f"{incident.title}: {task.text}", "warning")
    told: tuple[str, ...] = ()
    if person is not None:
        told = messages.send(conn, scene.desk, incident, person.receivers, message, scene.now_s)
    if not told:
        intake.take_external(conn, [_self_alert(scene, task, text, until_s)], scene.desk, scene.now_s)
    heard = f"{owner} is told by {', '.join(told)}" if told else "nobody can be told but by an alert of our own"
    reminded = tuple(dict.fromkeys((*task.reminded, *told)))
    tasks.save(conn, replace(task, owner=owner, reminded_s=scene.now_s, reminded=reminded))
    scene.write("task", f"{text}: {heard}", details={"task": task.id, "kind": task.kind})


def end_reminder(scene: Scene, task: Task) -> None:
    """Whoever was reminded hears that it is done; the alert about it ends."""
    if task.reminded_s is None:
        return
    message = Message(f"task/{task.id}", f"{scene.incident.id}: done: {task.text}", task.note, "info", is_end=True)
    messages.send(scene.conn, scene.desk, scene.incident, task.reminded, message, scene.now_s)
    ended = _self_alert(scene, task, "done", scene.now_s)
    intake.take_external(scene.conn, [ended], scene.desk, scene.now_s)


def _self_alert(scene: Scene, task: Task, text: str, ends_at_s: float | None) -> External:
    incident = scene.incident
    return External(
        labels={"alertname": REMINDER, "incident": incident.id, "task": f"{task.id}", "severity": "warning"},
        annotations={"summary": f"{incident.id}: {text}", "description": f"{incident.title}: {task.text}"},
        starts_at_s=task.due_s,
        ends_at_s=ends_at_s,
        origin="self",
    )
