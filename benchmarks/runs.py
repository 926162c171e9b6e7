"""Runs one contender in a process of its own and times it: a peer by its own stopwatch, our worker from outside."""

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from kafka import KafkaAdminClient

from benchmarks.common import PARTITIONS, ROOT, Filled, peers_python, project_environment, records_in
from pipeline.broker.probe import free_port

START_S_MAX = 120.0  # until the first event; numba may compile first
SILENCE_S_MAX = 30.0  # without a new event, once there was one
SCRAPE_EVERY_S = 0.05
RSS_EVERY_S = 0.1
_SAVED, _SAVED_BYTES = 'tidegauge_snapshots_total{outcome="saved"}', "tidegauge_snapshot_bytes_total"


class Failed(Exception):
    """A contender didn't get through its events."""


@dataclass(frozen=True)
class Measured:
    """The timed part of one run. CPU seconds: user and system, of all threads and children."""

    events: int
    seconds: float
    cpu_seconds: float
    rss_peak_bytes: int
    counts: dict[str, int] = field(default_factory=dict)  # what else it tells

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def rate_cpu(self) -> float:
        """Events a CPU second."""
        return self.events / self.cpu_seconds


class Watched:
    """A process with its output in a file, whose memory is watched; ended, if need be, on leaving."""

    def __init__(self, command: Sequence[str], env: dict[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._log = Path(self._folder.name) / "output"
        with self._log.open("wb") as log:
            self.child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
        self._process = psutil.Process(self.child.pid)
        self.rss_peak_bytes = 0
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watcher.join()
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self._folder.cleanup()

    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def cpu_seconds(self) -> float:
        total = 0.0
        for process in self._family():
            times = process.cpu_times()
            total += times.user + times.system
        return total

    def end(self, patience_s: float = 20.0) -> int:
        """SIGTERM, as an operator would; the exit code."""
        self.child.terminate()
        try:
            return self.child.wait(patience_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"did not end within {patience_s:.0f} s after SIGTERM:\n{self.output()[-2000:]}") from None

    def _watch(self) -> None:
        while not self._over.wait(RSS_EVERY_S):
            try:
                rss_bytes = sum(process.memory_info().rss for process in self._family())
            except psutil.Error:  # one has ended in this moment
                continue
            self.rss_peak_bytes = max(self.rss_peak_bytes, rss_bytes)

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


def run_peer(bootstrap: str, filled: Filled, module: str, events: int, skip: int) -> Measured:
    """Raises Failed."""
    command = [str(peers_python()), "-m", f"benchmarks.peers.{module}", bootstrap, filled.topic]
    command += [f"--events={events}", f"--skip={skip}", f"--poll-records={filled.layout.poll_records}"]
    with Watched(command) as process:
        try:
            code = process.child.wait(START_S_MAX + (events + skip) / 2000)
        except subprocess.TimeoutExpired:
            code = -1
        output = process.output()
        reports = re.findall(r"\{.*\}", output)
        if code or not reports:
            raise Failed(f"{module} ended with {code}:\n{output[-2000:]}")
        report = json.loads(reports[-1])
        return Measured(report["events"], report["seconds"], report["cpu_seconds"], process.rss_peak_bytes)


_CONFIG = """\
kafka: {{bootstrap: "{bootstrap}", group: "{group}"}}
inputs: [{{topic: "{topic}", keyed_by_series: true}}]
topics: {{alerts: "{group}-alerts", state: "{group}-state", dead_letters: "{group}-dead-letters"}}
snapshots: {{path: "{folder}/state", every: {every}}}
rules:
  - {{name: unusual, match: "{{}}", detector: baseline, levels: {{warning: 1.0, critical: 2.0}}}}
"""


def run_worker(bootstrap: str, filled: Filled, skip: int, snapshots_every: str) -> Measured:
    """Our worker, as a user starts it, seen through its /metrics. Raises Failed."""
    group = f"bench-{uuid.uuid4().hex[:8]}"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "tidegauge.yaml"
        config.write_text(
            _CONFIG.format(bootstrap=bootstrap, group=group, topic=filled.topic, folder=folder, every=snapshots_every),
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "pipeline.cli", "worker", "-c", str(config)]
        try:
            with Watched(command, project_environment(TIDEGAUGE_HTTP_PORT=str(port))) as process:
                measured = _timed(process, f"http://127.0.0.1:{port}/metrics", filled, skip)
                code = process.end()
                if code:
                    raise Failed(f"the worker ended with {code} after SIGTERM:\n{process.output()[-2000:]}")
            # Only now has it handed over all it had to publish.
            measured.counts["alerts_in_topic"] = records_in(bootstrap, f"{group}-alerts")
        finally:
            _delete(bootstrap, [f"{group}-{what}" for what in ("alerts", "state", "dead-letters")])
    if measured.counts["series"] != filled.series or measured.counts["dead_letters"]:
        raise Failed(f"wrong work: {filled.series} series were published, the worker says {measured.counts}")
    return measured


def _timed(process: Watched, url: str, filled: Filled, skip: int) -> Measured:
    """From the first look that finds more than `skip` events done, to the first that finds all."""
    start: tuple[int, float, float] | None = None  # events, s, CPU s
    before: dict[str, float] = {}
    done, progress_s = 0, time.monotonic() + START_S_MAX - SILENCE_S_MAX
    while True:
        time.sleep(SCRAPE_EVERY_S)
        samples = _scrape(url)
        now_s = time.monotonic()
        events = int(samples.get("tidegauge_events_total", 0))
        if events > done:
            done, progress_s = events, now_s
        if process.child.poll() is not None or now_s - progress_s > SILENCE_S_MAX:
            raise Failed(f"the worker stopped at {done:,} of {filled.events:,} events:\n{process.output()[-3000:]}")
        if start is None and done > skip:
            start, before = (done, now_s, process.cpu_seconds()), samples
        if start is not None and done >= filled.events:
            first, first_s, first_cpu_s = start
            counts = {
                "series": int(samples["tidegauge_series"]),
                "transitions": _sum(samples, "tidegauge_transitions_total"),
                "dead_letters": _sum(samples, "tidegauge_dead_letters_total"),
                "snapshots": int(samples.get(_SAVED, 0) - before.get(_SAVED, 0)) // PARTITIONS,
                "snapshot_bytes": int(samples.get(_SAVED_BYTES, 0) - before.get(_SAVED_BYTES, 0)),
            }
            cpu_s = process.cpu_seconds() - first_cpu_s
            return Measured(done - first, now_s - first_s, cpu_s, process.rss_peak_bytes, counts)


def _scrape(url: str) -> dict[str, float]:
    """Samples by name and labels as they are written; none while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10.0) as response:  # noqa: S310 - http to ourselves
            text = response.read().decode()
    except (urllib.error.URLError, OSError):
        return {}
    pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def _sum(samples: dict[str, float], metric: str) -> int:
    return int(sum(value for name, value in samples.items() if name.partition("{")[0] == metric))


def _delete(bootstrap: str, topics: list[str]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.delete_topics(topics, raise_errors=False)
    finally:
        admin.close()
