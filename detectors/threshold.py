"""Fixed borders that a person wrote: `> 80`, `outside 10..90`. Knows the value and the borders; remembers nothing."""

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.base import Detector, Flags, Floats, Point, Records, Rows, Settings
from schemas import levels
from schemas.compiled import compiled
from schemas.levels import Border, Op

BORDER = np.dtype([("op", "i8"), ("low", "f8"), ("high", "f8")])


class Params(Settings):
    """`threshold` has no settings of its own: its borders are the rule's levels."""


class Threshold(Detector):
    """Score: the number of borders passed. `lower`, `upper`: the mildest border, where it has that side."""

    kind: ClassVar[str] = "threshold"
    levels_on: ClassVar[Literal["score", "value"]] = "value"
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        self._borders = np.array([(b.op, b.low, b.high) for b in borders], BORDER)
        self._lower, self._upper = _sides(borders[0]) if borders else (np.nan, np.nan)

    def grow(self, rows: int) -> None:
        """Nothing to grow: no state."""

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._borders, self._lower, self._upper, x, out)

    def why(self, point: Point) -> str:
        passed = levels.over(point.border.op, point.border.low, point.border.high, point.value)
        return f"value {point.value:.6g} is {'' if passed else 'no longer '}{point.border.words}"

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {}


def _sides(border: Border) -> tuple[float, float]:
    """Lower and upper bound of what is not over the border; NaN where it has no such side (`inside` has none)."""
    match border.op:
        case Op.ABOVE | Op.AT_LEAST:
            return np.nan, border.low
        case Op.BELOW | Op.AT_MOST:
            return border.low, np.nan
        case Op.OUTSIDE:
            return border.low, border.high
    return np.nan, np.nan


_over = compiled(levels.over)


@compiled
def _run(borders: Any, lower: float, upper: float, x: Floats, out: Any) -> None:
    for i in range(len(x)):
        passed = 0.0
        for b in borders:
            if _over(b.op, b.low, b.high, x[i]):
                passed += 1.0
        v = out[i]
        v.expected, v.lower, v.upper, v.score, v.deviation = np.nan, lower, upper, passed, 0.0
