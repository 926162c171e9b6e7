"""What a story is played on: a real Kafka, a worker, a desk, metrics; and it tells what happens, as it happens."""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
import yaml
from kafka import KafkaProducer
from rich.console import Console
from rich.text import Text

from pipeline import broker
from pipeline.broker.probe import free_port
from pipeline.config import read_config
from pipeline.demo import child
from pipeline.topics import ensure_topics

_TOPICS = ("alerts", "state", "dead_letters", "incidents", "changes", "workers", "control", "load")
_PATIENCE_S = 90.0
_WIDTH = 124  # where there is no terminal


class Failed(Exception):
    """The story didn't go as it should."""


class Stage:
    """Made by `stage`. url: the desk's; events: how many metric events the worker has applied."""

    def __init__(self, config: Path, bootstrap: str, topic: str, url: str, console: Console) -> None:
        self.url, self._config, self._topic, self._console = url, config, topic, console
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, acks="all")
        self._began_s = time.monotonic()
        self._told: set[tuple[int, int]] = set()  # incident, entry of its timeline
        self.children: list[child.Child] = []

    def close(self) -> None:
        self._producer.close()

    @property
    def events(self) -> int:
        return self.children[0].events()

    # --- what is told

    def chapter(self, title: str) -> None:
        self._console.rule(Text(title, "bold"))

    def say(self, words: str, style: str = "") -> None:
        seconds = int(time.monotonic() - self._began_s)
        self._console.print(Text(f"{seconds // 60:02}:{seconds % 60:02}  ", "cyan").append(words, style))

    def until(
        self,
        what: str,
        found: Callable[[], Any],
        within_s: float = _PATIENCE_S,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Any:
        """What `found` returns once it is something. Raises Failed."""
        began_s = time.monotonic()
        while not (value := found()):
            for one in self.children:
                one.check()
            if time.monotonic() - began_s > within_s:
                raise Failed(f"not within {within_s:g} s: {what}")
            meanwhile()
            time.sleep(0.2)
        self.say(f"✓ {what} ({time.monotonic() - began_s:.1f} s)", "green")
        return value

    def check(self, what: str, holds: bool) -> None:
        """Raises Failed."""
        if not holds:
            raise Failed(f"it should be that {what}")
        self.say(f"✓ {what}", "green")

    def show(self) -> list[dict[str, Any]]:
        """The incidents; says what is new in their timelines."""
        found = [self.get(f"/api/desk/incidents/{each['id']}") for each in self.get("/api/desk/incidents")]
        for incident in found:
            for entry in incident["timeline"]:
                place = (incident["number"], entry["seq"])
                if place not in self._told:
                    self._told.add(place)
                    self.say(f"{incident['id']}  {entry['what']:<10} {entry['text']}", "magenta")
        return found

    # --- what is done

    def publish(self, events: Sequence[Mapping[str, object]]) -> None:
        """Metric events, each under the key of its series."""
        for event in events:
            key = json.dumps([event["metric"], event["labels"]], sort_keys=True).encode()
            self._producer.send(self._topic, json.dumps(event).encode(), key)
        self._producer.flush()

    def run(self, *arguments: str, most: int = 100) -> str:
        """A command of ours, shown with the first lines of what it prints. Raises Failed where it fails."""
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-m", "pipeline.cli", *arguments, "--config", str(self._config)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": str(_WIDTH - 8)},
        )
        self.say(f"$ tidegauge {' '.join(arguments)}", "bold")
        lines = done.stdout.rstrip().splitlines()
        for line in [*lines[:most], *([f"... and {len(lines) - most} lines more"] if len(lines) > most else [])]:
            self._console.print(Text(f"       {line}"), soft_wrap=True)
        if done.returncode:
            raise Failed(f"tidegauge {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def get(self, path: str) -> Any:
        """Of the desk's API. Raises Failed."""
        answer = httpx.get(f"{self.url}{path}", timeout=10.0, trust_env=False)
        if not answer.is_success:
            raise Failed(f"GET {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()


class Metric:
    """Use it as a context: a series that is `level` each second, with noise; its last ten minutes at once."""

    HISTORY_S = 600

    def __init__(self, on: Stage, name: str, labels: Mapping[str, str], level: float, noise: float) -> None:
        self.level, self._noise = level, noise
        self._on, self._name, self._labels = on, name, dict(labels)
        self._random = random.Random(7)  # noqa: S311 - noise of a picture
        self._next_s = math.floor(time.time())
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._on.publish([self._event(at_s) for at_s in range(self._next_s - self.HISTORY_S, self._next_s)])
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._ending.wait(max(0.0, self._next_s - time.time())):
            self._on.publish([self._event(self._next_s)])
            self._next_s += 1

    def _event(self, at_s: int) -> dict[str, object]:
        value = max(0.0, self.level + self._random.gauss(0.0, self._noise))
        return {"metric": self._name, "labels": self._labels, "timestamp": at_s, "value": value}


@contextmanager
def stage(config: Mapping[str, object], console: Console) -> Iterator[Stage]:
    """Everything runs when it begins, and is gone when it ends. config: beside Kafka, topics and the desk's own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegauge-story-")))
        bootstrap = os.environ.get("KAFKA_BOOTSTRAP") or _own_kafka(stack, console)
        port, name = free_port(), f"story-{os.getpid()}"
        run = {
            "version": 1,
            "kafka": {"bootstrap": bootstrap, "group": name},
            "inputs": [{"topic": name, "keyed_by_series": True}],
            "topics": {key: f"{name}-{key.replace('_', '-')}" for key in _TOPICS},
            "snapshots": {"path": str(folder / "state")},
            "desk": {"database": f"sqlite:///{folder / 'desk.db'}", "port": port},
        }
        path = folder / "story.yaml"
        path.write_text(yaml.safe_dump({**run, **config}, sort_keys=False), "utf-8")
        ensure_topics(bootstrap, read_config(path))
        made = stack.enter_context(closing(Stage(path, bootstrap, name, f"http://127.0.0.1:{port}", console)))
        try:
            made.children = [
                stack.enter_context(child.worker(path, folder / "worker.log")),
                stack.enter_context(child.desk(path, folder / "desk.log", port)),
            ]
            for what, one in zip(("the worker runs", "the desk answers"), made.children, strict=True):
                made.until(what, partial(_answers, f"{one.url}/-/ready"))
            yield made
        except (Failed, child.ChildEnded):
            for log in sorted(folder.glob("*.log")):
                console.print(Text(f"the end of {log.name}:", "red"))
                console.print(Text("\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])))
            raise


def main(play: Callable[[Console, argparse.Namespace], None], parser: argparse.ArgumentParser) -> int:
    """Plays it. Returns the exit code."""
    parser.add_argument("--svg", type=Path, help="keep what the terminal showed as a picture")
    arguments = parser.parse_args()
    is_seen = sys.stdout.isatty() and arguments.svg is None
    console = Console(record=arguments.svg is not None, width=None if is_seen else _WIDTH, highlight=False)
    try:
        play(console, arguments)
    except (Failed, child.ChildEnded) as failure:
        console.print(Text(f"The story didn't go as it should: {failure}", "bold red"))
        return 1
    if arguments.svg is not None:
        console.save_svg(str(arguments.svg), title=f"python -m examples.stories.{Path(sys.argv[0]).stem}")
    return 0


def _own_kafka(stack: ExitStack, console: Console) -> str:
    started = broker.start(0, ephemeral=True, say=console.print)
    if started.port is not None:
        stack.callback(broker.stop, started.port)
    return started.bootstrap


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False
