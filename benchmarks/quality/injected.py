"""Recall of faults put into quiet real series, by kind and amplitude; false alerts on the same series without them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.quality import faults, kpi
from benchmarks.quality.data import Labelled
from benchmarks.quality.faults import AMPLITUDES, Fault
from detectors.base import Floats

Scorer = Callable[[Floats, Floats], Floats]  # t, x -> a score a row
SEEDS = (1, 2, 3, 4)
NO_AMPLITUDE = ("stuck", faults.MISSING, faults.DENSE)  # told once, over all amplitudes
DENSE_SIGMAS, DENSE_EVERY = 15.0, 200


@dataclass(frozen=True)
class Cell:
    """Faults of one kind and amplitude. chance: found in the same rows of the series without faults."""

    found: int = 0
    chance: int = 0
    faults: int = 0

    @property
    def recall(self) -> float:
        return self.found / self.faults if self.faults else float("nan")

    def __add__(self, other: "Cell") -> "Cell":
        return Cell(self.found + other.found, self.chance + other.chance, self.faults + other.faults)


@dataclass(frozen=True)
class Injected:
    """Cells by kind and amplitude (0.0 for kinds that have none); `quiet`: counts on the series without faults."""

    cells: dict[tuple[str, float], Cell]
    quiet: kpi.Kpi

    def cell(self, kind: str, amplitude: float = 12.0) -> Cell:
        return self.cells.get((kind, 0.0 if kind in NO_AMPLITUDE else amplitude), Cell())

    @property
    def chance(self) -> float:
        """Share of the places that alert without a fault."""
        return sum(c.chance for c in self.cells.values()) / max(sum(c.faults for c in self.cells.values()), 1)

    def __add__(self, other: "Injected") -> "Injected":
        keys = self.cells.keys() | other.cells.keys()
        cells = {key: self.cells.get(key, Cell()) + other.cells.get(key, Cell()) for key in keys}
        return Injected(cells, self.quiet + other.quiet)


def measure(series: Sequence[Labelled], score: Scorer, seeds: Iterable[int] = SEEDS) -> Injected:
    """Over all series; each is scored once clean, and once for each amplitude and seed."""
    cells: dict[tuple[str, float], Cell] = defaultdict(Cell)
    quiet = kpi.Kpi()
    for whole in series:
        host = faults.host(whole)
        told = score(host.t, host.x)
        clean = told >= 1.0
        quiet += kpi.judge(host, told)
        for seed in seeds:
            for amplitude in AMPLITUDES:
                changed, put = faults.inject(host, amplitude, seed)
                on = score(changed.t, changed.x) >= 1.0
                at = np.searchsorted(host.t, changed.t)
                for fault in put:
                    key = fault.kind, 0.0 if fault.kind in NO_AMPLITUDE else amplitude
                    was = Fault(fault.kind, int(at[fault.first]), int(at[fault.last]))
                    cells[key] += Cell(faults.found(fault, on), faults.found(was, clean), 1)
        changed, put = faults.dense(host, DENSE_SIGMAS, DENSE_EVERY, 1)
        on = score(changed.t, changed.x) >= 1.0
        for fault in put:
            if fault.first >= len(host.x) // 2:
                cells[faults.DENSE, 0.0] += Cell(faults.found(fault, on), faults.found(fault, clean), 1)
    return Injected(dict(cells), quiet)
