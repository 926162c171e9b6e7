"""What must not matter: the unit, the clock, holes and doubles in the data, how batches were cut."""

from collections.abc import Callable

import numpy as np

from benchmarks.quality import kpi
from benchmarks.quality.data import Labelled, halves
from benchmarks.quality.report import Row
from benchmarks.quality.work import Work
from detectors.base import Rows

Copy = Callable[[Labelled, np.random.Generator], tuple[Labelled, Rows]]
"""The copy, and the row of the original that each of its rows was."""


def _values(change: Callable[[Labelled], np.ndarray[tuple[int], np.dtype[np.float64]]]) -> Copy:
    return lambda s, random: (Labelled(s.name, s.t, change(s), s.label), np.arange(len(s.t)))


def _rows(choose: Callable[[Labelled, np.random.Generator], Rows]) -> Copy:
    def copy(s: Labelled, random: np.random.Generator) -> tuple[Labelled, Rows]:
        rows = choose(s, random)
        return Labelled(s.name, s.t[rows], s.x[rows], s.label[rows]), rows

    return copy


def _later(s: Labelled, seconds: float, since: int) -> tuple[Labelled, Rows]:
    t = s.t.copy()
    t[since:] += seconds
    return Labelled(s.name, t, s.x, s.label), np.arange(len(t))


def _quantised(s: Labelled) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """In steps as large as the series usually moves from row to row."""
    step = float(np.nanmedian(np.abs(np.diff(s.x))))
    return np.round(s.x / step) * step if step > 0.0 else s.x


COPIES: dict[str, Copy] = {
    "values x1024": _values(lambda s: s.x * 1024.0),
    "values x1000": _values(lambda s: s.x * 1000.0),
    "values + 100 times their median": _values(lambda s: s.x + 100.0 * np.nanmedian(np.abs(s.x))),
    "values x-1000": _values(lambda s: s.x * -1000.0),
    "time + 7 h": lambda s, random: _later(s, 7 * 3600.0, 0),
    "clock + 1 h from three quarters on": lambda s, random: _later(s, 3600.0, 3 * len(s.t) // 4),
    "5 % of the rows lost": _rows(lambda s, random: np.flatnonzero(random.random(len(s.t)) > 0.05)),
    "2 % of the rows twice": _rows(
        lambda s, random: np.sort(np.r_[np.arange(len(s.t)), np.flatnonzero(random.random(len(s.t)) < 0.02)])
    ),
    "quantised to steps of its usual change": _values(_quantised),
}
_BOUNDS = {
    "values x1024": ("0", "0"),
    "values x1000": ("0.01%", "0.01%"),
    "values + 100 times their median": ("0.01%", "0.01%"),
}
CUT_SERIES = 8  # every so many of the series, for other cuts of the batches


def part(work: Work) -> list[Row]:
    """Share of rows whose border decision is another one, and F1 on the copy."""
    names = halves([series.name for series in work.hosts])
    rows = []
    f1 = _f1({s.name: kpi.judge(s, work.host_scores[s.name]) for s in work.hosts}, names)
    rows.append(Row("F1 of the originals, newest rows", f1))
    for told, copy in COPIES.items():
        changed: dict[str, tuple[int, int]] = {}
        judged = {}
        for series in work.hosts:
            made, was = copy(series, np.random.default_rng(1))
            score = work.judged.score(made.t, made.x)
            other = (score >= 1.0) != (work.host_scores[series.name][was] >= 1.0)
            if told.startswith("2 %"):  # the second of two equal rows is ignored, whatever the first was
                other[np.flatnonzero(np.diff(was) == 0) + 1] = False
            changed[series.name] = int(np.count_nonzero(other)), len(other)
            judged[series.name] = kpi.judge(made, score)
        share = tuple(sum(changed[n][0] for n in some) / sum(changed[n][1] for n in some) for some in names)
        rows.append(Row(f"border decisions changed: {told}", share, *_BOUNDS.get(told, ("", "")), form=".4%"))
        rows.append(Row(f"F1: {told}", _f1(judged, names)))
    return [*rows, _cuts(work)]


def _cuts(work: Work) -> Row:
    differ = 0
    for k, series in enumerate(work.hosts[::CUT_SERIES]):
        random = np.random.default_rng(k)
        cuts = np.cumsum(random.integers(1, 400, len(series.t) // 200)).tolist()
        differ += work.judged.events(series.t, series.x, cuts) != work.judged.events(series.t, series.x)
    return Row("series whose alert events differ with other batch cuts", (float(differ),), "0", "0", ".0f")


def _f1(judged: dict[str, kpi.Kpi], names: tuple[list[str], ...]) -> tuple[float, ...]:
    return tuple(kpi.total(judged[name] for name in some).f1 for some in names)
