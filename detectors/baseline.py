"""The shipped default: what is normal for this series, at this time of day, learned from the series itself.

Knows one series a row: levels, a time-of-day profile, how surprising the series usually is. Knows no other series, no
labels, no calendar. `docs/detectors.md` has the formulas and what they cost.

1. Two forecasts: a fast level, and a fast level with the time-of-day profile taken out. The surprise is the smaller of
   their two residuals, 0 where they disagree in sign: a spike must surprise both.
2. Its border is learned by the episode tail (`tail.py`); a slow channel (`slow.py`) finds shifts that last.
3. The score is a pulse: an episode is reported where it opens and where it gets worse, not on every row.
4. `expected` and `deviation` come from the steadiest forecast that explains the series well, so that on a noisy level a
   plateau stays deviant until it is the new level, while a random walk is explained by its last level.
"""

import math
from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from detectors import calendar, profile
from detectors.base import BECAME_NORMAL, VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.prefetch import AHEAD, prefetch
from detectors.pulse import HELD, PULSE_FIELDS, pulse
from detectors.slow import (
    DRIFT_FIELDS,
    HOLDS,
    drift_border,
    drift_holds,
    drift_score,
    hold_drift,
    row_share,
)
from detectors.slow import NORMAL as ACCEPTED
from detectors.tail import (
    TAIL_FIELDS,
    flat_border,
    is_flat,
    judge_tail,
    learn_tail,
    tail_border,
    tail_ready,
    verdict_factor,
)
from schemas.compiled import compiled
from schemas.levels import Border

STATE = np.dtype(
    [
        ("rows", "f8"),  # seen
        ("t", "f8"),  # Unix s of the newest row
        ("x", "f8"),  # its value
        ("period", "f8"),  # s between rows, a running mean
        ("fast", "f8"),  # fast level
        ("slow", "f8"),  # slow level: of about a day, at least 1000 rows
        ("day", "f8"),  # fast level of what slow level and profile leave over
        ("error_fast", "f8"),  # bounded mean absolute residual of each of the three forecasts
        ("error_slow", "f8"),
        ("error_day", "f8"),
        ("choice", "f8"),  # the forecast behind `expected`: SLOW, DAY or FAST
        ("short", "f8"),  # short mean of the residual to slow level and profile, for the slow channel
        ("rebased", "f8"),  # what a person's newest "normal" added to the slow level; 0: nothing to take back
        *PULSE_FIELDS,
        *TAIL_FIELDS,
        *DRIFT_FIELDS,
    ]
)
"""One series. All f8, so that a row is cleared through one plain view; all zero: never seen."""

BIN_FIELDS = len(profile.BIN.names or ())
SLOW, DAY, FAST = 0.0, 1.0, 2.0
SLOW_WEIGHT_MIN, SLOW_WEIGHT_MAX = 0.001, 0.1  # of a new row in slow level and errors: a day's worth, within these
FAST_WEIGHT = 0.3  # of a new row in the fast levels
SHORT_WEIGHT = 0.2  # of a new row in the short mean
ERROR_MAX = 4.0  # mean residuals: learning never moves by more than this
START_ROWS = 30.0  # rows before learning is bounded and surprises are looked at
LOCAL = 0.25  # share of the time-of-day noise in the scale of the surprise
GAP_PERIODS = 10.0  # a longer gap starts the fast levels afresh
STEADY = 1.25  # a steadier forecast is preferred while its error is within this factor of the smallest
CALM = 3.0  # |deviation| below which the choice of forecast is looked at again: never in the middle of an alert
NORMAL = 2.0  # sigmas from `expected` towards the surprise: what is nearer came back, it did not break out
FLAT = 0.05  # of the level: smaller changes of a series that never varied do not score
NOISE = 1e-6  # of the level: smaller differences are rounding, not data
TINY = 1e-300
DEVIATION_MAX = 1e6
SIGMA = math.sqrt(math.pi / 2.0)  # sigma / mean absolute deviation of the normal law


class Params(Settings):
    """Settings of `baseline`. Lengths are in rows, that is values of the series."""

    direction: Literal["above", "below", "both"] = Field(
        default="both",
        description="Surprises that may alert. The other direction scores 0 but is learned all the same.",
    )
    warm_up: int = Field(
        default=60,
        ge=50,
        description="Rows of a series before it may score; half of them before that teach the border.",
    )
    min_change: float = Field(
        default=0.0, ge=0.0, allow_inf_nan=False, description="Smaller changes never score, in the series' unit."
    )
    min_change_relative: float = Field(
        default=0.0,
        ge=0.0,
        allow_inf_nan=False,
        description="Smaller changes never score, as a share of the expected value.",
    )
    time_zone: str = Field(
        default="UTC",
        description="IANA name of the time zone whose clocks the series follows, daylight saving and all.",
    )
    season: Literal["day", "week", "none"] = Field(
        default="day", description="What repeats: each day, each day with days of rest apart, or nothing."
    )
    holidays: tuple[date, ...] = Field(
        default=(), description="Dates that are days of rest like Saturday and Sunday; they need `season: week`."
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        calendar.zone(name)
        return name


_DIRECTIONS = {"above": 1.0, "both": 0.0, "below": -1.0}


class Baseline(Detector):
    """Levels, time of day and spread of each series, robust; score 1.0 is the series' own border."""

    kind: ClassVar[str] = "baseline"
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    version: ClassVar[int] = 2
    slow_axes: ClassVar[Mapping[str, int]] = {"profile": 1}  # one bin of the day changes at a time
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"baseline takes its own Params, got {type(params).__name__}")
        self._settings = (
            _DIRECTIONS[params.direction],
            float(params.warm_up),
            params.min_change,
            params.min_change_relative,
            params.season != "none",
        )
        self._season = params.season
        self._calendar = (*calendar.offsets(params.time_zone), calendar.day_numbers(params.holidays))
        self._rest: NDArray[np.generic] = np.zeros((0, profile.BINS if params.season == "week" else 0), profile.REST)
        self._series: NDArray[np.generic] = np.zeros(0, STATE)
        self._profile: NDArray[np.generic] = np.zeros((0, profile.BINS), profile.BIN)

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)
        self._profile = grown(self._profile, rows)
        self._rest = grown(self._rest, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, self._profile, self._rest, rows, fresh, t, x, self._settings, self._calendar, out)

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        """`noise`, `missed`: counted, the border is a function of the counts. `normal`: the slow level moves to where
        the series is now; taken back, it moves as far the other way, and what was learned in between stays."""
        s: Any = self._series[row]
        if verdict != "normal":
            return judge_tail(s, verdict, undo)
        if s["rows"] == 0.0 or (undo and s["rebased"] == 0.0):
            return False
        moved = -s["rebased"] if undo else s["fast"] - s["slow"] - self._season_of(row)
        s["slow"] += moved
        s["day"] -= moved
        s["short"] -= moved
        s["drifting"] = 0.0
        s["rebased"] = 0.0 if undo else moved
        return True

    def _season_of(self, row: int) -> float:
        """What time of day and day of rest add to the slow level at the row's newest event."""
        s: Any = self._series[row]
        starts, seconds, holidays = self._calendar
        local_s = calendar.local(float(s["t"]), starts, seconds)
        here, left, near, weight = profile.place(local_s)
        season = profile.read(self._profile[row], here, left, near, weight)
        if self._season == "week" and calendar.is_rest(local_s, holidays):
            rest: Any = self._rest[row]
            if profile.rest_known(rest[here], float(s["period"])):
                season += profile.read(rest, here, left, near, weight)
        return season

    def why(self, point: Point) -> str:
        sigmas = f"{abs(point.deviation):.1f} sigmas {'above' if point.deviation >= 0.0 else 'below'} the expected"
        if point.part == BECAME_NORMAL:
            return f"value {point.value:.6g} is {sigmas} {point.expected:.6g}, which held so long that it is normal now"
        if point.score < 1.0:
            return f"value {point.value:.6g} is {sigmas} {point.expected:.6g}"
        if point.value > point.upper or point.value < point.lower:
            return (
                f"value {point.value:.6g} is {sigmas} {point.expected:.6g}, "
                f"{point.score:.2g} times as surprising as this series' border"
            )
        return (
            f"value {point.value:.6g} is {sigmas} {point.expected:.6g}, one of many that left the level of this time "
            f"of day, {point.score:.2g} times as far as this series' border"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        rest = {"rest": self._rest} if self._season == "week" else {}
        return {"series": self._series, "profile": self._profile, **rest}


@compiled
def _run(
    series: Any,
    profiles: Any,
    rests: Any,
    rows: Rows,
    fresh: Flags,
    t: Floats,
    x: Floats,
    settings: Any,
    clocks: Any,
    out: Any,
) -> None:
    starts, seconds, holidays = clocks
    cells = series.view(np.float64).reshape((len(series), -1))
    bins = profiles.view(np.float32).reshape((len(profiles), -1))
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            later, bin_ = rows[i + AHEAD], BIN_FIELDS * profile.place(calendar.local(t[i + AHEAD], starts, seconds))[0]
            for field in range(0, cells.shape[1], 8):  # 8 numbers are a cache line
                prefetch(cells, later, field)
            prefetch(bins, later, bin_)
            prefetch(bins, later, min(bin_ + 5, bins.shape[1] - 1))
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
            bins[k] = 0.0
            for bin_ in range(rests.shape[1]):
                rests[k, bin_].value = rests[k, bin_].count = 0.0
        local_s = calendar.local(t[i], starts, seconds)
        rest_day = rests.shape[1] > 0 and calendar.is_rest(local_s, holidays)
        _step(series[k], profiles[k], rests[k], t[i], local_s, rest_day, x[i], settings, out[i])


@compiled
def _step(s: Any, p: Any, rest: Any, t: float, local_s: float, rest_day: bool, x: float, settings: Any, v: Any) -> None:
    """Judge one row of one series from what is known, write the verdict, then learn the row."""
    direction, warm_up, min_change, min_change_relative, seasonal = settings
    v.expected = v.lower = v.upper = np.nan
    v.score = v.deviation = v.part = 0.0
    if not math.isfinite(x):
        return  # the engine keeps such events away; one that came through must not poison the state
    x = min(max(x, -VALUE_MAX), VALUE_MAX)
    row = s.rows
    if row == 0.0:
        s.rows, s.t, s.x, s.fast, s.slow = 1.0, t, x, x, x
        return
    dt = t - s.t
    if not dt > 0.0:
        return
    if row == 1.0:
        s.period = dt
    gap = dt > GAP_PERIODS * s.period
    s.period += max(0.01, 1.0 / (row + 1.0)) * (min(dt, 3.0 * s.period) - s.period)

    # Three forecasts and their residuals. A bin never seen has no profile: then the fast level stands in.
    here, left, near, weight = profile.place(local_s)
    known = p[here].count >= 1.0 or not seasonal
    season = profile.read(p, here, left, near, weight)
    apart = rest_day and profile.rest_known(rest[here], s.period)
    extra = profile.read(rest, here, left, near, weight) if apart else 0.0
    season += extra
    by_slow = s.slow + season
    off_slow = x - s.slow - season
    off_season = off_slow if known else x - s.fast
    if gap:
        s.fast, s.day, s.short = x, off_season, 0.0
    by_fast = s.fast
    by_day = (by_slow if known else s.fast) + s.day
    off_fast = x - s.fast
    off_day = off_season - s.day
    share = row_share(s.period)
    s.short += SHORT_WEIGHT * share * (off_season - s.short)

    expected, error = by_slow, s.error_slow
    if s.choice == DAY:
        expected, error = by_day, s.error_day
    elif s.choice == FAST:
        expected, error = by_fast, s.error_fast
    least = max(min_change, min_change_relative * abs(expected))
    deviation = _deviation(x, expected, error, least)
    ready = row >= warm_up
    if ready:
        v.expected = expected
        v.deviation = deviation

    if row > START_ROWS:
        floor = NOISE * abs(s.slow) + TINY
        change = min(abs(off_fast), abs(off_day)) if off_fast * off_day > 0.0 else 0.0
        scale = 1.0
        if p[here].count >= 2.0 and s.error_day > 0.0:
            scale = max(0.3, 1.0 - LOCAL + LOCAL * p[here].noise / s.error_day)
        spike, upper, lower = 0.0, np.nan, np.nan
        flat = is_flat(s, row)
        if flat or tail_ready(s):
            learned = max(flat_border(s), FLAT * abs(s.slow)) if flat else tail_border(s) * scale
            border = max(learned, floor, least)
            upper, lower = max(by_fast, by_day) + border, min(by_fast, by_day) - border
            spike = change / border if change > floor and change >= least else 0.0
        if change > floor:
            learn_tail(s, row, change / scale, x != s.x)
        drifts = s.short * direction >= 0.0 and abs(s.short) >= least and ready
        passed = drift_border(s, floor)
        drift = drift_score(s, row, share, abs(s.short), floor, verdict_factor(s), drifts)
        if ready:
            if x > upper or x < lower:
                spike = max(spike, 1.0)  # the band is exact, whatever the rounding of the division above
            if direction <= 0.0:
                v.lower = lower
            if direction >= 0.0:
                v.upper = upper
            # What never varied has no spread to rank by: a change of a flat series is at the border, not beyond.
            score = pulse(s, row, max(min(spike, 1.0) if flat else spike, drift))
            # Both only after the pulse: the way back from a dip belongs to its episode, and is no surprise above.
            side = off_fast if spike >= drift else s.short
            if spike >= drift and deviation * side < NORMAL * abs(side):
                score = min(score, HELD)
            v.score = score if direction * side >= 0.0 else 0.0
            if drift > spike and v.score >= 1.0:
                # Told as off the slow level: held, and cleared, by the same. Calm, the choice below is free again.
                s.choice = SLOW
                deviation = _deviation(x, by_slow, s.error_slow, least)
                v.expected, v.deviation = by_slow, deviation
                if _choice(s) == SLOW:  # a walk is never held: it need not come back to any level
                    hold_drift(s, row, s.short, passed)
            if s.drifting != 0.0:
                # One row of a shift need not stand out: its mean does, and that is what holds it open and clears it.
                side = 1.0 if s.drifting > 0.0 else -1.0
                holds = drift_holds(s, row, share, s.short)
                if holds == HOLDS:
                    if v.deviation * side < CALM:
                        v.deviation = CALM * side
                elif holds == ACCEPTED:
                    moved = s.drift_mean
                    s.slow += moved
                    s.day -= moved
                    s.short -= moved
                    off_slow -= moved
                    if s.choice == SLOW:
                        deviation = _deviation(x, by_slow + moved, s.error_slow, least)
                        v.expected, v.deviation = by_slow + moved, deviation
                    v.part = BECAME_NORMAL

    if abs(deviation) < CALM or row <= START_ROWS:
        s.choice = _choice(s)
    noise = _learn(s, row, off_fast, off_slow, off_day)
    if rest_day:
        profile.learn_rest(
            rest[here], s.period, x - s.slow - season - (0.0 if apart else rest[here].value), ERROR_MAX * s.error_slow
        )
    if seasonal and not apart:
        profile.learn(p[here], s.period, x - s.slow - season, ERROR_MAX * s.error_slow, noise)
    s.rows, s.t, s.x = row + 1.0, t, x


@compiled
def _deviation(x: float, expected: float, error: float, least: float) -> float:
    """In robust sigmas, bounded. A change of `least` is at most CALM: so that a floor also lets an alert clear."""
    sigma = max(SIGMA * error, NOISE * abs(expected), least / CALM) + TINY
    return min(max((x - expected) / sigma, -DEVIATION_MAX), DEVIATION_MAX)


@compiled
def _choice(s: Any) -> float:
    """The steadiest forecast whose error is near the smallest: the steadier, the longer a plateau stays deviant."""
    enough = STEADY * min(s.error_slow, s.error_day, s.error_fast)
    if s.error_slow <= enough:
        return SLOW
    return DAY if s.error_day <= enough else FAST


@compiled
def _learn(s: Any, row: float, fast: float, slow: float, day: float) -> float:
    """Levels and errors, with bounded influence: no row moves them by more than ERROR_MAX mean residuals. Returns the
    bounded size of the residual `day`."""
    a = max(SLOW_WEIGHT_MIN, min(s.period / profile.DAY_S, SLOW_WEIGHT_MAX), 1.0 / (row + 1.0))
    bounded_fast, bounded_slow, bounded_day = fast, slow, day
    if row > START_ROWS:
        bounded_fast = _bounded(fast, ERROR_MAX * s.error_fast)
        bounded_slow = _bounded(slow, ERROR_MAX * s.error_slow)
        bounded_day = _bounded(day, ERROR_MAX * s.error_day)
    s.error_fast += a * (abs(bounded_fast) - s.error_fast)
    s.error_slow += a * (abs(bounded_slow) - s.error_slow)
    s.error_day += a * (abs(bounded_day) - s.error_day)
    s.fast += FAST_WEIGHT * fast
    s.day += FAST_WEIGHT * day
    s.slow += a * bounded_slow
    return abs(bounded_day)


@compiled
def _bounded(residual: float, limit: float) -> float:
    """0 as a limit is none: a series flat so far must be able to learn its first change."""
    return max(-limit, min(limit, residual)) if limit > 0.0 else residual
