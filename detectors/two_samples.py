"""The two-sample Kolmogorov-Smirnov test on thinned windows: whether the newest values still come from the same law.

Knows one series' reference sample (kept sorted) and its newest sample (a ring), in single precision.
"""

import math
from typing import Any

import numpy as np

from schemas.compiled import compiled

REFERENCE = 128  # values of each sample, whatever the rows that they stand for
RECENT = 64

SAMPLE_FIELDS: list[tuple[str, str]] = [
    ("reference", "f8"),  # values in the reference sample
    ("reference_sum", "f8"),
    ("recent", "f8"),  # values that the newest sample has seen
]
"""Fields that a detector puts into its own record. All zero: never seen."""


@compiled
def add_reference(s: Any, samples: Any, y: float) -> None:
    """One more value of a reference sample that is not full."""
    n = int(s.reference)
    y32 = np.float32(y)
    while n > 0 and samples[n - 1] > y32:
        samples[n] = samples[n - 1]
        n -= 1
    samples[n] = y32
    s.reference += 1.0
    s.reference_sum += y


@compiled
def add_recent(s: Any, samples: Any, y: float) -> None:
    samples[REFERENCE + int(s.recent % RECENT)] = np.float32(y)
    s.recent += 1.0


@compiled
def distance(samples: Any) -> float:
    """Largest distance between the two empirical distributions, 0..1. Both samples are full."""
    reference, recent = samples[:REFERENCE], np.sort(samples[REFERENCE : REFERENCE + RECENT])
    i, j, most = 0, 0, 0.0
    while i < REFERENCE and j < RECENT:
        y = min(reference[i], recent[j])
        while i < REFERENCE and reference[i] <= y:
            i += 1
        while j < RECENT and recent[j] <= y:
            j += 1
        most = max(most, abs(i / REFERENCE - j / RECENT))
    return most


@compiled
def bound(confidence: float, reference: float, recent: float) -> float:
    """The distance that two samples of so many independent values of one law pass with chance `confidence`, for large
    samples [Smirnov 1939]: sqrt(-ln(confidence / 2) / 2 x (n + m) / (n m))."""
    return math.sqrt(-0.5 * math.log(confidence / 2.0) * (1.0 / reference + 1.0 / recent))
