"""One input partition's work, without Kafka: records in, alert events and dead letters out, and the next offset."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.engine import Batch, Engine
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

    def __init__(self, engine: Engine, topic: str, partition: int, format: str, next_offset: int = 0) -> None:
        self.topic, self.partition, self.next_offset = topic, partition, next_offset
        self.shard = engine.shard()
        self.decoder = Decoder(format, self.shard.intern, max_future_s=engine.limits.max_future_s)
        self.rejected: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
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
        if not records:
            return Outcome(self.next_offset)
        payloads = [record.value for record in records]
        times_s = [record.timestamp / 1000.0 if record.timestamp >= 0 else math.nan for record in records]
        columns = self.decoder.decode(payloads, times_s)
        self.bytes += sum(map(len, filter(None, payloads)))
        self.skipped.update(columns.skipped)
        offsets = np.array([record.offset for record in records], np.int64)
        outcome = Outcome(int(offsets[-1]) + 1)
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
        outcome.alerts = self.shard.apply(batch)
        self.next_offset, self.newest_record_s = outcome.next_offset, times_s[-1]
        return outcome

    def quarantine(self, record: Record) -> Outcome:
        """Passes over a record that crashes the worker: a dead letter, nothing applied."""
        if record.offset < self.next_offset:
            return Outcome(self.next_offset)
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
        return Outcome(self.next_offset, dead_letters=[letter])


def _record_time(time_s: float) -> str | None:
    """None also for a time that no calendar has: producers send microseconds where milliseconds belong."""
    return rfc3339(time_s) if 0.0 <= time_s < LATEST_S else None
