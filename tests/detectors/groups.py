"""Made groups, and ways to run a detector of groups over them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from detectors import GROUP_KINDS
from detectors.base import VERDICT, Flags, Floats, Records, Rows
from detectors.group import GroupDetector
from schemas.metric import Series
from tests.detectors.streams import BORDERS, START_S

QUICK: dict[str, dict[str, Any]] = {
    "multivariate": {"warm_up": 160},
    "river": {
        "model": "HalfSpaceTrees",
        "args": {"n_trees": 3, "height": 4, "window_size": 40},
        "warm_up": 100,
    },
    "burn_rate": {"bad": "m0", "total": "m1", "min_events": 5},
}


@dataclass(frozen=True)
class GroupRows:
    """Columns as `GroupDetector.update` takes them."""

    rows: Rows
    fresh: Flags
    t: Floats
    x: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, where: Any) -> "GroupRows":
        return GroupRows(self.rows[where], self.fresh[where], self.t[where], self.x[where])


def one_group(x: Any, step_s: float = 60.0) -> GroupRows:
    values = np.asarray(x, np.float64)
    n = len(values)
    fresh = np.zeros(n, np.bool_)
    fresh[:1] = True
    return GroupRows(np.zeros(n, np.int64), fresh, START_S + step_s * np.arange(n, dtype=np.float64), values)


def make(kind: str, groups: int, members: int, params: Mapping[str, Any] | None = None) -> GroupDetector:
    cls = GROUP_KINDS[kind]
    detector = cls(cls.Params(**(QUICK.get(kind, {}) if params is None else params)), BORDERS[cls.levels_on])
    detector.grow(groups, members)
    for row in range(groups):
        for member in range(members):
            detector.join(row, member, Series(f"m{member}"))
    return detector


def run(detector: GroupDetector, rows: GroupRows, cuts: Iterable[int] = ()) -> tuple[Records, Floats]:
    """Verdicts and joint values, the rows given in batches that end at `cuts`."""
    out, value = np.full(len(rows), -7.0, VERDICT), np.full(len(rows), -7.0)
    edges = [0, *sorted(c for c in cuts if c < len(rows)), len(rows)]
    for a, b in pairwise(edges):
        part = rows.take(slice(a, b))
        detector.update(part.rows, part.fresh, part.t, part.x, value[a:b], out[a:b])
    return out, value


def said(detector: GroupDetector, rows: GroupRows, cuts: Iterable[int] = ()) -> bytes:
    """All that it says, to the bit."""
    out, value = run(detector, rows, cuts)
    return out.tobytes() + value.tobytes()


def _mixed(seed: int, n: int, groups: int, members: int, holes: float, restarts: float) -> GroupRows:
    """Members that move together, faults in all or in some, members that miss rows or come late in the stream."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.0, 1.0, (n, 1)) + rng.normal(50.0, 3.0, (n, members))
    x += (rng.random((n, 1)) < 0.02) * rng.normal(0.0, 60.0, (n, members))
    x[:, : members // 3] = 4.0  # never vary
    x[rng.random((n, members)) < holes] = np.nan
    x[: n // 2, members - 1] = np.nan
    t = START_S + np.cumsum(rng.exponential(20.0, n) + (rng.random(n) < 0.005) * 7200.0 + 0.001)
    return GroupRows(rng.integers(0, groups, n), rng.random(n) < restarts, t, x)


mixed = st.builds(
    _mixed,
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 900),
    groups=st.integers(1, 3),
    members=st.just(4),
    holes=st.sampled_from([0.0, 0.1, 0.9]),
    restarts=st.sampled_from([0.0, 0.01]),
)

hostile = st.builds(
    lambda values, repeat, step_s: one_group(np.array(values * repeat).reshape(-1, 4), step_s),
    values=st.lists(st.floats(width=64), min_size=4, max_size=60).map(lambda v: v[: len(v) // 4 * 4]),
    repeat=st.integers(1, 60),
    step_s=st.sampled_from([1e-3, 1.0, 300.0, 86400.0]),
)
"""Any numbers, NaN and infinities among them."""

cuts = st.lists(st.integers(0, 900), max_size=8)
