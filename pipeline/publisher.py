"""Sends alert events and dead letters through Faust, and knows which of them Kafka has acknowledged.

Every send's future is kept and awaited in `flush`: aiokafka's own `flush()` doesn't raise when a batch has failed.
While the broker is away, sends are tried again until it is back, from the first that failed, so that the order of each
key stays; a consumer drops the doubles by (id, seq).
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

import faust
import msgspec
import structlog
from aiokafka.errors import KafkaError

from schemas.alert import AlertEvent, cloud_event_headers, encode_alert
from schemas.config import Topics
from schemas.dead_letter import DeadLetter, encode_dead_letter

log = structlog.get_logger(__name__)

_PENDING_MAX = 10_000  # sends in flight; more wait for these first, so that a slow broker bounds our memory
_AGAIN_AFTER_S = 1.0


@dataclass(frozen=True)
class _Message:
    topic: faust.TopicT
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]] | None = None


class Publisher:
    """Alerts (every transition), the compacted state of each alert, dead letters, and this worker's signs of life."""

    def __init__(self, app: faust.App, topics: Topics, source: str) -> None:
        self._alerts = _raw_topic(app, topics.alerts)
        self._state = _raw_topic(app, topics.state)
        self._dead_letters = _raw_topic(app, topics.dead_letters)
        self._workers = _raw_topic(app, topics.workers)
        self._load = _raw_topic(app, topics.load)
        self._source = source
        self._pending: list[tuple[_Message, Awaitable[object]]] = []
        self._flushing = asyncio.Lock()  # who comes second waits for what the first is waiting for

    async def publish(self, alerts: Sequence[AlertEvent], dead_letters: Sequence[DeadLetter] = ()) -> None:
        """Hands all to the producer, in order; they are durable after the next `flush`."""
        for event in alerts:
            key, value = event.fingerprint.encode(), encode_alert(event)
            headers = cloud_event_headers(event, self._source)
            await self._send(_Message(self._alerts, key, value, headers))
            await self._send(_Message(self._state, key, value, headers))
        for letter in dead_letters:
            key = f"{letter.topic}:{letter.partition}".encode()
            await self._send(_Message(self._dead_letters, key, encode_dead_letter(letter)))

    async def bury(self, fingerprints: Sequence[str]) -> None:
        """Tombstones in the state topic."""
        for fingerprint in fingerprints:
            await self._send(_Message(self._state, fingerprint.encode(), None))

    async def sign_of_life(self, worker: str, group: str, address: str, partitions: Sequence[str]) -> None:
        """A metric event like any other, so that its absence can be alerted on; beside it where to ask this worker."""
        event = {
            "metric": "tidegauge_worker_up",
            "labels": {"worker": worker, "group": group},
            "timestamp": time.time(),
            "value": 1.0,
            "address": address,
            "partitions": partitions,
        }
        await self._send(_Message(self._workers, worker.encode(), msgspec.json.encode(event)))

    async def tell_load(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Once, apart from all that must not be lost: neither waits for the other. Raises the first failure."""
        sent = [await self._load.send(key=key, value=value) for key, value in records]
        results = await asyncio.gather(*sent, return_exceptions=True)
        failed = next((result for result in results if isinstance(result, BaseException)), None)
        if failed is not None:
            raise failed

    async def flush(self) -> None:
        """Returns when Kafka has acknowledged all; raises the first failure that trying again doesn't mend."""
        async with self._flushing:
            while self._pending:
                sent, self._pending = self._pending, []
                results = await asyncio.gather(*(future for _, future in sent), return_exceptions=True)
                failed = next((i for i, result in enumerate(results) if isinstance(result, BaseException)), None)
                if failed is None:
                    continue
                error = results[failed]
                if not _passes(error):
                    self._pending = [*sent, *self._pending]  # whoever else flushes must not take this for acknowledged
                    assert isinstance(error, BaseException)  # noqa: S101 - it is how it was found
                    raise error
                log.warning(
                    "Kafka did not take what was sent: trying again", error=str(error), messages=len(sent) - failed
                )
                await asyncio.sleep(_AGAIN_AFTER_S)
                # Also what was sent since, or an older state of an alert would overtake a newer one.
                again, self._pending = [*sent[failed:], *self._pending], []
                for message, _ in again:
                    self._pending.append((message, await self._hand_over(message)))

    async def _send(self, message: _Message) -> None:
        self._pending.append((message, await self._hand_over(message)))
        if len(self._pending) >= _PENDING_MAX:
            await self.flush()

    async def _hand_over(self, message: _Message) -> Awaitable[object]:
        while True:
            try:
                return await message.topic.send(key=message.key, value=message.value, headers=message.headers)
            except KafkaError as error:
                if not _passes(error):
                    raise
                await asyncio.sleep(_AGAIN_AFTER_S)


def _passes(error: object) -> bool:
    """Whether it is the kind that ends when the broker is back."""
    return isinstance(error, KafkaError) and (error.retriable or "Timeout" in type(error).__name__)


def _raw_topic(app: faust.App, name: str) -> faust.TopicT:
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
