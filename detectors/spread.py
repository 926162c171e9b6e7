"""Noise that grows or shrinks: the size of the steps from row to row, against what it usually is.

Knows the steps |x - previous x| of one series a row. A level, a season, a ramp make no difference to them.

1. `now`, their short mean (weight 0.04, each step at most 6 usual ones, so that one spike is not a spread), against
   `usual`, their long one (weight 0.003). Repeated values are no steps: a stuck value is `flatline`'s.
2. The surprise is the ratio of the larger to the smaller, less 1; the episode tail (`tail.py`) learns its border.
3. Told once, held until the surprise is under half of the border that it passed.
"""

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors.base import VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.prefetch import AHEAD, prefetch
from detectors.tail import TAIL_FIELDS, judge_tail, learn_tail, tail_border, tail_ready, verdict_factor
from schemas.compiled import compiled
from schemas.levels import Border

STATE = np.dtype(
    [
        ("rows", "f8"),  # seen
        ("x", "f8"),  # newest value
        ("usual", "f8"),  # long mean of them
        ("now", "f4"),  # short mean of the bounded steps
        ("held", "f4"),  # border of the open episode, signed: > 0 wider, < 0 narrower; 0: none
        *TAIL_FIELDS,
    ]
)
"""One series: 72 bytes. All zero: never seen."""

NOW_WEIGHT = 0.04  # of a step in `now`: about 25 rows
USUAL_WEIGHT = 0.003  # of a step in `usual`: a few hundred rows, so that it follows the time of day
STEP_MAX = 6.0  # usual steps: what one counts at most
START_ROWS = 60.0  # before that, `now` is too young
NOISE = 1e-9  # of the value: smaller steps are rounding
BORDER = 1.5  # tail borders: means over 25 rows of heavy-tailed steps come in swarms
BACK = 0.5  # of the border: the spread is back to usual
HELD = 0.999
SCORE_MAX = 100.0
DEVIATION = 3.0  # where it is held, times what is left of it
TINY = 1e-300
PARTS, RATIO_MAX = 100.0, 1e6  # a verdict's part: the ratio, in hundredths
_DIRECTIONS = {"above": 1.0, "both": 0.0, "below": -1.0}


class Params(Settings):
    """Settings of `spread`."""

    direction: Literal["above", "below", "both"] = Field(
        default="above", description="`above`: only more noise alerts; `below`: only less; `both`."
    )
    warm_up: int = Field(default=500, ge=200, description="Rows of a series before it may score.")
    min_ratio: float = Field(
        default=2.0, ge=1.0, allow_inf_nan=False, description="Smaller changes of the noise never score, as a factor."
    )


class Spread(Detector):
    """Score: change of the noise, in borders of the series itself. Deviation: >= 3 while it lasts.

    >>> import numpy as np
    >>> from detectors.base import VERDICT
    >>> x = np.random.default_rng(1).normal(50.0, 1.0, 2000)
    >>> x[1500:1560] = 50.0 + 5.0 * (x[1500:1560] - 50.0)
    >>> spread, out = Spread(Params(), ()), np.zeros(2000, VERDICT)
    >>> spread.grow(1)
    >>> spread.update(np.zeros(2000, np.int64), np.zeros(2000, bool), 60.0 * np.arange(2000), x, out)
    >>> bool(1500 < np.flatnonzero(out["score"] >= 1.0)[0] < 1530)
    True
    """

    kind: ClassVar[str] = "spread"
    tells_ends: ClassVar[bool] = True
    version: ClassVar[int] = 3
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"spread takes its own Params, got {type(params).__name__}")
        self._settings = (_DIRECTIONS[params.direction], float(params.warm_up), params.min_ratio)
        self._series: NDArray[np.generic] = np.zeros(0, STATE)

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, rows, fresh, x, self._settings, out)

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        """`noise`, `missed`: counted, the border is a function of the counts."""
        return judge_tail(self._series[row], verdict, undo)

    def why(self, point: Point) -> str:
        if point.score < 1.0 and abs(point.deviation) < DEVIATION:
            return f"the steps to value {point.value:.6g} are as large as usual"
        more = "more" if point.deviation >= 0.0 else "less"
        if point.score < 1.0:
            return f"the values up to {point.value:.6g} are still {more} noisy than usual"
        ratio = point.part / PARTS
        return (
            f"the values up to {point.value:.6g} are {ratio:.2g} times {more} noisy than usual, where "
            f"{1.0 + (ratio - 1.0) / point.score:.2g} times are this series' border"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"series": self._series}


@compiled
def _run(series: Any, rows: Rows, fresh: Flags, x: Floats, settings: Any, out: Any) -> None:
    cells = series.view(np.float64).reshape((len(series), -1))
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            prefetch(cells, rows[i + AHEAD], 0)
            prefetch(cells, rows[i + AHEAD], 8)
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
        _step(series[k], x[i], settings, out[i])


@compiled
def _step(s: Any, x: float, settings: Any, v: Any) -> None:
    direction, warm_up, min_ratio = settings
    v.expected = v.lower = v.upper = np.nan
    v.score = v.deviation = v.part = 0.0
    if not math.isfinite(x):
        return
    x = min(max(x, -VALUE_MAX), VALUE_MAX)
    row, step, before = s.rows, abs(x - s.x), s.x
    s.rows, s.x = row + 1.0, x
    if row == 0.0:
        return
    if step == 0.0:
        if s.held != 0.0:
            v.score, v.deviation = 0.0, DEVIATION if s.held > 0.0 else -DEVIATION
        return  # a value that repeats is no noise: zeros, stuck
    if row > START_ROWS and s.usual > 0.0:
        step = min(step, STEP_MAX * s.usual)
    s.now += max(NOW_WEIGHT, 1.0 / row) * (step - s.now)
    floor = NOISE * abs(x) + TINY
    if row <= START_ROWS or s.usual <= floor:
        s.usual += max(USUAL_WEIGHT, 1.0 / row) * (step - s.usual)
        return
    more = s.now >= s.usual
    ratio = s.now / s.usual if more else s.usual / max(s.now, 0.01 * s.usual)
    side = 1.0 if more else -1.0
    surprise = ratio - 1.0
    if tail_ready(s):
        least = (min_ratio - 1.0) * max(1.0, verdict_factor(s))  # `noise` lifts it too, `missed` goes no lower
        border = max(BORDER * tail_border(s), least)
        score = surprise / border if row >= warm_up and direction * side >= 0.0 else 0.0
        if s.held * side < 0.0 or (s.held != 0.0 and surprise < BACK * abs(s.held)):
            s.held = 0.0
        v.score = min(score, HELD)
        if score >= 1.0 and s.held == 0.0:
            v.score = min(score, SCORE_MAX)
            s.held = side * border
        if s.held != 0.0:
            v.deviation = side * DEVIATION * max(1.0, surprise / (BACK * abs(s.held)))
            v.part = math.floor(PARTS * min(ratio, RATIO_MAX))
    if surprise > 0.0 and direction * side >= 0.0:
        learn_tail(s, row, surprise, x != before)
    s.usual += max(USUAL_WEIGHT, 1.0 / row) * (step - s.usual)
