"""A rule about the silence of several series together: a label set, or all that comes on a partition. No I/O, no clock.

A set spoke last when the newest of its members did, by event time; which of them that was is all its state, beside its
alert. An event that is not newer than that says nothing: a set's time only goes forward, as a series' does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from alerting.lifecycle import Record
from detectors.base import Floats, Rows
from pipeline.binding import Found
from pipeline.points import Points, admit, predecessors
from pipeline.sets import SetBinding
from schemas.duration import format_duration


@dataclass(frozen=True)
class SetFound(Found):
    """A transition of a set. series: the member whose point was its newest then; newest: that point's number in the
    batch, -1: it came before."""

    series: int
    newest: int


class SilentSets(SetBinding):
    """`series_of` a row is the member that spoke last, so that a snapshot needs no more."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.newest_t = np.full(0, np.nan)

    def grow_rows(self, capacity: int) -> None:
        super().grow_rows(capacity)
        newest_t = np.full(capacity, np.nan)
        newest_t[: len(self.newest_t)] = self.newest_t
        self.newest_t = newest_t

    def judge(self, points: Points, series_count: int) -> list[Found]:
        if self.deadlines is None:
            raise TypeError(f"rule {self.rule.name} is not about silence")
        rows = self.row_of[points.series]
        self._count_skipped(rows)
        at = np.flatnonzero(rows >= 0)
        n = len(at)
        gap_s, fresh, kept = np.empty(n), np.empty(n, np.bool_), np.empty(n, np.int64)
        n, _, _ = admit(rows[at], points.t[at], self.idle_after_s, self.newest_t, gap_s, fresh, kept)
        if not n:
            return []
        at = at[kept[:n]]
        rows, series = rows[at], points.series[at]
        mine = Points(rows, points.t[at], points.x[at], gap_s[:n], fresh[:n])
        found = self._judge_silence(self.deadlines, rows, mine, None)
        before = predecessors(rows, np.full(self.rows, -1, np.int64)) if found else rows
        told: list[Found] = []
        for one in found:
            i = int(before[one.at]) if one.change["silent"] else one.at
            newest = int(at[i]) if i >= 0 else -1
            spoke = int(series[i] if i >= 0 else self.series_of[rows[one.at]])
            told.append(SetFound(int(at[one.at]), self, one.change, one.verdict, spoke, newest))
        self.series_of[rows] = series  # of several the last, which is the newest
        return told

    def no_data(self, change: Record, heard: str = "") -> str:
        silent = f"no data from any of its series for {format_duration(float(change['silent_s']))}"
        silent += f", the last was {heard}" if heard else ""
        return silent if change["rank"] else f"{silent}, so none is expected any more"

    def back(self, change: Record, heard: str = "") -> str:
        return f"{super().back(change)}, from {heard}"

    def settle(self, last_t: Floats) -> None:
        """After a restart: who spoke last, where another config or cap took that member away or brought a newer one.

        last_t: of every series, NaN before its first point.
        """
        members = np.flatnonzero(self.row_of >= 0)
        members = members[np.isfinite(last_t[members])]
        rows = self.row_of[members]
        newest_t = np.full(len(self.newest_t), -np.inf)
        np.maximum.at(newest_t, rows, last_t[members])
        heard = members[last_t[members] == newest_t[rows]]
        stays = np.zeros(len(self.newest_t), np.bool_)
        stays[self.row_of[heard[self.series_of[self.row_of[heard]] == heard]]] = True
        heard = heard[~stays[self.row_of[heard]]]
        self.series_of[self.row_of[heard[::-1]]] = heard[::-1]  # of several the first
        self.newest_t = np.where(np.isfinite(newest_t), newest_t, np.nan)

    def take_over(self, rows: Rows, series: Rows) -> None:
        """Who spoke last, as a snapshot says. rows: -1 where the set is no longer there; series: likewise."""
        kept = (rows >= 0) & (series >= 0)
        self.series_of[rows[kept]] = series[kept]
