"""The time-of-day profile: what a series does at this time of the UTC day, beyond its slow level.

48 bins of half an hour, read by linear interpolation between bin centres. More bins (96, 288) gained nothing measurable
on 68 labelled series. Single precision: it holds differences from the level, not the level.
"""

import math
from typing import Any

import numpy as np

from schemas.compiled import compiled

BINS = 48
DAY_S = 86400.0
BIN = np.dtype([("value", "f4"), ("noise", "f4"), ("count", "f4")])
"""value: mean difference from the slow level; noise: mean absolute residual; count: rows seen. One bin's fields lie
together, so that a row touches one or two cache lines of its profile."""


@compiled
def place(t: float) -> tuple[int, int, int, float]:
    """Where Unix second `t` lies: its bin, the two bins whose centres are around it, and the weight of the second."""
    day = (t % DAY_S) / DAY_S * BINS
    shifted = day + 0.5
    near = int(shifted) % BINS
    # min: a tiny negative t is rounded up to a whole day
    return min(int(day), BINS - 1), (near + BINS - 1) % BINS, near, shifted - math.floor(shifted)


@compiled
def read(profile: Any, bin_: int, left: int, near: int, weight: float) -> float:
    """The profile at that place; from one bin alone while a neighbour is unknown."""
    if profile[left].count >= 1.0 and profile[near].count >= 1.0:
        return float((1.0 - weight) * profile[left].value + weight * profile[near].value)
    return float(profile[bin_].value)


@compiled
def learn(bin_: Any, period_s: float, residual: float, residual_max: float, noise: float) -> None:
    """One row of a bin: `residual` from level and profile, bounded by `residual_max` once the bin is known a little.

    That is after two days, and after 60 rows at the latest; and a bin follows at most as fast as one of 30 rows a day
    does. Without these two a series of one value a second takes every fault for its new normal within a minute.
    """
    rows_a_day = max(1.0, DAY_S / BINS / period_s)
    weight = max(0.02 * min(1.0, 30.0 / rows_a_day), 0.3 / rows_a_day, 1.0 / (bin_.count + 1.0))
    if bin_.count >= min(2.0 * rows_a_day, 60.0) and residual_max > 0.0:
        residual = max(-residual_max, min(residual_max, residual))
    bin_.value += 0.5 * weight * residual
    bin_.noise += weight * (noise - bin_.noise)
    bin_.count += 1.0
