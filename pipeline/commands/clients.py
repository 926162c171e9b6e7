"""Where Kafka is, and kafka-python clients for it, as any user's own service would have them.

Commands that need no more than an address and topic names work without a config file too.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from pipeline.broker.probe import reachable
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, fail, load_desk
from schemas.config import Input, Topics

if TYPE_CHECKING:
    from kafka import ConsumerRecord

Bootstrap = Annotated[
    str | None,
    typer.Option(help="Kafka's address, host:port; else the config's, KAFKA_BOOTSTRAP, 127.0.0.1:9092."),
]
_DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
_BOOTSTRAP_TIMEOUT_MS = 8_000
_REACH_TIMEOUT_S = 3.0
_BLOCK_TIMEOUT_MS = 15_000


@dataclass(frozen=True)
class Place:
    """What a client needs of the config."""

    bootstrap: str
    topics: Topics = field(default_factory=Topics)
    inputs: tuple[Input, ...] = field(default_factory=lambda: (Input(),))


def place(config: Path, bootstrap: str | None = None) -> Place:
    """From the config; where the default one isn't there, from KAFKA_BOOTSTRAP and the default names of topics.

    A config that was named must be there (exit 2): a misspelt name shall not publish somewhere else. One without
    rules is right too: a desk alone has none.
    """
    if config == DEFAULT_CONFIG and not config.exists():
        return Place(bootstrap or os.environ.get("KAFKA_BOOTSTRAP") or _DEFAULT_BOOTSTRAP)
    checked = load_desk(config)
    return Place(bootstrap or checked.kafka.bootstrap, checked.topics, checked.inputs)


def quiet() -> None:
    """The client's own log would say each failure many times over; what matters is raised."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


@contextmanager
def told(command: str, bootstrap: str) -> Iterator[None]:
    """What Kafka refuses in here ends the command with exit 1 and one line."""
    quiet()
    try:
        yield
    except KafkaError as error:
        fail(f"{command}: Kafka at {bootstrap}: {words_of(error)}", PROBLEMS)


def words_of(error: KafkaError) -> str:
    """Its message; kafka-python's own ones often have no more than their name."""
    return " ".join(str(part) for part in error.args if part) or type(error).__name__


class Sender:
    """Publishes to one topic and knows whether all of it arrived: idempotent, acknowledged by all replicas in sync."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        """Raises KafkaError where no broker answers or there is no such topic."""
        _reach(bootstrap)
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            client_id="tidegauge-publish",
            bootstrap_timeout_ms=_BOOTSTRAP_TIMEOUT_MS,
            max_block_ms=_BLOCK_TIMEOUT_MS,
            enable_idempotence=True,
            acks="all",
            linger_ms=5,
        )
        self._topic = topic
        self._failure: BaseException | None = None
        self.sent = 0
        try:
            self._producer.partitions_for(topic)
        except KafkaError:
            self._producer.close(timeout=0)
            raise KafkaError(f"there is no topic {topic}; `tidegauge topics create` makes it") from None

    def send(
        self,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Hands it to the producer. Without `partition` the key's hash chooses it. Raises an earlier failure."""
        self._check()
        self._producer.send(self._topic, value, key, headers, partition).add_errback(self._fail)
        self.sent += 1

    def flush(self) -> None:
        """Returns when all is acknowledged; raises the first failure."""
        self._producer.flush(timeout=_BLOCK_TIMEOUT_MS / 1000)
        self._check()

    def close(self) -> None:
        self._producer.close(timeout=5)

    def _fail(self, failure: BaseException) -> None:
        self._failure = self._failure or failure

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure


def consumer(bootstrap: str, group: str | None = None) -> KafkaConsumer:
    """One that commits nothing by itself. Raises KafkaError where no broker answers."""
    _reach(bootstrap)
    return KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        client_id="tidegauge-cli",
        bootstrap_timeout_ms=_BOOTSTRAP_TIMEOUT_MS,
        group_id=group,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        auto_offset_reset="earliest",
    )


def _reach(bootstrap: str) -> None:
    """kafka-python says only after its whole timeout that nobody is there, and leaks its sockets then."""
    if not reachable(bootstrap, _REACH_TIMEOUT_S):
        raise KafkaError("nobody answers; `tidegauge broker start` starts one here")


def assign_whole(client: KafkaConsumer, topic: str, start: Literal["beginning", "now"]) -> list[TopicPartition]:
    """All partitions of a topic, without a group. "now" is fixed here, not at the first poll. Raises KafkaError."""
    partitions = client.partitions_for_topic(topic)
    if not partitions:
        raise KafkaError(f"there is no topic {topic}; `tidegauge topics create` makes it")
    tps = [TopicPartition(topic, partition) for partition in sorted(partitions)]
    client.assign(tps)
    offsets = client.end_offsets(tps) if start == "now" else client.beginning_offsets(tps)
    for tp in tps:
        client.seek(tp, offsets[tp])
    return tps


def read_to_end(client: KafkaConsumer, tps: list[TopicPartition]) -> "Iterator[ConsumerRecord]":
    """From where the partitions stand to where they end now, partition by partition, in the order of offsets."""
    ends = client.end_offsets(tps)
    starts = {tp: client.position(tp) for tp in tps}
    for tp in tps:
        client.assign([tp])
        client.seek(tp, starts[tp])
        # Not until the last record: compaction and transactions leave offsets without one.
        while client.position(tp) < ends[tp]:
            for records in client.poll(timeout_ms=1_000).values():
                yield from (record for record in records if record.offset < ends[tp])
