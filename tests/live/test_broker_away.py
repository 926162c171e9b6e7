"""A worker that is stuck ends itself; one whose broker is away says so, waits, and goes on."""

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.watchdog import EXIT_CODE
from tests.live.harness import Worker, config_file, create_topic, publish, start_worker
from tests.live.proxy import FETCH, Proxy, proxy

pytestmark = pytest.mark.kafka
STUCK_AFTER_S = 6.0
SHORT = f"""
import sys
from pipeline import watchdog
from pipeline.cli import main
watchdog.LOOK_EVERY_S, watchdog.STUCK_AFTER_S = 1.0, {STUCK_AFTER_S}
sys.argv[0] = "tidegauge"
main()
"""
RULES = "rules:\n  - {name: high, match: '{}', detector: threshold, levels: {warning: '> 80'}}\n"


def events(first: int, count: int) -> list[tuple[bytes | None, bytes]]:
    return [(b"m", b'{"metric": "m", "timestamp": %d, "value": 1}' % (1_795_412_000 + first + i)) for i in range(count)]


@contextmanager
def impatient(kafka: str, topic: str, folder: Path) -> Iterator[tuple[Worker, Proxy]]:
    """A worker behind a proxy, which has applied ten events and whose watchdog has short limits."""
    create_topic(kafka, topic, 1)
    with proxy(kafka) as way:
        started = start_worker(config_file(folder, way.bootstrap, topic, RULES), command=[sys.executable, "-c", SHORT])
        with started.process:
            try:
                started.wait("ready", started.ready)
                publish(kafka, topic, events(0, 10))
                started.wait_for_events(10)
                yield started, way
            finally:
                if started.process.poll() is None:
                    started.process.kill()


def readiness(worker: Worker) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/-/ready", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_worker_that_gets_no_records_from_a_broker_that_answers_ends_itself(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    with impatient(kafka, topic_name, tmp_path) as (worker, way):
        way.swallowed.add(FETCH)
        time.sleep(2.0)  # a fetch that the broker already had is answered yet
        publish(kafka, topic_name, events(10, 10))
        assert worker.process.wait(60) == EXIT_CODE
        assert "stands at 10" in worker.tail()


def test_a_worker_whose_broker_is_away_says_so_waits_and_goes_on(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with impatient(kafka, topic_name, tmp_path) as (worker, way):
        way.cut_off()
        publish(kafka, topic_name, events(10, 10))
        worker.wait("not ready", lambda: readiness(worker)[0] == 503, 30)
        assert "no answer from Kafka" in readiness(worker)[1]
        worker.wait("longer than a stuck one may", lambda: _away_s(worker) > 2 * STUCK_AFTER_S, 60)
        way.cut = False
        worker.wait("ready again", lambda: readiness(worker)[0] == 200)
        worker.wait_for_events(20)
        said = worker.log.read_text()
        for words in ("broker unreachable", "broker back", '"partitions": ["' + topic_name + '/0"]'):
            assert words in said
        assert worker.stop() == 0


def _away_s(worker: Worker) -> float:
    return float(readiness(worker)[1].split()[-2])
