"""A storm on a real desk: so many series fire within ten seconds. `python -m benchmarks.desk [--series 10000]`.

A broker, a desk process, and a receiver of webhooks; meanwhile its API is asked all the time. Prints one JSON object:
events in the database and when the last of them was there, messages in the first minute and how many alerts the last
one has, the API's times, the desk's memory.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
from kafka import KafkaProducer

from benchmarks.common import console, running_broker, topics
from pipeline.broker.probe import free_port
from schemas.alert import AlertEvent, Evidence, alert_id, encode_alert, fingerprint, rfc3339
from schemas.metric import Series

WITHIN_S = 10.0
MINUTE_S = 60.0
PATHS = ("/api/v2/alerts?filter=series%3D%2217%22", "/api/v2/alerts/groups?filter=series%3D%2217%22", "/api/v2/status")


def event(n: int, starts_s: float) -> AlertEvent:
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
def receiver() -> Iterator[tuple[str, list[tuple[float, int]]]]:
    """Its address, and what came: when, and how many alerts were in it."""
    came: list[tuple[float, int]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            came.append((time.time(), len(body["alerts"]) + body["truncatedAlerts"]))
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
def desk(folder: Path, bootstrap: str, topic: str, url: str, group_by: list[str]) -> Iterator[tuple[int, str]]:
    """Pid and address of a desk that is ready."""
    port = free_port()
    config = {
        "version": 1,
        "kafka": {"bootstrap": bootstrap, "group": topic},
        "topics": {"alerts": topic},
        "desk": {"database": f"sqlite:///{folder / 'desk.db'}", "port": port},
        "route": {"receiver": "hook", "group_by": group_by},  # group_wait: 30 s
        "receivers": [{"name": "hook", "webhook_configs": [{"url": url}]}],
    }
    path = folder / "desk.yaml"
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "pipeline.cli", "desk", "-c", str(path), "--log-level", "warning"]
    with subprocess.Popen(command, env=os.environ) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            while process.poll() is None and not _is_ready(address):
                time.sleep(0.2)
            yield process.pid, address
        finally:
            process.terminate()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready").is_success
    except httpx.HTTPError:
        return False


class Asker(threading.Thread):
    """Asks the API again and again; `times_s`: how long each answer took."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.times_s: list[float] = []
        self.failures = 0
        self.over = threading.Event()
        self._address = address

    def run(self) -> None:
        with httpx.Client(base_url=self._address, timeout=30.0) as client:
            while not self.over.wait(0.05):
                began_s = time.perf_counter()
                reply = client.get(PATHS[len(self.times_s) % len(PATHS)])
                self.times_s.append(time.perf_counter() - began_s)
                self.failures += not reply.is_success


def publish(bootstrap: str, topic: str, series: int, began_s: float) -> None:
    """Evenly over ten seconds."""
    with closing(KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20)) as producer:
        for n in range(series):
            wait_s = began_s + WITHIN_S * n / series - time.time()
            if wait_s > 0.01:
                time.sleep(wait_s)
            one = event(n, began_s)
            producer.send(topic, key=one.fingerprint.encode(), value=encode_alert(one))
        producer.flush()


def counted(path: Path) -> int:
    with closing(sqlite3.connect(path)) as conn:
        found: int = conn.execute("SELECT count(*) FROM events").fetchone()[0]
        return found


def measure(series: int, group_by: list[str]) -> dict[str, object]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bootstrap = stack.enter_context(running_broker())
        url, came = stack.enter_context(receiver())
        topic = f"desk-{uuid.uuid4().hex[:8]}"
        stack.enter_context(topics(bootstrap, [topic], partitions=1))
        pid, address = stack.enter_context(desk(folder, bootstrap, topic, url, group_by))
        asker = Asker(address)
        asker.start()
        began_s, there_s, rss_max = time.time(), None, 0
        writer = threading.Thread(target=publish, args=(bootstrap, topic, series, began_s))
        writer.start()
        while time.time() < began_s + WITHIN_S + MINUTE_S:
            time.sleep(0.2)
            rss_max = max(rss_max, psutil.Process(pid).memory_info().rss)
            if there_s is None and counted(folder / "desk.db") >= series:
                there_s = time.time() - began_s
        writer.join()
        asker.over.set()
        asker.join()
        times_ms = sorted(1000 * taken_s for taken_s in asker.times_s)
        first_s = came[0][0] if came else 0.0
        return {
            "series": series,
            "group_by": group_by,
            "events in the database": counted(folder / "desk.db"),
            "all there after s": there_s,
            "messages in the first minute": sum(at_s < first_s + MINUTE_S for at_s, _ in came),
            "alerts in them": [count for _, count in came],
            "api requests": len(times_ms),
            "api failures": asker.failures,
            "api p50 ms": round(times_ms[len(times_ms) // 2], 1),
            "api p99 ms": round(times_ms[len(times_ms) * 99 // 100], 1),
            "api max ms": round(times_ms[-1], 1),
            "desk rss max MB": round(rss_max / 1e6),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--group-by", nargs="*", default=["alertname"])
    told = parser.parse_args()
    console.print(f"{told.series} series fire within {WITHIN_S:.0f} s; a minute and a half")
    print(json.dumps(measure(told.series, told.group_by), indent=2))


if __name__ == "__main__":
    main()
