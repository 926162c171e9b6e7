"""When stakeholders are to hear of an incident, and what is done where nobody writes. Told the time.

Each update restarts the clock. One that is due and missing reminds whoever has the communication, again and again;
nothing is made up in their place but the last one, when the incident is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from incidents.model import Incident
from incidents.tasks import Task
from schemas.duration import format_duration
from schemas.response.triage import UpdateRow

What = Literal["nothing", "plan", "remind", "last", "drop"]

REASONS: dict[What, str] = {
    "nothing": "the next update isn't due yet, or none is asked for",
    "plan": "an update is to be written until then",
    "remind": "it is due, and nobody has written it",
    "last": "it is over, and stakeholders were told that it was not",
    "drop": "no update is asked for any more",
}
"""What a step can be, and why."""


@dataclass(frozen=True)
class Step:
    """due_s: of the task, where it is to be planned. again_s: when to look again if nothing happens, None: needn't."""

    what: What
    text: str = ""
    due_s: float | None = None
    again_s: float | None = None


def row_for(severity: int, schedule: Sequence[UpdateRow]) -> UpdateRow | None:
    """The first that the incident is severe enough for: rows stand with the worst severity first.

    >>> rows = [UpdateRow(1, 1800.0, ("status",), 900.0), UpdateRow(3, 7200.0, ("team",), 7200.0)]
    >>> [row_for(severity, rows).every_s if row_for(severity, rows) else None for severity in (1, 2, 3, 4)]
    [1800.0, 7200.0, 7200.0, None]
    """
    return next((row for row in schedule if severity <= row.severity), None)


def due_s(row: UpdateRow, opened_s: float, last_s: float | None) -> float:
    return opened_s + row.first_s if last_s is None else last_s + row.every_s


def step(incident: Incident, row: UpdateRow | None, tasks: Sequence[Task], now_s: float) -> Step:
    """tasks: all of the incident; updates that were written are done, with whom they told."""
    updates = [task for task in tasks if task.kind == "update"]
    waiting = next((task for task in updates if not task.is_done), None)
    last = last_written(updates)
    if incident.is_over:
        if last is not None and not last.is_last:
            return Step("last", REASONS["last"])
        return Step("drop", "it is over") if waiting is not None else Step("nothing", REASONS["nothing"])
    if row is None:
        text = f"SEV{incident.severity} asks for no updates"
        return Step("drop", text) if waiting is not None else Step("nothing", text)
    wanted_s = due_s(row, incident.opened_s, None if last is None else last.done_s)
    if waiting is None or waiting.due_s != wanted_s:
        return Step("plan", REASONS["plan"], due_s=wanted_s, again_s=wanted_s)
    remind_s = wanted_s if waiting.reminded_s is None else max(wanted_s, waiting.reminded_s + row.every_s)
    if now_s < remind_s:
        return Step("nothing", REASONS["nothing"], again_s=remind_s)
    since_s = now_s - (incident.opened_s if last is None or last.done_s is None else last.done_s)
    heard = "stakeholders have heard nothing yet" if last is None else "stakeholders last heard"
    text = f"an update to {', '.join(row.receivers)} is due: {heard}, {format_duration(since_s)}"
    text += " after it was opened" if last is None else " ago"
    return Step("remind", text, again_s=now_s + row.every_s)


def last_written(tasks: Sequence[Task]) -> Task | None:
    """The newest update that went out."""
    written = [task for task in tasks if task.kind == "update" and task.done_s is not None and task.told]
    return max(written, key=lambda task: (task.done_s or 0.0, task.id), default=None)


def told(tasks: Sequence[Task]) -> tuple[str, ...]:
    """All receivers that ever heard of it."""
    return tuple(dict.fromkeys(name for task in tasks if task.kind == "update" for name in task.told))
