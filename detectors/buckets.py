"""Means of a series over equal stretches of event time, the newest BUCKETS of them: what the trend detectors look at.

Knows one series' values and times. A trend then costs little an event, it is computed where a bucket closes; means take
away most of the noise and of the dependence between neighbours. Double precision: a disk of 10 TB that gains 1 MB
between two buckets is beyond single precision.
"""

import math
from typing import Any

from schemas.compiled import compiled

BUCKETS = 24  # 276 pairs: a slope within 5 us; a third of them may be bursts before the slope follows
BUCKET_FIELDS: list[tuple[str, str]] = [
    ("slot", "f8"),  # number of the open bucket: Unix seconds / width
    ("mean", "f8"),  # of the open bucket so far
    ("count", "f8"),  # values in it; 0: never seen
]
"""Fields that a detector puts into its own record, beside a ring of BUCKETS doubles a row. All zero: never seen."""


@compiled
def take(s: Any, ring: Any, width_s: float, t: float, x: float) -> int:
    """Adds a value; returns how many buckets were closed by it, the first of them with a mean (0: none was).

    ring: closed buckets by slot modulo BUCKETS, NaN where nothing was seen.
    """
    slot = math.floor(t / width_s)
    passed = 0
    if s.count == 0.0:
        ring[:] = math.nan
        s.slot = slot
    elif slot > s.slot:
        passed = int(min(slot - s.slot, 2.0 * BUCKETS))
        ring[int(s.slot % BUCKETS)] = s.mean
        for ago in range(1, min(passed, BUCKETS)):
            ring[int((slot - ago) % BUCKETS)] = math.nan
        # The slot that now opens held the oldest bucket: it stays readable no longer.
        s.slot, s.count = slot, 0.0
    s.count += 1.0
    s.mean = x if s.count == 1.0 else s.mean + (x - s.mean) / s.count
    return passed


@compiled
def closed(s: Any, ring: Any, places: Any, values: Any) -> int:
    """Writes the closed buckets, oldest first, without those that are empty; returns their number.

    places: buckets before the open one, so -(BUCKETS - 1) .. -1.
    """
    n = 0
    for place in range(1 - BUCKETS, 0):
        value = ring[int((s.slot + place) % BUCKETS)]
        if not math.isnan(value):
            places[n], values[n] = place, value
            n += 1
    return n
