"""What an on-duty person feels: alerts that are right, faults found, false alerts, delay. Second half of each series.

An alert is a row at or over 1.0 after 30 quiet rows. It is right inside a labelled segment or up to 30 rows after. A
segment is found if one of its first 8 rows is at or over 1.0. F1 is of these two. No point adjustment: a random score
does well on it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.quality.data import Labelled
from detectors.base import Flags, Floats, Rows

QUIET_ROWS = 30
GRACE_ROWS = 30
WITHIN_ROWS = 7
JOINED_ROWS = 5  # segments nearer than this are one


@dataclass(frozen=True)
class Kpi:
    """Counts, which add up over series; the figures are made from the sums. Shares 0..1; delay in rows."""

    right: int = 0
    wrong: int = 0
    found: int = 0
    segments: int = 0
    days: float = 0.0
    rows: int = 0
    rows_on: int = 0
    delays: tuple[int, ...] = field(default=(), repr=False)

    def __add__(self, other: "Kpi") -> "Kpi":
        return Kpi(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def precision(self) -> float:
        return self.right / max(self.right + self.wrong, 1)

    @property
    def recall(self) -> float:
        return self.found / max(self.segments, 1)

    @property
    def f1(self) -> float:
        return 2.0 * self.precision * self.recall / max(self.precision + self.recall, 1e-9)

    @property
    def false_per_day(self) -> float:
        """False alerts a day and series."""
        return self.wrong / self.days if self.days else 0.0

    @property
    def delay_rows(self) -> float:
        """Median; NaN where nothing was found."""
        return float(np.median(self.delays)) if self.delays else float("nan")

    @property
    def share_on(self) -> float:
        """Share of rows at or over the border."""
        return self.rows_on / max(self.rows, 1)


def segments(label: Flags) -> list[tuple[int, int]]:
    """First and last row of each labelled stretch.

    >>> segments(np.array([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1], bool))
    [(1, 5), (12, 12)]
    """
    edges = np.flatnonzero(np.diff(np.r_[0, label.astype(np.int64), 0]))
    joined: list[tuple[int, int]] = []
    for first, last in zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True):
        if joined and first - joined[-1][1] <= JOINED_ROWS + 1:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return joined


def openings(on: Flags) -> Rows:
    """Rows that open an alert: on, after QUIET_ROWS that were not.

    >>> openings(np.array([1, 1, *[0] * 29, 1, *[0] * 30, 1], bool))
    array([ 0, 62])
    """
    rows = np.flatnonzero(on)
    return rows[np.r_[True, np.diff(rows) > QUIET_ROWS]] if len(rows) else rows


def judge(series: Labelled, score: Floats, border: float = 1.0) -> Kpi:
    """One series' counts."""
    half = len(score) // 2
    on = np.asarray(score) >= border
    faults = [(first, last) for first, last in segments(series.label) if first >= half]
    starts = np.array([first for first, _ in faults], np.int64)
    ends = np.array([last + GRACE_ROWS for _, last in faults], np.int64)
    opened = openings(on[half:]) + half
    before = np.searchsorted(starts, opened, side="right") - 1
    right = int(np.count_nonzero((before >= 0) & (opened <= np.maximum.accumulate(ends)[before]))) if faults else 0
    delays = tuple(int(np.argmax(on[first : last + 1])) for first, last in faults if on[first : last + 1].any())
    return Kpi(
        right=right,
        wrong=len(opened) - right,
        found=sum(delay <= WITHIN_ROWS for delay in delays),
        segments=len(faults),
        days=float(series.t[-1] - series.t[half]) / 86400.0,
        rows=len(score) - half,
        rows_on=int(np.count_nonzero(on[half:])),
        delays=delays,
    )


def total(judged: Iterable[Kpi]) -> Kpi:
    return sum(judged, Kpi())
