"""Missing data: speaks at the first value after a gap much longer than this series' gaps usually are.

Knows the times of one series a row, nothing of its values; while a series is silent there is no event, so nothing can
speak (`absent` does that). Remembers how long gaps usually are, and the long ones that come back at a time of day.

1. The usual gap: a running mean of the time between rows, long gaps bounded; and `level`, which one in 2,000 passes.
2. The border is max(20 usual gaps, 3 levels): regular series get the first, irregular ones learn the second.
3. A long gap is remembered by its time of day. One that comes back there, and is not much longer, is usual.
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
        ("usual", "f8"),  # s between rows, a running mean, bounded
        ("level", "f8"),  # s: one gap in 2,000 is longer
        ("known_t", "f8"),  # Unix s at which the newest gap of those that come back each day began; 0: none
        ("new_t", "f8"),  # the same of the newest long gap that was not one of those
        ("known_s", "f4"),  # how long it was
        ("new_s", "f4"),
        *VERDICT_FIELDS,
    ]
)
"""One series: 72 bytes. All zero: never seen."""

SHARE = 0.9995  # of gaps below the level
STEP = 0.5  # of log level, a gap
LEVELS = 3.0  # border in levels: exponential gaps (mean 1) have their level at 7.6, and 23 once in 10**10 rows
MEAN_MAX = 3.0  # usual gaps: what one counts at most in their mean
WEIGHT = 0.01  # of a gap in the mean
HELD = 0.999
DAY_S = 86400.0
WEEK_S = 7.0 * DAY_S
NEAR_S = 1800.0  # of the time of day
SUMMER_S = 3600.0  # a change to summer time moves a known gap by so much
LONGER = 1.5  # a gap that comes back may be so many times as long, a new one also so many times as short
FORGET = 0.95  # of a known length, each time: four short nights don't make a long weekend news
SCORE_MAX = 100.0
DEVIATION = 3.0  # of a gap at the border
_FALL = math.exp(-STEP * (1.0 - SHARE))
_RISE = math.exp(STEP * SHARE)


class Params(Settings):
    """Settings of `gap`."""

    warm_up: int = Field(default=60, ge=30, description="Rows of a series before it may score.")
    min_periods: float = Field(
        default=20.0,
        ge=2.0,
        allow_inf_nan=False,
        description="Gaps shorter than so many times the usual one never score.",
    )
    min_s: float = Field(
        default=0.0, ge=0.0, allow_inf_nan=False, description="Gaps shorter than that never score, in seconds."
    )


class Gap(Detector):
    """Score: the gap before this value, in borders. Deviation: 3 times that at the first value, 0 at the next.

    >>> import numpy as np
    >>> from detectors.base import VERDICT
    >>> t = 60.0 * np.delete(np.arange(400), range(300, 330))
    >>> gap, out = Gap(Params(), ()), np.zeros(370, VERDICT)
    >>> gap.grow(1)
    >>> gap.update(np.zeros(370, np.int64), np.zeros(370, bool), t, np.zeros(370), out)
    >>> np.flatnonzero(out["score"] >= 1.0), out["score"][300]
    (array([300]), np.float64(1.55))
    """

    kind: ClassVar[str] = "gap"
    tells_ends: ClassVar[bool] = True
    version: ClassVar[int] = 3
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"gap takes its own Params, got {type(params).__name__}")
        self._settings = (float(params.warm_up), params.min_periods, params.min_s)
        self._series: NDArray[np.generic] = np.zeros(0, STATE)

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, rows, fresh, t, self._settings, out)

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        """`noise`, `missed`: counted, the border is a function of the counts."""
        return judge_tail(self._series[row], verdict, undo)

    def why(self, point: Point) -> str:
        if point.score < 1.0:
            return f"value {point.value:.6g} came in time"
        return (
            f"value {point.value:.6g} is the first after {format_duration(point.part)} of missing data, where "
            f"{format_duration(point.part / point.score)} are this series' border"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"series": self._series}


@compiled
def _run(series: Any, rows: Rows, fresh: Flags, t: Floats, settings: Any, out: Any) -> None:
    cells = series.view(np.float64).reshape((len(series), -1))
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            prefetch(cells, rows[i + AHEAD], 0)
            prefetch(cells, rows[i + AHEAD], 7)
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
        _step(series[k], t[i], settings, out[i])


@compiled
def _step(s: Any, t: float, settings: Any, v: Any) -> None:
    warm_up, min_periods, min_s = settings
    v.expected = v.lower = v.upper = np.nan
    v.score = v.deviation = v.part = 0.0
    row, dt = s.rows, t - s.t
    if row > 0.0 and not dt > 0.0:
        return
    began, s.t, s.rows = s.t, t, row + 1.0
    if row == 0.0:
        return
    if row == 1.0:
        s.usual = s.level = dt
    least = max(min_periods * s.usual, min_s)
    border = max(least, LEVELS * s.level)
    judged = max(least, border * verdict_factor(s))  # what was said changes nothing that is learned
    if dt > s.level:
        s.level *= min(_RISE, dt / s.level)
    else:
        s.level = max(s.level * _FALL, s.usual)
    s.usual += max(WEIGHT, 1.0 / (row + 1.0)) * (min(dt, MEAN_MAX * s.usual) - s.usual)
    if dt < border:
        if row >= warm_up:
            _say(dt, judged, v)
        return
    known, new = began - s.known_t, began - s.new_t
    if 0.0 < known <= WEEK_S + SUMMER_S and _comes_back(known, DAY_S, dt, s.known_s, NEAR_S + SUMMER_S):
        s.known_t, s.known_s = began, max(dt, FORGET * s.known_s)
    elif s.new_s <= LONGER * dt and (
        (new < 1.5 * DAY_S and _comes_back(new, DAY_S, dt, s.new_s, NEAR_S))
        or (new < 1.5 * WEEK_S and _comes_back(new, WEEK_S, dt, s.new_s, NEAR_S))
    ):
        s.known_t, s.known_s, s.new_t, s.new_s = began, dt, 0.0, 0.0
    else:
        s.new_t, s.new_s = began, dt
        if row >= warm_up:
            _say(dt, judged, v)


@compiled
def _say(dt: float, border: float, v: Any) -> None:
    if dt < border:
        v.score = min(dt / border, HELD)
    else:
        v.score = min(max(dt / border, 1.0), SCORE_MAX)
        v.deviation = DEVIATION * v.score
        v.part = math.floor(dt)


@compiled
def _comes_back(apart_s: float, every_s: float, dt: float, known_s: float, near_s: float) -> bool:
    """Whether a gap that began `apart_s` after one of `known_s` is a whole number of `every_s` later, and no longer."""
    times = round(apart_s / every_s)
    return bool(dt <= LONGER * known_s and times >= 1.0 and abs(apart_s - every_s * times) <= near_s)
