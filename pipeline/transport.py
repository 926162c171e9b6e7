"""The batching transport: Faust sees ONE message a partition and poll, whose value is all the records of that poll.

Faust spends about 65 us on each message, so it must see few. Chosen by the scheme of the broker URL
(`tidegauge://host:port`), Faust's own extension point. Everything above it - agents, rebalancing, the worker - stays
Faust.
The overridden methods are semi-private; tests/test_faust_contract.py fails when one moves.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import structlog
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

log = structlog.get_logger(__name__)

Records = list[ConsumerRecord]  # one partition, rising offsets; what a compiled pass over raw record sets will replace


class Consumer(driver.Consumer):
    """Faust's aiokafka consumer, but for `getmany`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.delivered: dict[TP, int] = {}  # offset after the last record handed to the streams
        self.resume_at: Callable[[TP], int | None] = lambda tp: None  # None: the committed offset

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust's
        """One message a partition: value = its records, offset = of the last one."""
        polled, active = await self._wait_next_records(timeout)
        generation_id = self.app.consumer_generation_id
        if polled is None or self.should_stop:
            return
        if not self.flow_active:
            try:
                await self.perform_seek()
            except Exception as error:
                # In the middle of a rebalance there is nothing to seek in; what is assigned next is sought then.
                log.info("not seeking now", error=str(error))
            return
        for tp, records in polled.items():
            if not self.flow_active or self.app.consumer_generation_id != generation_id:
                return  # a rebalance began: what was fetched before it is fetched again
            if not records or not (active is None or tp in active or tp in self._buffered_partitions):
                continue
            last = records[-1]
            self.delivered[tp] = last.offset + 1
            yield (
                tp,
                ConsumerMessage(
                    last.topic,
                    last.partition,
                    last.offset,
                    (last.timestamp or 0) / 1000.0,
                    last.timestamp_type,
                    [],
                    None,
                    cast(bytes, records),  # Faust's type; nothing between here and our agent looks at it
                    None,
                    0,
                    0,
                    tp,
                    generation_id=generation_id,
                ),
            )

    async def perform_seek(self) -> None:
        """Reading goes on where our own state ends: that may be before the committed offset, or after it."""
        await super().perform_seek()
        self.delivered.clear()
        for tp in self.assignment():
            offset = self.resume_at(tp)
            if offset is not None:
                await self._seek(tp, offset)
                self._read_offset[tp] = offset


class Transport(driver.Transport):
    """`tidegauge://` broker URLs."""

    Consumer = Consumer
    driver_version = driver.Transport.driver_version
