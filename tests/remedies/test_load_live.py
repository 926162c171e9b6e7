"""A watched metric on a real broker: from an event to the number that KEDA is answered."""

import json
import time
from pathlib import Path

import httpx
import pytest

from pipeline.config import read_config
from pipeline.replay import Replay
from tests.desk import process
from tests.live import harness

pytestmark = pytest.mark.kafka
RULES = """
rules:
  - {name: high, match: rps, detector: threshold, levels: {warning: "> 1000"}}
automation:
  load_every: 500ms
  scaling: [{name: web, metric: 'rps{service="web"}', target: 100, max: 20, stale_after: 20s}]
"""


@pytest.mark.timeout(180)
def test_keda_is_answered_from_what_a_worker_has_just_read(kafka: str, topic_name: str, tmp_path: Path) -> None:
    port = process.free_port()
    own = f"desk: {{database: 'sqlite:///{tmp_path / 'desk.db'}', port: {port}}}\n"
    config = harness.config_file(tmp_path, kafka, topic_name, RULES + own)
    harness.create_topic(kafka, topic_name, 1)
    with harness.worker(config) as worker:
        desk = process.start(config, port)
        try:
            desk.wait("answers", desk.answers, process.READY_WITHIN_S)
            url = f"{desk.url}/api/desk/scaling/web"
            assert httpx.get(url).status_code == 503, "no data is no 0"
            harness.publish(kafka, topic_name, [(b"web", event) for event in events("web", 640.0)])
            harness.publish(kafka, topic_name, [(b"db", event) for event in events("db", 9_000.0)])
            desk.wait("the number", lambda: httpx.get(url).status_code == 200)
            assert httpx.get(url).json()["replicas"] == 7
            harness.publish(kafka, topic_name, [(b"web", event) for event in events("web", 1_200.0, later_s=1.0)])
            desk.wait("the next number", lambda: httpx.get(url).json()["replicas"] == 12)
            assert worker.metrics("tidegauge_series_watched") == 1
            assert worker.metrics("tidegauge_load_records_total", outcome="failed") == 0
            told = len(harness.read(kafka, f"{topic_name}.load"))
            time.sleep(1.5)
            assert len(harness.read(kafka, f"{topic_name}.load")) == told, "told again only when there is news"
            (tmp_path / "events.ndjson").write_bytes(b"\n".join(events("web", 640.0)))
            Replay(read_config(config)).add_file(tmp_path / "events.ndjson")
            assert len(harness.read(kafka, f"{topic_name}.load")) == told, "a replay tells nothing"
        finally:
            assert desk.stop() == 0, desk.tail()


def events(service: str, value: float, later_s: float = 0.0) -> list[bytes]:
    """Three of the last seconds."""
    now_s = time.time() + later_s
    return [
        json.dumps(
            {"metric": "rps", "labels": {"service": service}, "timestamp": now_s - 0.2 + 0.1 * i, "value": value}
        ).encode()
        for i in range(3)
    ]
