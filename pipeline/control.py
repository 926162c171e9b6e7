"""What people said about the series of one shard: what waits for its time, and what became of the rest. No I/O.

A control counts from the first event of its series at or after `holds_from` on, whichever batch that comes in: a batch
is cut there. Where several wait for one event, the order is that of `holds_from`, then verdicts before their undoing,
then the id; never that in which they arrived.
"""

from bisect import insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np

from pipeline.points import Points
from schemas.control import Control
from schemas.metric import Series

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


class Controls:
    """Those of one shard. pending: by index of the series; nearly always empty, which is all that a batch looks at."""

    def __init__(self) -> None:
        self.pending: dict[int, list[Waiting]] = {}
        self.done: dict[str, Heeded] = {}
        self._known: set[str] = set()  # ids that wait
        self._unseen: dict[Series, list[Control]] = {}  # of series that have not come yet

    def __contains__(self, id_: str) -> bool:
        return id_ in self._known or id_ in self.done

    def admit(self, control: Control, index: int | None) -> None:
        """Waits from now on. index: of its series; None: it has not been seen yet."""
        self._known.add(control.id)
        if index is None:
            self._unseen.setdefault(control.series, []).append(control)
        else:
            self._wait(index, control)

    def seen(self, series: Series, index: int) -> None:
        """A series comes for the first time."""
        for control in self._unseen.pop(series, ()) if self._unseen else ():
            self._wait(index, control)

    def _wait(self, index: int, control: Control) -> None:
        waiting = Waiting(control.holds_from_s, control.undo is not False, control.id, control)
        insort(self.pending.setdefault(index, []), waiting)

    def due(self, points: Points) -> list[tuple[int, int, list[Control]]]:
        """(number of the point before which, index of the series, controls in their order), points rising; all of it
        no longer waits."""
        found = []
        for i in np.flatnonzero(np.isin(points.series, list(self.pending))).tolist():
            series, t = int(points.series[i]), points.t[i]
            waiting = self.pending.get(series, ())
            now = [one.control for one in waiting if one.holds_from_s <= t]
            if now:
                self._known.difference_update(control.id for control in now)
                if later := waiting[len(now) :]:
                    self.pending[series] = list(later)
                else:
                    del self.pending[series]
                found.append((i, series, now))
        return found

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
        pending = [one.control for some in self.pending.values() for one in some]
        pending += [control for some in self._unseen.values() for control in some]
        return SavedControls(sorted(pending, key=lambda control: control.id), dict(self.done))

    def restore(self, saved: SavedControls, index_of: Callable[[Series], int | None], forgetful: set[str]) -> None:
        """forgetful: rules whose detectors no longer know what they were told: it is to be said again."""
        self.done = {id_: heeded for id_, heeded in saved.done.items() if heeded.rule not in forgetful}
        for control in saved.pending:
            self.admit(control, index_of(control.series))


def _of(control: Control, outcome: Outcome) -> Heeded:
    return Heeded(outcome, control.rule, control.verdict, str(control.series))
