"""The slow channel: notices a shift that lasts but is too small, row by row, to pass the border of a spike.

Knows a short mean of residuals (>= 0, any unit) and row numbers. Its tail is learned ROW by row on purpose, unlike the
episode tail: a lasting shift lifts its own border until it is the new normal, without anybody's help.

Rows count in MINUTES where they come faster: a row of a series of one value a second is a 60th (`share`). So its mean
spans the same time, and its noise passes the border as often a day as that of a series of one value a minute.
"""

import math
from typing import Any

from schemas.compiled import compiled

DRIFT_FIELDS: list[tuple[str, str]] = [
    ("drift_level", "f8"),
    ("drift_top_row", "f8"),
    ("drift_row", "f8"),  # row at which it did
    ("drift_rows", "f4"),  # means that taught it, each by its share
    ("drift_mean", "f4"),  # mean of the means until it starts; of a told shift: a steadier mean of its rows, bounded
    ("drift_height", "f4"),
    ("drift_top", "f4"),  # highest score of the last HOLD_ROWS
    ("drifting", "f4"),  # signed border that a told shift passed first, while it is held; 0: none
]
"""Fields that a detector puts into its own record. All zero: never seen."""

ROW_S = 60.0  # a row counts less where rows are closer
RARE_S = 300.0
SHARE = 0.98
HEIGHT = 4.5  # border = level + so many heights where rows are RARE_S apart or more; `_heights` where they are closer
STEP = 0.002  # of the level, in heights
PEAK_WEIGHT = 0.01
PEAK_MAX = 10.0
START_ROWS, START_MINUTES = 600.0, 300.0  # at least both: a mean's memory is 9 rows, or 9 minutes
BACK = 0.5  # of the border that it passed: a shift has come back when its mean is below that
HELD_WEIGHT = 0.1  # of a new row in the mean that holds a told shift: steadier than the one that tells it
HELD_MAX = 2.0  # borders that a row counts at most there: however far it was, it is over as soon
HOLD_ROWS = 180.0  # the same shift is told again sooner only if it gets worse; held so long, it is the new normal
OVER, HOLDS, NORMAL = 0.0, 1.0, 2.0


@compiled
def row_share(period_s: float) -> float:
    """What a row counts, at most 1."""
    return min(period_s / ROW_S, 1.0) if period_s > 0.0 else 1.0


@compiled
def _heights(period_s: float) -> float:
    """Of the border over the level. Rows that come five times as often would pass it five times as often a day; ln 5
    heights more and they don't, as an exponential tail falls."""
    return HEIGHT + math.log(RARE_S / min(max(period_s, ROW_S), RARE_S))


@compiled
def drift_score(s: Any, row: float, period_s: float, mean: float, floor: float, factor: float, told: bool) -> float:
    """Score of the short mean, then learn from it. 0 below its own maximum of the last HOLD_ROWS. `floor` (> 0): a mean
    below it is rounding. `factor`: of the border. `told`: False where the score will not be used, and must not count
    as told."""
    if mean <= floor:
        return 0.0
    share = row_share(period_s)
    until = max(START_MINUTES, share * START_ROWS)
    if s.drift_rows < until:
        s.drift_rows += share
        _start(s, share, mean, floor, s.drift_rows >= until)
        return 0.0
    height = max(s.drift_height, 0.05 * abs(s.drift_level)) + floor
    over = mean - s.drift_level
    if over <= 0.0:
        s.drift_level -= share * STEP * (1.0 - SHARE) * height
        return 0.0
    score = mean / ((s.drift_level + _heights(period_s) * height) * factor)
    s.drift_height += share * PEAK_WEIGHT * (min(over, PEAK_MAX * height) - s.drift_height)
    s.drift_level += share * STEP * SHARE * height
    if share * (row - s.drift_top_row) > HOLD_ROWS:
        s.drift_top = 0.0
    if not told or score <= s.drift_top:
        return 0.0
    s.drift_top, s.drift_top_row = score, row
    return float(score)


@compiled
def hold_drift(s: Any, row: float, mean: float, border: float) -> None:
    """A shift of this short mean (signed) was told: it is held from now on."""
    if s.drifting * mean <= 0.0:
        s.drift_row = row
        s.drift_mean = mean
        s.drifting = border if mean > 0.0 else -border


@compiled
def drift_holds(s: Any, row: float, share: float, residual: float) -> float:
    """Of a told shift: OVER, HOLDS or NORMAL, the last once, when it was held so long that it is how things are now."""
    most = HELD_MAX * abs(s.drifting)
    s.drift_mean += share * HELD_WEIGHT * (max(-most, min(residual, most)) - s.drift_mean)
    if s.drift_mean * s.drifting <= BACK * s.drifting * s.drifting:
        s.drifting = 0.0
        return OVER
    if share * (row - s.drift_row) > HOLD_ROWS:
        s.drifting = 0.0
        return NORMAL
    return HOLDS


@compiled
def _start(s: Any, share: float, mean: float, floor: float, ends: bool) -> None:
    """The first means: larger steps."""
    n = s.drift_rows
    s.drift_mean += share / n * (mean - s.drift_mean)
    step = share * s.drift_mean * max(4.0 / n, 0.02)
    over = mean - s.drift_level
    if over > 0.0:
        s.drift_level += step * SHARE * min(3.0, over / (s.drift_mean + floor))
        s.drift_height += share * max(0.05, 1.0 / n) * (mean - s.drift_level - s.drift_height)
    else:
        s.drift_level -= 3.0 * step * (1.0 - SHARE)
    if ends and s.drift_height <= 0.0:
        s.drift_height = 0.3 * s.drift_mean  # sparse series: never start from a border of 0
