"""One row of `baseline`: judge it from what is known, then learn it. Compiled, and without memory of its own.

Knows the record of one series, its profiles, and the settings as numbers. `docs/detectors.md` has the formulas.
"""

import math
from typing import Any

import numpy as np

from detectors import calendar, profile
from detectors.base import BECAME_NORMAL, VALUE_MAX, Flags, Floats, Rows
from detectors.prefetch import AHEAD, prefetch
from detectors.pulse import HELD, PULSE_FIELDS, pulse
from detectors.slow import (
    DRIFT_FIELDS,
    HOLDS,
    ROW_S,
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
    learn_tail,
    tail_border,
    tail_ready,
    verdict_factor,
)
from schemas.compiled import compiled

STATE = np.dtype(
    [
        ("rows", "f8"),  # seen
        ("t", "f8"),  # Unix s of the newest row
        ("x", "f8"),  # its value
        ("fast", "f8"),  # fast level
        ("slow", "f8"),  # slow level: of about a day, at least 1000 rows
        ("day", "f8"),  # fast level of what slow level and profile leave over
        ("short", "f8"),  # short mean of the residual to slow level and profile, for the slow channel
        ("rebased", "f8"),  # what a person's newest "normal" added to the slow level; 0: nothing to take back
        *PULSE_FIELDS,
        ("period", "f4"),  # s between rows, a running mean
        ("error_fast", "f4"),  # bounded mean absolute residual of each of the three forecasts
        ("error_slow", "f4"),
        ("error_day", "f4"),
        ("choice", "f4"),  # the forecast behind `expected`: SLOW, DAY or FAST
        *TAIL_FIELDS,
        *DRIFT_FIELDS,
    ]
)
"""One series: 184 bytes, whole f8s, so that a row is cleared through one plain view. What grows without end, or is of
the size of a value, is f8; what is of the size of a residual is f4. All zero: never seen."""

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
RESTS = 100.0  # mean residuals: where one episode in 50 rows passes so many, the series rests in between
DEVIATION_MAX = 1e6
SIGMA = math.sqrt(math.pi / 2.0)  # sigma / mean absolute deviation of the normal law


@compiled
def run(
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
    bins = profiles.view(np.uint16).reshape((len(profiles), -1))
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            later, bin_ = (
                rows[i + AHEAD],
                profile.BIN_CELLS * profile.place(calendar.local(t[i + AHEAD], starts, seconds))[0],
            )
            for field in range(0, cells.shape[1], 8):  # 8 numbers are a cache line
                prefetch(cells, later, field)
            prefetch(bins, later, bin_)
            prefetch(bins, later, min(bin_ + 2 * profile.BIN_CELLS, bins.shape[1] - 1))
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
            bins[k] = 0
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
        # A walk is somewhere else by now: nothing can be said of its first value. A level is where it was for a while.
        steady = s.choice == SLOW and known and row > START_ROWS and dt <= GAP_PERIODS * ROW_S
        s.fast, s.day, s.short = (by_slow, 0.0, 0.0) if steady else (x, off_season, 0.0)
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
    wide = max(least, s.tail_level) if tail_ready(s) else least  # so much is at most CALM sigmas
    deviation = _deviation(x, expected, error, wide)
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
        # A series that rests between its bursts leaves its level with each of them: those are the spikes' business.
        rests = s.tail_level > RESTS * s.error_slow
        drifts = s.short * direction >= 0.0 and abs(s.short) >= least and ready and not rests
        factor = verdict_factor(s)
        drift = drift_score(s, row, s.period, abs(s.short), floor, factor, drifts)
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
                deviation = _deviation(x, by_slow, s.error_slow, wide)
                v.expected, v.deviation = by_slow, deviation
                if _choice(s) == SLOW:  # a walk is never held: it need not come back to any level
                    hold_drift(s, row, s.short, abs(s.short) / (drift * factor))
            if s.drifting != 0.0:
                # One row of a shift need not stand out: its mean does, and that is what holds it open and clears it.
                side = 1.0 if s.drifting > 0.0 else -1.0
                holds = drift_holds(s, row, share, off_season)
                if holds == HOLDS:
                    if v.deviation * side < CALM:
                        v.deviation = CALM * side
                elif holds == ACCEPTED:
                    moved = s.short
                    s.slow += moved
                    s.day -= moved
                    s.short -= moved
                    off_slow -= moved
                    if s.choice == SLOW:
                        deviation = _deviation(x, by_slow + moved, s.error_slow, wide)
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
def _deviation(x: float, expected: float, error: float, wide: float) -> float:
    """In robust sigmas, bounded. A change of `wide` is at most CALM: so that a floor also lets an alert clear, and a
    series that mostly rests has a sigma at all."""
    sigma = max(SIGMA * error, NOISE * abs(expected), wide / CALM) + TINY
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
