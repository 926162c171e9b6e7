"""Others on the same data in the same run, each at the border that suits it best, which no user knows; published rows.

river's two, an EWMA z-score and a rolling median with MAD. The two labelled families: all of NAB, and the newest rows
of each KPI series; HalfSpaceTrees takes 50 us an event, so it sees every fourth of these, and the others beside it.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import lfilter

from benchmarks.quality import data, kpi
from benchmarks.quality.data import Labelled
from benchmarks.quality.nab import Nab
from benchmarks.quality.report import Row
from benchmarks.quality.work import Work
from detectors.base import Floats

EWMA_WEIGHT = 0.05
MAD_ROWS = 289
PUBLISHED = {
    "Numenta HTM (is told a series' least and largest value before)": 70.1,
    "CAD OSE (the same)": 69.9,
    "earthgecko Skyline": 58.2,
    "KNN CAD": 58.0,
    "Relative Entropy": 54.6,
    "Random Cut Forest": 51.7,
    "Twitter ADVec": 47.1,
    "Windowed Gaussian": 39.6,
}
"""NAB standard, from the result files of its repository, each detector at its best border on these series."""


def ewma(x: Floats) -> Floats:
    """Distance from an exponential mean in exponential standard deviations."""
    level = _mean(x)
    off = x - np.r_[x[:1], level[:-1]]
    spread = np.sqrt(_mean(off**2))
    score: Floats = np.abs(off) / np.maximum(np.r_[np.inf, spread[:-1]], 1e-12 + 1e-9 * np.abs(x))
    return score


def _mean(x: Floats) -> Floats:
    mean: Floats = lfilter([EWMA_WEIGHT], [1.0, EWMA_WEIGHT - 1.0], x, zi=[(1.0 - EWMA_WEIGHT) * x[0]])[0]
    return mean


def mad(x: Floats) -> Floats:
    """Distance from the median of the last 289 rows in their median absolute deviations."""
    off = np.abs(x - _median_before(x))
    score: Floats = off / np.maximum(1.4826 * _median_before(off), 1e-12 + 1e-6 * np.abs(x))
    return score


def _median_before(x: Floats) -> Floats:
    """Of the rows before each one; the first of them stands in where there are not enough."""
    centred = median_filter(np.r_[np.full(MAD_ROWS, x[0]), x], MAD_ROWS, mode="nearest")
    trailing: Floats = centred[MAD_ROWS // 2 :][: len(x)]
    return trailing


def gaussian(x: Floats) -> Floats:
    model: Any = import_module("river.anomaly").GaussianScorer()
    score = np.empty(len(x))
    for row, value in enumerate(x.tolist()):
        score[row] = model.score_one({}, value)
        model.learn_one({}, value)
    return score


def trees(x: Floats) -> Floats:
    """On values scaled to 0..1 by those seen so far."""
    model: Any = import_module("river.anomaly").HalfSpaceTrees(seed=1)
    score = np.empty(len(x))
    low = high = float(x[0])
    for row, value in enumerate(x.tolist()):
        low, high = min(low, value), max(high, value)
        point = {"value": (value - low) / (high - low) if high > low else 0.5}
        score[row] = model.score_one(point)
        model.learn_one(point)
    return score


PEERS: dict[str, Callable[[Floats], Floats]] = {
    "EWMA z-score": ewma,
    "rolling median and MAD": mad,
    "river GaussianScorer": gaussian,
    "river HalfSpaceTrees": trees,
}
SLOW = ("river HalfSpaceTrees",)
SOME = 4  # a slow one sees every so many of the KPI series


def part(work: Work) -> list[Row]:
    windows = {series.name: series.windows for series in work.nab}
    some = work.hosts[::SOME]
    rows = []
    few = f"every {SOME}th series"
    scored: dict[str, tuple[Mapping[str, Floats], Mapping[str, Floats]]] = {"ours": (work.nab_scores, work.host_scores)}
    for told, of in PEERS.items():
        hosts = some if told in SLOW else work.hosts
        scored[told] = ({s.name: _scored(of, s.x) for s in work.nab}, {s.name: _scored(of, s.x) for s in hosts})
    for told, (nab, _) in scored.items():
        # A border over all scores is silence: 0.
        sets = [Nab(nab, {name: windows[name] for name in names}) for names in data.halves([*windows])]
        rows.append(
            Row(f"NAB standard at its best border: {told}", tuple(max(s.best().score, 0.0) for s in sets), form=".1f")
        )
    rows += [Row(f"NAB standard, published: {told}", (score,), form=".1f") for told, score in PUBLISHED.items()]
    for told, (_, scores) in scored.items():
        if told not in SLOW:
            rows.append(_f1_row(f"KPI F1 at its best border: {told}", work.hosts, scores))
    for told, (_, scores) in scored.items():
        rows.append(_f1_row(f"KPI F1 at its best border, {few}: {told}", some, scores))
    return rows


def _scored(of: Callable[[Floats], Floats], x: Floats) -> Floats:
    """Rows without a value score 0."""
    finite = np.isfinite(x)
    score = np.zeros(len(x))
    score[finite] = of(x[finite])
    return score


def _f1_row(told: str, series: list[Labelled], scores: Mapping[str, Floats]) -> Row:
    """One border for all series, that with the largest F1."""
    pool = np.concatenate([scores[s.name] for s in series])
    borders = np.unique(np.quantile(pool, 1.0 - np.logspace(-5.5, -1.3, 40)))
    best, found = -1.0, {s.name: kpi.Kpi() for s in series}
    for border in borders[borders > 0.0]:
        judged = {s.name: kpi.judge(s, scores[s.name], float(border)) for s in series}
        if (f1 := kpi.total(judged.values()).f1) > best:
            best, found = f1, judged
    return Row(told, tuple(kpi.total(found[n] for n in names).f1 for names in data.halves([*found])))
