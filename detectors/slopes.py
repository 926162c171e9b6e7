"""Robust slopes: Theil-Sen, its interval, and whether there is a trend at all (Mann-Kendall). Knows numbers only.

[Sen 1968; Mann 1945; Kendall 1975]. Both look at the sign or the median over all pairs, so bursts in up to 29 % of the
points hardly move them. Both expect independent noise, and find far too much in series that wander; the variance is
therefore raised by (1 + r) / (1 - r), r = correlation of neighbours about the line [Yue and Wang 2004].
"""

import math
from typing import Any

import numpy as np

from schemas.compiled import compiled

CORRELATION_MAX = 0.7  # so that a rise without a single step back stays significant at 0.01 on 24 points


@compiled
def slopes(places: Any, values: Any, n: int, pairs: Any) -> int:
    """All pairwise slopes of the first n points into `pairs` (room for n (n - 1) / 2); returns their number.

    places: rising.
    """
    m = 0
    for j in range(1, n):
        for i in range(j):
            pairs[m] = (values[j] - values[i]) / (places[j] - places[i])
            m += 1
    return m


@compiled
def middle(numbers: Any, m: int) -> float:
    """The median of the first m > 0 numbers."""
    return float(np.median(numbers[:m]))


@compiled
def kendall(values: Any, n: int) -> tuple[float, float]:
    """Mann-Kendall's S, and its variance without a trend, with the correction for ties."""
    s, ties = 0.0, 0.0
    for j in range(n):
        equal = 0.0
        for i in range(n):
            if values[i] == values[j]:
                equal += 1.0
            if i < j:
                s += np.sign(values[j] - values[i])
        ties += (equal - 1.0) * (2.0 * equal + 5.0)  # summed over the members of a group: t (t - 1) (2 t + 5)
    return s, (n * (n - 1.0) * (2.0 * n + 5.0) - ties) / 18.0


@compiled
def dependence(places: Any, values: Any, n: int, slope: float, left: Any) -> tuple[float, float]:
    """By how much the residuals' dependence raises the variance, >= 1, and the median absolute residual.

    left: room for n numbers.
    """
    for i in range(n):
        left[i] = values[i] - slope * places[i]
    centre = float(np.median(left[:n]))
    own, shared = 0.0, 0.0
    for i in range(n):
        left[i] -= centre
        own += left[i] * left[i]
        if i > 0:
            shared += left[i] * left[i - 1]
    r = min(max(shared / own, 0.0), CORRELATION_MAX) if own > 0.0 else 0.0
    return (1.0 + r) / (1.0 - r), float(np.median(np.abs(left[:n])))


@compiled
def certainty(s: float, variance: float) -> float:
    """S in its own standard deviations, with the correction for continuity; never negative."""
    return max(abs(s) - 1.0, 0.0) / math.sqrt(variance) if variance > 0.0 else 0.0


@compiled
def interval(pairs: Any, m: int, z: float, variance: float) -> tuple[float, float]:
    """Sen's interval of the slope: the pairwise slopes z standard deviations of S off their middle. Sorts `pairs`."""
    pairs[:m].sort()
    c = z * math.sqrt(max(variance, 0.0))
    low = min(max(round((m - c) / 2.0) - 1, 0), m - 1)
    high = min(max(round((m + c) / 2.0), 0), m - 1)
    return float(pairs[low]), float(pairs[high])
