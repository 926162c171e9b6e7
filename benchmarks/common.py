"""What the benchmarks share: the peers' environment, a broker of their own, topics filled with events, free ports."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline import broker
from pipeline.broker.places import cache_dir
from pipeline.broker.probe import free_port

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "benchmarks" / "peers-requirements.txt"
PARTITIONS = 4
STEP_S = 10  # between two values of a series; as benchmarks/peers/produce.py writes them

console = Console(stderr=True, highlight=False)  # stdout has the result alone


@dataclass(frozen=True)
class Layout:
    """How events are put into messages."""

    name: str
    events_per_message: int

    @property
    def poll_records(self) -> int:
        """For the peers: about 5,000 events a poll."""
        return max(10, 5000 // self.events_per_message)


SINGLE = Layout("single", 1)
BATCH = Layout("batch", 500)


@dataclass(frozen=True)
class Filled:
    """A topic that holds events."""

    topic: str
    layout: Layout
    events: int
    series: int


class SetupError(Exception):
    """Something the benchmark needs is missing; the text says what would help."""


def peers_python() -> Path:
    """The interpreter of the peers' environment; made on first use, and again when the requirements change."""
    wanted = hashlib.blake2b(REQUIREMENTS.read_bytes() + sys.version.encode(), digest_size=4).hexdigest()
    folder = cache_dir() / f"bench-venv-{wanted}"
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if not complete.exists():
        console.print(f"making the peers' environment, once: {folder}")
        _must([sys.executable, "-m", "venv", "--clear", str(folder)], "python3-venv may be missing (apt)")
        _must([str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)], "is there a network?")
        complete.touch()
    return python


def _must(command: list[str], hint: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"{' '.join(command)} failed; {hint}\n{(done.stderr or done.stdout)[-2000:]}")


@contextmanager
def running_broker(heap: str = "1g") -> Iterator[str]:
    """Bootstrap address of a broker for this benchmark alone, or of the one that KAFKA_BOOTSTRAP names."""
    try:
        started = broker.start(free_port(), heap=heap, ephemeral=True, say=console.print)
    except broker.BrokerError as error:
        raise SetupError(str(error)) from error
    try:
        yield started.bootstrap
    finally:
        if started.port is not None:
            broker.stop(started.port, say=console.print)


@contextmanager
def topics(bootstrap: str, names: list[str], partitions: int = PARTITIONS) -> Iterator[None]:
    """Topics that are deleted in the end: the broker may be someone's own."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1} for name in names})
        admin.wait_for_topics(names)
        yield
        admin.delete_topics(names, raise_errors=False)
    finally:
        admin.close()


def fill(bootstrap: str, topic: str, layout: Layout, events: int, series: int) -> Filled:
    """Publishes `events` events of `series` series round robin; the last ones are dated now."""
    start_s = int(time.time()) - (events // series + 1) * STEP_S
    arguments = {
        "events": events,
        "series": series,
        "partitions": PARTITIONS,
        "events-per-message": layout.events_per_message,
        "start-s": start_s,
    }
    command = [str(peers_python()), "-m", "benchmarks.peers.produce", bootstrap, topic]
    command += [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with (
        Progress(*columns, console=console) as progress,
        subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as producer,
    ):
        task = progress.add_task(f"events, {layout.events_per_message} a message", total=events)
        for line in producer.stdout or ():
            progress.update(task, completed=int(line))
        if producer.wait():
            raise SetupError(f"producing to {topic} failed")
        progress.update(task, completed=events)
    return Filled(topic, layout, events, series)


def records_in(bootstrap: str, topic: str) -> int:
    """How many records a topic that nothing was deleted from holds."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        return sum(consumer.end_offsets(partitions).values())
    finally:
        consumer.close()


def project_environment(**more: str) -> dict[str, str]:
    """Environment for a process of ours: the checkout comes first, whether or not the project is installed."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, **more}
