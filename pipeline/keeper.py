"""Keeps a worker's partitions: loads them, applies records, publishes, saves, commits. In that order, and exactly.

Knows Kafka and the disk only through `Outside` and `Store`, so that the simulation runs this same code against a broker
and a disk that fail at every step. The rule that all of it serves: the committed offset of a partition is never ahead
of the offset in its newest durable snapshot, and a snapshot is never ahead of what Kafka acknowledged of its alerts.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import structlog

from pipeline.engine import Engine
from pipeline.failpoints import failpoint
from pipeline.partition import TP, Outcome, Partition, Record
from pipeline.poison import CrashNotes
from pipeline.saved import capture, restore
from pipeline.snapshots.errors import StoreError
from pipeline.snapshots.format import Snapshot
from pipeline.snapshots.store import Store
from schemas.alert import AlertEvent, rfc3339
from schemas.config import Config
from schemas.config.rules import deciding_text
from schemas.dead_letter import DeadLetter

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """Offsets of one partition: committed by the group (None: never), earliest kept, and the one after its newest."""

    committed: int | None
    earliest: int
    end: int


class Outside(Protocol):
    """What the keeper needs of Kafka and of the machine. Whatever raises ends the process with nothing committed."""

    async def bounds(self, tps: set[TP]) -> Mapping[TP, Bounds]: ...
    async def publish(self, alerts: Sequence[AlertEvent], dead_letters: Sequence[DeadLetter]) -> None:
        """Hand to the producer, in order."""

    async def bury(self, fingerprints: Sequence[str]) -> None:
        """Remove resolved alerts from the state topic."""

    async def flush(self) -> None:
        """Returns when all that was handed to the producer is acknowledged."""

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        """False: another worker has at least one of the partitions."""

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Blocking work, while the event loop goes on."""

    def end(self, tp: TP) -> int | None:
        """Offset after the partition's newest record, as the newest fetch told; None: not known."""

    async def caught_up(self, tp: TP, next_offset: int) -> bool:
        """Whether nothing is left in Kafka from `next_offset` on."""

    def now_s(self) -> float:
        """Unix seconds: when a resolved alert leaves the state topic, and what event times may not run ahead of."""

    def monotonic_s(self) -> float: ...


@dataclass
class Totals:
    """Counts since the worker started, of partitions that have left too; each has its metric."""

    bytes: int = 0
    redelivered: int = 0
    shard: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, partition: Partition) -> None:
        self.bytes += partition.bytes
        self.redelivered += partition.redelivered
        self.shard.update(partition.shard.counts)
        self.rejected.update(partition.rejected)
        self.skipped.update(partition.skipped)


class Keeper:
    """All partitions of one worker."""

    def __init__(self, config: Config, outside: Outside, store: Store, notes: CrashNotes | None = None) -> None:
        self.config = config
        self.engine = Engine(config.rules, config.limits)
        self.partitions: dict[TP, Partition] = {}
        self.snapshot_counts: Counter[str] = Counter()
        self.generation = 0
        self._outside = outside
        self._store = store
        self._notes = notes
        self._config_text = deciding_text(config.rules)
        self._config_hash = hashlib.blake2b(self._config_text.encode(), digest_size=8).hexdigest()
        self._formats = {source.topic: source.format for source in config.inputs}
        self._departed = Totals()
        self._applying = asyncio.Lock()  # a batch with its publishing, or a copy for a snapshot
        self._saving = asyncio.Lock()  # one checkpoint at a time
        self._saved: dict[TP, tuple[int, int]] = {}  # offset and changes of the newest snapshot
        self._fenced: set[TP] = set()  # a commit was refused: nothing is applied or saved until they are assigned anew
        self._arrived_s: dict[TP, float] = {}  # monotonic, of the newest batch

    # What a rebalance brings -----------------------------------------------------------------------------------------

    async def assigned(self, tps: set[TP], generation: int) -> dict[TP, int]:
        """Holds exactly `tps` from now on; returns where each is to be read from."""
        async with self._saving, self._applying:
            self.generation = generation
            self._fenced.clear()
            for tp in set(self.partitions) - tps:
                self._forget(tp)
            bounds = await self._outside.bounds(tps)
            for tp in tps:
                held, theirs = self.partitions.get(tp), bounds[tp]
                if held is not None and (theirs.committed or 0) > held.next_offset:
                    log.info("another worker went on with this partition meanwhile", **_named(tp))
                    self._forget(tp)
                elif held is not None and not theirs.earliest <= held.next_offset <= theirs.end:
                    log.warning("Kafka no longer has what follows what is held: dropped", **_named(tp))
                    self._forget(tp)
                if tp not in self.partitions:
                    await self._load(tp, theirs)
                if theirs.committed != self.partitions[tp].next_offset:
                    self._saved.pop(tp, None)  # a crash or a refusal came before the commit: it is made good
            return {tp: self.partitions[tp].next_offset for tp in tps}

    async def _load(self, tp: TP, bounds: Bounds) -> None:
        loaded = await self._outside.in_thread(lambda: self._store.load(tp.topic, tp.partition))
        for problem in loaded.problems:
            self.snapshot_counts["refused"] += 1
            log.error("snapshot refused", problem=problem, **_named(tp))
        start = max(bounds.committed or 0, bounds.earliest)
        if start > bounds.end:  # an offset of the topic that was there before
            start = bounds.earliest
        partition = Partition(self.engine, tp.topic, tp.partition, self._formats[tp.topic], start)
        self.partitions[tp] = partition
        self._arrived_s[tp] = self._outside.monotonic_s()
        snapshot = loaded.snapshot
        if snapshot is not None and (bounds.committed is None or snapshot.next_offset > bounds.end):
            # If this process stood still since it asked, others have gone on: their snapshot must not be discarded.
            bounds = (await self._outside.bounds({tp}))[tp]
        if snapshot is None:
            if bounds.committed:
                log.warning("no snapshot: this partition learns again", offset=start, **_named(tp))
            return
        # Kafka forgets what was committed of a topic that is deleted. From the very first record on nothing needs to be
        # remembered, so that a crash before the first commit, which looks the same, costs only time.
        forgotten = bounds.committed is None and bounds.earliest == 0 < snapshot.next_offset
        if snapshot.next_offset > bounds.end or forgotten:
            # The topic was made anew. Passing over what "was applied before" would drop everything in it.
            log.warning("snapshot is not of this topic, which was made anew: discarded", **_named(tp))
            self.snapshot_counts["discarded"] += 1
            partition.next_offset = bounds.earliest  # what was committed speaks of the old topic too
            await self._outside.in_thread(lambda: self._store.discard(tp.topic, tp.partition))
            return
        if snapshot.next_offset < bounds.earliest:
            missed = bounds.earliest - snapshot.next_offset
            log.error(
                "Kafka no longer has what follows the snapshot: this partition learns again",
                missed_records=missed,
                **_named(tp),
            )
            self.snapshot_counts["behind_retention"] += 1
            return
        ends = restore(partition.shard, snapshot.saved)
        partition.next_offset = snapshot.next_offset
        partition.tombstones = dict(snapshot.tombstones)
        self._saved[tp] = (snapshot.next_offset, partition.changes)
        self.snapshot_counts["loaded"] += 1
        log.info("snapshot loaded", offset=snapshot.next_offset, series=len(partition.shard.series), **_named(tp))
        if ends:
            partition.whole = False
            await self._publish(partition, ends)
            partition.whole = True

    async def revoked(self) -> None:
        """Before a rebalance: saves and commits. Partitions stay in memory, since most come back."""
        await self.checkpoint()

    # What records and time bring -------------------------------------------------------------------------------------

    async def take(self, tp: TP, records: Sequence[Record]) -> None:
        async with self._applying:
            partition = self.partitions.get(tp)
            if partition is None or tp in self._fenced:
                return  # a rebalance comes, and whoever has the partition then reads these again
            if records[0].offset < partition.next_offset:
                partition = await self._made_anew(tp, partition, records[0].offset)
            for outcome in self._process(tp, partition, records):
                failpoint("applied")
                await self._publish(partition, outcome.alerts, outcome.dead_letters)
                partition.whole = True
                failpoint("published")
            self._arrived_s[tp] = self._outside.monotonic_s()

    def _process(self, tp: TP, partition: Partition, records: Sequence[Record]) -> Iterator[Outcome]:
        """All at once; one by one where a crash is remembered, and without the one that crashes again and again."""
        notes = self._notes
        crash = notes.suspects(tp, records) if notes else None
        for piece in [records] if crash is None else [[record] for record in records]:
            if notes and crash and notes.is_poison(tp, piece[0]):
                log.error("record is quarantined: it crashed this worker twice", offset=piece[0].offset, **_named(tp))
                yield partition.quarantine(piece[0])
                continue
            partition.whole = False
            try:
                outcome = partition.process(piece)
            except Exception:
                if notes:
                    notes.crashed(tp, piece)
                raise  # the process ends, nothing of this is saved or committed
            yield outcome
        if notes and crash and records[-1].offset >= crash.last:
            notes.passed(tp)

    async def _made_anew(self, tp: TP, partition: Partition, offset: int) -> Partition:
        """The partition to apply records from `offset` to, which lies before its own: usually just redelivered ones."""
        end = self._outside.end(tp)
        if end is None or end >= partition.next_offset:
            return partition
        log.warning("the topic was made anew while it was read: this partition learns again", **_named(tp))
        self.snapshot_counts["discarded"] += 1
        self._forget(tp)
        await self._outside.in_thread(lambda: self._store.discard(tp.topic, tp.partition))
        self.partitions[tp] = Partition(self.engine, tp.topic, tp.partition, self._formats[tp.topic], offset)
        self._arrived_s[tp] = self._outside.monotonic_s()
        return self.partitions[tp]

    def held(self, tp: TP) -> Partition | None:
        """The partition, where this worker may apply records to it."""
        return None if tp in self._fenced else self.partitions.get(tp)

    async def tick(self) -> None:
        """What time alone brings: only where all that Kafka has is applied, by the clock of the events themselves.

        That clock is the partition's newest event, plus how long nothing newer has come.
        """
        async with self._applying:
            for tp, partition in self.partitions.items():
                if tp in self._fenced:
                    continue  # another worker may know of newer records
                # Measured before Kafka is asked: a process that stands still in between must not take that for silence.
                silent_s = self._outside.monotonic_s() - self._arrived_s[tp]
                if await self._outside.caught_up(tp, partition.next_offset):
                    # One publisher's clock that is ahead must not end the alerts of all others.
                    newest_s = min(partition.shard.newest_t, self._outside.now_s())
                    partition.whole = False
                    ended = partition.shard.advance(newest_s + silent_s)
                    if ended:
                        await self._publish(partition, ended)
                    partition.whole = True
                due = [key for key, at_s in partition.tombstones.items() if at_s <= self._outside.now_s()]
                if due:
                    await self._outside.bury(due)
                    for key in due:
                        del partition.tombstones[key]
                    partition.changes += 1

    async def _publish(
        self, partition: Partition, alerts: Sequence[AlertEvent], dead_letters: Sequence[DeadLetter] = ()
    ) -> None:
        leaves_s = self._outside.now_s() + self.config.limits.tombstone_after_s
        for event in alerts:
            if event.status == "resolved":
                partition.tombstones[event.fingerprint] = leaves_s
            else:
                partition.tombstones.pop(event.fingerprint, None)
        if alerts:
            partition.changes += 1
        await self._outside.publish(alerts, dead_letters)

    # What makes it last ----------------------------------------------------------------------------------------------

    async def checkpoint(self) -> None:
        """Sends acknowledged, snapshots durable, then offsets committed. Raises what any of these raises."""
        async with self._saving:
            copies = [copy for tp in list(self.partitions) if (copy := await self._copy(tp))]
            await self._outside.flush()
            failpoint("flushed")
            offsets: dict[TP, int] = {}
            for tp, snapshot, changes in copies:
                try:
                    saved = await self._outside.in_thread(partial(self._store.save, snapshot))
                except (OSError, StoreError) as error:
                    # A full disk: go on with the old snapshot, and commit nothing beyond it.
                    self.snapshot_counts["failed"] += 1
                    log.error(
                        "snapshot failed: nothing is committed for this partition", error=str(error), **_named(tp)
                    )
                    continue
                self.snapshot_counts["saved"] += 1
                self.snapshot_counts["bytes"] += saved.bytes_written
                self._saved[tp] = (snapshot.next_offset, changes)
                offsets[tp] = snapshot.next_offset
            failpoint("saved")
            if not offsets:
                return
            committed = await self._outside.commit(offsets)
            failpoint("committed")
            if not committed:
                # Whether another worker has them, or only this session ended, is seen when they are assigned again.
                log.warning("commit refused: no longer ours until the next rebalance", partitions=[*map(str, offsets)])
                async with self._applying:
                    self._fenced.update(offsets)

    async def _copy(self, tp: TP) -> tuple[TP, Snapshot, int] | None:
        async with self._applying:
            partition = self.partitions.get(tp)
            if partition is None or not partition.whole or tp in self._fenced:
                return None
            if self._saved.get(tp) == (partition.next_offset, partition.changes):
                return None
            saved = await self._outside.in_thread(lambda: capture(partition.shard))
            snapshot = Snapshot(
                topic=tp.topic,
                partition=tp.partition,
                next_offset=partition.next_offset,
                generation=self.generation,
                config_hash=self._config_hash,
                config_text=self._config_text,
                saved=saved,
                tombstones=dict(partition.tombstones),
                made_at=rfc3339(self._outside.now_s()),
            )
            return tp, snapshot, partition.changes

    def detector_failures(self) -> dict[str, int]:
        """By rule, of the partitions held now."""
        counts: Counter[str] = Counter()
        for partition in self.partitions.values():
            for binding in partition.shard.bindings:
                counts[binding.rule.name] += sum(detector.failure_count for detector in binding.detectors)
        return dict(counts)

    def totals(self) -> Totals:
        totals = deepcopy(self._departed)
        for partition in self.partitions.values():
            totals.add(partition)
        return totals

    def _forget(self, tp: TP) -> None:
        partition = self.partitions.pop(tp, None)
        if partition is not None:
            self.engine.series_count -= len(partition.shard.series)
            self._departed.add(partition)
        self._saved.pop(tp, None)
        self._arrived_s.pop(tp, None)


def _named(tp: TP) -> dict[str, object]:
    return {"topic": tp.topic, "partition": tp.partition}
