"""Real workers on a real broker: start, publish to, wait for, read back."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from kafka import ConsumerRecord

STARTS_WITHIN_S = 60.0


@dataclass
class Worker:
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def metrics(self, name: str, **labels: str) -> float:
        """Sum of the samples of one metric."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as reply:
            families = text_string_to_metric_families(reply.read().decode())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def wait(self, what: str, until: Callable[[], bool], timeout_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            if self.process.poll() is not None:
                raise AssertionError(f"the worker ended with {self.process.returncode}:\n{self.tail()}")
            if until():
                return
            time.sleep(0.1)
        raise AssertionError(f"not within {timeout_s} s: {what}\n{self.tail()}")

    def wait_for_events(self, count: int, timeout_s: float = 120.0) -> None:
        self.wait(f"{count} events", lambda: self.metrics("tidegauge_events_total") >= count, timeout_s)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def tail(self) -> str:
        return self.log.read_text()[-5_000:]


def start_worker(
    config: Path, command: Sequence[str] = (sys.executable, "-m", "pipeline.cli"), **environment: str
) -> Worker:
    """A worker process that has just begun; `environment` is added to ours. Whoever starts it ends it."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = config.with_suffix(f".{port}.log")
    variables = {**os.environ, "TIDEGAUGE_HTTP_PORT": str(port), **environment}
    started = [*command, "worker", "-c", str(config)]
    with log.open("ab") as sink:
        return Worker(subprocess.Popen(started, stdout=sink, stderr=sink, env=variables), port, log)


@contextmanager
def worker(config: Path, **environment: str) -> Iterator[Worker]:
    """A worker process that is ready; it must end with 0 when it is asked to."""
    started = start_worker(config, **environment)
    with started.process:
        try:
            started.wait("ready", started.ready, STARTS_WITHIN_S)
            yield started
            assert started.process.poll() is not None or started.stop() == 0, started.tail()
        finally:
            if started.process.poll() is None:
                started.process.kill()


def config_file(
    folder: Path, bootstrap: str, name: str, rules: str, *, snapshot_every: str = "2s", **inputs: object
) -> Path:
    """A config whose topics and group carry `name`."""
    text = {
        "version": 1,
        "kafka": {"bootstrap": bootstrap, "group": name},
        "inputs": [{"topic": name, "keyed_by_series": True, **inputs}],
        "snapshots": {"path": str(folder / "state"), "every": snapshot_every},
        "topics": {
            "alerts": f"{name}.alerts",
            "state": f"{name}.state",
            "dead_letters": f"{name}.dead",
            "incidents": f"{name}.incidents",
            "changes": f"{name}.changes",
            "workers": f"{name}.workers",
            "control": f"{name}.control",
            "load": f"{name}.load",
        },
    }
    path = folder / "tidegauge.yaml"
    path.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in text.items()) + rules)
    return path


def create_topic(bootstrap: str, name: str, partitions: int) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}})
        admin.wait_for_topics([name])


def publish(
    bootstrap: str, topic: str, records: Sequence[tuple[bytes | None, bytes]], compression: str | None = None
) -> None:
    """(key, value) each; returns when Kafka has acknowledged all."""
    with closing(KafkaProducer(bootstrap_servers=bootstrap, compression_type=compression, linger_ms=20)) as producer:
        sent = [producer.send(topic, key=key, value=value) for key, value in records]
        producer.flush()
        for future in sent:
            future.get(timeout=30)


def read(bootstrap: str, topic: str) -> "list[ConsumerRecord]":
    """All that is in the topic now."""
    with closing(KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)) as consumer:
        tps = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(tps)
        consumer.seek_to_beginning(*tps)
        ends = consumer.end_offsets(tps)
        found: list[ConsumerRecord] = []
        while any(consumer.position(tp) < ends[tp] for tp in tps):
            for records in consumer.poll(timeout_ms=500).values():
                found += records
        return found


def committed(bootstrap: str, group: str, topic: str) -> int:
    """Sum of the group's committed offsets."""
    with closing(KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)) as consumer:
        partitions = consumer.partitions_for_topic(topic) or ()
        return sum(consumer.committed(TopicPartition(topic, partition)) or 0 for partition in partitions)
