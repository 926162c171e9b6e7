"""What a detector of groups is: several series, the members, judged together, one verdict a row of them.

A row holds the members' values of one time; a member that did not come is NaN. As with `Detector`, a verdict uses its
row and earlier ones of its group only, whatever batches they come in. Adding one: a file with a subclass, one line in
`detectors/__init__.py`; tests/detectors/test_every_group_detector.py then runs on it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.base import Detector, Flags, Floats, Point, Records, Rows, Settings
from schemas.levels import Border
from schemas.metric import Series

MEMBERS_MAX = 128
"""Members a group may have. Every group of a rule takes the room of the widest, and `multivariate` a covariance of its
members: 128 KiB a group by this limit. That of more is neither learned in half a day of minutes nor paid for."""


class GroupSettings(Settings):
    """Base of a group detector's settings; by it a config knows that the kind needs `group_by`."""

    of_groups: ClassVar[bool | None] = True


class GroupDetector(ABC):
    """Scores rows of members. One instance a rule (or level) and partition, with a row of state a group."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    slow_axes: ClassVar[Mapping[str, int]] = {}  # as in Detector
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    tells_ends: ClassVar[bool] = False
    Params: ClassVar[type[Settings]]

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        """`borders` of the rule's levels that use this detector, mildest first."""
        if not isinstance(params, self.Params):
            raise TypeError(f"{self.kind} takes its own Params, got {type(params).__name__}")
        self.borders = borders

    @property
    def gathers(self) -> Literal["newest", "sum"]:
        """What a member's values within one bucket of time come to."""
        return "newest"

    @abstractmethod
    def grow(self, rows: int, members: int) -> None:
        """Make room for so many groups and so many members in each; what was learned stays."""

    def join(self, row: int, member: int, series: Series) -> None:
        """Tells which series (without the labels of the group) is member `member` of the group `row`. Called in order
        and again after a restart, so it is no part of the state."""
        return

    @abstractmethod
    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, value: Floats, out: Records) -> None:
        """Judge and learn, row by row, in order.

        rows: group of each; fresh: forget the group before this row; t: Unix seconds, rising within a group; x: (n,
        members), NaN where a member did not come; value: written, the one number that stands for the row; out:
        VERDICT, written, in the unit of `value`. A row that can't be judged scores 0.
        """

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        """A person's word on the group's newest row, as `Detector.feedback`."""
        return False

    @property
    def failure_count(self) -> int:
        """As in Detector."""
        return 0

    @abstractmethod
    def why(self, point: Point) -> str:
        """One clause for a person, as `Detector.why`; `point.members` has the members' names."""

    @property
    @abstractmethod
    def state(self) -> dict[str, NDArray[np.generic]]:
        """The arrays that are the whole state, first axis = group, second (if any) = member."""


class Seat(Detector):
    """A detector of groups in the place of one of series: its rows are groups. Whoever calls `update` lays the members'
    values into `given` before, and finds the joint values in `values` after."""

    Params = GroupSettings

    def __init__(self, detector: GroupDetector) -> None:
        super().__init__(GroupSettings(), detector.borders)
        self.detector = detector
        # Of the instance, not of the class: one Seat for every kind.
        for name in ("kind", "version", "slow_axes", "levels_on", "tells_ends"):
            setattr(self, name, getattr(detector, name))
        self.given: Floats = np.zeros((0, 0))
        self.values: Floats = np.zeros(0)
        self._rows = self._members = 0

    def grow(self, rows: int) -> None:
        self._rows = rows
        self.detector.grow(rows, self._members)

    def widen(self, members: int) -> None:
        self._members = members
        self.detector.grow(self._rows, members)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        self.values = np.full(len(rows), np.nan)
        self.detector.update(rows, fresh, t, self.given, self.values, out)

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        return self.detector.feedback(row, verdict, undo)

    @property
    def heeds_people(self) -> bool:
        return type(self.detector).feedback is not GroupDetector.feedback

    @property
    def failure_count(self) -> int:
        return self.detector.failure_count

    def why(self, point: Point) -> str:
        return self.detector.why(point)

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return self.detector.state


def widened(array: NDArray[Any], *shape: int) -> NDArray[Any]:
    """The array with that shape in its first axes, at least as large as before; what is new is zero.

    >>> widened(np.ones((1, 1)), 2, 2).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    bigger = np.zeros((*shape, *array.shape[len(shape) :]), array.dtype)
    bigger[tuple(slice(0, n) for n in array.shape[: len(shape)])] = array
    return bigger


_NAMED_BASE = 4096


def unpacked(part: int) -> list[int]:
    """Numbers of the (at most three) members that `pack` in compiled code put into a verdict's `part`.

    >>> unpacked(int(1 + 4096 * 8)), unpacked(0)
    ([0, 7], [])
    """
    found = []
    while part > 0:
        part, one = divmod(part, _NAMED_BASE)
        found.append(one - 1)
    return [member for member in found if member >= 0]
