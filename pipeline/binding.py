"""One rule in one shard: which series it watches, its detectors' state, its alerts. No I/O, no clock."""

from dataclasses import dataclass

import numpy as np

from alerting.lifecycle import CELL, TRANSITION, LevelRule, Record, end_silent, level_table, walk
from detectors import make
from detectors.base import VERDICT, Detector, Floats, Rows, grown
from pipeline.points import Points
from pipeline.wording import RuleWords
from schemas.config import Level, Rule


class Binding:
    """One rule in one shard: which row of it each series has, its detectors' state, its alerts."""

    def __init__(self, rule: Rule, idle_after_s: float) -> None:
        self.rule = rule
        self.idle_after_s = idle_after_s
        self.words = RuleWords(rule.name, rule.labels, rule.annotations, rule.config_hash)
        self.detectors: list[Detector] = [make(d.kind, d.params, d.borders) for d in rule.detectors]
        self.levels = level_table(
            tuple(
                LevelRule(
                    rank=level.rank,
                    detector=level.detector,
                    on_score=self.detectors[level.detector].levels_on == "score",
                    open=level.open,
                    clear=level.clear,
                    clear_deviation=level.clear_deviation or 0.0,
                    for_s=level.for_s,
                    keep_firing_for_s=level.keep_firing_for_s,
                )
                for level in rule.levels
            )
        )
        # A series that starts fresh has no alert: silence ends it at the latest then.
        self.stale_after_s = min(rule.stale_after_s, idle_after_s)
        self.by_rank = {level.rank: level for level in rule.levels}
        self.row_of = np.full(0, -1, np.int64)
        self.series_of = np.zeros(0, np.int64)
        self.cells = np.zeros(0, CELL)
        self.rows = 0
        self.everything = True  # every series so far has a row, with its own number

    def level_of(self, change: Record) -> Level:
        """The level that a transition reached, or the one that it left where the alert resolves."""
        return self.by_rank[int(change["rank"]) or int(change["previous_rank"])]

    def grow_series(self, capacity: int) -> None:
        bigger = np.full(capacity, -1, np.int64)
        bigger[: len(self.row_of)] = self.row_of
        self.row_of = bigger

    def grow_rows(self, capacity: int) -> None:
        self.cells = grown(self.cells, capacity)
        self.series_of = grown(self.series_of, capacity)
        for detector in self.detectors:
            detector.grow(capacity)

    def add(self, series: int) -> None:
        row = self.rows
        if row == len(self.cells):
            self.grow_rows(max(64, 2 * row))
        self.row_of[series], self.series_of[row] = row, series
        self.everything = self.everything and row == series
        self.rows += 1

    def judge(self, points: Points, series_count: int) -> "list[Found]":
        """The transitions that a batch makes in this rule's alerts. series_count: of the shard."""
        chosen, rows, mine = None, points.series, points
        if not (self.everything and self.rows == series_count):
            rows = self.row_of[points.series]
            chosen = np.flatnonzero(rows >= 0)
            rows, mine = rows[chosen], points.take(chosen)
        n = len(rows)
        if not n:
            return []
        verdicts = np.zeros((len(self.detectors), n), VERDICT)
        for detector, out in zip(self.detectors, verdicts, strict=True):
            detector.update(rows, mine.fresh, mine.t, mine.x, out)
        changes = np.zeros(2 * n + 1, TRANSITION)
        count = walk(
            self.levels,
            self.stale_after_s,
            self.cells,
            rows,
            mine.t,
            mine.gap_s,
            mine.x,
            np.ascontiguousarray(verdicts["score"]),
            np.ascontiguousarray(verdicts["deviation"]),
            changes,
        )
        found = []
        for change in changes[:count]:
            i = int(change["event"])
            verdict = verdicts[self.level_of(change).detector, i]
            found.append(Found(i if chosen is None else int(chosen[i]), self, change, verdict))
        return found

    def silent(self, now_s: float, last_t: Floats) -> Rows:
        """Rows whose alert is open and whose series is silent at event time `now_s`. last_t: of every series."""
        rows = np.flatnonzero(self.cells["rank"][: self.rows])
        return rows[now_s - last_t[self.series_of[rows]] > self.stale_after_s]

    def advance(self, now_s: float, last_t: Floats) -> list[Record]:
        """Ends the alerts of silent series; returns the transitions."""
        rows = self.silent(now_s, last_t)
        if not len(rows):
            return []
        cells, out = self.cells[rows], np.zeros(len(rows) + 1, TRANSITION)
        n = end_silent(self.levels, self.stale_after_s, cells, last_t[self.series_of[rows]], now_s, out)
        self.cells[rows] = cells
        out["row"][:n] = rows[out["row"][:n]]
        return list(out[:n])


@dataclass(frozen=True)
class Found:
    """A transition: at which of the points, and what the detector of its level said there."""

    at: int
    binding: Binding
    change: Record
    verdict: Record
