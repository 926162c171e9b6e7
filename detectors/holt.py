"""Holt's damped trend: level and slope by exponential smoothing, a slope that fades into the future.

[Gardner and McKenzie 1985]. Knows one step after the other; the step's length is the caller's business. Units: of the
series, and of the series a step.
"""

import math
from typing import Any

from schemas.compiled import compiled

LEVEL_WEIGHT = 0.3  # of a new value
TREND_WEIGHT = 0.1  # of a new slope: 10 steps
DAMPING = 0.98  # of the slope, each step: half of it is left after 34 steps
HOLT_FIELDS: list[tuple[str, str]] = [
    ("holt_count", "f8"),  # values seen
    ("holt_level", "f8"),
    ("holt_trend", "f8"),
]
"""Fields that a detector puts into its own record. All zero: never seen."""


@compiled
def ahead(steps: float) -> float:
    """How many undamped steps the next `steps` damped ones are worth: the sum of DAMPING ** 1..steps."""
    return float(DAMPING * (1.0 - DAMPING**steps) / (1.0 - DAMPING))


@compiled
def holt(s: Any, value: float, steps: float) -> None:
    """Takes a value that comes `steps` >= 1 steps after the one before; in between the forecast stands in."""
    if s.holt_count == 0.0:
        s.holt_level = value
    elif s.holt_count == 1.0:
        s.holt_trend = (value - s.holt_level) / steps
        s.holt_level = value
    else:
        left = DAMPING ** (steps - 1.0) * s.holt_trend
        before = s.holt_level + ahead(steps - 1.0) * s.holt_trend
        level = before + DAMPING * left
        s.holt_level = level + LEVEL_WEIGHT * (value - level)
        s.holt_trend = TREND_WEIGHT * (s.holt_level - before) + (1.0 - TREND_WEIGHT) * DAMPING * left
    s.holt_count += 1.0


@compiled
def steps_until(s: Any, limit: float) -> float:
    """Steps until the forecast passes `limit` upwards; infinite if the damped slope never brings it there."""
    gap = limit - s.holt_level
    if gap <= 0.0:
        return 0.0
    if s.holt_trend <= 0.0:
        return math.inf
    rest = 1.0 - gap / s.holt_trend * (1.0 - DAMPING) / DAMPING
    return math.log(rest) / math.log(DAMPING) if rest > 0.0 else math.inf
