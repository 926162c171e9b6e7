"""The score of the Numenta Anomaly Benchmark [Lavin & Ahmad 2015], its three profiles, at any border.

A window found earns up to 1, the earlier the more; every row at or over the border outside of windows costs, the more
the further behind the last window; the first 15 % of a series (at most 750 rows) don't count. 100 finds every window at
its first row without a false one, 0 is silence.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.quality.data import Windows
from detectors.base import Floats

PROFILES = {"standard": (1.0, 0.11), "low_fp": (1.0, 0.22), "low_fn": (2.0, 0.11)}  # weight of a miss, of a false row
PROBATION_SHARE, PROBATION_ROWS = 0.15, 750
_BEST = 2.0 / (1.0 + math.exp(-5.0)) - 1.0  # of a window's first row, before it is scaled to 1


@dataclass(frozen=True)
class NabScore:
    """Of a corpus, at one border."""

    score: float
    hit: int
    windows: int
    false_rows: int
    border: float


@dataclass(frozen=True)
class _Sorted:
    """Scores, falling, with the running sum or maximum of what their rows are worth."""

    scores: Floats
    worth: Floats

    def at(self, border: float) -> tuple[int, float]:
        """Rows at or over the border, and what they are worth together."""
        n = int(np.searchsorted(-self.scores, -border, side="right"))
        return n, float(self.worth[n - 1]) if n else 0.0


class Nab:
    """A corpus of scores, sorted once, asked at many borders."""

    def __init__(self, scores: Mapping[str, Floats], windows: Mapping[str, Windows]) -> None:
        self._pool = np.concatenate([np.asarray(scores[name], np.float64) for name in windows])
        outside, fines, self._windows = [], [], []
        for name, spans in windows.items():
            score = np.asarray(scores[name], np.float64)
            scored = np.arange(len(score)) >= min(math.floor(PROBATION_SHARE * len(score)), PROBATION_ROWS)
            fine = np.full(len(score), -1.0)
            quiet = scored.copy()
            for k, (first, last) in enumerate(spans):
                quiet[first : last + 1] = False
                behind = np.arange(last + 1, spans[k + 1][0] if k + 1 < len(spans) else len(score))
                fine[behind] = _sigmoid((behind - last) / (last - first))
                rows = np.arange(first, last + 1)
                rows = rows[scored[rows]]
                if len(rows):
                    worth = _sigmoid(-(last - rows + 1) / (last - first + 1)) / _BEST
                    order = np.argsort(-score[rows], kind="stable")
                    self._windows.append(_Sorted(score[rows][order], np.maximum.accumulate(worth[order])))
            outside.append(score[quiet])
            fines.append(fine[quiet])
        flat = np.concatenate(outside)
        order = np.argsort(-flat, kind="stable")
        self._outside = _Sorted(flat[order], np.cumsum(np.concatenate(fines)[order]))

    def at(self, border: float, profile: str = "standard") -> NabScore:
        miss, false = PROFILES[profile]
        rows, fines = self._outside.at(border)
        found = [window.at(border) for window in self._windows]
        hit = sum(n > 0 for n, _ in found)
        raw = false * fines + sum(worth if n else -miss for n, worth in found)
        count = len(found)
        return NabScore(100.0 * (raw + miss * count) / ((1.0 + miss) * count), hit, count, rows, border)

    def best(self, profile: str = "standard") -> NabScore:
        """At the border that suits this corpus best, which is what the public scoreboard shows."""
        positive = self._pool[self._pool > 0.0]
        if not len(positive):
            return self.at(1.0, profile)
        borders = np.unique(np.quantile(positive, 1.0 - np.logspace(-5.0, -0.5, 120)))
        return max((self.at(float(border), profile) for border in borders), key=lambda found: found.score)


def _sigmoid(position: Floats) -> Floats:
    """Of rows by their place: -1 a window's first row, 0 its end, beyond 3 the full fine."""
    return np.where(position > 3.0, -1.0, 2.0 / (1.0 + np.exp(np.clip(5.0 * position, -50.0, 50.0))) - 1.0)
