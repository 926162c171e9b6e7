"""A rise or fall that goes on: robust slope of the last hours, if it is certain and more than the series usually does.

Knows one series a row: its bucket means, and how far it usually moves in a window. `docs/detectors.md` has formulas.
"""

import math
from statistics import NormalDist
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors.base import VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.buckets import BUCKET_FIELDS, BUCKETS, closed, take
from detectors.pulse import HELD, PULSE_FIELDS, SCORE_MAX, pulse
from detectors.slopes import certainty, dependence, kendall, middle, slopes
from schemas.compiled import compiled
from schemas.config.values import Duration
from schemas.duration import format_duration
from schemas.levels import Border

STATE = np.dtype(
    [
        *BUCKET_FIELDS,
        ("start_s", "f8"),  # Unix s of the first value
        ("closes", "f8"),  # times that buckets were closed: the pulse's row
        ("changes", "f8"),  # changes that taught `usual`
        ("usual", "f8"),  # mean |change| within a window, bounded
        ("size", "f8"),  # of the trend, in borders, as it stands; with its sign
        ("begin", "f8"),  # where the line was a window ago
        ("known", "f8"),  # 1: `begin` is one
        *PULSE_FIELDS,
    ]
)
"""One series. All f8, so that a row is cleared through one plain view; all zero: never seen."""

FILLED = BUCKETS // 2  # buckets of the window that must have values
USUAL_TIMES = 5.0  # white noise and random walks go so many times their mean change once in thousands of windows
SCATTER_TIMES = 3.0  # a change that is lost in the scatter about its own line is nothing to wake up for
USUAL_WEIGHT = 1.0 / (20.0 * BUCKETS)  # of a change in `usual`, after the first 20 windows
USUAL_BOUND = 3.0  # times `usual`: one trend moves it by no more
BACK = 0.5  # of the border: below it a trend is over
CALM = 3.0  # |deviation| below which an alert clears, unless the rule says otherwise
NOISE = 1e-9  # of the level: smaller changes are rounding
SIGMA = 1.4826  # of the normal law, in median absolute deviations
TINY = 1e-300


class Params(Settings):
    """Settings of `trend`."""

    window: Duration = Field(
        default=21_600.0, gt=0, description="The trend of so long, in 24 buckets; at least 12 of them need values."
    )
    history: Duration = Field(
        default=86_400.0, ge=0, description="A series is watched for so long first: what it does every day is no trend."
    )
    significance: float = Field(
        default=0.01, gt=0, lt=0.5, description="Chance of such an order of buckets without any trend (two-sided)."
    )
    direction: Literal["above", "below", "both"] = Field(
        default="both", description="`above`: only rises may alert; `below`: only falls."
    )
    min_change: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="Smaller changes never score, in the series' unit."
    )
    min_change_relative: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Smaller changes never score, as a share of where the window began.",
    )


_DIRECTIONS = {"above": 1.0, "both": 0.0, "below": -1.0}


class Trend(Detector):
    """Theil-Sen slope on bucket means, Mann-Kendall significance, against the series' usual change.

    >>> from detectors.base import VERDICT
    >>> trend = Trend(Params(direction="above"), ())
    >>> trend.grow(1)
    >>> minute = np.arange(3 * 1440)  # two quiet days, then 0.1 more every minute
    >>> x = 50.0 + np.random.default_rng(1).normal(0.0, 1.0, len(minute)) + 0.1 * np.maximum(minute - 2880, 0)
    >>> out = np.zeros(len(x), VERDICT)
    >>> rows = np.zeros(len(x), np.int64)
    >>> trend.update(rows, np.zeros(len(x), np.bool_), 1.7e9 + 60.0 * minute, x, out)
    >>> int(np.flatnonzero(out["score"] >= 1.0)[0]) - 2880  # minutes until it was told
    257
    """

    kind: ClassVar[str] = "trend"
    tells_ends: ClassVar[bool] = True
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"trend takes its own Params, got {type(params).__name__}")
        self._window_s = params.window
        self._settings = (
            params.window / BUCKETS,
            params.history,
            NormalDist().inv_cdf(1.0 - params.significance / 2.0),
            _DIRECTIONS[params.direction],
            params.min_change,
            params.min_change_relative,
        )
        self._series: NDArray[np.generic] = np.zeros(0, STATE)
        self._ring: NDArray[np.float64] = np.zeros((0, BUCKETS))

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)
        self._ring = grown(self._ring, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, self._ring, rows, fresh, t, x, self._settings, out)

    def why(self, point: Point) -> str:
        moved = point.value - point.expected
        span = format_duration(self._window_s)
        if point.score < 1.0 and abs(point.deviation) < CALM:
            return f"value {point.value:.6g} no longer keeps on its trend over {span}"
        way = "risen" if point.deviation >= 0.0 else "fallen"
        text = f"value {point.value:.6g} has {way} steadily over {span}"
        if moved * point.deviation > 0.0:
            text += f", from {point.expected:.6g}, by {abs(moved) / self._window_s * 3600.0:.3g} per hour"
        return f"{text}, {point.score:.2g} times this series' border for a trend" if point.score >= 1.0 else text

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"series": self._series, "ring": self._ring}


@compiled
def _run(series: Any, rings: Any, rows: Rows, fresh: Flags, t: Floats, x: Floats, settings: Any, out: Any) -> None:
    cells = series.view(np.float64).reshape((len(series), -1))
    places, values, left = np.empty(BUCKETS), np.empty(BUCKETS), np.empty(BUCKETS)
    pairs = np.empty(BUCKETS * (BUCKETS - 1) // 2)
    width_s = settings[0]
    for i in range(len(rows)):
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
        v = out[i]
        v.expected = v.lower = v.upper = np.nan
        v.score = v.deviation = v.part = 0.0
        if not math.isfinite(x[i]):
            continue
        s = series[k]
        value = min(max(x[i], -VALUE_MAX), VALUE_MAX)
        if s.count == 0.0:
            s.start_s = t[i]
        told = False
        if take(s, rings[k], width_s, t[i], value) > 0:
            n = closed(s, rings[k], places, values)
            _look(s, t[i], places, values, n, pairs, left, settings)
            s.closes += 1.0
            told = True
        if s.known > 0.0:
            size = abs(s.size)
            v.score = pulse(s, s.closes, size) if told else min(size, HELD)
            v.expected = s.begin
            v.deviation = s.size * CALM / BACK


@compiled
def _look(s: Any, t: float, places: Any, values: Any, n: int, pairs: Any, left: Any, settings: Any) -> None:
    """Judge the trend of the closed buckets, then learn how far the series moves."""
    _, history_s, z, direction, min_change, min_change_relative = settings
    s.size, s.known = 0.0, 0.0
    if n < FILLED:
        return
    slope = middle(pairs, slopes(places, values, n, pairs))
    raised, scatter = dependence(places, values, n, slope, left)
    change = slope * (BUCKETS - 1.0)
    centre = middle(values, n) + slope * (places[0] - places[n // 2])
    least = max(min_change, min_change_relative * abs(centre), NOISE * abs(centre)) + TINY
    border = max(USUAL_TIMES * s.usual, SCATTER_TIMES * SIGMA * scatter, least)
    if t - s.start_s >= history_s:
        s.begin, s.known = centre, 1.0
        if abs(change) >= least and change * direction >= 0.0:
            order, variance = kendall(values, n)
            sure = certainty(order, variance * raised) / z
            size = min(abs(change) / border, SCORE_MAX)
            if s.usual <= NOISE * abs(centre):
                size = min(size, 1.0)  # what never moved has no usual change to rank by
            s.size = math.copysign(size if sure >= 1.0 else min(size, sure), change)
    s.changes += 1.0
    bounded = min(abs(change), USUAL_BOUND * s.usual) if s.changes > BUCKETS and s.usual > 0.0 else abs(change)
    s.usual += max(USUAL_WEIGHT, 1.0 / s.changes) * (bounded - s.usual)
