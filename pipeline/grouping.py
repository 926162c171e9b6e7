"""One rule of groups in one shard: the members' points come together into rows, by event time. No I/O, no clock.

A group's row is the members' values within one bucket of time, `align_s` wide. It is closed by the first event of the
group in a later bucket, or as soon as all known members came, where each comes once a bucket; where the group has an
alert, also by the silence that ends it. Decided event by event in the order of the partition: the same rows wherever
batches are cut, and after a restart.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerting.lifecycle import Record
from detectors.base import Floats, Rows, grown
from detectors.group import MEMBERS_MAX, Seat, widened
from pipeline.binding import Found
from pipeline.control import Controls
from pipeline.gathering import CELL, OPEN, close_all, gather
from pipeline.points import Points, Recent, predecessors, remember
from pipeline.sets import FULL, SetBinding
from schemas.alert import Evidence
from schemas.metric import Series

PIECE = 4096  # events taken at once: bounds the matrix of rows


@dataclass(frozen=True)
class GroupFound(Found):
    """A transition of a group: `at` is the event that closed the row; -1: time did."""

    value: float
    members: tuple[str, ...]
    evidence: Evidence


class GroupBinding(SetBinding):
    """Rows are groups; `series_of` a row is its first member."""

    def __init__(self, controls: Controls, *args: Any) -> None:
        """controls: of the shard; then as SetBinding."""
        super().__init__(*args)
        self._controls = controls
        self._summed = any(seat.detector.gathers == "sum" for seat in self.seats)
        self.members: list[list[Series]] = []
        self._member_of = np.zeros(0, np.int64)
        self._width = 0
        self.open: NDArray[Any] = np.zeros(0, OPEN)
        self.gathered: NDArray[Any] = np.zeros((0, 0), CELL)
        self.recent = Recent()
        self.late = 0

    @property
    def seats(self) -> list[Seat]:
        return [detector for detector in self.detectors if isinstance(detector, Seat)]

    def grow_series(self, capacity: int) -> None:
        super().grow_series(capacity)
        self._member_of = grown(self._member_of, capacity)

    def grow_rows(self, capacity: int) -> None:
        super().grow_rows(capacity)
        self.open, self.gathered = widened(self.open, capacity), widened(self.gathered, capacity, self._width)
        recent = self.recent
        recent.counts = grown(recent.counts, capacity)
        recent.ring_t, recent.ring_x = grown(recent.ring_t, capacity), grown(recent.ring_x, capacity)

    def join(self, row: int, series: int) -> None:
        if row == len(self.members):
            self.members.append([])
        members = self.members[row]
        if len(members) == MEMBERS_MAX:
            self.row_of[series] = FULL
            return
        self.row_of[series], self._member_of[series] = row, len(members)
        one = self._series[series]
        rest = Series(one.metric, tuple(pair for pair in one.labels if pair[0] not in self._group_by))
        members.append(rest)
        if len(members) > self._width:
            self._width = max(4, 2 * self._width)
            self.gathered = widened(self.gathered, len(self.open), self._width)
            for seat in self.seats:
                seat.widen(self._width)
        for seat in self.seats:
            seat.detector.join(row, len(members) - 1, rest)

    def judge(self, points: Points, series_count: int) -> list[Found]:
        found: list[Found] = []
        places = self.row_of[points.series]
        self._count_skipped(places)
        for first in range(0, len(places), PIECE):
            found += self._judge(points, first, min(first + PIECE, len(points.series)))
        return found

    def _judge(self, points: Points, first: int, last: int) -> list[Found]:
        room = last - first
        group, closer = np.empty(2 * room, np.int64), np.empty(2 * room, np.int64)
        t, gap_s = np.empty(2 * room), np.empty(2 * room)
        x = np.empty((2 * room, self._width))
        n, late = gather(
            points.series,
            points.t,
            points.x,
            first,
            last,
            self.row_of,
            self._member_of,
            self.rule.align_s,
            self._summed,
            self.open,
            self.gathered,
            group,
            closer,
            t,
            gap_s,
            x,
        )
        self.late += late
        return self._judge_rows(group[:n], closer[:n], t[:n], gap_s[:n], x[:n])

    def _judge_rows(self, group: Rows, closer: Rows, t: Floats, gap_s: Floats, x: Floats) -> list[Found]:
        """Takes closed rows, as `gather` writes them, through detectors and alerts; what people said of a group counts
        before the first row at or after its time."""
        found: list[Found] = []
        first = 0
        for at, row, controls in self._controls.due_rows(self.rule.name, group, closer, t):
            part = slice(first, at)
            found += self._judge_part(group[part], closer[part], t[part], gap_s[part], x[part])
            first = at
            for control in controls:
                told = partial(self.feedback_of_row, row, control.verdict, control.undo is not False)
                self._controls.heed(control, told)
        return found + self._judge_part(group[first:], closer[first:], t[first:], gap_s[first:], x[first:])

    def _judge_part(self, group: Rows, closer: Rows, t: Floats, gap_s: Floats, x: Floats) -> list[Found]:
        if not len(group):
            return []
        for seat in self.seats:
            seat.given = x
        rows = Points(group, t, np.zeros(len(group)), gap_s, gap_s > self.idle_after_s)
        found = super().judge(rows, self.rows)
        values = [np.nan_to_num(seat.values) for seat in self.seats]
        rows.x[:] = values[0]
        told: list[Found] = []
        before = predecessors(rows.series, np.full(self.rows, -1, np.int64)) if found else group
        for one in found:
            row = int(one.change["row"])
            newest = int(before[one.at]) if one.change["silent"] else one.at
            evidence = self.recent.evidence(row, newest, rows, before)
            value = float(values[self.level_of(one.change).detector][one.at])
            names = tuple(map(str, self.members[row]))
            told.append(GroupFound(int(closer[one.at]), self, one.change, one.verdict, value, names, evidence))
        recent = self.recent
        remember(rows.series, rows.t, rows.x, rows.fresh, recent.counts, recent.ring_t, recent.ring_x)
        return told

    def silent(self, now_s: float, last_t: Floats) -> Rows:
        """Groups with an alert whose newest point, in a closed row or not, is too old by event time `now_s`.

        A bucket that isn't over yet may still get points that come in time, where it is wider than `stale_after`.
        """
        rows = np.flatnonzero(self.cells["rank"][: self.rows])
        open_ = self.open[rows]
        over = (open_["closed"] > 0.0) | (open_["bucket"] < math.floor(now_s / self.rule.align_s))
        return rows[(open_["buckets"] > 0.0) & over & (now_s - open_["t"] > self.stale_after_s)]

    def close_silent(self, now_s: float) -> list[Found]:
        """Judges the open buckets of the groups that are silent, as their next event would: before time ends them."""
        silent = self.silent(now_s, self.open["t"])
        silent = silent[self.open["closed"][silent] == 0.0]
        found: list[Found] = []
        for first in range(0, len(silent), PIECE):
            found += self._judge_rows(*self.close(silent[first : first + PIECE]))
        return found

    def close(self, group: Rows) -> tuple[Rows, Rows, Floats, Floats, Floats]:
        """Closes these groups' buckets; the rows, as `gather` writes them, but closed by no event."""
        n = len(group)
        closer, t, gap_s, x = np.full(n, -1), np.empty(n), np.empty(n), np.empty((n, self._width))
        close_all(self.open, self.gathered, group, closer, t, gap_s, x)
        return group, closer, t, gap_s, x

    def advance(self, now_s: float, last_t: Floats) -> list[Record]:
        """After `close_silent`."""
        times = np.full(len(last_t), np.nan)
        times[self.series_of[: self.rows]] = self.open["t"][: self.rows]
        return super().advance(now_s, times)

    def realign(self) -> None:
        """Drops restored buckets of another width; the next row comes after those that were closed."""
        open_ = self.open
        other = (open_["buckets"] > 0.0) & (open_["bucket"] != np.floor(open_["t"] / self.rule.align_s))
        self.open["bucket"][other] = np.floor(open_["row_t"][other] / self.rule.align_s)
        self.open["t"][other], self.open["closed"][other] = open_["row_t"][other], 1.0
        self.open["buckets"][other & (open_["rows"] == 0.0)] = 0.0
        self.open["several"][other] = 0.0
        self.gathered["came"][other] = 0.0

    @property
    def own_state(self) -> dict[str, NDArray[Any]]:
        """What a snapshot holds beside cells and detectors; first axis = group."""
        recent = self.recent
        return {
            "open": self.open,
            "gathered": self.gathered,
            "point_count": recent.counts,
            "point_t": recent.ring_t,
            "point_x": recent.ring_x,
        }
