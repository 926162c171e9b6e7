"""Worker and desk that the demo starts: processes of their own, as anybody would run them, ended on every way out."""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.broker.probe import free_port, is_free

_PORT = 8471
_PATIENCE_S = 20.0
_SAMPLE = re.compile(r"^(\w+)(?:\{[^\n]*\})? ([\d.eE+-]+)$", re.MULTILINE)


class ChildEnded(Exception):
    """It ended by itself."""


class Child:
    """A running process of ours. name: its command; log: where its stdout and stderr go."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self._name, self._process = name, process
        self.log = log
        self.url = f"http://127.0.0.1:{port}"

    def check(self) -> None:
        """Raises ChildEnded."""
        code = self._process.poll()
        if code is not None:
            raise ChildEnded(f"the {self._name} ended with exit code {code}; its log is {self.log}")

    def events(self) -> int:
        """Metric events that it has applied; 0 while it starts."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2):  # noqa: S310 - http, loopback
                pass
            with urllib.request.urlopen(f"{self.url}/metrics", timeout=2) as reply:  # noqa: S310 - http, loopback
                text = reply.read().decode()
        except OSError:
            return 0
        return int(sum(float(value) for name, value in _SAMPLE.findall(text) if name == "tidegauge_events_total"))


@contextmanager
def worker(config: Path, log: Path) -> Iterator[Child]:
    """Starts it; asks it to end on the way out, then waits, then kills."""
    port = int(os.environ.get("TIDEGAUGE_HTTP_PORT") or (_PORT if is_free(_PORT) else free_port()))
    with _child("worker", config, log, port, {"TIDEGAUGE_HTTP_PORT": str(port)}) as started:
        yield started


@contextmanager
def desk(config: Path, log: Path, port: int) -> Iterator[Child]:
    """As `worker`. port: what the config says."""
    with _child("desk", config, log, port, {}) as started:
        yield started


@contextmanager
def _child(name: str, config: Path, log: Path, port: int, environment: dict[str, str]) -> Iterator[Child]:
    command = [sys.executable, "-m", "pipeline.cli", name, "--config", str(config)]
    with (
        log.open("wb") as sink,
        # A session of its own: Ctrl-C in the terminal is for the demo, which then ends its children in good order.
        subprocess.Popen(  # noqa: S603 - ourselves
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env={**os.environ, **environment},
        ) as process,
    ):
        try:
            yield Child(name, process, port, log)
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE_S)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                process.kill()
