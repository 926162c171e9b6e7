"""Publishes a notifier's records: one idempotent producer, made when first used; all replicas in sync acknowledge.

A topic that isn't there is made, as all output topics are, with the broker's defaults.
"""

import threading
from contextlib import closing

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from pipeline.broker.probe import reachable
from pipeline.desk.http_client import NoReply
from pipeline.desk.threads import own_thread
from schemas.calls import KafkaCall, Reply

_TIMEOUT_S = 10.0
_REACH_TIMEOUT_S = 3.0
_REFUSED = 599
_OF_THE_RECORD = ("MessageSizeTooLargeError", "RecordListTooLargeError", "InvalidTopicError")


class KafkaSender:
    """Thread-safe. Errors are the record's, so one that is too large stops no other."""

    def __init__(self, bootstrap: str, timeout_s: float = _TIMEOUT_S) -> None:
        self._bootstrap, self._timeout_s = bootstrap, timeout_s
        self._producer: KafkaProducer | None = None
        self._topics: set[str] = set()
        self._lock = threading.Lock()

    async def send(self, call: KafkaCall) -> Reply:
        """200 with `topic:partition:offset`, 599 where this record will never be taken; raises NoReply."""
        return await own_thread(lambda: self._send(call))

    def close(self) -> None:
        with self._lock:
            if self._producer is not None:
                self._producer.close(timeout=5)
                self._producer = None

    def _send(self, call: KafkaCall) -> Reply:
        # kafka-python leaks its sockets where it finds nobody, and says so only after its whole timeout.
        if self._producer is None and not reachable(self._bootstrap, _REACH_TIMEOUT_S):
            raise NoReply(f"Kafka at {self._bootstrap}: no answer")
        try:
            self._make_sure_of(call.topic)
            future = self._open().send(call.topic, call.value, call.key, headers=list(call.headers))
            stored = future.get(self._timeout_s)
        except KafkaTimeoutError:
            raise NoReply(f"Kafka at {self._bootstrap}: no acknowledgement", is_timeout=True) from None
        except KafkaError as error:
            if type(error).__name__ in _OF_THE_RECORD:
                return Reply(_REFUSED, body=f"{type(error).__name__}: {error}".encode())
            if not error.retriable:
                self.close()  # an idempotent producer that met a fatal error refuses all that follows
            raise NoReply(f"Kafka at {self._bootstrap}: {type(error).__name__}: {error}") from None
        return Reply(200, body=f"{stored.topic}:{stored.partition}:{stored.offset}".encode())

    def _make_sure_of(self, topic: str) -> None:
        if topic in self._topics:
            return
        admin = KafkaAdminClient(
            bootstrap_servers=self._bootstrap.split(","),
            client_id="tidegauge-desk",
            bootstrap_timeout_ms=round(self._timeout_s * 1000),
            request_timeout_ms=round(self._timeout_s * 1000),
        )
        with closing(admin):
            if topic not in admin.list_topics():
                admin.create_topics({topic: {"num_partitions": -1, "replication_factor": -1}}, raise_errors=False)
                admin.wait_for_topics([topic])
        self._topics.add(topic)

    def _open(self) -> KafkaProducer:
        with self._lock:
            if self._producer is None:
                self._producer = KafkaProducer(
                    bootstrap_servers=self._bootstrap.split(","),
                    acks="all",
                    enable_idempotence=True,
                    max_block_ms=round(self._timeout_s * 1000),
                    client_id="tidegauge-desk",
                )
            return self._producer
