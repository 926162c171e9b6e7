"""ADWIN: a window that is as long as its mean did not change, in few numbers [Bifet & Gavalda 2007].

Knows one series' values of 0..1 as an exponential histogram: level `i` holds up to 6 buckets of 2^i rows each, oldest
first. A row of the histogram is [count, 6 sums, 6 sums of squared distances from the bucket's mean].
"""

import math
from typing import Any

from schemas.compiled import compiled

BUCKETS = 5  # of a level; one more, and its oldest two become one of the next
LEVELS = 12  # 5 * (2^12 - 1) = 20,475 rows; the oldest bucket is dropped beyond
COLUMNS = 1 + 2 * (BUCKETS + 1)
LENGTH_MIN = 5.0  # rows of either side of a cut
GRACE_ROWS = 10.0  # shorter windows are not cut

WINDOW_FIELDS: list[tuple[str, str]] = [
    ("width", "f8"),  # rows in the window
    ("total", "f8"),  # their sum
    ("squares", "f8"),  # sum of squared distances from their mean
]
"""Fields that a detector puts into its own record. All zero: never seen."""

_SUMS, _SQUARES = 1, 1 + BUCKETS + 1


@compiled
def add(s: Any, buckets: Any, y: float) -> None:
    """One value of 0..1."""
    if s.width > 0.0:
        off = y - s.total / s.width
        s.squares += s.width * off * off / (s.width + 1.0)
    s.width += 1.0
    s.total += y
    _append(buckets, 0, y, 0.0)
    level, size = 0, 1.0
    while buckets[level, 0] > BUCKETS:
        if level == LEVELS - 1:
            _forget(s, buckets, level)
            return
        b = buckets[level]
        first, second = b[_SUMS], b[_SUMS + 1]
        off = first / size - second / size
        squares = b[_SQUARES] + b[_SQUARES + 1] + 0.5 * size * off * off
        _drop(buckets, level, 2)
        level, size = level + 1, 2.0 * size
        _append(buckets, level, first + second, squares)


@compiled
def cut(s: Any, buckets: Any, confidence: float, repeats: float) -> tuple[float, float, float]:
    """Whether some cut of the window has two sides whose means differ: then the window begins anew.

    confidence: chance of a false cut at one test; repeats: rows that say as much as one independent row, >= 1. Returns
    the largest |difference of means| / bound (> 1: it was cut), the difference there (new - old), and the mean of the
    old side.
    """
    worst, difference, before = 0.0, 0.0, 0.0
    if s.width <= GRACE_ROWS:
        return worst, difference, before
    doubt = math.log(2.0 * math.log(s.width) / confidence)
    variance = max(s.squares, 0.0) / s.width
    old_rows, old_sum, size = 0.0, 0.0, 2.0 ** (LEVELS - 1)
    for level in range(LEVELS - 1, -1, -1):
        for j in range(int(buckets[level, 0])):
            old_rows += size
            old_sum += buckets[level, _SUMS + j]
            new_rows = s.width - old_rows
            if old_rows < LENGTH_MIN or new_rows < LENGTH_MIN:
                continue
            off = (s.total - old_sum) / new_rows - old_sum / old_rows
            inverse = 1.0 / (old_rows - LENGTH_MIN + 1.0) + 1.0 / (new_rows - LENGTH_MIN + 1.0)
            inverse *= repeats
            bound = math.sqrt(2.0 * inverse * variance * doubt) + 2.0 / 3.0 * doubt * inverse
            if abs(off) > worst * bound:
                worst, difference, before = abs(off) / bound, off, old_sum / old_rows
        size *= 0.5
    if worst > 1.0:
        s.width = s.total = s.squares = 0.0
        buckets[:, :] = 0.0
    return worst, difference, before


@compiled
def _forget(s: Any, buckets: Any, level: int) -> None:
    """Drop the oldest bucket, which is the first of that level: the highest one that has any."""
    size = 2.0**level
    total, squares = buckets[level, _SUMS], buckets[level, _SQUARES]
    s.width -= size
    s.total -= total
    off = total / size - s.total / s.width
    s.squares -= squares + size * s.width * off * off / (size + s.width)
    _drop(buckets, level, 1)


@compiled
def _append(buckets: Any, level: int, total: float, squares: float) -> None:
    n = int(buckets[level, 0])
    buckets[level, _SUMS + n], buckets[level, _SQUARES + n] = total, squares
    buckets[level, 0] = n + 1.0


@compiled
def _drop(buckets: Any, level: int, oldest: int) -> None:
    n = int(buckets[level, 0]) - oldest
    for j in range(n):
        buckets[level, _SUMS + j] = buckets[level, _SUMS + j + oldest]
        buckets[level, _SQUARES + j] = buckets[level, _SQUARES + j + oldest]
    buckets[level, 0] = n
