"""One rule whose alerts are about several series at once: which series is in which set. No I/O, no clock."""

from typing import Any

import numpy as np

from detectors.base import Rows
from pipeline.binding import Binding
from schemas.metric import Labels, Series

FULL, UNLABELLED = -2, -3
"""Instead of a series' row: its set has no room; it lacks a label of `group_by`. -1: the rule doesn't match it."""

SKIPPED = {"full": FULL, "unlabelled": UNLABELLED}
"""Why a series that the rule matches is in no set, by what its events are counted under."""


def set_of(name: str, group_by: tuple[str, ...] | list[str], labels: Labels, place: Labels = ()) -> Series:
    """The series that stands for a set: the rule's name, those of the labels that its members share, and `place`.

    >>> str(set_of("slow-host", ("host",), (("device", "sda"), ("host", "web-1"))))
    'slow-host{host="web-1"}'
    """
    shared = [(label, value) for label, value in labels if label in group_by]
    return Series(name, tuple(sorted([*shared, *place])))


class SetBinding(Binding):
    """Rows are sets. `row_of` a series is the row of its set; `series_of` a row is one of its members."""

    def __init__(self, series: list[Series], place: Labels, *args: Any) -> None:
        """series: of the shard, which appends to it; place: labels that every set has, beside its own; then as
        Binding."""
        super().__init__(*args)
        self._series = series
        self.place = place
        self._group_by = self.rule.group_by or ()
        self.groups: list[Series] = []
        self._row_of_group: dict[Series, int] = {}
        self.skipped = dict.fromkeys(SKIPPED, 0)  # events so far, by reason; not part of the state

    def add(self, series: int) -> None:
        one = self._series[series]
        if not {label for label, _ in one.labels}.issuperset(self._group_by):
            self.row_of[series] = UNLABELLED
            return
        group = set_of(self.rule.name, self._group_by, one.labels, self.place)
        row = self._row_of_group.get(group)
        if row is None:
            row = self.rows
            if row == len(self.cells):
                self.grow_rows(max(16, 2 * row))
            self.series_of[row] = series
            self.rows += 1
            self._row_of_group[group] = row
            self.groups.append(group)
        self.join(row, series)

    def join(self, row: int, series: int) -> None:
        """A series of the set `row` comes for the first time."""
        self.row_of[series] = row

    def row_of_group(self, labels: Labels) -> int:
        """Row of the set of a series with these labels; -1: there is none."""
        return self._row_of_group.get(set_of(self.rule.name, self._group_by, labels, self.place), -1)

    def row_called(self, group: Series) -> int | None:
        """Row of the set that this series stands for."""
        return self._row_of_group.get(group)

    def _count_skipped(self, rows: Rows) -> None:
        for reason, code in SKIPPED.items():
            self.skipped[reason] += int(np.count_nonzero(rows == code))
