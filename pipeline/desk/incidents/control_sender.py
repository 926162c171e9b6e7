"""Publishes verdicts to the control topic, which is made where it is missing; says why where it can't be done now."""

from kafka import KafkaProducer
from kafka.errors import KafkaError

from pipeline.broker.probe import reachable
from pipeline.control_reader import PARTITION
from pipeline.topics import Topic, TopicsError, ensure
from schemas.control import Control, encode_control

_TIMEOUT_S = 10.0
_REACH_TIMEOUT_S = 2.0


class ControlSender:
    """Of one thread at a time."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap, self._topic = bootstrap, topic
        self._producer: KafkaProducer | None = None

    def publish(self, control: Control) -> str | None:
        """None: all replicas in sync have it."""
        try:
            if self._producer is None and (problem := self._open()):
                return problem
            self._send(control)
        except (KafkaError, TopicsError, OSError) as error:
            self.close()  # an idempotent producer that met a fatal error refuses all that follows
            return " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return None

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close(timeout=2)
            self._producer = None

    def _open(self) -> str | None:
        # kafka-python leaks its sockets where it finds nobody, and says so only after its whole timeout.
        if not reachable(self._bootstrap, _REACH_TIMEOUT_S):
            return f"Kafka at {self._bootstrap}: no answer"
        (outcome,) = ensure(self._bootstrap, [Topic(self._topic, "control", 1)])
        if outcome.what == "failed":
            return f"topic {self._topic}: {outcome.problem}"
        self._producer = KafkaProducer(
            bootstrap_servers=self._bootstrap.split(","),
            acks="all",
            enable_idempotence=True,
            max_block_ms=round(_TIMEOUT_S * 1000),
            client_id="tidegauge-desk-controls",
        )
        return None

    def _send(self, control: Control) -> None:
        if self._producer is not None:
            value, key = encode_control(control), control.id.encode()
            self._producer.send(self._topic, value, key, partition=PARTITION).get(_TIMEOUT_S)
