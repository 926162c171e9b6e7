"""What a story is played on: a broker, a worker and a desk as processes, events, and what happens, as it happens."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
from kafka import KafkaProducer
from rich.console import Console

from pipeline import broker

READY_WITHIN_S = 60.0
_END_WITHIN_S = 20.0


class Failed(Exception):
    """The story didn't go as it should."""


class Stage:
    """Use it as a context: all that it starts ends with it. config: beside Kafka, the database and ports."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self._config = config
        self._console = Console(highlight=False)
        self._stack = ExitStack()
        self._told: set[tuple[int, int]] = set()  # incident, entry of its timeline
        self._begun_s = time.monotonic()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegauge-story-")))
            bootstrap = stack.enter_context(_broker(self.say))
            port = _free_port()
            self.url = f"http://127.0.0.1:{port}"
            self._file = self._folder / "story.yaml"
            name = f"story-{os.getpid()}"
            desk = {"database": f"sqlite:///{self._folder / 'desk.db'}", "port": port}
            written = {
                "version": 1,
                "kafka": {"bootstrap": bootstrap, "group": name},
                "inputs": [{"topic": name, "keyed_by_series": True}],
                "topics": {key: f"{name}-{key.replace('_', '-')}" for key in _TOPICS},
                "snapshots": {"path": str(self._folder / "state")},
                "desk": desk,
            }
            self._file.write_text(json.dumps({**written, **self._config}))
            self._topic = name
            self._producer = stack.enter_context(closing(KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)))
            self._processes = [stack.enter_context(self._process(each)) for each in ("worker", "desk")]
            self.wait("the desk", self._is_ready, READY_WITHIN_S)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    # What the story does -----------------------------------------------------------------------------------------

    def publish(self, events: Sequence[Mapping[str, object]]) -> None:
        """Metric events of one series."""
        for event in events:
            key = json.dumps(event["labels"], sort_keys=True).encode()
            self._producer.send(self._topic, json.dumps(event).encode(), key)
        self._producer.flush()

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}{path}", timeout=10.0).raise_for_status().json()

    def say(self, words: str, style: str = "") -> None:
        self._console.print(
            f"{time.monotonic() - self._begun_s:6.1f} s  {words}", style=style, markup=False, soft_wrap=True
        )

    def show(self, timeline: bool = True) -> list[dict[str, Any]]:
        """The incidents; says what is new in their timelines."""
        found = [self.get(f"/api/desk/incidents/{each['id']}") for each in self.get("/api/desk/incidents")]
        for incident in found:
            for entry in incident["timeline"] if timeline else ():
                place = (incident["number"], entry["seq"])
                if place not in self._told:
                    self._told.add(place)
                    self.say(f"{incident['id']}  {entry['what']:<12} {entry['text']}", style="cyan")
        return found

    def wait(
        self, what: str, until: Callable[[], bool], within_s: float, every: Callable[[], None] | None = None
    ) -> None:
        """every: is done meanwhile, each half second. Raises Failed."""
        deadline_s = time.monotonic() + within_s
        while not until():
            for process in getattr(self, "_processes", ()):
                if process.poll() is not None:
                    raise Failed(f"a process ended with {process.returncode}:\n{self._logs()}")
            if time.monotonic() > deadline_s:
                raise Failed(f"not within {within_s:g} s: {what}\n{self._logs()}")
            if every is not None:
                every()
            time.sleep(0.5)

    # How it stands -----------------------------------------------------------------------------------------------

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=2.0).is_success
        except httpx.HTTPError:
            return False

    @contextmanager
    def _process(self, command: str) -> Iterator["subprocess.Popen[bytes]"]:
        argv = [sys.executable, "-m", "pipeline.cli", command, "-c", str(self._file)]
        with (self._folder / f"{command}.log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log)  # noqa: S603 - our own command
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _logs(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self._folder.glob("*.log")))


_TOPICS = ("alerts", "state", "dead_letters", "incidents", "changes", "workers", "control", "load")


@contextmanager
def _broker(say: Callable[[str], None]) -> Iterator[str]:
    """The one that KAFKA_BOOTSTRAP names, else one of our own that goes with the story."""
    outside = os.environ.get("KAFKA_BOOTSTRAP")
    if outside:
        yield outside
        return
    ours = broker.start(0, ephemeral=True, say=say)
    try:
        yield ours.bootstrap
    finally:
        if ours.port is not None:
            broker.stop(ours.port)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
