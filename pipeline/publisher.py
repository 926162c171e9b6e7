"""Sends alert events and dead letters through Faust, and knows which of them Kafka has acknowledged.

Every send's future is kept and awaited in `flush`: aiokafka's own `flush()` doesn't raise when a batch has failed.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence

import faust

from schemas.alert import AlertEvent, cloud_event_headers, encode_alert
from schemas.config import Topics
from schemas.dead_letter import DeadLetter, encode_dead_letter

_PENDING_MAX = 10_000  # sends in flight; more wait for these first, so that a slow broker bounds our memory


class Publisher:
    """Alerts (every transition), the compacted state of each alert, and dead letters."""

    def __init__(self, app: faust.App, topics: Topics, source: str, tombstone_after_s: float) -> None:
        self._alerts = _raw_topic(app, topics.alerts)
        self._state = _raw_topic(app, topics.state)
        self._dead_letters = _raw_topic(app, topics.dead_letters)
        self._source = source
        self._tombstone_after_s = tombstone_after_s
        self._tombstones: dict[bytes, float] = {}  # fingerprint of a resolved alert -> monotonic time it leaves
        self._pending: list[Awaitable[object]] = []

    async def publish(self, alerts: Sequence[AlertEvent], dead_letters: Sequence[DeadLetter] = ()) -> None:
        """Hands all to the producer, in order; they are durable after the next `flush`."""
        for event in alerts:
            key, value, headers = (
                event.fingerprint.encode(),
                encode_alert(event),
                cloud_event_headers(event, self._source),
            )
            await self._send(self._alerts, key, value, headers)
            await self._send(self._state, key, value, headers)
            if event.status == "resolved":
                self._tombstones[key] = time.monotonic() + self._tombstone_after_s
            else:
                self._tombstones.pop(key, None)
        for letter in dead_letters:
            await self._send(
                self._dead_letters, f"{letter.topic}:{letter.partition}".encode(), encode_dead_letter(letter)
            )

    async def bury_resolved(self) -> None:
        """Tombstones the state of alerts that are resolved for long enough."""
        now = time.monotonic()
        for key in [key for key, due in self._tombstones.items() if due <= now]:
            del self._tombstones[key]
            await self._send(self._state, key, None)

    async def flush(self) -> None:
        """Returns when Kafka has acknowledged all; raises the first failure."""
        pending, self._pending = self._pending, []
        await asyncio.gather(*pending)

    async def _send(
        self,
        topic: faust.TopicT,
        key: bytes,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        self._pending.append(await topic.send(key=key, value=value, headers=headers))
        if len(self._pending) >= _PENDING_MAX:
            await self.flush()


def _raw_topic(app: faust.App, name: str) -> faust.TopicT:
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
