"""Alerts from Kafka through the desk into a real Alertmanager, which groups, silences and ends them."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from schemas.levels import LevelName
from tests.desk.scene import event
from tests.doubles.http import Double, Response
from tests.live import harness
from tests.notifiers.real_alertmanager import RealAlertmanager, alertmanager, needs_alertmanager
from tests.whole.bed import bed, receivers, wait

pytestmark = [pytest.mark.kafka, needs_alertmanager, pytest.mark.timeout(120)]


@pytest.fixture
def hook() -> Iterator[Double]:
    """Whom the Alertmanager tells."""
    with Double(lambda _: Response(200)) as double:
        yield double


@pytest.fixture
def real(hook: Double) -> Iterator[RealAlertmanager]:
    route = {
        "receiver": "hook", "group_by": ["alertname"],
        "group_wait": "500ms", "group_interval": "500ms", "repeat_interval": "1h",
    }  # fmt: skip
    with alertmanager({"route": route, "receivers": receivers(hook=[{"webhook_configs": [{"url": hook.url}]}])}) as one:
        yield one


def to(real: RealAlertmanager) -> dict[str, object]:
    """A desk's config: everything to that Alertmanager."""
    return {
        "route": {
            "receiver": "theirs", "group_by": ["alertname"],
            "group_wait": "500ms", "group_interval": "1s", "repeat_interval": "1h",
        },
        "receivers": receivers(theirs=[{"alertmanager_configs": [{"urls": [real.url]}]}]),
    }  # fmt: skip


def labels(name: str, level: LevelName, **more: str) -> dict[str, str]:
    return {"alertname": "Latency", "series": name, "severity": level, "level": level, **more}


def told(hook: Double) -> list[dict[str, Any]]:
    return [request.json for request in hook.requests]


def test_alerts_arrive_group_change_level_are_silenced_and_end(
    kafka: str, topic_name: str, tmp_path: Path, real: RealAlertmanager, hook: Double
) -> None:
    def at(name: str, level: LevelName | None = "warning", seq: int = 0, previous: LevelName | None = None) -> None:
        one = event(name, seq=seq, level=level, previous=previous, starts_s=started_s, at_s=time.time(), team="shop")
        desk.publish(one)

    started_s = time.time()
    with bed(tmp_path, kafka, topic_name, to(real)) as desk:
        for name in ("a", "b", "c"):
            at(name)
        real.wait_for_labels([labels(name, "warning", team="shop") for name in ("a", "b", "c")])
        (first,) = hook.wait_for(1)
        assert len(first.json["alerts"]) == 3  # one group

        at("a", "critical", 1, "warning")
        rest = [labels(name, "warning", team="shop") for name in ("b", "c")]
        real.wait_for_labels([labels("a", "critical", team="shop"), *rest])

        real.amtool("silence", "add", "series=b", "-c", "moving racks", "-a", "ann", "-d", "1h")
        at("b", None, 1)
        at("c", None, 1)
        real.wait_for_labels([labels("a", "critical", team="shop")])
        wait("no silenced one either", lambda: real.alerts("--silenced") == [])

        at("a", None, 2)
        real.wait_for_labels([])
        wait("the group's end", lambda: told(hook)[-1]["status"] == "resolved")
    ended = [one["labels"]["series"] for said in told(hook) for one in said["alerts"] if one["status"] == "resolved"]
    assert {"a", "c"} <= set(ended)


RULES = """
rules:
  - name: cpu-busy
    match: cpu_usage
    detector: threshold
    levels: {warning: "> 80", critical: "> 95"}
    labels: {team: shop}
"""


def is_all_there(real: RealAlertmanager, level: str) -> bool:
    return [one["labels"].get("severity") for one in real.alerts()] == [level]


def test_what_a_worker_finds_in_metrics_ends_up_there(
    kafka: str, topic_name: str, tmp_path: Path, real: RealAlertmanager
) -> None:
    def metric(value: float) -> None:
        text = {"metric": "cpu_usage", "labels": {"host": "web-1"}, "timestamp": time.time(), "value": value}
        harness.publish(kafka, topic_name, [(b"web-1", json.dumps(text).encode())])

    (tmp_path / "worker").mkdir()
    config = harness.config_file(tmp_path / "worker", kafka, topic_name, RULES)
    harness.create_topic(kafka, topic_name, 1)
    with bed(tmp_path, kafka, f"{topic_name}.alerts", to(real)), harness.worker(config):
        for value, level in ((90.0, "warning"), (99.0, "critical")):
            metric(value)
            wait(f"it is {level} there", partial(is_all_there, real, level))
        (alert,) = real.alerts()
        assert alert["labels"]["alertname"] == "cpu-busy"
        assert alert["labels"]["host"] == "web-1"
        assert alert["annotations"]["value"] == "99"
        metric(1.0)
        wait("it is over", lambda: real.alerts() == [])
