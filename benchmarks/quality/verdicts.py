"""Faults so dense that they are the series' normal, and a person who says ten times that this was none.

In the first half of a series the person looks at what happens: an alert that no fault explains is `noise`, a fault
without an alert was `missed`, until ten words are said. Recall and false alerts are of the second half.
"""

from dataclasses import dataclass, field

import numpy as np

from benchmarks.quality import faults, kpi
from benchmarks.quality.data import Labelled
from benchmarks.quality.faults import Fault
from benchmarks.quality.injected import DENSE_EVERY, DENSE_SIGMAS
from benchmarks.quality.report import Row
from benchmarks.quality.work import Work
from detectors import make
from detectors.base import VERDICT, Detector, Flags, Floats
from schemas.config import DetectorSpec

VERDICTS = 10


@dataclass
class _Watched:
    """A detector on one series, row by row as far as it was run."""

    spec: DetectorSpec
    series: Labelled
    on: Flags = field(init=False)
    at: int = 0

    def __post_init__(self) -> None:
        self.on = np.zeros(len(self.series.t), np.bool_)
        self.detector: Detector = make(self.spec.kind, self.spec.params, self.spec.borders)
        self.detector.grow(1)

    def run(self, until: int) -> None:
        rows = np.arange(self.at, until)
        rows = rows[np.isfinite(self.series.x[rows])]
        out = np.zeros(len(rows), VERDICT)
        t: Floats = self.series.t[rows]
        self.detector.update(np.zeros(len(rows), np.int64), np.zeros(len(rows), np.bool_), t, self.series.x[rows], out)
        self.on[rows] = out["score"] >= self.spec.borders[0].low
        self.at = until


def judged(spec: DetectorSpec, series: Labelled, put: list[Fault], words: int) -> tuple[Flags, int]:
    """Rows at or over the border, and how many words were said and taken."""
    watched = _Watched(spec, series)
    said = 0
    ends = [fault.last + faults.GRACE_ROWS + 1 for fault in put if fault.last < len(series.t) // 2]
    for fault, end in zip(put, ends, strict=False):
        if said == words:
            break
        before = watched.at
        watched.run(end)
        calm = slice(before, fault.first)
        if watched.on[calm].any() and not series.label[calm].any():
            said += watched.detector.feedback(0, "noise", False)
        elif not faults.found(fault, watched.on) and end > DENSE_EVERY * 5:  # a person does not ask on the first day
            said += watched.detector.feedback(0, "missed", False)
    watched.run(len(series.t))
    return watched.on, said


def part(work: Work) -> list[Row]:
    specs = [spec for rule in work.judged.rules for spec in rule.detectors]
    rows = []
    for words in (0, VERDICTS):
        found, asked, false, days, said = ([0.0, 0.0] for _ in range(5))
        for k, series in enumerate(work.hosts):
            changed, put = faults.dense(series, DENSE_SIGMAS, DENSE_EVERY, 1)
            on, taken = judged(specs[0], changed, put, words)
            half = len(on) // 2
            label = changed.label.copy()
            for fault in put:
                label[fault.first : fault.last + 1] = True
                if fault.first >= half:
                    asked[k % 2] += 1
                    found[k % 2] += faults.found(fault, on)
            counted = kpi.judge(Labelled(changed.name, changed.t, changed.x, label), on.astype(np.float64))
            false[k % 2] += counted.wrong
            days[k % 2] += counted.days
            said[k % 2] += taken
        told = f"with {words} verdicts of a person" if words else "without a person"
        recall = _ratios(found, asked)
        bounds = ("0.4", "0.7") if words else ("0.05", "0.4")
        nothing = words and not sum(said)
        rows.append(
            Row(f"recall: 15 sigmas, one in 200 rows, {told}", (float("nan"),) if nothing else recall, *bounds, ".2f")
        )
        rows.append(Row(f"false alerts a day there, {told}", _ratios(false, days)))
    return rows


def _ratios(above: list[float], below: list[float]) -> tuple[float, float, float]:
    return sum(above) / max(sum(below), 1e-9), above[0] / max(below[0], 1e-9), above[1] / max(below[1], 1e-9)
