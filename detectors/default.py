"""The shipped default: `baseline`, and beside it the detectors that see what no residual sees.

Knows its parts as detectors and nothing of what they look at; each runs its own compiled pass over the batch, then one
more puts their verdicts together. A part is a kind of its own with the same settings.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors.base import VERDICT, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.baseline import Baseline
from detectors.baseline import Params as BaselineParams
from detectors.flatline import Flatline
from detectors.flatline import Params as FlatlineParams
from detectors.gap import Gap
from detectors.gap import Params as GapParams
from detectors.pulse import HELD as SCORE_HELD
from detectors.ramp import Params as RampParams
from detectors.ramp import Ramp
from detectors.spread import Params as SpreadParams
from detectors.spread import Spread
from schemas.compiled import compiled
from schemas.levels import Border

PARTS: dict[str, type[Detector]] = {
    "baseline": Baseline,
    "ramp": Ramp,
    "flatline": Flatline,
    "spread": Spread,
    "gap": Gap,
}
"""By the names of their settings. Their order is their number in a verdict's `part`."""

PART_MAX = 16.0  # a verdict's part: number of the part here + PART_MAX * the part's own
HELD = 3.0  # |deviation| that holds an alert open
AFTER_ROWS = 60.0  # from where baseline spoke: what climbs or scatters then is its episode, and is no second alert
FOLLOWING = ("ramp", "spread")  # the parts that are quiet for so long
TOLD_BITS = 3  # of a part in the list of those that were told "noise"
TOLD_MAX = 20  # of them are remembered; older ones can't be taken back


class CalmGapParams(GapParams):
    """Settings of `gap` where nobody asked for it by name."""

    min_s: float = Field(
        default=3600.0, ge=0.0, allow_inf_nan=False, description="Gaps shorter than that never score, in seconds."
    )


class Params(Settings):
    """Settings of `default`: those of each part, or `false` to go without it."""

    baseline: BaselineParams | Literal[False] = Field(
        default=BaselineParams(), description="Spikes, dips, bursts, shifts: settings of `baseline`."
    )
    ramp: RampParams | Literal[False] = Field(default=RampParams(), description="A slow ramp: settings of `ramp`.")
    flatline: FlatlineParams | Literal[False] = Field(
        default=FlatlineParams(), description="A stuck value: settings of `flatline`."
    )
    spread: SpreadParams | Literal[False] = Field(
        default=SpreadParams(), description="Noise that grows: settings of `spread`."
    )
    gap: CalmGapParams | Literal[False] = Field(
        default=CalmGapParams(), description="Missing data: settings of `gap`, `min_s` of an hour."
    )


class Default(Detector):
    """Score: the largest of the parts'. `expected`, `lower`, `upper`: baseline's. Deviation: baseline's, unless that
    lets an alert clear that another part holds.

    >>> import numpy as np
    >>> x = np.random.default_rng(1).normal(50.0, 5.0, 900)
    >>> x[800:830] = x[799]
    >>> default, out = Default(Params(), ()), np.zeros(900, VERDICT)
    >>> default.grow(1)
    >>> default.update(np.zeros(900, np.int64), np.zeros(900, bool), 60.0 * np.arange(900), x, out)
    >>> first = out[800:830][out["score"][800:830] >= 1.0][0]
    >>> default.part_of(int(first["part"]))
    'flatline'
    """

    kind: ClassVar[str] = "default"
    version: ClassVar[int] = sum(part.version for part in PARTS.values())
    slow_axes: ClassVar[Mapping[str, int]] = {
        f"{name}.{array}": axis for name, part in PARTS.items() for array, axis in part.slow_axes.items()
    }
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"default takes its own Params, got {type(params).__name__}")
        wanted = {name: getattr(params, name) for name in PARTS}
        self._parts = {name: PARTS[name](own, borders) for name, own in wanted.items() if own is not False}
        self._quiet: NDArray[np.generic] = np.zeros(0, np.float32)  # rows for which FOLLOWING say nothing
        self._spoke: NDArray[Any] = np.zeros(0, np.int8)  # number of the part that scored 1.0 last
        # Who was told "noise", newest in the lowest bits: number of the part + 1.
        self._told: NDArray[Any] = np.zeros(0, np.int64)
        self.votes: dict[str, Records] | None = None
        """A dictionary here is filled with what each part says, as it says it, of the events of an update."""

    def grow(self, rows: int) -> None:
        self._quiet, self._spoke, self._told = (grown(own, rows) for own in (self._quiet, self._spoke, self._told))
        for part in self._parts.values():
            part.grow(rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        out[:] = _NOTHING
        said, quiet = np.empty(len(rows), VERDICT), np.empty(len(rows), np.bool_)
        for number, name in enumerate(PARTS):
            if name in self._parts:
                first = number == 0
                self._parts[name].update(rows, fresh, t, x, out if first else said)
                if self.votes is not None:
                    self.votes[name] = (out if first else said).copy()
                if not first:
                    _merge(said, float(number), quiet & (name in FOLLOWING), out)
            if number == 0:
                _count(rows, fresh, out, self._quiet, quiet)
        _remember(rows, fresh, out, self._spoke, self._told)

    def part_of(self, part: int) -> str:
        """Name of the part that a verdict's `part` means."""
        return list(PARTS)[part % int(PART_MAX)]

    def why(self, point: Point) -> str:
        speaks = self._parts.get(self.part_of(point.part)) or next(iter(self._parts.values()))
        return speaks.why(_own(point))

    def explains_end(self, point: Point) -> bool:
        speaks = self._parts.get(self.part_of(point.part))
        return speaks is not None and speaks.explains_end(_own(point))

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        """`noise`: to the part that spoke last, and taken back from the one that was told last. `normal` and `missed`
        are about what is expected: to baseline."""
        if verdict != "noise":
            return self._tell(0, row, verdict, undo)
        told = int(self._told[row])
        if undo:
            number = (told & (1 << TOLD_BITS) - 1) - 1
            if number < 0 or not self._tell(number, row, verdict, undo):
                return False
            self._told[row] = told >> TOLD_BITS
            return True
        number = int(self._spoke[row])
        if not self._tell(number, row, verdict, undo):
            return False
        self._told[row] = (told << TOLD_BITS | number + 1) & (1 << TOLD_BITS * TOLD_MAX) - 1
        return True

    def _tell(self, number: int, row: int, verdict: str, undo: bool) -> bool:
        part = self._parts.get(list(PARTS)[number])
        return part is not None and part.feedback(row, verdict, undo)

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        parts = {f"{name}.{array}": own for name, part in self._parts.items() for array, own in part.state.items()}
        return {**parts, "quiet": self._quiet, "spoke": self._spoke, "told": self._told}


_NOTHING = np.array([(np.nan, np.nan, np.nan, 0.0, 0.0, 0.0)], VERDICT)[0]


def _own(point: Point) -> Point:
    """The point as the part that speaks wrote it."""
    return replace(point, part=point.part // int(PART_MAX))


@compiled
def _count(rows: Rows, fresh: Flags, out: Any, left: Any, quiet: Flags) -> None:
    """Which events come within AFTER_ROWS of one where baseline spoke. left: rows to go, the state."""
    for i in range(len(rows)):
        k = rows[i]
        out[i].part *= PART_MAX
        if fresh[i]:
            left[k] = 0.0
        if out[i].score >= 1.0:
            left[k] = AFTER_ROWS
        quiet[i] = left[k] > 0.0
        if left[k] > 0.0:
            left[k] -= 1.0


@compiled
def _merge(said: Any, number: float, quiet: Flags, out: Any) -> None:
    """Adds what the part of that number said. It speaks where it scores most, or where it alone holds."""
    for i in range(len(said)):
        v, w = out[i], said[i]
        if quiet[i]:
            w.score = min(w.score, SCORE_HELD)
        speaks = w.score > v.score and w.score >= 1.0
        if abs(w.deviation) >= HELD and (abs(v.deviation) < HELD or speaks):
            v.deviation = w.deviation
            speaks = speaks or v.score < 1.0
        if speaks:
            v.part = number + PART_MAX * w.part
        v.score = max(v.score, w.score)


@compiled
def _remember(rows: Rows, fresh: Flags, out: Any, spoke: Any, told: Any) -> None:
    """Which part spoke last: a person's "noise" is about that."""
    for i in range(len(rows)):
        k = rows[i]
        if fresh[i]:
            spoke[k] = told[k] = 0
        if out[i].score >= 1.0:
            spoke[k] = int(out[i].part % PART_MAX)
