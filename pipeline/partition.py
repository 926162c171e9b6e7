"""One input partition's work, without Kafka: records in, alert events and dead letters out, and the next offset."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.engine import Batch, Engine
from pipeline.silence import Decisions
from schemas.alert import AlertEvent, rfc3339
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
        self.shard = engine.shard(partitions)
        self.decoder = Decoder(format, self.shard.intern, max_future_s=engine.limits.max_future_s)
        self.rejected: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.decided: Decisions = {}  # what time alone ended, where, as far as an older snapshot may need it
        self._due: list[tuple[int, int]] = []  # of these, those whose place reading has not come to yet
        self.tombstones: dict[str, float] = {}  # fingerprint of a resolved alert -> Unix s when its state leaves
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

    def recall(self, decided: Mapping[int, int]) -> list[AlertEvent]:
        """Takes over what time had ended by the group's word; returns what it ended right here."""
        self.decided = dict(decided)
        # Where a snapshot was made at the very offset, nobody knows which came first; ending twice ends once.
        self._due = sorted((offset, at_s) for offset, at_s in decided.items() if offset >= self.next_offset)
        return self._ended_before(self.next_offset)

    def _ended_before(self, offset: int) -> list[AlertEvent]:
        """What time had ended before the record at `offset` came."""
        ended: list[AlertEvent] = []
        while self._due and self._due[0][0] <= offset:
            ended += self.shard.advance(self._due.pop(0)[1])
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
