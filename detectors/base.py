"""What every detector is: statistics over struct-of-arrays state, told the time, without I/O.

A detector serves many series: row `k` of its state belongs to one series of one rule. `update` takes events in order
and writes one verdict an event, from that event and earlier ones of its row only, so the answer is the same wherever a
batch is cut. Adding one: a file with a subclass, one line in `detectors/__init__.py`; the shared checks then run on it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from schemas.levels import Border

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Records = NDArray[np.void]  # structured: named fields

VERDICT = np.dtype(
    [("expected", "f8"), ("lower", "f8"), ("upper", "f8"), ("score", "f8"), ("deviation", "f8"), ("part", "f8")]
)
"""One verdict an event. `score` >= 1.0: an alert would open or worsen here; never NaN. `deviation`: signed distance
from what was expected in robust sigmas, 0.0 while unknown; never NaN. `expected`, `lower`, `upper`: in the series'
unit, NaN where the detector has none or is warming up; the first value outside `lower..upper` scores 1.0 or more, the
next ones of the same episode only where they are worse. `part`: which of a detector's own tests speaks, for `why`; 0.0
where it has one."""

BECAME_NORMAL = 15  # a `part`: no test spoke, but what held an alert is the series' normal now

VALUE_MAX = 1e30
"""Detectors that learn judge values beyond as this: squares and single precision stay finite."""


class Settings(BaseModel):
    """Base of a detector's own settings, the keys under `params:` in a rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    of_groups: ClassVar[bool | None] = False  # whether it needs `group_by`; None: it takes a rule with and without it

    @property
    def not_of_groups(self) -> str:
        """Why these settings judge no group, where the kind does; empty: they do."""
        return ""


@dataclass(frozen=True)
class Point:
    """What `why` is told about the event that made a transition. Units: of the series; seconds; sigmas."""

    value: float
    expected: float
    lower: float
    upper: float
    score: float
    deviation: float
    border: Border  # of the level that was reached (or was held, where the alert resolves)
    part: int = 0  # as in VERDICT
    members: tuple[str, ...] = ()  # of a group, by number


class Detector(ABC):
    """Scores events. One instance a rule (or level) and partition, with a row of state a series."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1  # raise it when the state's meaning changes: saved state of another version learns again
    slow_axes: ClassVar[Mapping[str, int]] = {}
    """Arrays of `state` that change little between snapshots, and along which axis: saved slice by slice there."""
    levels_on: ClassVar[Literal["score", "value", "silence"]] = "score"  # what a level's border is compared with
    tells_ends: ClassVar[bool] = False  # `why` of a calm point is a reason for the end of an alert
    Params: ClassVar[type[Settings]]

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        """`borders` of the rule's levels that use this detector, mildest first."""
        self.borders = borders

    @abstractmethod
    def grow(self, rows: int) -> None:
        """Make room for `rows` rows in all (at least doubling is the caller's business); old rows keep their state."""

    @abstractmethod
    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        """Judge and learn, event by event, in order.

        rows: row of each event; fresh: forget the row before this event; t: Unix seconds, rising within a row;
        x: finite values; out: VERDICT, overwritten.
        """

    @abstractmethod
    def why(self, point: Point) -> str:
        """One clause for a person: which test, how far. No full stop, time or level: the engine adds them."""

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        """A person's word on the row's newest judgement, between two of its events: state changes with it.

        verdict: `noise` (no alert was due: raise the bar), `normal` (this is how it is now: learn it anew), `missed`
        (an alert was due: lower the bar). undo: takes one such word back. False: this detector learns nothing from it.
        """
        return False

    @property
    def heeds_people(self) -> bool:
        """Whether it learns from any verdict."""
        return type(self).feedback is not Detector.feedback

    def explains_end(self, point: Point) -> bool:
        """Whether `why` says best why an alert ends at this point; else it is told as a value that is back."""
        return self.tells_ends

    @property
    def failure_count(self) -> int:
        """Events that a foreign model could not judge: they scored 0."""
        return 0

    @property
    @abstractmethod
    def state(self) -> dict[str, NDArray[np.generic]]:
        """The arrays that are the whole state, first axis = row; saved and loaded as they are."""


_Scalar = TypeVar("_Scalar", bound=np.generic)


def grown(array: NDArray[_Scalar], rows: int) -> NDArray[_Scalar]:
    """The array with `rows` rows; the new ones are zero, which every detector reads as 'never seen'."""
    bigger = np.zeros((rows, *array.shape[1:]), array.dtype)
    bigger[: len(array)] = array
    return bigger
