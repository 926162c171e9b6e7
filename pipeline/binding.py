"""One rule in one shard: which series it watches, its detectors' state, its alerts. No I/O, no clock."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alerting.absence import deadlines, due, pass_time, walk_silence
from alerting.budget import budget_of
from alerting.lifecycle import CELL, HELD_BACK, TRANSITION, LevelRule, Record, end_silent, level_table, walk
from detectors import make
from detectors.absent import Absent
from detectors.base import VERDICT, Detector, Floats, Point, Records, Rows, grown
from pipeline.points import Points
from pipeline.wording import RuleWords
from schemas.config import Level, Rule
from schemas.duration import format_duration

SHOWN_RAISE = 1.05  # smaller ones are not worth a word


class Binding:
    """One rule in one shard: which row of it each series has, its detectors' state, its alerts."""

    def __init__(self, rule: Rule, idle_after_s: float, partitions: int = 1) -> None:
        """partitions: of the topic, which share the rule's budget."""
        self.rule = rule
        self.idle_after_s = idle_after_s
        self.budget = budget_of(rule.budget_a_day, partitions)
        self.held_back = np.zeros(len(HELD_BACK), np.int64)  # openings so far, not part of the state
        self.words = RuleWords(rule.name, rule.labels, rule.annotations, rule.config_hash)
        self.detectors: list[Detector] = [
            make(d.kind, d.params, d.borders, rule.group_by is not None) for d in rule.detectors
        ]
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
        # An alert about silence is decided by time: its detector only says how long is too long.
        absent = next((d for d in self.detectors if isinstance(d, Absent)), None)
        after_s = absent.after_s if absent else 0.0
        self.deadlines = (
            deadlines([(level.rank, after_s * level.open.low) for level in rule.levels]) if absent else None
        )
        self.by_rank = {level.rank: level for level in rule.levels}
        self.row_of = np.full(0, -1, np.int64)
        self.series_of = np.zeros(0, np.int64)
        self.cells = np.zeros(0, CELL)
        self.rows = 0
        self.everything = True  # every series so far has a row, with its own number
        self.listener: Callable[[Rows, Points, Records], None] | None = None
        """Told the row of each point, the points, and what each detector says of them: detectors x points."""

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

    def take_held_back(self) -> dict[str, int]:
        """Openings held back since this was asked last, by what they are counted under."""
        found = {
            f"held_back:{self.rule.name}:{reason}": int(count)
            for reason, count in zip(HELD_BACK, self.held_back, strict=True)
            if count
        }
        self.held_back[:] = 0
        return found

    def why(self, change: Record, point: Point, level: Level) -> str:
        """The clause of the detector that speaks, and what the budget did to its border."""
        clause = self.detectors[level.detector].why(point)
        raised = float(change["raised"])
        if raised < SHOWN_RAISE:
            return clause
        return f"{clause} (the border is raised x{raised:.2g} by the budget)"

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
        if self.deadlines is not None:
            return self._judge_silence(self.deadlines, rows, mine, chosen)
        verdicts = np.zeros((len(self.detectors), n), VERDICT)
        for detector, out in zip(self.detectors, verdicts, strict=True):
            detector.update(rows, mine.fresh, mine.t, mine.x, out)
        if self.listener is not None:
            self.listener(rows, mine, verdicts)
        changes = np.zeros(2 * n + 1, TRANSITION)
        count = walk(
            self.levels,
            self.stale_after_s,
            self.idle_after_s,
            self.rule.back_off,
            self.budget,
            self.cells,
            rows,
            mine.t,
            mine.gap_s,
            mine.x,
            np.ascontiguousarray(verdicts["score"]),
            np.ascontiguousarray(verdicts["deviation"]),
            self.held_back,
            changes,
        )
        found = []
        for change in changes[:count]:
            i = int(change["event"])
            verdict = verdicts[self.level_of(change).detector, i]
            found.append(Found(i if chosen is None else int(chosen[i]), self, change, verdict))
        return found

    def _judge_silence(self, levels: Records, rows: Rows, mine: Points, chosen: Rows | None) -> "list[Found]":
        changes = np.zeros(5 * len(rows) + 1, TRANSITION)
        count = walk_silence(levels, self.idle_after_s, self.cells, rows, mine.t, mine.gap_s, changes)
        found = []
        for change in changes[:count]:
            i = int(change["event"])
            verdict = np.zeros(1, VERDICT)[0]
            for name in ("expected", "lower", "upper"):
                verdict[name] = np.nan
            verdict["score"] = change["silent_s"] / (levels["after_s"][0] / self.rule.levels[0].open.low)
            found.append(Found(i if chosen is None else int(chosen[i]), self, change, verdict))
        return found

    def no_data(self, change: Record, heard: str = "") -> str:
        """Why a transition that no point made. heard: whose point was the newest before it."""
        if self.deadlines is None:
            return f"no data for {format_duration(self.stale_after_s)}"
        silent = f"no data for {format_duration(float(change['silent_s']))}"
        return silent if change["rank"] else f"{silent}, so none is expected any more"

    def back(self, change: Record, heard: str = "") -> str:
        """Why an alert about silence ends with a point, which is of `heard`; empty for all others."""
        if self.deadlines is None:
            return ""
        return f"data is back after {format_duration(float(change['silent_s']))}"

    def feedback(self, series: int, verdict: str, undo: bool) -> bool:
        """A person's word, to each detector of the rule. False: none learns from it, or the rule has no such series."""
        row = int(self.row_of[series])
        return row >= 0 and self.feedback_of_row(row, verdict, undo)

    def feedback_of_row(self, row: int, verdict: str, undo: bool) -> bool:
        heeded = [detector.feedback(row, verdict, undo) for detector in self.detectors]
        return any(heeded)

    def silent(self, now_s: float, last_t: Floats) -> Rows:
        """Rows whose series' silence changes something by event time `now_s`. last_t: of every series."""
        if self.deadlines is not None:
            theirs = last_t[self.series_of[: self.rows]]
            return due(self.deadlines, self.idle_after_s, self.cells[: self.rows], theirs, now_s)
        rows = np.flatnonzero(self.cells["rank"][: self.rows])
        return rows[now_s - last_t[self.series_of[rows]] > self.stale_after_s]

    def pass_time(self, cells: Records, last_t: Floats, now_s: float, out: Records) -> int:
        """Takes `cells`, whose series' newest points are at `last_t`, to `now_s`; how many were written to `out`."""
        if self.deadlines is not None:
            return pass_time(self.deadlines, self.idle_after_s, cells, last_t, now_s, out)
        return end_silent(self.levels, self.stale_after_s, cells, last_t, now_s, out)

    def advance(self, now_s: float, last_t: Floats) -> list[Record]:
        """Takes silent series' alerts to event time `now_s`; returns the transitions."""
        rows = self.silent(now_s, last_t)
        if not len(rows):
            return []
        cells, theirs, out = self.cells[rows], last_t[self.series_of[rows]], np.zeros(4 * len(rows) + 1, TRANSITION)
        n = self.pass_time(cells, theirs, now_s, out)
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
