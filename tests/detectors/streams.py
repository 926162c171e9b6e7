"""Made streams of events, and ways to run a detector over them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from detectors import KINDS
from detectors.base import VERDICT, Detector, Flags, Floats, Records, Rows
from schemas.levels import Border

START_S = 1.7e9
BORDERS = {
    "score": (Border.parse(">= 1"), Border.parse(">= 2")),
    "silence": (Border.parse(">= 1"), Border.parse(">= 3")),
    "value": (Border.parse("> 80"), Border.parse("> 95")),
}
# Where the default is slow, or something must be named. A kind that is missing here runs with its defaults.
QUICK: dict[str, dict[str, Any]] = {
    "river": {"model": "GaussianScorer", "warm_up": 100},
    "forecast": {"limit": "< -1", "history": 0.0},
    "rate_of_change": {"limit": 20.0, "unit": "percent", "over": 3600.0},
    "changepoint": {"warm_up": 60},
    "drift": {"warm_up": 60, "season": "none"},
    "range": {"warm_up": 60, "warm_up_time": 600.0},
}


@dataclass(frozen=True)
class Events:
    """Columns as `Detector.update` takes them."""

    rows: Rows
    fresh: Flags
    t: Floats
    x: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, where: Any) -> "Events":
        return Events(self.rows[where], self.fresh[where], self.t[where], self.x[where])


def one_row(x: Iterable[float], step_s: float = 60.0, start_s: float = START_S) -> Events:
    values = np.asarray(list(x), np.float64)
    n = len(values)
    fresh = np.zeros(n, np.bool_)
    fresh[:1] = True
    t = np.asarray(start_s + step_s * np.arange(n), np.float64)
    return Events(np.zeros(n, np.int64), fresh, t, values)


def make(kind: str, rows: int, params: Mapping[str, Any] | None = None) -> Detector:
    cls = KINDS[kind]
    detector = cls(cls.Params(**(QUICK.get(kind, {}) if params is None else params)), BORDERS[cls.levels_on])
    detector.grow(rows)
    return detector


def run(detector: Detector, events: Events, cuts: Iterable[int] = ()) -> Records:
    """Verdicts of the events, given to the detector in batches that end at `cuts`."""
    out = np.full(len(events), -7.0, VERDICT)
    edges = [0, *sorted(c for c in cuts if c < len(events)), len(events)]
    for a, b in pairwise(edges):
        part = events.take(slice(a, b))
        detector.update(part.rows, part.fresh, part.t, part.x, out[a:b])
    return out


def judge(x: Iterable[float], kind: str = "baseline", step_s: float = 60.0, **params: Any) -> Records:
    """Verdicts of one series under these settings."""
    return run(make(kind, 1, params), one_row(x, step_s))


def openings(score: Floats, quiet: int = 30) -> list[int]:
    """Rows over the border after so many quiet ones."""
    on = np.flatnonzero(score >= 1.0)
    return [int(a) for i, a in enumerate(on) if i == 0 or a - on[i - 1] > quiet]


def _mixed(seed: int, n: int, rows: int, shape: str, restarts: float) -> Events:
    """`n` events of `rows` series in turn by chance, with spikes, shifts, gaps, flat stretches, restarts."""
    rng = np.random.default_rng(seed)
    x = rng.normal(50.0, 3.0, n)
    if shape == "walk":
        x = np.cumsum(rng.normal(0.0, 1.0, n))
    elif shape == "sparse":
        x = np.where(rng.random(n) < 0.05, rng.exponential(9.0, n), 0.0)
    elif shape == "steps":
        x = np.round(x) + 30.0 * (np.arange(n) > n // 2)
    elif shape == "flat":
        x = np.where(np.arange(n) > 0.8 * n, 9.0, 4.0)
    x = x + (rng.random(n) < 0.02) * rng.normal(0.0, 60.0, n)
    gaps = rng.exponential(20.0, n) + (rng.random(n) < 0.005) * 7200.0
    return Events(rng.integers(0, rows, n), rng.random(n) < restarts, START_S + np.cumsum(gaps + 0.001), x)


mixed = st.builds(
    _mixed,
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 900),
    rows=st.integers(1, 3),
    shape=st.sampled_from(["noise", "walk", "sparse", "steps", "flat"]),
    restarts=st.sampled_from([0.0, 0.01]),
)
"""Streams as they come; most have a series long enough to be past its warm-up."""


def _hostile(values: list[float], repeat: int, step_s: float) -> Events:
    return one_row(values * repeat, step_s)


hostile = st.builds(
    _hostile,
    values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
    repeat=st.integers(1, 30),
    step_s=st.sampled_from([1e-3, 1.0, 300.0, 86400.0, 604800.0]),
)
"""Any finite numbers, the largest and smallest there are among them."""

cuts = st.lists(st.integers(0, 900), max_size=8)
