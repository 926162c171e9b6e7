"""Ten thousand alerts are answered while more come in."""

import gc
import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from pipeline.desk import duties, intake
from pipeline.desk.latency import answer_quickly
from schemas.alert import AlertEvent, fingerprint
from schemas.levels import LevelName
from tests.api.scene import Api, event, served
from tests.desk.scene import desk

ALERTS = 10_000
BATCH = 100  # events twice a second
P99_MAX_S = 0.2
# A client of its own, so that it doesn't wait for the interpreter that it measures.
CLIENT = """
import http.client, sys, time
client, took = http.client.HTTPConnection(sys.argv[1]), []
end_s = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end_s:
    started_s = time.monotonic()
    client.request("GET", "/api/v2/alerts")
    answer = client.getresponse()
    assert answer.status == 200 and len(answer.read()) > 1_000_000
    took.append(time.monotonic() - started_s)
    time.sleep(0.03)
print(sorted(took)[int(len(took) * 0.99)])
"""


@pytest.fixture
def _quick() -> Iterator[None]:
    """As in the desk's own process, and put back."""
    before = gc.get_threshold(), sys.getswitchinterval()
    answer_quickly()
    yield
    gc.unfreeze()
    gc.set_threshold(*before[0])
    sys.setswitchinterval(before[1])


def change(number: int, seq: int, start_s: float) -> AlertEvent:
    """Raised and lowered in turns."""
    level: LevelName = "critical" if seq % 2 else "warning"
    previous: LevelName | None = ("warning" if seq % 2 else "critical") if seq else None
    where = {"service": f"service-{number % 50}", "host": f"host-{number}"}
    made = event(f"s{number}", seq=seq, level=level, previous=previous, starts_s=start_s)
    labels = {**made.labels, **where}
    return msgspec.structs.replace(made, labels=labels, fingerprint=fingerprint(labels))


@pytest.mark.usefixtures("_quick")
@pytest.mark.timeout(180)
def test_of_10000_alerts_99_in_100_answers_take_less_than_200_ms_while_intake_writes(tmp_path: Path) -> None:
    """The best of five rounds of three seconds: other programs on the machine aren't what is measured."""
    stop = threading.Event()
    with Api(tmp_path, desk(group_by=("service",))) as api:
        api.now.is_real = True
        start_s = api.now() - 1000

        def take(events: list[AlertEvent]) -> None:
            api.db.write(lambda conn: intake.take(conn, events, {}, api.desk, api.now()))

        def write() -> None:
            for seq in range(1, 1000):
                for first in range(0, ALERTS, BATCH):
                    take([change(number, seq, start_s) for number in range(first, first + BATCH)])
                    if stop.wait(0.5):
                        return

        def look() -> None:
            while not stop.wait(1.0):
                duties.step(api.db, api.desk, api.now())

        for first in range(0, ALERTS, 500):
            take([change(number, 0, start_s) for number in range(first, first + 500)])
        with served(api) as url:
            host = url.removeprefix("http://")
            with closing(http.client.HTTPConnection(host, timeout=60)) as client:
                client.request("GET", "/api/v2/alerts")  # the first one reads them all
                client.getresponse().read()
            workers = [threading.Thread(target=write), threading.Thread(target=look)]
            for worker in workers:
                worker.start()
            try:
                rounds: list[float] = []
                while len(rounds) < 5 and min(rounds, default=1.0) >= P99_MAX_S:
                    started_s = time.monotonic()
                    done = subprocess.run(
                        [sys.executable, "-c", CLIENT, host, "3"], capture_output=True, text=True, check=True
                    )
                    assert time.monotonic() - started_s < 60
                    rounds.append(float(done.stdout))
            finally:
                stop.set()
                for worker in workers:
                    worker.join()
            assert min(rounds) < P99_MAX_S, rounds
