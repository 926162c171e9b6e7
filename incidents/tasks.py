"""What somebody has to do for an incident: items of a role's checklist, updates that are due, actions of a review."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from schemas.duration import format_duration

Kind = Literal["check", "update", "action"]
REMIND_AGAIN_S = 86_400.0


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """owner: a person, empty: nobody yet. role: whose checklist it is of. link: where it says how. Times: Unix seconds.

    reminded: names of receivers that were told that it is due, and are to hear when it is done.
    told, is_last: of an update that was written: names of receivers; whether it said that it is over.
    """

    id: int = 0
    incident: int
    kind: Kind
    text: str
    owner: str = ""
    role: str = ""
    link: str = ""
    created_s: float
    due_s: float | None = None
    reminded_s: float | None = None
    reminded: tuple[str, ...] = ()
    done_s: float | None = None
    done_by: str = ""
    note: str = ""
    told: tuple[str, ...] = ()
    is_last: bool = False

    @property
    def is_done(self) -> bool:
        return self.done_s is not None


@dataclass(frozen=True)
class Reminder:
    """late_s: since it was due."""

    task: Task
    text: str
    late_s: float


def reminders(tasks: Sequence[Task], now_s: float, again_s: float = REMIND_AGAIN_S) -> list[Reminder]:
    """Of tasks with a due time: when it comes, and again each day. Updates have a schedule of their own.

    >>> task = Task(id=7, incident=1, kind="action", text="add a limit", owner="ann", created_s=0.0, due_s=100.0)
    >>> [one.text for one in reminders([task], 3700.0)]
    ['"add a limit" is due since 1 h (ann)']
    """
    found = []
    for task in tasks:
        if task.is_done or task.kind == "update" or _next_s(task, again_s) > now_s or task.due_s is None:
            continue
        late_s = now_s - task.due_s
        since = f"is due since {format_duration(late_s)}" if late_s >= 1.0 else "is due"
        found.append(Reminder(task, f'"{task.text}" {since} ({task.owner or "nobody has it"})', late_s))
    return found


def next_s(tasks: Sequence[Task], again_s: float = REMIND_AGAIN_S) -> float | None:
    """When the next of them reminds."""
    times = [
        _next_s(task, again_s)
        for task in tasks
        if not task.is_done and task.kind != "update" and task.due_s is not None
    ]
    return min(times, default=None)


def _next_s(task: Task, again_s: float) -> float:
    if task.due_s is None:
        return float("inf")
    return task.due_s if task.reminded_s is None else max(task.due_s, task.reminded_s + again_s)
