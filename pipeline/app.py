"""The Faust application: one agent that takes polls and hands them to the keeper; rebalances, timers, shutdown.

docs/decisions/0001-faust.md says which of Faust's own ways lose data, and why this one doesn't.
"""

import asyncio
import gc
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar, cast

import faust
import structlog
from faust.types import TP as FaustTP
from mode.supervisors import CrashingSupervisor

from pipeline.broker.places import state_dir
from pipeline.catch_up import CatchUp
from pipeline.control_reader import ControlReader
from pipeline.group import Group
from pipeline.keeper import Keeper
from pipeline.load import Watch
from pipeline.minutely import EVERY_S as MINUTELY_S
from pipeline.minutely import Minutely
from pipeline.outside import Bounds, Commit
from pipeline.partition import TP
from pipeline.poison import CrashNotes
from pipeline.publisher import Publisher
from pipeline.snapshots.folder import quoted
from pipeline.snapshots.store import Store
from pipeline.topic_ids import topic_ids
from pipeline.transport import Consumer, Records
from schemas.alert import AlertEvent
from schemas.config import Config
from schemas.control import Control
from schemas.dead_letter import DeadLetter

if TYPE_CHECKING:
    from faust.types import StreamT

log = structlog.get_logger(__name__)
T = TypeVar("T")

TICK_EVERY_S = 1.0
SIGN_OF_LIFE_EVERY_S = 10.0
STOOD_STILL_S = 10.0  # between two ticks


class Pipeline:
    """One worker process: the Faust app, and the keeper that it feeds."""

    def __init__(self, config: Config, store: Store) -> None:
        self.config = config
        self.app = _faust_app(config)
        notes = CrashNotes(state_dir() / "crashes" / quoted(config.kafka.group))
        self.keeper = Keeper(config, _Outside(self), store, notes)
        self.controls = ControlReader(config.kafka.bootstrap, config.topics.control)
        self.watch = Watch(config.desk.response.automation.watched)
        self.publisher = Publisher(self.app, config.topics, f"tidegauge/{config.kafka.group}")
        self.batch_seconds: list[Callable[[float], None]] = []  # told how long each batch took
        self.ready = False
        self._nothing_left: dict[TP, tuple[int, int]] = {}  # next offset and end at which a partition was caught up
        self._catch_up = CatchUp()
        self._ticked_s = time.monotonic()
        self._minutely = Minutely()
        self.address = ""  # of its own HTTP, once that listens
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self._hook()

    @property
    def consumer(self) -> Consumer:
        consumer = self.app.consumer
        assert isinstance(consumer, Consumer)  # noqa: S101 - our transport made it
        return consumer

    def lag_records(self, tp: TP) -> int:
        """Records that are in the partition and not yet applied; transaction markers don't count."""
        end, next_offset = self.end(tp), self.keeper.partitions[tp].next_offset
        return 0 if end is None or self._nothing_left.get(tp) == (next_offset, end) else max(0, end - next_offset)

    def end(self, tp: TP) -> int | None:
        """Offset after the partition's newest record; None while it isn't known, or not assigned."""
        consumer, theirs = self.consumer, FaustTP(*tp)
        return consumer.highwater(theirs) if theirs in consumer.assignment() else None

    async def caught_up(self, tp: TP, next_offset: int) -> bool:
        """All that was fetched is applied, and nothing but transaction markers lies beyond it."""
        end, theirs = self.end(tp), FaustTP(*tp)
        if end is None or self.consumer.delivered.get(theirs, next_offset) != next_offset:
            return False
        if end > next_offset and end > (await self.consumer.position(theirs) or 0):
            return False
        self._nothing_left[tp] = (next_offset, end)
        return True

    def lag_s(self, tp: TP) -> float:
        """Age of the newest applied record; 0 when all are applied."""
        newest_s = self.keeper.partitions[tp].newest_record_s
        return max(0.0, time.time() - newest_s) if newest_s == newest_s and self.lag_records(tp) else 0.0

    def _hook(self) -> None:
        app = self.app
        topics = [source.topic for source in self.config.inputs]
        topic = app.topic(
            *topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", acks=False
        )

        @app.agent(topic, concurrency=1, supervisor_strategy=CrashingSupervisor)
        async def detect(stream: "StreamT[bytes]") -> None:
            async for event in cast(faust.Stream[bytes], stream).noack().events():
                message = event.message
                if message.generation_id != app.consumer_generation_id:
                    continue  # fetched before a rebalance: it is fetched again
                started_s = time.perf_counter()
                tp = TP(*message.tp)
                await self.keeper.take(tp, cast(Records, message.value))
                for tell in self.batch_seconds:
                    tell(time.perf_counter() - started_s)
                if self.keeper.held(tp):
                    self._catch_up.applied(tp, self.lag_records(tp), time.time() - message.timestamp)

        @app.on_rebalance_complete.connect
        async def on_rebalance_complete(*_: object, **__: object) -> None:
            assignment = {TP(*tp) for tp in self.consumer.assignment()}
            self.consumer.resume_at = self._resume_at
            with _without_collector():
                await self.keeper.assigned(assignment, app.consumer_generation_id)
            self._catch_up.begin(assignment, time.monotonic())
            self.ready = True
            log.info("ready", partitions=sorted(f"{tp.topic}/{tp.partition}" for tp in assignment))

        @app.on_partitions_revoked.connect
        async def on_partitions_revoked(*_: object, **__: object) -> None:
            await self.keeper.revoked()

        @app.on_before_shutdown.connect
        async def on_before_shutdown(*_: object, **__: object) -> None:
            self.ready = False
            await self.controls.stop()
            await self.keeper.checkpoint()

        app.task(self._every(self.config.snapshots.every_s, self.keeper.checkpoint, self._catch_up.reached))
        app.task(self._every(TICK_EVERY_S, self._tick))
        app.task(self._every(TICK_EVERY_S, self.keeper.heed, self.controls.arrived))
        app.task(self._every(SIGN_OF_LIFE_EVERY_S, self._sign_of_life))
        app.task(self._every(MINUTELY_S, self._say_what_is_wrong))
        if self.watch.is_needed:
            app.task(self._every(self.config.desk.response.automation.load_every_s, self._tell_load))

    def standing(self) -> dict[TP, int]:
        """Where each assigned partition is to be read next; -1 where it is assigned but not held. From any thread."""
        consumer = self.app.consumer
        if not self.ready or not isinstance(consumer, Consumer):
            return {}
        assigned = [TP(*tp) for tp in consumer.assignment()]
        held = {tp: self.keeper.held(tp) for tp in assigned}
        return {tp: partition.next_offset if partition else -1 for tp, partition in held.items()}

    async def _tick(self) -> None:
        """Not right after this process stood still: what the newest fetch said is older than it seems."""
        before_s, self._ticked_s = self._ticked_s, time.monotonic()
        if self._ticked_s - before_s < STOOD_STILL_S:
            await self.keeper.tick()
        known = [tp for tp in self.keeper.partitions if self.keeper.held(tp) and self.end(tp) is not None]
        self._catch_up.second_passed({tp: self.lag_records(tp) for tp in known}, time.monotonic())

    async def _say_what_is_wrong(self) -> None:
        ages_s = {f"{tp.topic}/{tp.partition}": self.lag_s(tp) for tp in list(self.keeper.partitions)}
        for event, fields in self._minutely.lines(self.keeper.totals().rejected, ages_s):
            log.warning(event, **fields)

    async def _sign_of_life(self) -> None:
        partitions = sorted(f"{tp.topic}/{tp.partition}" for tp in self.keeper.partitions)
        await self.publisher.sign_of_life(self.name, self.config.kafka.group, self.address, partitions)

    async def _tell_load(self) -> None:
        """Whatever fails here, detection goes on."""
        held = [partition for tp in list(self.keeper.partitions) if (partition := self.keeper.held(tp))]
        try:
            for partition in held:
                for records in self.watch.news(partition.shard):
                    await self.publisher.tell_load(records)
                    self.watch.counts["told"] += len(records)
                    await asyncio.sleep(0)
        except Exception as error:
            if not self.watch.counts["failed"]:
                problem = f"{type(error).__name__}: {error}"
                log.warning("load could not be told, further times are counted only", problem=problem)
            self.watch.counts["failed"] += 1

    def _resume_at(self, tp: tuple[str, int]) -> int | None:
        partition = self.keeper.partitions.get(TP(*tp))
        return partition.next_offset if partition is not None else None

    def _every(
        self, interval_s: float, do: Callable[[], Awaitable[None]], now: asyncio.Event | None = None
    ) -> Callable[[], Awaitable[None]]:
        """now: set where it shall not wait for the interval's end."""
        now = now or asyncio.Event()

        async def run() -> None:
            while not self.app.should_stop:
                with suppress(TimeoutError):
                    await asyncio.wait_for(now.wait(), interval_s)
                now.clear()
                try:
                    await do()
                except Exception as error:  # what can't be published must not be committed: end, and start again
                    log.exception("worker stops: what was applied could not be published, saved or committed")
                    await self.app.crash(error)
                    return

        return run


class _Outside:
    """The keeper's Kafka, through Faust."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @property
    def _group(self) -> Group:
        return Group(self._pipeline.consumer)

    async def bounds(self, tps: set[TP]) -> Mapping[TP, Bounds]:
        if not tps:
            return {}
        consumer = self._pipeline.consumer
        theirs = {FaustTP(*tp) for tp in tps}
        ids, committed, earliest, end = await asyncio.gather(
            asyncio.to_thread(topic_ids, self._pipeline.config.kafka.bootstrap, {tp.topic for tp in tps}),
            self._group.committed(tps),
            consumer.earliest_offsets(*theirs),
            consumer.highwaters(*theirs),
        )
        found = {}
        for tp in tps:
            ours, there = committed.get(tp), FaustTP(*tp)
            known = (None, "") if ours is None else (ours.offset, ours.note)
            count = consumer.topic_partitions(tp.topic) or 1
            found[tp] = Bounds(known[0], earliest[there], end[there], known[1], ids.get(tp.topic, ""), count)
        return found

    async def earliest(self, tp: TP) -> int:
        there = FaustTP(*tp)
        return (await self._pipeline.consumer.earliest_offsets(there))[there]

    async def publish(self, alerts: Sequence[AlertEvent], dead_letters: Sequence[DeadLetter]) -> None:
        await self._pipeline.publisher.publish(alerts, dead_letters)

    async def bury(self, fingerprints: Sequence[str]) -> None:
        await self._pipeline.publisher.bury(fingerprints)

    async def flush(self) -> None:
        await self._pipeline.publisher.flush()

    async def commit(self, commits: Mapping[TP, Commit], generation: int) -> bool:
        return await self._group.commit(commits, generation)

    async def is_member(self, generation: int) -> bool:
        return await self._group.is_member(generation)

    async def controls(self, whole: bool) -> Sequence[Control]:
        return await self._pipeline.controls.read() if whole else self._pipeline.controls.take()

    async def in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    def end(self, tp: TP) -> int | None:
        return self._pipeline.end(tp)

    async def caught_up(self, tp: TP, next_offset: int) -> bool:
        return await self._pipeline.caught_up(tp, next_offset)

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()


@contextmanager
def _without_collector() -> Iterator[None]:
    """While many series are loaded: looking for cycles among them is a quarter of that time, and there are none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _faust_app(config: Config) -> faust.App:
    state_dir().mkdir(parents=True, exist_ok=True)
    servers = config.kafka.bootstrap.split(",")
    return faust.App(
        config.kafka.group,
        broker=";".join(f"tidegauge://{server.strip()}" for server in servers),
        store="memory://",
        datadir=str(state_dir() / "faust"),  # Faust makes it, by default in the working directory; nothing is in it
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=5000,
        consumer_max_fetch_size=4 << 20,
        stream_buffer_maxsize=16,  # messages are whole polls
        stream_wait_empty=False,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=0.5,  # how late we hear that a partition has lost its worker
        consumer_metadata_max_age_ms=10_000,  # how late we hear of new partitions, and of a topic that is there again
        broker_commit_every=1_000_000_000,  # we commit ourselves
        producer_acks=-1,
        producer_linger_ms=5,
        worker_redirect_stdouts=False,
    )
