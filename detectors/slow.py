"""The slow channel: notices a shift that lasts but is too small, row by row, to pass the border of a spike.

Knows a short mean of residuals (>= 0, any unit) and row numbers. Its tail is learned ROW by row on purpose, unlike the
episode tail: a lasting shift lifts its own border until it is the new normal, without anybody's help.
"""

from typing import Any

from schemas.compiled import compiled

DRIFT_FIELDS: list[tuple[str, str]] = [
    ("drift_rows", "f8"),  # means that taught it
    ("drift_mean", "f8"),  # mean of the means, only used until it starts
    ("drift_level", "f8"),
    ("drift_height", "f8"),
    ("drift_top", "f8"),  # highest score of the last HOLD_ROWS
    ("drift_top_row", "f8"),
    ("drifting", "f8"),  # direction of a shift that was told and has not come back: -1, 0, 1
]
"""Fields that a detector puts into its own record. All zero: never seen."""

SHARE = 0.98
HEIGHT = 4.5  # border = level + HEIGHT * height
STEP = 0.002  # of the level, in heights
PEAK_WEIGHT = 0.01
PEAK_MAX = 10.0
START_ROWS = 300.0
BACK = 0.5  # of the border: a shift has come back when its mean is below that
HOLD_ROWS = 180.0  # the same shift is told again sooner only if it gets worse


@compiled
def drift_score(s: Any, row: float, mean: float, floor: float, told: bool) -> float:
    """Score of the short mean, then learn from it. 0 below its own maximum of the last HOLD_ROWS. `floor` (> 0): a mean
    below it is rounding. `told`: False where the score will not be used, and must not count as told."""
    if mean <= floor:
        return 0.0
    n = s.drift_rows + 1.0
    s.drift_rows = n
    if n <= START_ROWS:
        _start(s, n, mean, floor)
        return 0.0
    height = max(s.drift_height, 0.05 * abs(s.drift_level)) + floor
    over = mean - s.drift_level
    if over <= 0.0:
        s.drift_level -= STEP * (1.0 - SHARE) * height
        return 0.0
    score = mean / (s.drift_level + HEIGHT * height)
    s.drift_height += PEAK_WEIGHT * (min(over, PEAK_MAX * height) - s.drift_height)
    s.drift_level += STEP * SHARE * height
    if row - s.drift_top_row > HOLD_ROWS:
        s.drift_top = 0.0
    if not told or score <= s.drift_top:
        return 0.0
    s.drift_top, s.drift_top_row = score, row
    return float(score)


@compiled
def drift_held(s: Any, mean: float, floor: float) -> float:
    """How far the short mean (signed) of a told shift is off. From 1.0 on it is held; 0.0: it came back."""
    if s.drifting * mean <= 0.0:
        s.drifting = 0.0
        return 0.0
    border = s.drift_level + HEIGHT * (max(s.drift_height, 0.05 * abs(s.drift_level)) + floor)
    held = abs(mean) / (BACK * border)
    if held < 1.0:
        s.drifting = 0.0
        return 0.0
    return float(held)


@compiled
def _start(s: Any, n: float, mean: float, floor: float) -> None:
    """The first START_ROWS means: larger steps."""
    s.drift_mean += (mean - s.drift_mean) / n
    step = s.drift_mean * max(4.0 / n, 0.02)
    over = mean - s.drift_level
    if over > 0.0:
        s.drift_level += step * SHARE * min(3.0, over / (s.drift_mean + floor))
        s.drift_height += max(0.05, 1.0 / n) * (mean - s.drift_level - s.drift_height)
    else:
        s.drift_level -= 3.0 * step * (1.0 - SHARE)
    if n == START_ROWS and s.drift_height <= 0.0:
        s.drift_height = 0.3 * s.drift_mean  # sparse series: never start from a border of 0
