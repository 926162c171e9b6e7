"""What people said about the series and groups of one shard: what waits for its time, and what became of the rest.
No I/O.

A control counts from the first event of its series at or after `holds_from` on, whichever batch that comes in: a batch
is cut there. Of a group it is the first row, closed by an event: one that time closes may be judged before or after a
control came, and nobody who reads the partition again could tell. Where several wait for one event, the order is that
of `holds_from`, then verdicts before their undoing, then the id; never that in which they arrived.
"""

from bisect import insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec
import numpy as np

from pipeline.points import Floats, Points, Rows
from schemas.control import Control
from schemas.metric import Series

_Key = TypeVar("_Key", int, tuple[str, int])
Outcome = Literal["applied", "undone", "undo", "refused"]


class Heeded(msgspec.Struct, frozen=True, array_like=True):
    """What became of a control. `applied`: a verdict that holds; `undone`: one that was taken back; `undo`: what took
    it back; `refused`: nothing could learn from it."""

    outcome: Outcome
    rule: str
    verdict: str
    series: str


class SavedControls(msgspec.Struct, frozen=True):
    """What a snapshot holds of them. done: by id."""

    pending: list[Control] = []
    done: dict[str, Heeded] = {}


@dataclass(frozen=True, order=True)
class Waiting:
    """A control on its way to an event; sorts as it is to be applied."""

    holds_from_s: float
    is_undo: bool
    id: str
    control: Control = field(compare=False)


Place = int | tuple[str, int]
"""Where a control counts: the index of a series, or a rule and the row of one of its groups."""

Name = Series | tuple[str, Series]
"""What that place is called before it is there: a series, or a rule and what stands for a group."""


class Controls:
    """Those of one shard. pending: by place; nearly always empty, which is all that a batch looks at."""

    def __init__(self, counts: Counter[str]) -> None:
        """counts: of the shard."""
        self.pending: dict[int, list[Waiting]] = {}
        self._grouped: dict[tuple[str, int], list[Waiting]] = {}
        self.done: dict[str, Heeded] = {}
        self._counts = counts
        self._known: set[str] = set()  # ids that wait
        self._unseen: dict[Name, list[Control]] = {}  # of series and groups that have not come yet

    def __contains__(self, id_: str) -> bool:
        return id_ in self._known or id_ in self.done

    def admit(self, control: Control, name: Name, place: Place | None) -> None:
        """Waits from now on. place: None where nothing of that name has been seen yet."""
        self._known.add(control.id)
        if place is None:
            self._unseen.setdefault(name, []).append(control)
        else:
            self._wait(place, control)

    def seen(self, name: Name, place: Place) -> None:
        """A series or a group comes for the first time."""
        for control in self._unseen.pop(name, ()) if self._unseen else ():
            self._wait(place, control)

    def _wait(self, place: Place, control: Control) -> None:
        waiting = Waiting(control.holds_from_s, control.undo is not False, control.id, control)
        if isinstance(place, int):
            insort(self.pending.setdefault(place, []), waiting)
        else:
            insort(self._grouped.setdefault(place, []), waiting)

    def due(self, points: Points) -> list[tuple[int, int, list[Control]]]:
        """(number of the point before which, index of the series, controls in their order), points rising; all of it
        no longer waits."""
        found = []
        for i in np.flatnonzero(np.isin(points.series, list(self.pending))).tolist():
            series = int(points.series[i])
            if now := self._take(self.pending, series, float(points.t[i])):
                found.append((i, series, now))
        return found

    def due_rows(self, rule: str, groups: Rows, closer: Rows, t: Floats) -> list[tuple[int, int, list[Control]]]:
        """The same of a rule's rows: groups, the event that closed each (-1: time did), and Unix seconds."""
        found = []
        waiting = [row for name, row in self._grouped if name == rule]
        for i in np.flatnonzero(np.isin(groups, waiting) & (closer >= 0)).tolist() if waiting else ():
            row = int(groups[i])
            if now := self._take(self._grouped, (rule, row), float(t[i])):
                found.append((i, row, now))
        return found

    def _take(self, pending: dict[_Key, list[Waiting]], place: _Key, t: float) -> list[Control]:
        waiting = pending.get(place, [])
        now = [one.control for one in waiting if one.holds_from_s <= t]
        if now:
            self._known.difference_update(control.id for control in now)
            if later := waiting[len(now) :]:
                pending[place] = later
            else:
                del pending[place]
        return now

    def heed(self, control: Control, tell: Callable[[], bool]) -> None:
        """Its time has come. tell: says it to the detectors; False: none learns from it."""
        allowed = control.undo is False or self.can_undo(control)
        self._counts[f"control:{self.note(control, allowed and tell())}"] += 1

    def note(self, control: Control, heeded: bool) -> Outcome:
        """What became of it. heeded: a detector learned from it."""
        outcome: Outcome = "refused"
        if heeded:
            outcome = "applied"
            if isinstance(control.undo, str):
                outcome = "undo"
                self.done[control.undo] = _of(control, "undone")
        self.done[control.id] = _of(control, outcome)
        return outcome

    def can_undo(self, control: Control) -> bool:
        """Whether the verdict that it takes back is there, holds, and is of the same rule and series."""
        return isinstance(control.undo, str) and self.done.get(control.undo) == _of(control, "applied")

    def outcomes(self) -> Counter[str]:
        return Counter(heeded.outcome for heeded in self.done.values())

    def save(self) -> SavedControls:
        waiting = [*self.pending.values(), *self._grouped.values()]
        pending = [one.control for some in waiting for one in some]
        pending += [control for some in self._unseen.values() for control in some]
        return SavedControls(sorted(pending, key=lambda control: control.id), dict(self.done))

    def restore(
        self, saved: SavedControls, where: Callable[[Control], tuple[Name, Place | None]], forgetful: set[str]
    ) -> None:
        """forgetful: rules whose detectors no longer know what they were told: it is to be said again."""
        self.done = {id_: heeded for id_, heeded in saved.done.items() if heeded.rule not in forgetful}
        for control in saved.pending:
            self.admit(control, *where(control))


def _of(control: Control, outcome: Outcome) -> Heeded:
    return Heeded(outcome, control.rule, control.verdict, str(control.series))
