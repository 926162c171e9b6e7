"""The Faust application: one agent that takes polls, applies them, publishes, and commits only what is published.

Kafka's committed offset never runs ahead of what was applied and acknowledged. docs/decisions/0001-faust.md says which
of Faust's own ways lose data, and why this one doesn't.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import faust
import structlog
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from pipeline.broker.places import state_dir
from pipeline.engine import Engine
from pipeline.partition import Partition
from pipeline.publisher import Publisher
from pipeline.transport import Consumer, Records
from schemas.config import Config

if TYPE_CHECKING:
    from faust.types import StreamT

log = structlog.get_logger(__name__)

COMMIT_EVERY_S = 1.0
TICK_EVERY_S = 1.0


@dataclass
class Totals:
    """Counts over partitions; each has its metric."""

    bytes: int = 0
    shard: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, partition: Partition) -> None:
        self.bytes += partition.bytes
        self.shard.update(partition.shard.counts)
        self.rejected.update(partition.rejected)
        self.skipped.update(partition.skipped)

    def merge(self, other: "Totals") -> None:
        self.bytes += other.bytes
        self.shard.update(other.shard)
        self.rejected.update(other.rejected)
        self.skipped.update(other.skipped)


class Pipeline:
    """What one worker process holds: its partitions, and the Faust app that feeds them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.engine = Engine(config.rules, config.limits)
        self.partitions: dict[TP, Partition] = {}
        self.batch_seconds: list[Callable[[float], None]] = []  # told how long each batch took
        self.ready = False
        self._departed = Totals()
        self._published: dict[TP, int] = {}  # offset up to which all is handed to the producer
        self._committed: dict[TP, int] = {}
        self._arrived_s: dict[TP, float] = {}  # monotonic, of the newest batch
        self._lock = asyncio.Lock()
        self._formats = {i.topic: i.format for i in config.inputs}
        self.app = _faust_app(config)
        source = f"tidegauge/{config.kafka.group}"
        self.publisher = Publisher(self.app, config.topics, source, config.limits.tombstone_after_s)
        self._hook()

    @property
    def consumer(self) -> Consumer:
        consumer = self.app.consumer
        assert isinstance(consumer, Consumer)  # noqa: S101 - our transport made it
        return consumer

    def totals(self) -> "Totals":
        """Counts since the worker started, of partitions that have left too."""
        totals = Totals()
        totals.merge(self._departed)
        for partition in self.partitions.values():
            totals.add(partition)
        return totals

    def lag_records(self, tp: TP) -> int:
        """Records that are in the partition and not yet applied."""
        high = self.consumer.highwater(tp)
        return max(0, (high or 0) - self.partitions[tp].next_offset)

    def lag_s(self, tp: TP) -> float:
        """Age of the newest applied record; 0 when all are applied."""
        newest_s = self.partitions[tp].newest_record_s
        return max(0.0, time.time() - newest_s) if newest_s == newest_s and self.lag_records(tp) else 0.0

    def _hook(self) -> None:
        app = self.app
        topic = app.topic(
            *self._formats, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", acks=False
        )

        @app.agent(topic, concurrency=1, supervisor_strategy=CrashingSupervisor)
        async def detect(stream: "StreamT[bytes]") -> None:
            async for event in cast(faust.Stream[bytes], stream).noack().events():
                message = event.message
                if message.generation_id != app.consumer_generation_id:
                    continue  # fetched before a rebalance: it is fetched again
                await self._take(message.tp, cast(Records, message.value))

        @app.on_rebalance_complete.connect
        async def on_rebalance_complete(*_: object, **__: object) -> None:
            gone = set(self.partitions) - set(self.consumer.assignment())
            for tp in gone:
                self._forget(tp)
            self.ready = True

        @app.on_partitions_revoked.connect
        async def on_partitions_revoked(*_: object, **__: object) -> None:
            await self.checkpoint()

        @app.on_before_shutdown.connect
        async def on_before_shutdown(*_: object, **__: object) -> None:
            self.ready = False
            await self.checkpoint()

        app.task(self._every(COMMIT_EVERY_S, self.checkpoint))
        app.task(self._every(TICK_EVERY_S, self._tick))

    def _every(self, interval_s: float, do: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            while not self.app.should_stop:
                await asyncio.sleep(interval_s)
                try:
                    await do()
                except Exception as error:  # what can't be published must not be committed: end, and start again
                    log.exception("worker stops: what was applied could not be published or committed")
                    await self.app.crash(error)
                    return

        return run

    async def _take(self, tp: TP, records: Records) -> None:
        started_s = time.perf_counter()
        async with self._lock:
            partition = self._partition(tp)
            outcome = partition.process(records)
            await self.publisher.publish(outcome.alerts, outcome.dead_letters)
            self._published[tp] = outcome.next_offset
        self._arrived_s[tp] = time.monotonic()
        for tell in self.batch_seconds:
            tell(time.perf_counter() - started_s)

    def _partition(self, tp: TP) -> Partition:
        """The partition's state; made anew where another worker went on from where this one had been."""
        partition = self.partitions.get(tp)
        if partition is not None and self.consumer.committed(tp) > partition.next_offset:
            log.warning("another worker was ahead: this partition learns again", topic=tp.topic, partition=tp.partition)
            self._forget(tp)
            partition = None
        if partition is None:
            committed = self.consumer.committed(tp)
            partition = Partition(self.engine, tp.topic, tp.partition, self._formats[tp.topic], committed)
            self.partitions[tp] = partition
        return partition

    def _forget(self, tp: TP) -> None:
        partition = self.partitions.pop(tp, None)
        if partition is not None:
            self.engine.series_count -= len(partition.shard.series)
            self._departed.add(partition)
        self._published.pop(tp, None)
        self._committed.pop(tp, None)

    async def checkpoint(self) -> None:
        """Awaits every send, then commits what they belong to."""
        async with self._lock:
            offsets = {tp: offset for tp, offset in self._published.items() if self._committed.get(tp) != offset}
            await self.publisher.flush()
            if not offsets:
                return
            if await self.consumer._commit(offsets):
                self._committed.update(offsets)
            else:
                log.warning("commit refused: these partitions belong to another worker now", partitions=list(offsets))
                for tp in offsets:
                    self._forget(tp)

    async def _tick(self) -> None:
        """What time alone brings: only where all that Kafka has is applied, by the clock of the events themselves.

        That clock is the partition's newest event, plus how long nothing newer has come.
        """
        async with self._lock:
            for tp, partition in self.partitions.items():
                if self.consumer.delivered.get(tp) == partition.next_offset and not self.lag_records(tp):
                    silent_s = time.monotonic() - self._arrived_s.get(tp, time.monotonic())
                    await self.publisher.publish(partition.shard.advance(partition.shard.newest_t + silent_s))
            await self.publisher.bury_resolved()


def _faust_app(config: Config) -> faust.App:
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
        broker_heartbeat_interval=3.0,
        broker_commit_every=1_000_000_000,  # we commit ourselves
        producer_acks=-1,
        producer_linger_ms=5,
        worker_redirect_stdouts=False,
    )
