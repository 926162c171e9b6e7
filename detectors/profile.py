"""The time-of-day profile: what a series does at this time of the local day, beyond its slow level. And what days of
rest add to that, where it is asked for.

48 bins of half an hour, read by linear interpolation between bin centres. More bins (96, 288) gained nothing measurable
on 68 labelled series. Single precision: it holds differences from the level, not the level.
"""

import math
from typing import Any

import numpy as np

from schemas.compiled import compiled

BINS = 48
DAY_S = 86400.0
BIN = np.dtype([("value", "f4"), ("noise", "f4"), ("count", "u2")])
"""value: mean difference from the slow level; noise: mean absolute residual; count: rows seen,
up to COUNT_MAX. One bin's fields lie
together, so that a row touches one or two cache lines of its profile."""
REST = np.dtype([("value", "f4"), ("count", "f4")])
"""value: mean difference of days of rest from the profile; count: their rows."""
COUNT_MAX = 65535.0
BIN_CELLS = BIN.itemsize // 2  # as u2, through which a profile is cleared and asked for
REST_DAYS = 3.0  # of rest before their profile is used: those of two weeks, a pattern seen twice


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
    """The profile (or that of days of rest) at that place; from one bin alone while a neighbour is unknown."""
    if profile[left].count >= 1.0 and profile[near].count >= 1.0:
        return float((1.0 - weight) * profile[left].value + weight * profile[near].value)
    return float(profile[bin_].value)


@compiled
def learn(bin_: Any, period_s: float, residual: float, residual_max: float, noise: float) -> None:
    """One row of a bin: `residual` from level and profile, bounded by `residual_max` once the bin is known a little.

    That is after two days, and after 60 rows at the latest; and a bin follows at most as fast as one of 30 rows a day
    does. Without these two a series of one value a second takes every fault for its new normal within a minute.
    """
    rows_a_day = _rows_a_day(period_s)
    weight = max(0.02 * min(1.0, 30.0 / rows_a_day), 0.3 / rows_a_day, 1.0 / (bin_.count + 1.0))
    if bin_.count >= min(2.0 * rows_a_day, 60.0) and residual_max > 0.0:
        residual = max(-residual_max, min(residual_max, residual))
    bin_.value += 0.5 * weight * residual
    bin_.noise += weight * (noise - bin_.noise)
    bin_.count = min(bin_.count + 1.0, COUNT_MAX)


@compiled
def rest_known(rest: Any, period_s: float) -> bool:
    return bool(rest.count >= REST_DAYS * _rows_a_day(period_s))


@compiled
def learn_rest(rest: Any, period_s: float, residual: float, residual_max: float) -> None:
    """One row of a day of rest: `residual` from level, profile and what is known of such days."""
    rows_a_day = _rows_a_day(period_s)
    weight = max(0.6 / rows_a_day, 1.0 / (rest.count + 1.0))  # a few days' mean
    if rest_known(rest, period_s) and residual_max > 0.0:
        residual = max(-residual_max, min(residual_max, residual))
    rest.value += weight * residual
    rest.count += 1.0


@compiled
def _rows_a_day(period_s: float) -> float:
    return max(1.0, DAY_S / BINS / period_s)
