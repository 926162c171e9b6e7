"""When a limit will be reached: `disk full in 3 h 40 min`. Robust slopes of a long and a short window, less what such
forecasts of this series were wrong by before.

Knows one series a row. It judges where a bucket closes (12 an hour with a horizon of 4 h); in between the verdict
stands. Works on values turned so that the limit is above. `docs/detectors.md` has the formulas.
"""

import math
from statistics import NormalDist
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from detectors.base import VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.buckets import BUCKET_FIELDS, BUCKETS, closed, take
from detectors.holt import HOLT_FIELDS, ahead, holt
from detectors.pulse import HELD, PULSE_FIELDS, SCORE_MAX, pulse
from detectors.slopes import dependence, interval, kendall, middle, slopes
from schemas.compiled import compiled
from schemas.config.values import Duration
from schemas.duration import format_duration
from schemas.levels import Border, Op, over

PAST = 12  # forecasts that wait for their outcome: one every twelfth of the horizon
SCALE = np.dtype(
    [
        *BUCKET_FIELDS,
        *HOLT_FIELDS,
        ("high", "f8"),  # highest value of the open bucket
        ("reach", "f8"),  # how far the highest value of a bucket usually is over its mean
        ("broken", "f8"),  # the most that a forecast rise fell short of, fading
        ("top", "f8"),  # highest value seen, fading
        ("past_slot", "f8"),  # number of the newest twelfth of a horizon in `past`
        ("level", "f8"),  # now, by the line
        ("known", "f8"),  # 1: `level` is one
        ("passed", "f8"),  # 1: the newest closed bucket is over the limit
        ("near", "f8"),  # horizon / time to the limit, as it stands
        ("sure", "f8"),  # the same, with the rise less `broken`
        ("times", "f8"),  # earliest, likely, latest, for `why`
    ]
)
"""One series on one scale. All f8, so that a row is cleared through one plain view; all zero: never seen."""
STATE = np.dtype([("start_s", "f8"), ("closes", "f8"), *PULSE_FIELDS])
"""One series. start_s: Unix s of the first value; closes: times that a bucket was closed, the pulse's row."""

SCALES = (1.0, 4.0)  # windows: for what fills up within hours, and for what takes a day
FILLED = BUCKETS // 2  # buckets of the window that must have values, at least a half
SHORT = BUCKETS // 3  # newest buckets that are the short window
SHORT_FILLED = 3
FADE_S = 14 * 86_400.0  # after so long a broken forecast counts by 1 / e: two weekly rotations are remembered
REACH_WEIGHT = 0.01  # of a bucket, after the first hundred
MARGIN = 1.25  # of a broken forecast: the next burst may be a little steeper
INTERVAL = 0.95  # chance that earliest..latest is right, as far as the scatter about the line tells
BACK = 0.5  # of the border: below it the alert clears
CALM = 3.0  # |deviation| below which an alert clears, unless the rule says otherwise
NOISE = 1e-9  # of the level: a smaller rise within the horizon is rounding
TINY = 1e-300
MARKS = 1000.0  # parts of the horizon in which `times` are told
MARK_MAX = 65_535.0  # the largest: that late, or never


class Params(Settings):
    """Settings of `forecast`."""

    limit: str = Field(description='The border that must not be reached: `"> 90"`, `"< 5"`.')
    horizon: Duration = Field(
        default=14_400.0, gt=0, description="Alert when the limit will be reached within so long."
    )
    window: Duration | None = Field(
        default=None,
        gt=0,
        description="The long window, in 24 buckets; its newest third is the short one. Default: half the horizon.",
    )
    history: Duration = Field(
        default=86_400.0,
        ge=0,
        description="Forecasts are only compared with what came for so long, before one is told.",
    )
    method: Literal["slope", "holt", "both"] = Field(
        default="slope", description="Theil-Sen slopes, Holt's damped trend, or what both agree on."
    )

    @field_validator("limit", mode="before")
    @classmethod
    def _directed(cls, written: object) -> object:
        if isinstance(written, int | float) and not isinstance(written, bool):
            raise ValueError(f'a limit needs a direction, got {written:g}; write "> {written:g}"')
        return written

    @field_validator("limit")
    @classmethod
    def _one_sided(cls, text: str) -> str:
        border = Border.parse(text)
        if border.op in (Op.OUTSIDE, Op.INSIDE):
            raise ValueError(f'a limit has one side, got "{border}"; write for example "> {border.high:g}"')
        return text


class Forecast(Detector):
    """Score: horizon / time until the limit is reached, 1.0 where that is within the horizon.

    >>> from detectors.base import VERDICT
    >>> forecast = Forecast(Params(limit="> 90", horizon=14_400.0), ())
    >>> forecast.grow(1)
    >>> minute = np.arange(2 * 1440 + 600)  # two quiet days, then 6 an hour; 90 is reached after 400 minutes
    >>> x = 50.0 + np.random.default_rng(1).normal(0.0, 1.0, len(minute)) + 0.1 * np.maximum(minute - 2880, 0)
    >>> out = np.zeros(len(x), VERDICT)
    >>> rows = np.zeros(len(x), np.int64)
    >>> forecast.update(rows, np.zeros(len(x), np.bool_), 1.7e9 + 60.0 * minute, x, out)
    >>> 3280 - int(np.flatnonzero(out["score"] >= 1.0)[0])  # minutes between the alert and the limit
    218
    """

    kind: ClassVar[str] = "forecast"
    tells_ends: ClassVar[bool] = True
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"forecast takes its own Params, got {type(params).__name__}")
        self._limit = Border.parse(params.limit)
        self._horizon_s = params.horizon
        window_s = params.window or params.horizon / 2.0
        self._settings = (
            np.array(SCALES) * window_s / BUCKETS,
            params.horizon,
            params.history,
            1.0 if self._limit.op in (Op.ABOVE, Op.AT_LEAST) else -1.0,
            self._limit.low,
            self._limit.op in (Op.AT_LEAST, Op.AT_MOST),
            params.method != "holt",
            params.method != "slope",
            NormalDist().inv_cdf(0.5 + INTERVAL / 2.0),
        )
        self._series: NDArray[np.generic] = np.zeros(0, STATE)
        self._scales: NDArray[np.generic] = np.zeros((0, len(SCALES)), SCALE)
        self._ring: NDArray[np.float64] = np.zeros((0, len(SCALES), BUCKETS))
        self._past: NDArray[np.float64] = np.zeros((0, len(SCALES), PAST, 2))

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)
        self._scales = grown(self._scales, rows)
        self._ring = grown(self._ring, rows)
        self._past = grown(self._past, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, self._scales, self._ring, self._past, rows, fresh, t, x, self._settings, out)

    def why(self, point: Point) -> str:
        limit = f"{self._limit.low:.6g}"
        if point.score >= SCORE_MAX:
            return f"value {point.value:.6g} has reached the limit {limit}"
        if point.score < 1.0 and abs(point.deviation) < CALM:
            return f"value {point.value:.6g} is no longer about to reach the limit {limit}"
        earliest_s, likely_s, latest_s = (mark / MARKS * self._horizon_s for mark in unpacked(point.part))
        if likely_s <= 0.0 and over(self._limit.op, self._limit.low, self._limit.high, point.value):
            return f"value {point.value:.6g} is over the limit {limit}, and the level follows"
        if likely_s <= 0.0:
            return f"value {point.value:.6g} will reach the limit {limit} within {format_duration(self._horizon_s)}"
        late = latest_s / self._horizon_s * MARKS >= MARK_MAX
        until = "or much later" if late else f"to {format_duration(latest_s)}"
        text = (
            f"the limit {limit} will be reached in {format_duration(likely_s)} ({format_duration(earliest_s)} {until})"
        )
        if math.isfinite(point.expected):
            text += f", at {abs(self._limit.low - point.expected) / likely_s * 3600.0:.3g} per hour"
        return f"value {point.value:.6g}, {text}"

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"series": self._series, "scales": self._scales, "ring": self._ring, "past": self._past}


@compiled
def packed(earliest: float, likely: float, latest: float) -> float:
    """Three times, in MARKS of the horizon, as one whole number: what a verdict has room for."""
    whole = 0.0
    for mark in (latest, likely, earliest):
        whole = whole * (MARK_MAX + 1.0) + math.floor(min(max(mark * MARKS, 0.0), MARK_MAX))
    return whole


def unpacked(part: int) -> tuple[float, float, float]:
    """Earliest, likely, latest in MARKS of the horizon.

    >>> unpacked(int(packed(0.5, 0.75, 1.25)))
    (500.0, 750.0, 1250.0)
    """
    base = int(MARK_MAX) + 1
    return float(part % base), float(part // base % base), float(part // base // base)


@compiled
def _run(
    series: Any,
    scales: Any,
    rings: Any,
    pasts: Any,
    rows: Rows,
    fresh: Flags,
    t: Floats,
    x: Floats,
    settings: Any,
    out: Any,
) -> None:
    cells = series.view(np.float64).reshape((len(series), -1))
    parts = scales.view(np.float64).reshape((len(series), -1))
    places, values, left = np.empty(BUCKETS), np.empty(BUCKETS), np.empty(BUCKETS)
    pairs = np.empty(BUCKETS * (BUCKETS - 1) // 2)
    widths_s, side = settings[0], settings[3]
    for i in range(len(rows)):
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
            parts[k] = 0.0
        v = out[i]
        v.expected = v.lower = v.upper = np.nan
        v.score = v.deviation = v.part = 0.0
        if not math.isfinite(x[i]):
            continue
        row = series[k]
        value = side * min(max(x[i], -VALUE_MAX), VALUE_MAX)
        told = False
        for j in range(len(widths_s)):
            s = scales[k, j]
            if s.count == 0.0:
                row.start_s = t[i]
                s.top = s.past_slot = -math.inf
                pasts[k, j, :, :] = math.nan
            mean, high = s.mean, s.high
            if take(s, rings[k, j], widths_s[j], t[i], value) > 0:
                n = closed(s, rings[k, j], places, values)
                # Holt's step is a bucket: the closed one comes so many after the one before.
                s.reach += max(REACH_WEIGHT, 1.0 / (s.holt_count + 1.0)) * (high - mean - s.reach)
                holt(s, mean, float(places[n - 1] - places[n - 2]) if n > 1 else 1.0)
                ready = t[i] - row.start_s >= settings[2]
                _look(s, pasts[k, j], t[i], widths_s[j], ready, high, places, values, n, pairs, left, settings)
                told = True
            s.high = max(s.high, value) if s.count > 1.0 else value
        best = scales[k, 0]
        passed = best.passed
        for j in range(1, len(widths_s)):
            other = scales[k, j]
            passed = max(passed, other.passed) if best.known == 0.0 else passed
            if other.sure > best.sure or (other.sure == best.sure and other.near > best.near) or best.known == 0.0:
                best = other
        if best.known > 0.0:
            sure, near = (SCORE_MAX, SCORE_MAX) if passed > 0.0 else (best.sure, best.near)
            row.closes += 1.0 if told else 0.0
            v.score = pulse(row, row.closes, sure) if told else min(sure, HELD)
            v.expected = side * best.level
            v.deviation = side * near * CALM / BACK
            v.part = best.times


@compiled
def _look(
    s: Any,
    past: Any,
    t: float,
    width_s: float,
    ready: bool,
    high: float,
    places: Any,
    values: Any,
    n: int,
    pairs: Any,
    left: Any,
    settings: Any,
) -> None:
    """Forecast from the closed buckets, and compare the forecast of a horizon ago with what came."""
    _, horizon_s, _, side, border, at_border, by_slope, by_holt, z = settings
    limit = side * border
    s.near = s.sure = s.known = s.times = s.passed = 0.0
    if n < FILLED:
        return
    last = values[n - 1]
    s.passed = 1.0 if last > limit or (at_border and last == limit) else 0.0
    first = n
    while first > 0 and places[first - 1] >= -SHORT:
        first -= 1
    short = n - first
    level, newest, low, steep, rise = last, math.inf, 0.0, 0.0, 0.0
    if short >= SHORT_FILLED:
        newest = middle(pairs, slopes(places[first:], values[first:], short, pairs))
        for i in range(short):
            left[i] = values[first + i] - newest * places[first + i]
        # A burst's slope would carry the line far beyond anything seen.
        level = min(max(float(np.median(left[:short])), np.min(values[first:n])), np.max(values[first:n]))
    steps = horizon_s / width_s
    order, variance = kendall(values, n)
    # Without this many rising pairs Sen's interval holds 0: most buckets need no slopes at all.
    if newest > 0.0 and order > z * math.sqrt(variance):
        m = slopes(places, values, n, pairs)
        slope = middle(pairs, m)
        raised, _ = dependence(places, values, n, slope, left)
        low, steep = interval(pairs, m, z, variance * raised)
        rise = min(slope, newest) * steps if by_slope else math.inf
        if by_holt:
            rise = min(rise, s.holt_trend * ahead(steps))
        if low <= 0.0 or rise <= NOISE * abs(level):
            rise = 0.0
    fade = math.exp(-width_s / FADE_S)
    _compare(s, past, t, horizon_s, level, rise, fade)
    new = min(max((limit - level) / (limit - s.top), 0.0), 1.0) if s.top < level else 1.0
    s.top = max(high, high + fade * (s.top - high) if s.top > -math.inf else high)
    s.level, s.known = level, 1.0
    if rise <= 0.0 or not ready:
        return
    gap = max(limit - level - s.reach, TINY)
    s.near = min(rise / gap, SCORE_MAX * HELD)
    s.sure = min(max(rise - s.broken * MARGIN * new, 0.0) / gap, SCORE_MAX * HELD)
    likely = gap / rise
    s.times = packed(
        min(gap / (max(steep, rise / steps) * steps), likely),
        likely,
        max(gap / (min(low, rise / steps) * steps), likely),
    )


@compiled
def _compare(s: Any, past: Any, t: float, horizon_s: float, level: float, rise: float, fade: float) -> None:
    """What the rise forecast a horizon ago fell short of by now; then the new forecast takes its place."""
    s.broken *= fade
    slot = math.floor(t / (horizon_s / PAST))
    here = int(slot % PAST)
    if slot > s.past_slot:
        if slot - s.past_slot > PAST:
            past[:, :] = math.nan
        elif not math.isnan(past[here, 0]):
            s.broken = max(s.broken, min(past[here, 0] + past[here, 1] - level, past[here, 1]))
        for skipped in range(1, int(min(slot - s.past_slot, PAST))):
            past[int((slot - skipped) % PAST), :] = math.nan
        past[here, :] = math.nan
        s.past_slot = slot
    # The boldest forecast of its twelfth is the one that is held against the series.
    if math.isnan(past[here, 0]) or rise > past[here, 1]:
        past[here, 0], past[here, 1] = level, rise
