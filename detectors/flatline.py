"""A stuck value: the same number again and again, in a series that usually moves.

Knows the values and times of one series a row. Nothing is said of a series that mostly stands still.

1. `repeats` is the share of values that repeat the one before. Were repeats independent, a run of r rows would come by
   chance with repeats**(r - 1): the border is at least where that is 1e-16, and at least `min_rows`.
2. Real runs are longer than that: the border is also 6 times the level that one run in 500 passes.
3. Values at which a series likes to rest (0 at night, a limit) come back: a long run is remembered by its value, and
   one at the same value is usual unless it is twice as long as the longest there.
"""

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors.base import Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.prefetch import AHEAD, prefetch
from detectors.tail import VERDICT_FIELDS, judge_tail, verdict_factor
from schemas.compiled import compiled
from schemas.duration import format_duration
from schemas.levels import Border

STATE = np.dtype(
    [
        ("rows", "f8"),  # seen
        ("t", "f8"),  # Unix s of the newest
        ("x", "f8"),  # its value
        ("run", "f8"),  # rows of the same value, up to the newest
        ("run_t", "f8"),  # Unix s of the first of them
        ("known_x", "f8"),  # value at which long runs come back
        ("new_x", "f8"),  # the same of the newest long run that was at no such value
        ("usual", "f4"),  # s between rows, a running mean, bounded
        ("told", "f4"),  # 1: this run was told
        ("repeats", "f4"),  # share of values that repeat the one before
        ("level", "f4"),  # rows: one run in 500 is longer
        ("known_rows", "f4"),  # the longest of them; 0: none
        ("new_rows", "f4"),
        *VERDICT_FIELDS,
    ]
)
"""One series: 88 bytes. All zero: never seen."""

CHANCE = 1e-16
SHARE = 0.998  # of runs not longer than the level
STEP = 0.2  # of log level, a run
LEVELS = 6.0  # border in levels: where runs fall as slowly as length^-3, one in 100,000 is so long
LONGER = 2.0  # border in longest runs, at a value where they come back
WEIGHT = 0.001  # of a row in `repeats`: about a day of a value a minute
MOVING = 0.9  # repeats beyond which a series mostly stands still
MEAN_MAX = 3.0  # usual gaps: what one counts at most in their mean
PERIOD_WEIGHT = 0.01
TIME = 0.5  # of `border` usual gaps: a run that is faster than that is a burst of doubles
HELD = 0.999
SCORE_MAX = 100.0
DEVIATION = 3.0  # of a run at the border
_FALL = math.exp(-STEP * (1.0 - SHARE))
_RISE = math.exp(STEP * SHARE)
_LOG_CHANCE = math.log(CHANCE)


class Params(Settings):
    """Settings of `flatline`."""

    warm_up: int = Field(default=300, ge=50, description="Rows of a series before it may score.")
    min_rows: int = Field(default=15, ge=3, description="Shorter runs of one value never score, in rows.")
    min_s: float = Field(
        default=0.0, ge=0.0, allow_inf_nan=False, description="Runs that last shorter never score, in seconds."
    )


class Flatline(Detector):
    """Score: rows of the same value, in borders, told once. Deviation: 3 times that until another value comes, else 0.

    >>> import numpy as np
    >>> from detectors.base import VERDICT
    >>> x = np.sin(np.arange(600.0))
    >>> x[500:540] = x[499]
    >>> flatline, out = Flatline(Params(), ()), np.zeros(600, VERDICT)
    >>> flatline.grow(1)
    >>> flatline.update(np.zeros(600, np.int64), np.zeros(600, bool), 60.0 * np.arange(600), x, out)
    >>> np.flatnonzero(out["score"] >= 1.0), np.flatnonzero(out["deviation"])[[0, -1]]
    (array([513]), array([513, 539]))
    """

    kind: ClassVar[str] = "flatline"
    tells_ends: ClassVar[bool] = True
    version: ClassVar[int] = 3
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"flatline takes its own Params, got {type(params).__name__}")
        self._settings = (float(params.warm_up), float(params.min_rows), params.min_s)
        self._series: NDArray[np.generic] = np.zeros(0, STATE)

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, rows, fresh, t, x, self._settings, out)

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        """`noise`, `missed`: counted, the border is a function of the counts."""
        return judge_tail(self._series[row], verdict, undo)

    def why(self, point: Point) -> str:
        if point.score < 1.0 and abs(point.deviation) < DEVIATION:
            return f"value {point.value:.6g} is not stuck"
        return (
            f"value {point.value:.6g} is stuck: the same for {format_duration(point.part)}, where "
            f"{format_duration(point.part * DEVIATION / abs(point.deviation))} are this series' border"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"series": self._series}


@compiled
def _run(series: Any, rows: Rows, fresh: Flags, t: Floats, x: Floats, settings: Any, out: Any) -> None:
    cells = series.view(np.float64).reshape((len(series), -1))
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            prefetch(cells, rows[i + AHEAD], 0)
            prefetch(cells, rows[i + AHEAD], 8)
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
        _step(series[k], t[i], x[i], settings, out[i])


@compiled
def _step(s: Any, t: float, x: float, settings: Any, v: Any) -> None:
    warm_up, min_rows, min_s = settings
    v.expected = v.lower = v.upper = np.nan
    v.score = v.deviation = v.part = 0.0
    row, dt = s.rows, t - s.t
    if not math.isfinite(x) or (row > 0.0 and not dt > 0.0):
        return
    if row == 0.0:
        s.rows, s.t, s.x, s.run, s.run_t, s.level = 1.0, t, x, 1.0, t, 1.0
        return
    if row == 1.0:
        s.usual = dt
    s.usual += max(PERIOD_WEIGHT, 1.0 / (row + 1.0)) * (min(dt, MEAN_MAX * s.usual) - s.usual)
    same = x == s.x
    s.repeats += max(WEIGHT, 1.0 / (row + 1.0)) * ((1.0 if same else 0.0) - s.repeats)
    s.rows, s.t = row + 1.0, t
    if not same:
        _end(s, min_rows)
        s.x, s.run, s.run_t, s.told = x, 1.0, t, 0.0
        return
    s.run += 1.0
    if row < warm_up or s.repeats > MOVING:
        return
    border = _border(s, min_rows)
    score = s.run / border
    if score >= 1.0 and (t - s.run_t < TIME * border * s.usual or t - s.run_t < min_s):
        score = HELD
    v.score = min(score, HELD)
    if score >= 1.0 and s.told == 0.0:
        s.told = 1.0
        v.score = min(score, SCORE_MAX)
    if s.told > 0.0:
        v.deviation = DEVIATION * min(max(score, 1.0), SCORE_MAX)
        v.part = math.floor(t - s.run_t)


@compiled
def _border(s: Any, min_rows: float) -> float:
    """Rows of the newest value that score 1.0."""
    chance = 1.0 + _LOG_CHANCE / math.log(max(s.repeats, 1e-6))
    border = max(min_rows, chance, LEVELS * s.level)
    if s.x == s.known_x:
        border = max(border, LONGER * s.known_rows)
    if s.x == s.new_x:
        border = max(border, LONGER * s.new_rows)
    return float(max(min_rows, border * verdict_factor(s)))


@compiled
def _end(s: Any, min_rows: float) -> None:
    """Learn the run that is over."""
    run = s.run
    if run > s.level:
        s.level *= min(_RISE, run / s.level)
    else:
        s.level = max(1.0, s.level * _FALL)
    if run < min_rows or run < s.level:
        return
    if s.known_rows > 0.0 and s.x == s.known_x:
        s.known_rows = max(run, s.known_rows)
    elif s.new_rows > 0.0 and s.x == s.new_x:
        s.known_x, s.known_rows, s.new_rows = s.x, max(run, s.new_rows), 0.0
    else:
        s.new_x, s.new_rows = s.x, run
