"""One input partition's work, without Kafka: records in, alert events and dead letters out, and the next offset."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.engine import Batch, Engine
from pipeline.silence import Admissions, Decisions
from schemas.alert import AlertEvent, rfc3339
from schemas.control import Control
from schemas.dead_letter import DeadLetter, dead_letter
from schemas.formats import Decoder, Reason, Reject
from schemas.formats.base import LATEST_S


class TP(NamedTuple):
    """A partition of a topic. Faust's own compares equal to it."""

    topic: str
    partition: int


class Record(Protocol):
    """What is needed of a Kafka record; aiokafka's and kafka-python's both fit."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...  # ms since 1970; below 0 where the record has none
    @property
    def value(self) -> bytes | None: ...


@dataclass
class Outcome:
    """What a batch of records brought. `next_offset`: where reading goes on once all of this is published."""

    next_offset: int
    alerts: list[AlertEvent] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)


class Partition:
    """Decoder and shard of one partition. Everything that has been counted is in `counts` and `rejected`."""

    def __init__(
        self, engine: Engine, topic: str, partition: int, format: str, next_offset: int = 0, partitions: int = 1
    ) -> None:
        """partitions: of the topic."""
        self.topic, self.partition, self.next_offset = topic, partition, next_offset
        self.shard = engine.shard(partitions, topic, partition)
        self.decoder = Decoder(format, self.shard.intern, max_future_s=engine.limits.max_future_s)
        self.rejected: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.decided: Decisions = {}  # what time alone ended, where, as far as an older snapshot may need it
        self.admitted: Admissions = {}  # controls, likewise
        self._due: list[tuple[int, int | Control]] = []  # of these, those whose place reading has not come to yet
        self.tombstones: dict[str, float] = {}  # fingerprint of a resolved alert -> Unix s when its state leaves
        self.looked = (0, 0, 0)  # controls, series and admissions: with so many, none was left for it to take in
        # False from before records are applied until what they brought is handed to the producer: a state that is ahead
        # of its alerts must never be saved, also not by a process that is about to end.
        self.whole = True
        self.redelivered = 0  # records passed over since they were applied before
        self.changes = 0  # raised by what changes state without a record: alerts ended by time, tombstones written
        self.bytes = 0
        self.newest_record_s = math.nan  # Kafka's time of the newest applied record

    def process(self, records: Sequence[Record]) -> Outcome:
        """Applies records of rising offsets; those below `next_offset` were applied before and are passed over."""
        if records and records[0].offset < self.next_offset:
            new = [record for record in records if record.offset >= self.next_offset]
            self.redelivered += len(records) - len(new)
            records = new
        outcome = Outcome(self.next_offset)
        while records:
            outcome.alerts += self._ended_before(records[0].offset)
            count = bisect_left(records, self._due[0][0], key=lambda r: r.offset) if self._due else len(records)
            self._apply(records[:count], outcome)
            records = records[count:]
        outcome.alerts += self._ended_before(self.next_offset)
        return outcome

    def _apply(self, records: Sequence[Record], outcome: Outcome) -> None:
        payloads = [record.value for record in records]
        times_s = [record.timestamp / 1000.0 if record.timestamp >= 0 else math.nan for record in records]
        columns = self.decoder.decode(payloads, times_s)
        self.bytes += sum(map(len, filter(None, payloads)))
        self.skipped.update(columns.skipped)
        offsets = np.array([record.offset for record in records], np.int64)
        for reject in columns.rejects:
            self.rejected[reject.reason] += 1
            time_s = times_s[reject.record]
            outcome.dead_letters.append(
                dead_letter(
                    reject,
                    topic=self.topic,
                    partition=self.partition,
                    offset=int(offsets[reject.record]),
                    timestamp=_record_time(time_s),
                )
            )
        batch = Batch(columns.series, columns.t, columns.x, self.topic, self.partition, offsets[columns.record])
        outcome.alerts += self.shard.apply(batch)
        outcome.next_offset = self.next_offset = int(offsets[-1]) + 1
        self.newest_record_s = times_s[-1]

    def end_silent(self, at_s: int) -> list[AlertEvent]:
        """Ends here what is silent at event time `at_s` (Unix seconds); whoever reads this place again does so too."""
        self.decided[self.next_offset] = at_s
        return self.shard.advance(at_s)

    def admit(self, controls: Sequence[Control]) -> None:
        """These count from here on, also for whoever reads this place again."""
        for control in controls:
            self.admitted[control.id] = self.next_offset
            self.changes += self.shard.admit(control)

    def recall(
        self, decided: Mapping[int, int], admitted: Mapping[str, int] | None = None, known: Mapping[str, Control] = {}
    ) -> list[AlertEvent]:
        """Takes over what time had ended and which controls had come, by the group's word; returns what ended right
        here. known: controls by id."""
        self.decided, self.admitted = dict(decided), dict(admitted or {})
        due: list[tuple[int, int | Control]] = [
            (offset, known[id_]) for id_, offset in self.admitted.items() if id_ in known
        ]
        # Where a snapshot was made at the very offset, nobody knows which came first; ending twice ends once, and a
        # control is admitted once. Which of both comes first makes no difference.
        due += decided.items()
        self._due = sorted([one for one in due if one[0] >= self.next_offset], key=lambda one: one[0])
        return self._ended_before(self.next_offset)

    def _ended_before(self, offset: int) -> list[AlertEvent]:
        """What time had ended before the record at `offset` came; controls that had come by then count from here on."""
        ended: list[AlertEvent] = []
        while self._due and self._due[0][0] <= offset:
            what = self._due.pop(0)[1]
            if isinstance(what, Control):
                self.changes += self.shard.admit(what)
            else:
                ended += self.shard.advance(what)
        return ended

    def quarantine(self, record: Record) -> Outcome:
        """Passes over a record that crashes the worker: a dead letter, nothing applied."""
        if record.offset < self.next_offset:
            return Outcome(self.next_offset)
        ended = self._ended_before(record.offset + 1)
        self.rejected[Reason.POISON] += 1
        self.next_offset = record.offset + 1
        reject = Reject(0, None, Reason.POISON, Reason.POISON.sentence, record.value or b"")
        letter = dead_letter(
            reject,
            topic=self.topic,
            partition=self.partition,
            offset=record.offset,
            timestamp=_record_time(record.timestamp / 1000.0),
        )
        return Outcome(self.next_offset, ended, [letter])


def _record_time(time_s: float) -> str | None:
    """None also for a time that no calendar has: producers send microseconds where milliseconds belong."""
    return rfc3339(time_s) if 0.0 <= time_s < LATEST_S else None
