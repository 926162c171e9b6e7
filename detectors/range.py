"""Novelty: a value beyond all that the series has shown so far, by more than a share of its range.

Knows the least and largest value of the present and the last epoch of each series, and nothing of their order. Few
alerts, and hardly a false one; blind to all that happens within the range.
"""

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors.base import VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.prefetch import AHEAD, prefetch
from detectors.pulse import PULSE_FIELDS, SCORE_MAX, pulse
from schemas.compiled import compiled
from schemas.config.values import Duration
from schemas.levels import Border

STATE = np.dtype(
    [
        ("rows", "f8"),  # seen
        ("t", "f8"),  # Unix s of the newest row
        ("first", "f8"),  # and of the first
        ("epoch", "f8"),  # when the present epoch began
        ("low", "f8"),  # of the present epoch
        ("high", "f8"),
        ("low_before", "f8"),  # of the epoch before
        ("high_before", "f8"),
        ("side", "f8"),  # of a novelty that was told and has not come back: -1, 0, 1
        ("edge", "f8"),  # what was the end of the range when it was told
        ("step", "f8"),  # and the distance that scored 1.0
        ("since", "f8"),  # and when
        *PULSE_FIELDS,
    ]
)
"""One series. All f8, all zero: never seen."""

FLAT = 0.05  # of the level: how far a value lies from a series that never varied where it scores 1.0
NOISE = 1e-6  # of the level: smaller differences are rounding, not data
TINY = 1e-300
HELD_FROM = 3.0  # |deviation| from which an alert is held

_DIRECTIONS = {"above": 1.0, "both": 0.0, "below": -1.0}


class Params(Settings):
    """Settings of `range`."""

    margin: float = Field(
        default=0.05,
        gt=0.0,
        allow_inf_nan=False,
        description="How far beyond the range scores 1.0, as a share of its width.",
    )
    direction: Literal["above", "below", "both"] = Field(
        default="both", description="Ends of the range that may alert."
    )
    warm_up: int = Field(default=300, ge=10, description="Rows of a series before it may score.")
    warm_up_time: Duration = Field(default=86400.0, ge=0.0, description="Event time of a series before it may score.")
    remember: Duration = Field(
        default=7776000.0,
        ge=0.0,
        description="What was last seen longer ago is forgotten, after twice that at the latest. 0: nothing is.",
    )
    settle: Duration = Field(
        default=3600.0, ge=0.0, description="Time after which a novelty that lasts counts as known, and its alert ends."
    )
    min_change: float = Field(
        default=0.0, ge=0.0, allow_inf_nan=False, description="A nearer value is no novelty, in the series' unit."
    )


class Range(Detector):
    """Score: distance beyond the range / (`margin` x its width). `lower`, `upper`: where it is 1.0.

    `deviation`: while a novelty lasts (for `settle`), 3 and more; else 0. Each record is news once:

    >>> from detectors.base import VERDICT
    >>> detector = Range(Params(warm_up=10, warm_up_time=0.0), (Border.parse(">= 1"),))
    >>> x, out = np.arange(20) % 5.0, np.zeros(20, VERDICT)
    >>> x[15:18] = 4.1, 5.0, 4.9
    >>> detector.grow(1)
    >>> detector.update(np.zeros(20, np.int64), np.zeros(20, np.bool_), 60.0 * np.arange(20), x, out)
    >>> np.flatnonzero(out["score"] >= 1.0).tolist(), out["upper"][[15, 16]].round(3).tolist()
    ([16], [4.2, 4.305])
    """

    kind: ClassVar[str] = "range"
    tells_ends: ClassVar[bool] = True
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"range takes its own Params, got {type(params).__name__}")
        self._settings = (
            params.margin,
            _DIRECTIONS[params.direction],
            float(params.warm_up),
            params.warm_up_time,
            params.remember,
            params.settle,
            params.min_change,
        )
        self._series: NDArray[np.generic] = np.zeros(0, STATE)

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, rows, fresh, t, x, self._settings, out)

    def why(self, point: Point) -> str:
        value = f"value {point.value:.6g}"
        if point.score < 1.0:
            if abs(point.deviation) < HELD_FROM:
                return f"{value} is within what was seen before, or no longer new"
            return f"{value} still lies {'above' if point.deviation > 0.0 else 'below'} what was seen before the alert"
        above = point.deviation >= 0.0
        end = point.upper if above else point.lower
        beyond = f"the border {end:.6g} around everything seen" if math.isfinite(end) else "everything seen"
        return f"{value} lies {'above' if above else 'below'} {beyond}, {point.score:.2g} times the margin beyond it"

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"series": self._series}


@compiled
def _run(series: Any, rows: Rows, fresh: Flags, t: Floats, x: Floats, settings: Any, out: Any) -> None:
    cells = series.view(np.float64).reshape((len(series), -1))
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            later = rows[i + AHEAD]
            for field in range(0, cells.shape[1], 8):  # 8 numbers are a cache line
                prefetch(cells, later, field)
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
        _step(series[k], t[i], x[i], settings, out[i])


@compiled
def _step(s: Any, t: float, x: float, settings: Any, v: Any) -> None:
    margin, direction, warm_up, warm_up_s, remember_s, settle_s, min_change = settings
    v.expected = v.lower = v.upper = np.nan
    v.score = v.deviation = v.part = 0.0
    if not math.isfinite(x):
        return
    x = min(max(x, -VALUE_MAX), VALUE_MAX)
    row = s.rows
    if row == 0.0:
        s.rows, s.t, s.first, s.epoch = 1.0, t, t, t
        s.low = s.high = s.low_before = s.high_before = x
        return
    if not t > s.t:
        return
    if remember_s > 0.0 and t - s.epoch > remember_s:
        s.low_before, s.high_before = s.low, s.high
        # Not x itself: it is judged below, against what was known.
        s.low = s.high = min(max(x, s.low), s.high)
        s.epoch = t
    low, high = min(s.low, s.low_before), max(s.high, s.high_before)
    if row >= warm_up and t - s.first >= warm_up_s:
        _judge(s, row, t, x, low, high, margin, direction, settle_s, min_change, v)
    s.low, s.high = min(s.low, x), max(s.high, x)
    s.rows, s.t = row + 1.0, t


@compiled
def _judge(
    s: Any,
    row: float,
    t: float,
    x: float,
    low: float,
    high: float,
    margin: float,
    direction: float,
    settle_s: float,
    min_change: float,
    v: Any,
) -> None:
    level = max(abs(low), abs(high))
    width = high - low
    step = max(margin * width if width > NOISE * level else FLAT * level, NOISE * level, min_change, TINY)
    if direction >= 0.0:
        v.upper = high + step
    if direction <= 0.0:
        v.lower = low - step
    side, beyond = 0.0, 0.0
    if x > high and direction >= 0.0:
        side, beyond = 1.0, (x - high) / step
    elif x < low and direction <= 0.0:
        side, beyond = -1.0, (low - x) / step
    if x > v.upper or x < v.lower:
        beyond = max(beyond, 1.0)  # the bounds are exact, whatever the rounding of the division
    v.score = pulse(s, row, beyond)
    if v.score >= 1.0 and side != s.side:
        s.side, s.edge, s.step = side, high if side > 0.0 else low, step
    if v.score >= 1.0:
        s.since = t
    if s.side != 0.0 and (s.side * (x - s.edge) <= 0.0 or t - s.since > settle_s):
        s.side = 0.0
    if s.side != 0.0:
        v.deviation = s.side * HELD_FROM * max(1.0, min(SCORE_MAX, s.side * (x - s.edge) / s.step))
