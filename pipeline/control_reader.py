"""Reads the control topic from its beginning and follows it: a consumer in no group, in the worker's loop."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from schemas.control import Control, ControlError, ForeignKind, decode_control

log = structlog.get_logger(__name__)

PARTITION = 0
"""The topic has one, so that there is one order for all."""
POLL_MS = 500
TO_THE_END_S = 30.0
AGAIN_AFTER_S = 5.0


class ControlReader:
    """`arrived` is set when there is something that `read` has not told yet. counts: records by what they were."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.arrived = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self._bootstrap, self._tp = bootstrap, TopicPartition(topic, PARTITION)
        self._consumer: AIOKafkaConsumer | None = None
        self._following: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._moved = asyncio.Condition()
        self._new: list[Control] = []
        self._position = 0

    def take(self) -> Sequence[Control]:
        """What has come and was not told yet."""
        self.arrived.clear()
        new, self._new = self._new, []
        return new

    async def read(self) -> Sequence[Control]:
        """As `take`, of all that is in the topic now. Raises KafkaError or TimeoutError."""
        async with self._starting:
            consumer = await self._start()
        end = (await consumer.end_offsets([self._tp]))[self._tp]
        async with self._moved:
            await asyncio.wait_for(self._moved.wait_for(lambda: self._position >= end), TO_THE_END_S)
        return self.take()

    async def stop(self) -> None:
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._following
        if self._consumer is not None:
            await self._consumer.stop()

    async def _start(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap.split(","),
                client_id="tidegauge-control",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            try:
                await consumer.start()
                consumer.assign([self._tp])
                begin = (await consumer.beginning_offsets([self._tp]))[self._tp]
                consumer.seek(self._tp, begin)
            except BaseException:  # also where whoever waits gives up
                await consumer.stop()
                raise
            self._position, self._consumer = begin, consumer
            self._following = asyncio.create_task(self._follow(consumer))
        return self._consumer

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                found = await consumer.getmany(self._tp, timeout_ms=POLL_MS)
                position = await consumer.position(self._tp)
            except Exception as error:  # whatever it is: people's verdicts must not stop coming for good
                problem = f"{type(error).__name__}: {error}"
                log.warning("the control topic can't be read now", topic=self._tp.topic, problem=problem)
                await asyncio.sleep(AGAIN_AFTER_S)
                continue
            for record in found.get(self._tp, ()):
                self._take(record)
            async with self._moved:
                self._position = position
                self._moved.notify_all()
            if self._new:
                self.arrived.set()

    def _take(self, record: ConsumerRecord) -> None:
        place = {"topic": record.topic, "offset": record.offset}
        try:
            self._new.append(decode_control(record.value))
            self.counts["read"] += 1
        except ForeignKind as other:
            self.counts["foreign"] += 1
            log.warning("a control of a kind that this worker doesn't know is passed over", kind=str(other), **place)
        except ControlError as error:
            self.counts["invalid"] += 1
            log.error("a record of the control topic is no control: passed over", problem=str(error), **place)
