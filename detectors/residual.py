"""Standardised residuals: a series as white noise of spread 1 around 0 while nothing changes.

Knows one series: its level, its time-of-day profile (`profile.py`), how much of a residual the next one repeats, and
their spread, all with bounded influence. What is left over is what sequential tests ask for: without the profile each
night is a change, and without the repetition every wave of a slow series is one.
"""

import math
from typing import Any

from detectors import profile
from schemas.compiled import compiled

RESIDUAL_FIELDS: list[tuple[str, str]] = [
    ("rows", "f8"),  # seen
    ("t", "f8"),  # Unix s of the newest row
    ("period", "f8"),  # s between rows, a running mean
    ("level", "f8"),
    ("error", "f8"),  # bounded mean absolute residual to level and profile
    ("before", "f8"),  # the newest residual, its news bounded
    ("square", "f8"),  # mean of before^2, and of before x the residual that followed it
    ("product", "f8"),
    ("noise", "f8"),  # bounded mean absolute innovation: what is left of a residual without its repetition
]
"""Fields that a detector puts into its own record. All zero: never seen."""

WEIGHT = 0.001  # of a row in level, spread and repetition, once there are 1,000
START_ROWS = 30.0  # rows before learning is bounded
ERROR_MAX = 4.0  # mean residuals: learning never moves by more than this
NOISE = 1e-6  # of the level: smaller differences are rounding, not data
FLAT = 0.01  # of the level: the sigma of a series that never varied
TINY = 1e-300
SIGMA = math.sqrt(math.pi / 2.0)  # sigma / mean absolute deviation of the normal law


@compiled
def season(p: Any, t: float, seasonal: bool) -> float:
    """What the time of day adds to the level."""
    if not seasonal:
        return 0.0
    here, left, near, weight = profile.place(t)
    return profile.read(p, here, left, near, weight)


@compiled
def sigma_of(s: Any, spread: float) -> float:
    """Sigma of a mean absolute deviation of this series, never 0."""
    floor = (NOISE if spread > 0.0 else FLAT) * abs(s.level)
    return float(max(SIGMA * spread, floor) + TINY)


@compiled
def repetition(s: Any) -> float:
    """Share of a residual that the next one repeats, 0..1: the first autocorrelation. 1 is a random walk."""
    return float(min(max(s.product / s.square, 0.0), 1.0)) if s.square > 0.0 else 0.0


@compiled
def innovation(s: Any, residual: float) -> float:
    """A residual without what it repeats of the one before, in sigmas."""
    return float((residual - repetition(s) * s.before) / sigma_of(s, s.noise))


@compiled
def learn(s: Any, p: Any, t: float, x: float, added: float, seasonal: bool, moves: bool) -> None:
    """Learn value `x` at `t`, `added` by the time of day. `moves`: False while the level is in question: then only the
    newest residual and the time between rows are kept."""
    row = s.rows
    if row == 0.0:
        s.rows, s.t, s.level = 1.0, t, x
        return
    s.period += max(0.01, 1.0 / row) * (min(t - s.t, 3.0 * s.period if row > 1.0 else t - s.t) - s.period)
    weight = max(WEIGHT, 1.0 / (row + 1.0))
    residual = x - s.level - added
    repeated = repetition(s) * s.before
    bounded, new = residual, residual - repeated
    if row > START_ROWS:
        bounded, new = _bounded(residual, ERROR_MAX * s.error), _bounded(new, ERROR_MAX * s.noise)
    if moves:
        s.noise += weight * (abs(new) - s.noise)
        s.error += weight * (abs(bounded) - s.error)
        s.square += weight * (s.before * s.before - s.square)
        s.product += weight * (s.before * bounded - s.product)
        s.level += weight * bounded
        if seasonal:
            here = profile.place(t)[0]
            # Bounded from the first day on: the profile's own bound starts when a bin is known.
            limit = ERROR_MAX * s.error
            profile.learn(p[here], s.period, _bounded(x - s.level - added, limit), limit, abs(bounded))
    # Bounded by its news, not by its size: far from its level, a random walk still repeats all of its residual.
    s.before, s.rows, s.t = repeated + new, row + 1.0, t


@compiled
def _bounded(residual: float, limit: float) -> float:
    """0 as a limit is none: a series flat so far must be able to learn its first change."""
    return max(-limit, min(limit, residual)) if limit > 0.0 else residual
