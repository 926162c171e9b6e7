"""The engine: events in, alert events out. No I/O, no clock; live, replay and benchmarks run this same object.

A shard is one partition's state. It takes batches of columns; detectors and lifecycle go through them event by event in
compiled loops, so the answer is the same wherever the batches were cut. Only transitions come back to Python.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from alerting.lifecycle import Record
from detectors.absent import Absent
from detectors.base import Floats, Point, Rows, grown
from pipeline.binding import Binding, Found
from pipeline.control import Controls, Name, Place
from pipeline.grouping import GroupBinding, GroupFound
from pipeline.points import Points, Recent, admit, predecessors, remember
from pipeline.sets import SetBinding
from pipeline.silent_sets import SetFound, SilentSets
from pipeline.wording import Cause, Change, to_event
from schemas.alert import AlertEvent, Evidence, Source
from schemas.config import PLACE_LABELS, Limits, Rule
from schemas.control import Control
from schemas.metric import Labels, Series


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

    def __init__(self, rules: Sequence[Rule], limits: Limits, inputs: int = 1) -> None:
        """inputs: topics that are read."""
        self.rules = tuple(rules)
        self.limits = limits
        self.series_count = 0
        self._inputs = inputs

    def shard(self, partitions: int = 1, topic: str = "", partition: int = 0) -> "Shard":
        """partitions: of the topic, which share the rules' budgets."""
        return Shard(self, partitions, self._place(partitions, topic, partition))

    def _place(self, partitions: int, topic: str, partition: int) -> Labels:
        place: Labels = ((PLACE_LABELS[0], topic),) if self._inputs > 1 and topic else ()
        return place + (((PLACE_LABELS[1], str(partition)),) if partitions > 1 else ())


class Shard:
    """The state of one partition."""

    def __init__(self, engine: Engine, partitions: int, place: Labels) -> None:
        """place: labels that tell alerts about the silence of this partition from those of others."""
        self._engine = engine
        self.series: list[Series] = []
        told = engine.limits.idle_after_s, partitions
        self.counts: Counter[str] = Counter()
        self.controls = Controls(self.counts)
        self.bindings = [self._bind(rule, place, *told) for rule in engine.rules]
        self._sets = {binding.rule.name: binding for binding in self.bindings if isinstance(binding, SetBinding)}
        self.recent = Recent()
        self._index: dict[Series, int] = {}
        self.last_t = np.full(0, np.nan)
        self.newest_t = float("-inf")

    def _bind(self, rule: Rule, place: Labels, idle_after_s: float, partitions: int) -> Binding:
        if rule.group_by is None:
            return Binding(rule, idle_after_s, partitions)
        if any(spec.kind == Absent.kind for spec in rule.detectors):
            return SilentSets(self.series, place, rule, idle_after_s, partitions)
        return GroupBinding(self.controls, self.series, (), rule, idle_after_s, partitions)

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
                known = binding.rows
                binding.add(index)
                if isinstance(binding, SetBinding) and binding.rows > known:
                    name = binding.rule.name
                    self.controls.seen((name, binding.groups[known]), (name, known))
        self.controls.seen(series, index)
        return index

    def index_of(self, series: Series) -> int | None:
        """None: not seen yet."""
        return self._index.get(series)

    def where(self, control: Control) -> tuple[Name, Place | None]:
        """The series, or the group where the rule is of groups, and its place; None: not seen yet."""
        binding = self._sets.get(control.rule)
        if binding is None:
            return control.series, self.index_of(control.series)
        row = binding.row_called(control.series)
        return (control.rule, control.series), None if row is None else (control.rule, row)

    def admit(self, control: Control) -> bool:
        """A control that counts from here on, at the first event of its series at or after `holds_from`; before the
        first event, or in any order, it makes no difference. False: it was admitted before."""
        if control.id in self.controls:
            return False
        name, place = self.where(control)
        if isinstance(self._sets.get(control.rule), SilentSets):
            self.controls.heed(control, lambda: False)  # no row will ever come that it could wait for
            return True
        if self._newest_t(place) >= control.holds_from_s:
            self.counts["control:late"] += 1
        self.controls.admit(control, name, place)
        return True

    def _newest_t(self, place: Place | None) -> float:
        """Of the points or rows judged there; -inf or NaN before the first."""
        if isinstance(place, int):
            return float(self.last_t[place])
        binding = self._sets[place[0]] if place else None
        row = binding.open[place[1]] if place and isinstance(binding, GroupBinding) else None
        return float(row["row_t"]) if row is not None and row["rows"] else float("-inf")

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
        if not self.controls.pending:
            return self._judge(points, batch, kept)
        events, first = [], 0
        for at, series, controls in self.controls.due(points):
            if at > first:
                events += self._judge(points.part(first, at), batch, kept[first:at])
                first = at
            for control in controls:
                self.controls.heed(control, partial(self._tell, series, control))
        return events + self._judge(points.part(first, n), batch, kept[first:])

    def _judge(self, points: Points, batch: Batch, kept: Rows) -> list[AlertEvent]:
        """kept: number of each point in the batch."""
        count = len(self.series)
        found = [item for binding in self.bindings for item in binding.judge(points, count)]
        for binding in self.bindings:
            self.counts.update(binding.take_held_back())
            if isinstance(binding, GroupBinding):
                self.counts[f"group_late:{binding.rule.name}"] = binding.late
            if isinstance(binding, SetBinding):
                for reason, count in binding.skipped.items():
                    self.counts[f"group_skipped:{binding.rule.name}:{reason}"] = count
        events = self._events(found, points, batch, kept) if found else []
        recent = self.recent
        remember(points.series, points.t, points.x, points.fresh, recent.counts, recent.ring_t, recent.ring_x)
        return events

    def _tell(self, series: int, control: Control) -> bool:
        heeded = [
            binding.feedback(series, control.verdict, control.undo is not False)
            for binding in self.bindings
            if binding.rule.name == control.rule
        ]
        return any(heeded)

    def has_silent(self, now_s: float) -> bool:
        """Whether `advance` would change anything."""
        return any(len(binding.silent(now_s, self.last_t)) for binding in self.bindings)

    def advance(self, now_s: float) -> list[AlertEvent]:
        """What the silence of series has brought by event time `now_s` (Unix seconds): `absent` opens, others end."""
        events = []
        for binding in self.bindings:
            if isinstance(binding, GroupBinding):
                closed = binding.close_silent(now_s)
                self.counts.update(binding.take_held_back())
                events += [self._group_event(item, None) for item in closed if isinstance(item, GroupFound)]
            for change in binding.advance(now_s, self.last_t):
                row = int(change["row"])
                series = int(binding.series_of[row])
                points = binding.recent.before(row) if isinstance(binding, GroupBinding) else self.recent.before(series)
                heard = str(self.series[series])
                events.append(self._event(binding, change, None, Evidence(*points), None, heard))
        return events

    def _events(self, found: list[Found], points: Points, batch: Batch, kept: Rows) -> list[AlertEvent]:
        found.sort(key=lambda item: item.at)  # stable: at one point, in the order of the rules
        before = predecessors(points.series, np.full(len(self.series), -1, np.int64))
        events = []
        for item in found:
            series = int(item.binding.series_of[item.change["row"]])
            if isinstance(item, GroupFound):
                events.append(self._group_event(item, _source(batch, kept, item.at)))
                continue
            newest = int(before[item.at]) if item.change["silent"] else item.at
            if isinstance(item, SetFound):
                series, newest = item.series, item.newest
            evidence, heard = self.recent.evidence(series, newest, points, before), str(self.series[series])
            point, source = None, None
            if not item.change["silent"]:
                point, source = _point(float(points.x[item.at]), item), _source(batch, kept, item.at)
            events.append(self._event(item.binding, item.change, point, evidence, source, heard))
        return events

    def _group_event(self, item: GroupFound, source: Source | None) -> AlertEvent:
        if item.change["silent"]:
            return self._event(item.binding, item.change, None, item.evidence, None)
        point = replace(_point(item.value, item), members=item.members)
        return self._event(item.binding, item.change, point, item.evidence, source)

    def _event(
        self,
        binding: Binding,
        change: Record,
        point: Point | None,
        evidence: Evidence,
        source: Source | None,
        heard: str = "",
    ) -> AlertEvent:
        """heard: the series whose point is the newest of `evidence`."""
        rule, level, rank = binding.rule, binding.level_of(change), int(change["rank"])
        detector = binding.detectors[level.detector]
        self.counts[f"transition:{rule.name}:{rank}"] += 1
        return to_event(
            Change(
                rule=binding.words,
                series=self._series_of(binding, int(change["row"])),
                detector=detector.kind,
                rank=rank,
                previous_rank=int(change["previous_rank"]),
                seq=int(change["seq"]),
                at_s=float(change["at_s"]),
                starts_at_s=float(change["starts_at_s"]),
                evidence=evidence,
                source=source,
            ),
            Cause(
                point,
                level,
                binding.why(change, point, level),
                binding.back(change, heard),
                detector.explains_end(point),
            )
            if point
            else binding.no_data(change, heard),
        )

    def _series_of(self, binding: Binding, row: int) -> Series:
        return binding.groups[row] if isinstance(binding, SetBinding) else self.series[binding.series_of[row]]

    def _grow(self, capacity: int) -> None:
        last_t = np.full(capacity, np.nan)
        last_t[: len(self.last_t)] = self.last_t
        self.last_t = last_t
        recent = self.recent
        recent.counts = grown(recent.counts, capacity)
        recent.ring_t, recent.ring_x = grown(recent.ring_t, capacity), grown(recent.ring_x, capacity)
        for binding in self.bindings:
            binding.grow_series(capacity)


def _source(batch: Batch, kept: Rows, at: int) -> Source | None:
    """Of the admitted point number `at`."""
    return None if batch.offset is None else Source(batch.topic, batch.partition, int(batch.offset[kept[at]]))


def _point(value: float, found: Found) -> Point:
    verdict = found.verdict
    return Point(
        value=value,
        expected=float(verdict["expected"]),
        lower=float(verdict["lower"]),
        upper=float(verdict["upper"]),
        score=float(verdict["score"]),
        deviation=float(verdict["deviation"]),
        border=found.binding.level_of(found.change).open,
        part=int(verdict["part"]),
    )
