"""The engine, watched at one place: what each detector said of a series' last points, and how its alerts stood.

It is the same engine. A batch may be cut anywhere without changing an alert, so this one cuts its batches around the
points that are asked about, and copies the few bytes of each alert's state before and after them.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from alerting.lifecycle import Record
from detectors.base import Records, Rows
from detectors.default import Default
from detectors.group import Seat
from pipeline.binding import Binding
from pipeline.engine import Batch, Engine, Shard
from pipeline.points import Points
from pipeline.sets import SetBinding
from schemas.alert import AlertEvent, rfc3339
from schemas.metric import Labels
from schemas.selector import Selector

SERIES_MAX = 20
"""That are watched at once: a selector that finds more is answered with their names."""
SHOWN_ROWS_MAX = 500


@dataclass(frozen=True)
class Standing:
    """One alert's state at one moment. budget: one BUDGET; held_back: openings so far, as HELD_BACK."""

    cell: Record
    budget: Records
    held_back: Rows


@dataclass
class Step:
    """One point, or one row of a group, in one rule. t: Unix seconds; row_number: since the series was fresh, from 1.

    verdicts: one a detector of the rule; votes: by detector's number, of each of its parts. before, after: None where
    the point is further back than was asked for.
    """

    t: float
    values: list[float]
    verdicts: Records
    votes: dict[int, dict[str, Record]]
    row_number: int = 0
    before: Standing | None = None
    after: Standing | None = None


@dataclass
class Watched:
    """A series in one rule. row: of the binding."""

    binding: Binding
    row: int
    steps: deque[Step] = field(default_factory=lambda: deque(maxlen=SHOWN_ROWS_MAX))


class ObservedEngine(Engine):
    """Watches the series that `selector` matches, up to event time `until_s`; of the last `rows` points all is kept."""

    def __init__(self, *args: Any, selector: Selector, until_s: float, rows: int) -> None:
        """Then as Engine."""
        super().__init__(*args)
        self.selector, self.until_s, self.rows_asked = selector, until_s, rows
        self.shards: list[ObservedShard] = []

    def shard(self, partitions: int = 1, topic: str = "", partition: int = 0) -> Shard:
        made = ObservedShard(self, partitions, self._place(partitions, topic, partition))
        self.shards.append(made)
        return made


class ObservedShard(Shard):
    """`watched`: by series, what was seen of each rule that has it; `passed_over`: points that came late or again."""

    def __init__(self, engine: ObservedEngine, partitions: int, place: Labels) -> None:
        super().__init__(engine, partitions, place)
        self._observed = engine
        self.watched: dict[int, list[Watched]] = {}
        self.too_many = 0  # further series that the selector finds
        self.passed_over: dict[int, int] = {}
        self.newest: dict[int, float] = {}  # Unix s of the newest point up to `until_s`
        self.told: list[AlertEvent] = []
        for binding in self.bindings:
            binding.listener = partial(self._hear, binding)
            for detector in binding.detectors:
                if isinstance(detector, Default):
                    detector.votes = {}

    def intern(self, metric: str, labels: Mapping[str, str]) -> int:
        known = len(self.series)
        index = super().intern(metric, labels)
        if len(self.series) > known and self._observed.selector.matches(self.series[index]):
            if len(self.watched) == SERIES_MAX:
                self.too_many += 1
                return index
            rows = ((binding, int(binding.row_of[index])) for binding in self.bindings)
            self.watched[index] = [Watched(binding, row) for binding, row in rows if row >= 0]
            self.passed_over[index] = 0
        return index

    def apply(self, batch: Batch) -> list[AlertEvent]:
        self._count(batch)
        near = np.isin(batch.series, self._neighbours()) & (batch.t <= self._observed.until_s)
        hits = np.flatnonzero(near)[-self._observed.rows_asked * max(1, len(self.watched)) :]
        events, done = [], 0
        for at in map(int, hits):
            events += super().apply(_part(batch, done, at))
            before = {id(one): self._standing(one) for one in self._all()}
            heard = {id(one): one.steps[-1] if one.steps else None for one in self._all()}
            events += super().apply(_part(batch, at, at + 1))
            for one in self._all():
                if one.steps and one.steps[-1] is not heard[id(one)]:
                    one.steps[-1].before, one.steps[-1].after = before[id(one)], self._standing(one)
            done = at + 1
        events += super().apply(_part(batch, done, len(batch.series)))
        return self._keep(events)

    def advance(self, now_s: float) -> list[AlertEvent]:
        return self._keep(super().advance(now_s))

    def _keep(self, events: list[AlertEvent]) -> list[AlertEvent]:
        until = rfc3339(self._observed.until_s)
        self.told += [event for event in events if event.at <= until]
        return events

    def _all(self) -> list[Watched]:
        return [one for watched in self.watched.values() for one in watched]

    def _neighbours(self) -> Rows:
        """The watched series, and the others of their groups: any of these may close a group's row."""
        found = [np.fromiter(self.watched, np.int64, len(self.watched))]
        found += [
            np.flatnonzero(one.binding.row_of == one.row) for one in self._all() if isinstance(one.binding, SetBinding)
        ]
        return np.unique(np.concatenate(found))

    def _count(self, batch: Batch) -> None:
        for series in self.watched:
            t = batch.t[(batch.series == series) & (batch.t <= self._observed.until_s)]
            if not len(t):
                continue
            newest = np.fmax.accumulate(np.concatenate([self.last_t[series : series + 1], t]))
            self.passed_over[series] += int(np.count_nonzero(t <= newest[:-1]))
            self.newest[series] = float(newest[-1])

    def _standing(self, one: Watched) -> Standing:
        binding = one.binding
        return Standing(binding.cells[one.row].copy(), binding.budget.copy(), binding.held_back.copy())

    def _hear(self, binding: Binding, rows: Rows, points: Points, verdicts: Records) -> None:
        for series, watched in self.watched.items():
            for one in watched:
                if one.binding is not binding:
                    continue
                mine = np.flatnonzero((rows == one.row) & (points.t <= self._observed.until_s))
                recent = self.recent.counts[series] if binding.rule.group_by is None else 0
                fresh = np.flatnonzero(points.fresh[mine])
                first = int(fresh[-1]) if len(fresh) else -int(recent)
                for number, i in enumerate(mine):
                    if number < len(mine) - SHOWN_ROWS_MAX:
                        continue
                    since = number - first + 1 if not len(fresh) or number >= first else 0
                    one.steps.append(_step(binding, points, verdicts, int(i), since))


def _step(binding: Binding, points: Points, verdicts: Records, i: int, row_number: int) -> Step:
    values, votes = [], {}
    for number, detector in enumerate(binding.detectors):
        values.append(float((detector.values if isinstance(detector, Seat) else points.x)[i]))
        if isinstance(detector, Default) and detector.votes:
            votes[number] = {part: said[i].copy() for part, said in detector.votes.items()}
    return Step(float(points.t[i]), values, verdicts[:, i].copy(), votes, row_number)


def _part(batch: Batch, first: int, last: int) -> Batch:
    s = slice(first, last)
    offset = None if batch.offset is None else batch.offset[s]
    return Batch(batch.series[s], batch.t[s], batch.x[s], batch.topic, batch.partition, offset)
