"""What the default costs at 100,000 series: time of its detectors alone, and the arrays that are its state."""

import time

import numpy as np

from benchmarks.quality.report import Row
from benchmarks.quality.work import Work
from detectors import make
from detectors.base import VERDICT, Rows

SERIES = 100_000
BATCH = 20_000
ROWS_WARM, ROWS = 65, 5
STEP_S = 10.0
START_S = 1_795_412_000.0


def part(work: Work) -> list[Row]:
    """Series in the same order each time, as publishers mostly send them, and in a new order each time."""
    specs = [spec for rule in work.judged.rules for spec in rule.detectors]
    detectors = [make(spec.kind, spec.params, spec.borders) for spec in specs]
    for detector in detectors:
        detector.grow(SERIES)
    random = np.random.default_rng(1)
    fresh, out = np.zeros(BATCH, np.bool_), np.zeros(BATCH, VERDICT)

    def row_s(number: int, order: Rows) -> float:
        x = random.normal(50.0, 1.0, SERIES)
        t = np.full(BATCH, START_S + number * STEP_S)
        started_s = time.perf_counter()
        for at in range(0, SERIES, BATCH):
            rows = order[at : at + BATCH]
            for detector in detectors:
                detector.update(rows, fresh, t, x[at : at + BATCH], out)
        return time.perf_counter() - started_s

    ordered = np.arange(SERIES)
    for number in range(ROWS_WARM):
        row_s(number, ordered)
    steady = min(row_s(ROWS_WARM + k, ordered) for k in range(ROWS))
    shuffled = min(row_s(ROWS_WARM + ROWS + k, random.permutation(SERIES)) for k in range(ROWS))
    held = sum(array.nbytes for detector in detectors for array in detector.state.values())
    return [
        Row("cost at 100,000 series, us an event", (1e6 * steady / SERIES,), "0.3", "0.15", ".2f"),
        Row("the same, series in random order", (1e6 * shuffled / SERIES,), form=".2f"),
        Row("state, bytes a series", (held / SERIES,), "1,500", "1,000", ",.0f"),
    ]
