"""One topic as a log to read to its end and to write to, for blocking callers: each call runs a small event loop.

With aiokafka, since kafka-python computes Kafka's checksum in Python: 50 ms for 256 kB with the GIL held, against
0.15 ms, which would take a sixth of the worker's time at 100,000 series.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from pipeline.snapshots.errors import StoreError

T = TypeVar("T")
BATCH_BYTES = 900_000  # below the 1 MB that a broker takes by default
FETCH_BYTES = 8_388_608
POLL_MS = 1_000


class KafkaLog:
    """client: settings that aiokafka's consumer and producer share; timeout_s: of any one wait for Kafka."""

    def __init__(self, bootstrap: str, topic: str, client: dict[str, object], timeout_s: float) -> None:
        self._topic, self._timeout_s = topic, timeout_s
        self._client = {"bootstrap_servers": bootstrap.split(","), "client_id": "tidegauge-snapshots", **client}

    def read(self, place: Callable[[int], int]) -> Iterator[ConsumerRecord]:
        """The records of one partition, up to where it ended when the reading began.

        place: how many partitions there are -> which one. Raises StoreError.
        """
        with self._runner() as run:
            consumer = run(self._consumer())
            try:
                tp, end = run(self._begin(consumer, place))
                # Not until the last record: compaction leaves offsets without one.
                while run(consumer.position(tp)) < end:
                    for record in run(consumer.getmany(tp, timeout_ms=POLL_MS)).get(tp, ()):
                        if record.offset < end:
                            yield record
            finally:
                run(consumer.stop())

    @contextmanager
    def writing(self, place: Callable[[int], int]) -> Iterator["Writing"]:
        """Raises StoreError. What was sent and not flushed may or may not have arrived."""
        with self._runner() as run:
            producer = run(self._producer())
            try:
                run(producer.start())
                count = len(run(producer.partitions_for(self._topic)))
                yield Writing(run, producer, self._topic, place(count))
            finally:
                run(producer.stop())

    async def _consumer(self) -> Any:
        """Made in a coroutine, as aiokafka wants it; not yet started."""
        return AIOKafkaConsumer(
            **self._client, group_id=None, enable_auto_commit=False, max_partition_fetch_bytes=FETCH_BYTES
        )

    async def _producer(self) -> Any:
        return AIOKafkaProducer(
            **self._client,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",  # 3.6 times as fast on state as aiokafka's lz4, which is at level 9, and smaller
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=round(min(self._timeout_s, 40.0) * 1000),
        )

    async def _begin(self, consumer: Any, place: Callable[[int], int]) -> tuple[TopicPartition, int]:
        """At the first record of the partition; also where the partition ends."""
        await consumer.start()
        # Asked of all topics: naming one that isn't there would make it, with settings that lose state.
        if self._topic not in await consumer.topics():
            raise StoreError(f"there is no topic {self._topic}; `tidegauge topics create` makes it")
        await consumer.beginning_offsets([TopicPartition(self._topic, 0)])  # learns of its partitions on the way
        tp = TopicPartition(self._topic, place(len(consumer.partitions_for_topic(self._topic))))
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        return tp, (await consumer.end_offsets([tp]))[tp]

    @contextmanager
    def _runner(self) -> Iterator["_Run"]:
        try:
            with asyncio.Runner() as runner:
                yield _Run(runner, self._timeout_s)
        except (KafkaError, TimeoutError) as error:
            raise StoreError(f"snapshot topic {self._topic}: {error or type(error).__name__}") from error


class Writing:
    """Records on their way to one partition, in order."""

    def __init__(self, run: "_Run", producer: Any, topic: str, partition: int) -> None:
        self._run, self._producer = run, producer
        self._to = (topic, partition)
        self._sent: list[asyncio.Future[Any]] = []
        self.first_offset = self.last_offset = -1  # of what was flushed; -1: nothing yet

    def send(self, key: bytes, value: bytes | None) -> None:
        """Waits where too much is on its way already."""
        topic, partition = self._to
        self._sent.append(self._run(self._producer.send(topic, value=value, key=key, partition=partition)))

    def flush(self) -> None:
        """Returns when all replicas in sync have everything; raises what went wrong with any of it."""
        for told in self._run(_all(self._sent)):
            if self.first_offset < 0:
                self.first_offset = told.offset
            self.last_offset = told.offset
        self._sent = []


async def _all(sent: list[asyncio.Future[Any]]) -> list[Any]:
    return await asyncio.gather(*sent)


class _Run:
    """Runs one thing to its end, within the time that is allowed."""

    def __init__(self, runner: asyncio.Runner, timeout_s: float) -> None:
        self._runner, self._timeout_s = runner, timeout_s

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(self._within(work))

    async def _within(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wait_for(work, self._timeout_s)
