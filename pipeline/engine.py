"""The engine: events in, alert events out. No I/O, no clock; live, replay and benchmarks run this same object.

A shard is one partition's state. It takes batches of columns; detectors and lifecycle go through them event by event in
compiled loops, so the answer is the same wherever the batches were cut. Only transitions come back to Python.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alerting.lifecycle import CELL, TRANSITION, LevelRule, Record, end_silent, level_table, walk
from detectors import make
from detectors.base import VERDICT, Detector, Floats, Point, Rows, grown
from pipeline.points import Points, Recent, admit, predecessors, remember
from pipeline.wording import Cause, Change, RuleWords, to_event
from schemas.alert import AlertEvent, Evidence, Source
from schemas.config import Level, Limits, Rule
from schemas.duration import format_duration
from schemas.metric import Series


@dataclass(frozen=True)
class Batch:
    """Columns of events in the order in which they count. `series`: indices that the same shard's `intern` gave.

    t: Unix seconds; x: finite values; offset: Kafka offset of each event's record, None where there is no Kafka.
    """

    series: Rows
    t: Floats
    x: Floats
    topic: str = ""
    partition: int = 0
    offset: Rows | None = None


class Engine:
    """The rules, and what the shards of one process share."""

    def __init__(self, rules: Sequence[Rule], limits: Limits) -> None:
        self.rules = tuple(rules)
        self.limits = limits
        self.series_count = 0

    def shard(self) -> "Shard":
        return Shard(self)


class Binding:
    """One rule in one shard: which row of it each series has, its detectors' state, its alerts."""

    def __init__(self, rule: Rule, idle_after_s: float) -> None:
        self.rule = rule
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


class Shard:
    """The state of one partition."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.bindings = [Binding(rule, engine.limits.idle_after_s) for rule in engine.rules]
        self.recent = Recent()
        self._index: dict[Series, int] = {}
        self.series: list[Series] = []
        self.last_t = np.full(0, np.nan)
        self.newest_t = float("-inf")
        self.counts: Counter[str] = Counter()

    def reserve(self, series: int, rows: Mapping[str, int]) -> None:
        """Room for that many series, rows by rule, and a quarter more: growing by and by copies all again and again."""
        if series > len(self.last_t):
            self._grow(series * 5 // 4)
        for binding in self.bindings:
            count = rows.get(binding.rule.name, 0)
            if count > len(binding.cells):
                binding.grow_rows(count * 5 // 4)

    def intern(self, metric: str, labels: Mapping[str, str]) -> int:
        """Index of the series, made on first sight; -1 where the cap on series refuses it."""
        series = Series.of(metric, labels)
        index = self._index.get(series)
        if index is not None:
            return index
        if self._engine.series_count >= self._engine.limits.max_series:
            return -1
        index = len(self.series)
        self._engine.series_count += 1
        self.series.append(series)
        self._index[series] = index
        if index == len(self.last_t):
            self._grow(max(64, 2 * index))
        for binding in self.bindings:
            if binding.rule.selector.matches(series):
                binding.add(index)
        return index

    def apply(self, batch: Batch) -> list[AlertEvent]:
        """Takes a batch of events; returns the transitions they make, in the order of the events."""
        n = len(batch.series)
        gap_s, fresh, kept = np.empty(n), np.empty(n, np.bool_), np.empty(n, np.int64)
        n, duplicates, late = admit(
            batch.series, batch.t, self._engine.limits.idle_after_s, self.last_t, gap_s, fresh, kept
        )
        self.counts["applied"] += n
        self.counts["duplicate"] += duplicates
        self.counts["late"] += late
        if not n:
            return []
        kept, gap_s, fresh = kept[:n], gap_s[:n], fresh[:n]
        points = Points(batch.series[kept], batch.t[kept], batch.x[kept], gap_s, fresh)
        self.counts["restarted"] += int(np.count_nonzero(fresh))
        self.newest_t = max(self.newest_t, float(points.t.max()))
        found = [item for binding in self.bindings for item in self._judge(binding, points)]
        events = self._events(found, points, batch, kept) if found else []
        recent = self.recent
        remember(points.series, points.t, points.x, fresh, recent.counts, recent.ring_t, recent.ring_x)
        return events

    def has_silent(self, now_s: float) -> bool:
        """Whether `advance` would end anything."""
        return any(len(self._silent(binding, now_s)) for binding in self.bindings)

    def advance(self, now_s: float) -> list[AlertEvent]:
        """Ends the alerts of series that are silent at event time `now_s` (Unix seconds); changes nothing else."""
        events = []
        for binding in self.bindings:
            rows = self._silent(binding, now_s)
            if not len(rows):
                continue
            cells, out = binding.cells[rows], np.zeros(len(rows) + 1, TRANSITION)
            last_t = self.last_t[binding.series_of[rows]]
            n = end_silent(binding.levels, binding.stale_after_s, cells, last_t, now_s, out)
            binding.cells[rows] = cells
            for record in out[:n]:
                record["row"] = rows[record["row"]]
                times, values = self.recent.before(int(binding.series_of[record["row"]]))
                events.append(self._event(binding, record, None, Evidence(times, values), None))
        return events

    def _silent(self, binding: Binding, now_s: float) -> Rows:
        """Rows whose alert is open and whose series is silent."""
        rows = np.flatnonzero(binding.cells["rank"][: binding.rows])
        return rows[now_s - self.last_t[binding.series_of[rows]] > binding.stale_after_s]

    def _judge(self, binding: Binding, points: Points) -> "list[_Found]":
        """The transitions that a batch makes in the alerts of one rule."""
        chosen, rows, mine = None, points.series, points
        if not (binding.everything and binding.rows == len(self.series)):
            rows = binding.row_of[points.series]
            chosen = np.flatnonzero(rows >= 0)
            rows, mine = rows[chosen], points.take(chosen)
        n = len(rows)
        if not n:
            return []
        verdicts = np.zeros((len(binding.detectors), n), VERDICT)
        for detector, out in zip(binding.detectors, verdicts, strict=True):
            detector.update(rows, mine.fresh, mine.t, mine.x, out)
        changes = np.zeros(2 * n + 1, TRANSITION)
        count = walk(
            binding.levels,
            binding.stale_after_s,
            binding.cells,
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
            verdict = verdicts[binding.level_of(change).detector, i]
            found.append(_Found(i if chosen is None else int(chosen[i]), binding, change, verdict))
        return found

    def _events(self, found: "list[_Found]", points: Points, batch: Batch, kept: Rows) -> list[AlertEvent]:
        found.sort(key=lambda item: item.at)  # stable: at one point, in the order of the rules
        before = predecessors(points.series, np.full(len(self.series), -1, np.int64))
        events = []
        for item in found:
            series = int(item.binding.series_of[item.change["row"]])
            if item.change["silent"]:
                evidence = self.recent.evidence(series, int(before[item.at]), points, before)
                events.append(self._event(item.binding, item.change, None, evidence, None))
                continue
            source = None
            if batch.offset is not None:
                source = Source(batch.topic, batch.partition, int(batch.offset[kept[item.at]]))
            point = _point(float(points.x[item.at]), item)
            evidence = self.recent.evidence(series, item.at, points, before)
            events.append(self._event(item.binding, item.change, point, evidence, source))
        return events

    def _event(
        self, binding: Binding, change: Record, point: Point | None, evidence: Evidence, source: Source | None
    ) -> AlertEvent:
        rule, level, rank = binding.rule, binding.level_of(change), int(change["rank"])
        detector = binding.detectors[level.detector]
        self.counts[f"transition:{rule.name}:{rank}"] += 1
        return to_event(
            Change(
                rule=binding.words,
                series=self.series[binding.series_of[change["row"]]],
                detector=detector.kind,
                rank=rank,
                previous_rank=int(change["previous_rank"]),
                seq=int(change["seq"]),
                at_s=float(change["at_s"]),
                starts_at_s=float(change["starts_at_s"]),
                evidence=evidence,
                source=source,
            ),
            Cause(point, level, detector.why(point))
            if point
            else f"no data for {format_duration(binding.stale_after_s)}",
        )

    def _grow(self, capacity: int) -> None:
        last_t = np.full(capacity, np.nan)
        last_t[: len(self.last_t)] = self.last_t
        self.last_t = last_t
        recent = self.recent
        recent.counts = grown(recent.counts, capacity)
        recent.ring_t, recent.ring_x = grown(recent.ring_t, capacity), grown(recent.ring_x, capacity)
        for binding in self.bindings:
            binding.grow_series(capacity)


@dataclass(frozen=True)
class _Found:
    """A transition that `walk` found: at which point, and what the detector of its level said there."""

    at: int
    binding: Binding
    change: Record
    verdict: Record


def _point(value: float, found: _Found) -> Point:
    verdict = found.verdict
    return Point(
        value=value,
        expected=float(verdict["expected"]),
        lower=float(verdict["lower"]),
        upper=float(verdict["upper"]),
        score=float(verdict["score"]),
        deviation=float(verdict["deviation"]),
        border=found.binding.level_of(found.change).open,
    )
