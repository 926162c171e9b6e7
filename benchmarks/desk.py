"""A storm on a real desk: so many series fire within ten seconds, through Kafka. `python -m benchmarks.desk`.

Once they are one group, once each is a group of its own. Meanwhile the API is asked all the time, as karma and amtool
ask, and every few seconds for everything it has.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
from kafka import KafkaProducer
from rich.table import Table

from benchmarks.common import console, project_environment, running_broker, topics
from benchmarks.results import machine, save
from pipeline.broker.probe import free_port
from schemas.alert import AlertEvent, Evidence, alert_id, encode_alert, fingerprint, rfc3339
from schemas.metric import Series

WITHIN_S = 10.0
MINUTE_S = 60.0
ASK_EVERY_S, ASK_ALL_EVERY_S = 0.05, 3.0
# A host's alerts are 1 in 200; the whole list is asked apart.
PATHS = (
    "/api/v2/alerts?filter=host%3D%22host-17%22",
    "/api/v2/silences",
    "/api/v2/alerts/groups?filter=series%3D%2217%22",
    "/api/v2/status",
)
ALL = ("/api/v2/alerts",)
READY_S_MAX = 60.0


@dataclass(frozen=True)
class Asked:
    """How long answers took. bytes_max: of one answer."""

    requests: int
    failures: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    bytes_max: int


@dataclass(frozen=True)
class Measured:
    """One storm. told_s: from the first event to the first message; all_there_s: until the last event was in the
    database. Messages are those within a minute of the first; rss: of the desk, at its highest."""

    group_by: str
    series: int
    in_database: int
    all_there_s: float | None
    messages: int
    alerts_told: list[int]
    told_s: float | None
    api: Asked
    api_all: Asked
    rss_max_mb: float
    cpu_s: float
    by_path: dict[str, Asked] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """What issue and documentation promise."""
        every = self.in_database == sum(self.alerts_told) == self.series
        return every and self.messages <= 5 and self.api.p99_ms < 200 and self.rss_max_mb < 1000


def event(n: int, starts_s: float) -> AlertEvent:
    """The alert of series `n`, as a worker publishes it."""
    labels = {"alertname": "Latency", "host": f"host-{n % 200}", "metric": "latency_seconds", "series": str(n)}
    return AlertEvent(
        id=alert_id("Latency", Series("latency_seconds", (("series", str(n)),)), starts_s),
        seq=0,
        status="firing",
        level="critical",
        previous_level=None,
        rule="Latency",
        detector="baseline",
        fingerprint=fingerprint(labels),
        labels=labels,
        annotations={"summary": f"Latency: latency_seconds{{series={n}}}"},
        starts_at=rfc3339(starts_s),
        at=rfc3339(starts_s),
        ends_at=None,
        value=3.5,
        expected=1.0,
        lower=0.5,
        upper=1.5,
        score=5.0,
        deviation=12.0,
        direction="above",
        evidence=Evidence([starts_s - 10 * k for k in range(31, -1, -1)], [1.0 + 0.01 * k for k in range(32)]),
        why="Critical: value 3.5 is above 1.5, 12 sigmas from the expected 1.",
        source=None,
        config="benchmark",
    )


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[float, bytes]]]]:
    """Its address, and what came: when, and the body. Read later: parsing a storm would hold up whoever measures."""
    came: list[tuple[float, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((time.time(), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *rest: object) -> None:
            """Nothing: stdout has the result alone."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def desk(folder: Path, bootstrap: str, topic: str, url: str, group_by: str) -> Iterator[tuple[int, str]]:
    """Pid and address of a desk that is ready. Times of groups and storms are those it has by itself."""
    port = free_port()
    config = {
        "version": 1,
        "kafka": {"bootstrap": bootstrap, "group": topic},
        "topics": {"alerts": topic},
        "desk": {"database": f"sqlite:///{folder / 'desk.db'}", "port": port},
        "route": {"receiver": "hook", "group_by": [group_by]},
        "receivers": [{"name": "hook", "webhook_configs": [{"url": url}]}],
    }
    path = folder / "desk.yaml"
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "pipeline.cli", "desk", "-c", str(path), "--log-level", "warning"]
    with subprocess.Popen(command, env=project_environment()) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            deadline_s = time.monotonic() + READY_S_MAX
            while not _is_ready(address):
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise SystemExit(f"the desk is not ready after {READY_S_MAX:.0f} s")
                time.sleep(0.2)
            yield process.pid, address
        finally:
            process.terminate()


def _is_ready(address: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{address}/-/ready").is_success
    return False


class Asker(threading.Thread):
    """Asks for these paths in turn until it is `over`."""

    def __init__(self, address: str, paths: Sequence[str] = PATHS, every_s: float = ASK_EVERY_S) -> None:
        super().__init__()
        self.over = threading.Event()
        self._address, self._paths, self._every_s = address, paths, every_s
        self._took: dict[str, list[tuple[float, int, bool]]] = {path: [] for path in paths}  # s, bytes, failed

    def run(self) -> None:
        turn = 0
        with httpx.Client(base_url=self._address, timeout=30.0, trust_env=False) as client:
            while not self.over.wait(self._every_s):
                path = self._paths[turn % len(self._paths)]
                turn += 1
                began_s = time.perf_counter()
                reply = client.get(path)
                self._took[path].append((time.perf_counter() - began_s, len(reply.content), not reply.is_success))

    def asked(self, path: str | None = None) -> Asked:
        """Of one path, or of all."""
        took = [one for name, found in self._took.items() if path in (None, name) for one in found]
        times_ms = sorted(1000 * seconds for seconds, _, _ in took)
        if not times_ms:
            return Asked(0, 0, 0.0, 0.0, 0.0, 0)
        return Asked(
            requests=len(took),
            failures=sum(failed for _, _, failed in took),
            p50_ms=round(times_ms[len(times_ms) // 2], 1),
            p99_ms=round(times_ms[len(times_ms) * 99 // 100], 1),
            max_ms=round(times_ms[-1], 1),
            bytes_max=max(size for _, size, _ in took),
        )

    def by_path(self) -> dict[str, Asked]:
        return {path: self.asked(path) for path in self._paths}


def publish(bootstrap: str, topic: str, series: int, began_s: float, within_s: float = WITHIN_S) -> None:
    """Evenly over `within_s`."""
    with closing(KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20)) as producer:
        for n in range(series):
            wait_s = began_s + within_s * n / series - time.time()
            if wait_s > 0.01:
                time.sleep(wait_s)
            one = event(n, began_s)
            producer.send(topic, key=one.fingerprint.encode(), value=encode_alert(one))
        producer.flush()


def counted(path: Path) -> int:
    with closing(sqlite3.connect(path)) as conn:
        found: int = conn.execute("SELECT count(*) FROM events").fetchone()[0]
        return found


def measure(bootstrap: str, series: int, group_by: str, lasts_s: float = WITHIN_S + 1.5 * MINUTE_S) -> Measured:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, came = stack.enter_context(receiver())
        topic = f"desk-{uuid.uuid4().hex[:8]}"
        stack.enter_context(topics(bootstrap, [topic]))
        pid, address = stack.enter_context(desk(folder, bootstrap, topic, url, group_by))
        askers = Asker(address), Asker(address, ALL, ASK_ALL_EVERY_S)
        for asker in askers:
            asker.start()
        process = psutil.Process(pid)
        began_s, all_there_s, rss_max = time.time(), None, 0
        writer = threading.Thread(target=publish, args=(bootstrap, topic, series, began_s))
        writer.start()
        while time.time() < began_s + lasts_s:
            time.sleep(0.2)
            rss_max = max(rss_max, process.memory_info().rss)
            if all_there_s is None and counted(folder / "desk.db") >= series:
                all_there_s = round(time.time() - began_s, 1)
        cpu = process.cpu_times()
        writer.join()
        for asker in askers:
            asker.over.set()
            asker.join()
        first_s = came[0][0] if came else 0.0
        minute = [json.loads(body) for at_s, body in came if at_s < first_s + MINUTE_S]
        return Measured(
            group_by=group_by,
            series=series,
            in_database=counted(folder / "desk.db"),
            all_there_s=all_there_s,
            messages=len(minute),
            alerts_told=[len(body["alerts"]) + body["truncatedAlerts"] for body in minute],
            told_s=round(first_s - began_s, 1) if came else None,
            api=askers[0].asked(),
            api_all=askers[1].asked(),
            rss_max_mb=round(rss_max / 1e6),
            cpu_s=round(cpu.user + cpu.system, 1),
            by_path=askers[0].by_path(),
        )


def shown(found: Sequence[Measured]) -> Table:
    table = Table("", *(f"grouped by {one.group_by}" for one in found))
    rows = [
        ("series", [f"{one.series:,}" for one in found]),
        ("events in the database", [f"{one.in_database:,}, all after {one.all_there_s} s" for one in found]),
        ("messages in a minute", [f"{one.messages}, the first after {one.told_s} s" for one in found]),
        ("alerts in them", [", ".join(f"{count:,}" for count in one.alerts_told) for one in found]),
        *((f"{path.partition('?')[0]}", [_times(one.by_path[path]) for one in found]) for path in PATHS),
        ("the whole list", [f"{_times(one.api_all)}; {one.api_all.bytes_max / 1e6:.1f} MB" for one in found]),
        ("RSS max", [f"{one.rss_max_mb:.0f} MB" for one in found]),
        ("CPU", [f"{one.cpu_s} s" for one in found]),
        ("as promised", ["yes" if one.good else "NO" for one in found]),
    ]
    for name, cells in rows:
        table.add_row(name, *cells)
    return table


def _times(asked: Asked) -> str:
    return f"p50 {asked.p50_ms:.0f}, p99 {asked.p99_ms:.0f}, max {asked.max_ms:.0f} ms"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.desk", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--group-by", nargs="*", default=["alertname", "..."])
    parser.add_argument("--quick", action="store_true", help="2,000 series; not kept")
    given = parser.parse_args()
    series = 2_000 if given.quick else given.series
    about = machine()
    found = []
    with running_broker() as bootstrap:
        for group_by in given.group_by:
            console.print(f"{series:,} series fire within {WITHIN_S:.0f} s, grouped by {group_by}: two minutes")
            found.append(measure(bootstrap, series, group_by))
    console.print(shown(found))
    body = {"lines": [asdict(one) for one in found]}
    parameters = {"series": series, "runs": 1, "within_s": WITHIN_S, "ask_every_s": ASK_EVERY_S}
    console.print(f"written: {save('desk', about, parameters, body, given.quick)}")
    return 0 if all(one.good for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
