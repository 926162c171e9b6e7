"""Keeps a worker's partitions: loads them, applies records, publishes, saves, commits. In that order, and exactly.

Knows Kafka and the disk only through `Outside` and `Store`, so that the simulation runs this same code against a broker
and a disk that fail at every step. The rules that all of it serves: the committed offset of a partition is never ahead
of the offset in its newest durable snapshot; a snapshot is never ahead of what Kafka acknowledged of its alerts; what
time alone ends is committed before it is done; and records are applied only while nobody else can have the partition.
"""

import asyncio
import hashlib
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import structlog

from pipeline.control_book import ControlBook, fitting
from pipeline.engine import Engine
from pipeline.failpoints import failpoint
from pipeline.fit import Fit, fit
from pipeline.outside import Bounds, Commit, Outside
from pipeline.partition import TP, Partition, Record
from pipeline.poison import CrashNotes, process
from pipeline.saved import capture, ends_of_open, restore
from pipeline.silence import NOTE_BYTES_MAX, Admissions, Decisions, admissions_of, decisions_of, note
from pipeline.snapshots.errors import StoreError
from pipeline.snapshots.format import Snapshot
from pipeline.snapshots.store import KEEP, Store
from pipeline.totals import Totals
from schemas.alert import AlertEvent, rfc3339
from schemas.config import Config
from schemas.config.rules import deciding_text
from schemas.control import Control
from schemas.dead_letter import DeadLetter

log = structlog.get_logger(__name__)

LEASE_S = 5.0
"""How long Kafka's word that we are in the group holds. Nobody else gets our partitions before the session timeout
(10 s) has passed without a sign of us; records that were fetched before that word was asked for may be applied."""


@dataclass
class _Known:
    """Of one partition, besides its state. arrived_s: monotonic, of the newest batch."""

    arrived_s: float
    topic_id: str
    saved: tuple[int, int] | None = None  # offset and changes of the newest snapshot
    committed: int | None = None  # as far as it belongs to this topic and state
    end: int = 0  # of the topic when the partition was assigned: up to there others may have applied records
    kept: deque[int] = field(default_factory=lambda: deque(maxlen=KEEP))  # offsets of the snapshots saved here


class Keeper:
    """All partitions of one worker."""

    def __init__(self, config: Config, outside: Outside, store: Store, notes: CrashNotes | None = None) -> None:
        self.config = config
        self.engine = Engine(config.rules, config.limits, len(config.inputs))
        self.partitions: dict[TP, Partition] = {}
        self.book = ControlBook()
        self.snapshot_counts: Counter[str] = Counter()
        self.lost_records = 0  # that Kafka dropped before they were applied
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
        self._committing = asyncio.Lock()  # notes must not overtake each other
        self._known: dict[TP, _Known] = {}
        self._fenced: set[TP] = set()  # a commit was refused: nothing is applied or saved until they are assigned anew
        self._between = False  # revoked and not yet assigned anew: they may be anybody's
        self._member_s = float("-inf")  # monotonic: Kafka's word that we are in the group was asked for then

    # What a rebalance brings -----------------------------------------------------------------------------------------

    async def assigned(self, tps: set[TP], generation: int) -> dict[TP, int]:
        """Holds exactly `tps` from now on; returns where each is to be read from."""
        async with self._saving, self._applying:
            self.generation, self._member_s = generation, float("-inf")
            self._fenced.clear()
            self.book.add(
                await self._outside.controls(whole=True)
            )  # whoever had a partition until now can't know of later ones
            for tp in set(self.partitions) - tps:
                self._forget(tp)
            bounds = await self._outside.bounds(tps)
            for tp in sorted(tps):
                held, theirs = self.partitions.get(tp), bounds[tp]
                if held is not None and not self._still_holds(tp, held, theirs):
                    self._forget(tp)
                if tp not in self.partitions:
                    await self._load(tp, theirs)
                self._known[tp].end = theirs.end
                if theirs.committed != self.partitions[tp].next_offset:
                    self._known[tp].saved = None  # a crash or a refusal came before the commit: it is made good
            self._between = False
            return {tp: self.partitions[tp].next_offset for tp in sorted(tps)}

    def _still_holds(self, tp: TP, held: Partition, theirs: Bounds) -> bool:
        """Whether what is in memory is what anyone would come to who reads the partition now."""
        noted = decisions_of(theirs.note), admissions_of(theirs.note)
        if (theirs.committed or 0) > held.next_offset or noted != (held.decided, held.admitted):
            log.info("another worker went on with this partition meanwhile", **_named(tp))
            return False
        if fit(held.next_offset, self._known[tp].topic_id, theirs) not in (Fit.YES, Fit.FORGOTTEN):
            log.warning("Kafka no longer has what follows what is held: dropped", **_named(tp))
            return False
        return True

    async def _load(self, tp: TP, bounds: Bounds) -> None:
        loaded = await self._outside.in_thread(lambda: self._store.load(tp.topic, tp.partition))
        for problem in loaded.problems:
            self.snapshot_counts["refused"] += 1
            log.error("snapshot refused", problem=problem, **_named(tp))
        start = max(bounds.committed or 0, bounds.earliest)
        if start > bounds.end:  # an offset of the topic that was there before
            start = bounds.earliest
        partition = Partition(self.engine, tp.topic, tp.partition, self._formats[tp.topic], start, bounds.partitions)
        self.partitions[tp] = partition
        known = self._known[tp] = _Known(self._outside.monotonic_s(), bounds.topic_id, end=bounds.end)
        snapshot = loaded.snapshot
        if snapshot is None:
            if bounds.committed:
                log.warning("no snapshot: this partition learns again", offset=start, **_named(tp))
            return
        fits = fit(snapshot.next_offset, snapshot.topic_id, bounds)
        if fits is not Fit.YES:
            if await self._is_ours():  # if this process stood still since it asked, others have gone on
                await self._learn_again(partition, snapshot, bounds, fits)
            return
        ends = await self._outside.in_thread(partial(restore, partition.shard, snapshot.saved))
        partition.next_offset = snapshot.next_offset
        partition.tombstones = dict(snapshot.tombstones)
        admitted = admissions_of(bounds.note)
        if gone := admitted.keys() - self.book.known.keys():
            log.error("controls are no longer in the control topic: they don't count", ids=sorted(gone), **_named(tp))
        ends += partition.recall(decisions_of(bounds.note), admitted, self.book.known)
        known.saved, known.committed = (snapshot.next_offset, partition.changes), bounds.committed
        self.snapshot_counts["loaded"] += 1
        log.info("snapshot loaded", offset=snapshot.next_offset, series=len(partition.shard.series), **_named(tp))
        await self._publish_ends(partition, ends)

    async def _learn_again(self, partition: Partition, snapshot: Snapshot, bounds: Bounds, why: Fit) -> None:
        """From a snapshot that can't go on. What was open in it ends: nothing else ever would end it."""
        tp = TP(partition.topic, partition.partition)
        partition.tombstones = dict(snapshot.tombstones)
        if why is not Fit.FORGOTTEN:
            await self._publish_ends(partition, ends_of_open(snapshot.saved, why.value))
        if why is Fit.BEHIND:
            missed = bounds.earliest - snapshot.next_offset
            self.lost_records += missed
            log.error(
                "Kafka no longer has what follows the snapshot: this partition learns again",
                missed_records=missed,
                **_named(tp),
            )
            self.snapshot_counts["behind_retention"] += 1
            return
        log.warning("snapshot is not of this topic, which was made anew: discarded", **_named(tp))
        self.snapshot_counts["discarded"] += 1
        partition.next_offset = bounds.earliest  # what was committed speaks of the old topic too
        await self._outside.flush()
        await self._outside.in_thread(lambda: self._store.discard(tp.topic, tp.partition))

    async def revoked(self) -> None:
        """Before a rebalance: saves and commits. Partitions stay in memory, since most come back."""
        await self.checkpoint()
        async with self._saving, self._applying:
            self._between = True

    # What records and time bring -------------------------------------------------------------------------------------

    async def take(self, tp: TP, records: Sequence[Record]) -> None:
        async with self._applying:
            partition, generation = self.held(tp), self.generation
            if partition is None or not await self._is_ours():
                return  # a rebalance comes, and whoever has the partition then reads these again
            if not await self._lost_its_place(tp, partition, records[0].offset):
                await self._apply(tp, partition, records)
                return
        async with self._saving, self._applying:
            if self.held(tp) is not None and generation == self.generation:
                await self._find_place(tp, records[0].offset)
                if (partition := self.held(tp)) is not None:
                    await self._apply(tp, partition, records)

    async def _is_ours(self) -> bool:
        """Whether nobody else could have had our partitions before this was asked; else they are fenced."""
        asked_s = self._outside.monotonic_s()
        if asked_s - self._member_s < LEASE_S:
            return True
        if await self._outside.is_member(self.generation):
            self._member_s = asked_s
            return True
        log.warning("no longer in the group: nothing is applied until the next rebalance")
        self._fenced.update(self.partitions)
        return False

    async def _apply(self, tp: TP, partition: Partition, records: Sequence[Record]) -> None:
        for outcome in process(partition, records, self._notes):
            failpoint("applied")
            await self._publish(partition, outcome.alerts, outcome.dead_letters)
            partition.whole = True
            failpoint("published")
        self._known[tp].arrived_s = self._outside.monotonic_s()

    async def _lost_its_place(self, tp: TP, partition: Partition, offset: int) -> bool:
        """Whether a record at `offset` can't follow what is held.

        Earlier ones are usually just redelivered, and where offsets are left out, transaction markers lie.
        """
        if offset < partition.next_offset:
            end = self._outside.end(tp)
            return end is not None and end < partition.next_offset
        return offset > partition.next_offset and await self._outside.earliest(tp) > partition.next_offset

    async def _find_place(self, tp: TP, offset: int) -> None:
        """While records come: the topic was made anew, or Kafka forgot some faster than they were read.

        What is held is saved first, so that whoever loads it ends the same alerts with the same words.
        """
        log.warning("records do not follow what is held: this partition is loaded anew", offset=offset, **_named(tp))
        snapshot = await self._snapshot(tp, self.partitions[tp])
        await self._outside.flush()
        await self._save(snapshot)
        self._forget(tp)
        await self._load(tp, (await self._outside.bounds({tp}))[tp])
        if self._known[tp].saved is None:
            self.partitions[tp].next_offset = offset
        elif self.partitions[tp].next_offset < offset:
            raise RuntimeError(f"{tp.topic}/{tp.partition}: records are missing; they are read again after a restart")

    def held(self, tp: TP) -> Partition | None:
        """The partition, where this worker may apply records to it."""
        return None if self._between or tp in self._fenced else self.partitions.get(tp)

    async def tick(self) -> None:
        """What time alone brings: only where all that Kafka has is applied, by the clock of the events themselves.

        That clock is the partition's newest event, plus how long nothing newer has come.
        """
        async with self._applying:
            silent: dict[TP, int] = {}
            for tp in list(self.partitions):
                partition = self.held(tp)
                if partition is None:
                    continue  # another worker may know of newer records
                # Measured before Kafka is asked: a process that stands still in between must not take that for silence.
                silent_s = self._outside.monotonic_s() - self._known[tp].arrived_s
                # One publisher's clock that is ahead must not end the alerts of all others.
                at_s = np.floor(min(partition.shard.newest_t, self._outside.now_s()) + silent_s)
                if await self._outside.caught_up(tp, partition.next_offset) and partition.shard.has_silent(at_s):
                    silent[tp] = int(at_s)
                await self._bury(partition)
            if silent:
                await self._end_silent(silent)

    async def _end_silent(self, silent: Mapping[TP, int]) -> None:
        """Committed, then done and published: so that whoever reads from an older snapshot does it at the same place.

        silent: Unix s of event time, by partition.
        """
        async with self._committing:
            notes = {}
            for tp, at_s in silent.items():
                partition = self.partitions[tp]
                notes[tp] = note({**partition.decided, partition.next_offset: at_s}, partition.admitted)
            commits = await self._commit_notes(notes)
            # All of them before anything is waited for: a checkpoint that comes in between writes notes of its own,
            # and must not leave out what was committed.
            ends = {tp: self._end_now(self.partitions[tp], silent[tp]) for tp in commits}
        for tp, events in ends.items():
            await self._publish_ends(self.partitions[tp], events)

    @staticmethod
    def _end_now(partition: Partition, at_s: int) -> list[AlertEvent]:
        ends = partition.end_silent(at_s)
        partition.whole = partition.whole and not ends
        return ends

    async def _commit_notes(self, notes: Mapping[TP, str]) -> list[TP]:
        """Beside the offsets that are committed already; returns those that Kafka took."""
        commits = {
            tp: Commit(committed, text)
            for tp, text in notes.items()
            # Before the first snapshot there is nothing to commit beside.
            if (committed := self._known[tp].committed) is not None and len(text) <= NOTE_BYTES_MAX
        }
        return list(commits) if commits and await self._commit(commits) else []

    # What people say -------------------------------------------------------------------------------------------------

    async def heed(self) -> None:
        """Controls that have come count from here on. As with silence: committed, then done."""
        self.book.add(await self._outside.controls(whole=False))
        if not self.book.known:
            return
        async with self._applying:
            wanted = {tp: some for tp in list(self.partitions) if (some := await self._wanted(tp))}
            if not wanted:
                return
            async with self._committing:
                chosen = {tp: fitting(self.partitions[tp], controls) for tp, controls in wanted.items()}
                taken = await self._commit_notes({tp: text for tp, (controls, text) in chosen.items() if controls})
            for tp in taken:
                self.partitions[tp].admit(chosen[tp][0])
                for one in chosen[tp][0]:
                    words = {"verdict": one.verdict, "undo": one.undo, "rule": one.rule, "series": str(one.series)}
                    log.info("feedback is taken in", id=one.id, holds_from=one.holds_from, **words, **_named(tp))

    async def _wanted(self, tp: TP) -> list[Control]:
        """None before all is applied that another worker may have applied without them."""
        partition, known = self.held(tp), self._known[tp]
        if partition is None or known.committed is None or not (found := self.book.wanted(partition)):
            return []
        is_new = partition.next_offset >= known.end or await self._outside.caught_up(tp, partition.next_offset)
        return found if is_new else []

    async def _bury(self, partition: Partition) -> None:
        due = [key for key, at_s in partition.tombstones.items() if at_s <= self._outside.now_s()]
        if due:
            await self._outside.bury(due)
            for key in due:
                del partition.tombstones[key]
            partition.changes += 1

    async def _publish_ends(self, partition: Partition, ends: Sequence[AlertEvent]) -> None:
        if ends:
            partition.whole = False
            await self._publish(partition, ends)
            partition.whole = True

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
                if await self._save(snapshot):
                    self._known[tp].saved = (snapshot.next_offset, changes)
                    offsets[tp] = snapshot.next_offset
            failpoint("saved")
            if not offsets:
                return
            async with self._committing:
                needed = {tp: (self._needed_decisions(tp), self._needed_admissions(tp)) for tp in offsets}
                commits = {tp: Commit(offset, note(*needed[tp])) for tp, offset in offsets.items()}
                if await self._commit(commits):
                    for tp in offsets:
                        self.partitions[tp].decided, self.partitions[tp].admitted = needed[tp]

    async def _commit(self, commits: Mapping[TP, Commit]) -> bool:
        asked_s = self._outside.monotonic_s()
        committed = await self._outside.commit(commits, self.generation)
        failpoint("committed")
        if committed:
            self._member_s = asked_s
            for tp, commit in commits.items():
                self._known[tp].committed = commit.offset
        else:
            # Whether another worker has them, or only this session ended, is seen when they are assigned again.
            log.warning("commit refused: no longer ours until the next rebalance", partitions=[*map(str, commits)])
            self._fenced.update(commits)
        return committed

    def _needed_decisions(self, tp: TP) -> Decisions:
        """Those that a load of any kept snapshot has to repeat."""
        decided, oldest = self.partitions[tp].decided, self._oldest_kept(tp)
        return {offset: at_s for offset, at_s in decided.items() if offset >= oldest}

    def _needed_admissions(self, tp: TP) -> Admissions:
        admitted, oldest = self.partitions[tp].admitted, self._oldest_kept(tp)
        return {id_: offset for id_, offset in admitted.items() if offset >= oldest}

    def _oldest_kept(self, tp: TP) -> int:
        kept = self._known[tp].kept
        return kept[0] if len(kept) == KEEP else 0

    async def _save(self, snapshot: Snapshot) -> bool:
        tp = TP(snapshot.topic, snapshot.partition)
        try:
            saved = await self._outside.in_thread(partial(self._store.save, snapshot))
        except (OSError, StoreError) as error:
            # A full disk: go on with the old snapshot, and commit nothing beyond it.
            self.snapshot_counts["failed"] += 1
            log.error("snapshot failed: nothing is committed for this partition", error=str(error), **_named(tp))
            return False
        self.snapshot_counts["saved"] += 1
        self.snapshot_counts["bytes"] += saved.bytes_written
        kept = self._known[tp].kept
        if not kept or kept[-1] != snapshot.next_offset:
            kept.append(snapshot.next_offset)
        return True

    async def _copy(self, tp: TP) -> tuple[TP, Snapshot, int] | None:
        async with self._applying:
            partition = self.held(tp)
            if partition is None or not partition.whole:
                return None
            if self._known[tp].saved == (partition.next_offset, partition.changes):
                return None
            return tp, await self._snapshot(tp, partition), partition.changes

    async def _snapshot(self, tp: TP, partition: Partition) -> Snapshot:
        return Snapshot(
            topic=tp.topic,
            partition=tp.partition,
            next_offset=partition.next_offset,
            generation=self.generation,
            config_hash=self._config_hash,
            config_text=self._config_text,
            saved=await self._outside.in_thread(partial(capture, partition.shard)),
            tombstones=dict(partition.tombstones),
            made_at=rfc3339(self._outside.now_s()),
            topic_id=self._known[tp].topic_id,
        )

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
        self._known.pop(tp, None)


def _named(tp: TP) -> dict[str, object]:
    return {"topic": tp.topic, "partition": tp.partition}
