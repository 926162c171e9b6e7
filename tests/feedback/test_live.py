"""A person's word on a real broker: it reaches the worker, outlives it, and a replay with it gives the same bytes."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import read_config
from pipeline.control_reader import PARTITION
from pipeline.replay import Replay
from schemas.alert import AlertEvent, decode_alert
from schemas.control import decode_control
from tests.feedback.streams import CONFIG, T0
from tests.live.harness import STARTS_WITHIN_S, Worker, config_file, create_topic, publish, read, start_worker

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def worker(config: Path) -> Iterator[Worker]:
    """Whose rules may name the detector that heeds."""
    command = (sys.executable, "-m", "tests.feedback.worker")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    started = start_worker(config, command, PYTHONPATH=path)
    with started.process:
        try:
            started.wait("ready", started.ready, STARTS_WITHIN_S)
            yield started
            assert started.process.poll() is not None or started.stop() == 0, started.tail()
        finally:
            if started.process.poll() is None:
                started.process.kill()


def lines(first: int, last: int) -> list[bytes]:
    """A burst every twenty seconds."""
    return [
        json.dumps(
            {"metric": "m", "labels": {"host": "a"}, "timestamp": T0 + i, "value": 150.0 if i % 20 == 10 else 10.0}
        ).encode()
        for i in range(first, last)
    ]


def alerts(kafka: str, topic_name: str) -> list[AlertEvent]:
    return [decode_alert(record.value or b"") for record in read(kafka, f"{topic_name}.alerts")]


def opened(found: list[AlertEvent]) -> list[float]:
    return sorted({event.evidence.t[-1] - T0 for event in found if event.seq == 0})


def tidegauge(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_what_is_called_noise_does_not_alert_again_also_after_a_restart(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    config = config_file(tmp_path, kafka, topic_name, CONFIG[CONFIG.index("rules:") :])
    create_topic(kafka, topic_name, 2)
    with worker(config) as first:
        publish(kafka, topic_name, [(b"a", line) for line in lines(0, 40)])
        first.wait_for_events(40)
        first.wait("the first snapshot", lambda: first.metrics("tidegauge_snapshots_total", outcome="saved") > 0)
        found = alerts(kafka, topic_name)
        assert opened(found) == [10.0, 30.0]
        tell = ("-c", config, "--from", "2026-11-23T05:34:00.5Z", "--by", "ann")
        said = tidegauge("feedback", "noise", found[0].fingerprint, *tell)
        assert 'noise: bar on m{host="a"}' in said
        publish(kafka, f"{topic_name}.control", [(b"x", b"no control")])
        first.wait("a bad record", lambda: first.metrics("tidegauge_controls_total", outcome="invalid") == 1)
        first.wait("the verdict", lambda: "feedback is taken in" in first.log.read_text())
        publish(kafka, topic_name, [(b"a", line) for line in lines(40, 60)])
        first.wait_for_events(60)
        assert first.metrics("tidegauge_controls_total", outcome="applied") == 1
        assert first.metrics("tidegauge_controls_late_total") == 0
        assert opened(alerts(kafka, topic_name)) == [10.0, 30.0]
    with worker(config) as second:
        publish(kafka, topic_name, [(b"a", line) for line in lines(60, 80)])
        second.wait_for_events(20)
        assert opened(alerts(kafka, topic_name)) == [10.0, 30.0]
        (noise,) = [line.split()[0] for line in tidegauge("feedback", "list", "-c", config).splitlines()]
        tidegauge("feedback", "undo", noise[:6], "-c", config, "--from", "2026-11-23T05:34:40.5Z")
        second.wait("the undoing", lambda: "feedback is taken in" in second.log.read_text())
        publish(kafka, topic_name, [(b"a", line) for line in lines(80, 120)])
        second.wait_for_events(60)
        assert second.metrics("tidegauge_controls_total", outcome="applied") == 0
        assert second.metrics("tidegauge_controls_total", outcome="undo") == 1
    found = alerts(kafka, topic_name)
    assert opened(found) == [10.0, 30.0, 90.0, 110.0]
    control = tmp_path / "control.ndjson"
    control.write_text(tidegauge("feedback", "list", "-c", config, "--json"))
    records = read(kafka, f"{topic_name}.control")
    assert {record.partition for record in records} == {PARTITION}
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(lines(0, 120)))
    run = Replay(read_config(config), [decode_control(line) for line in control.read_bytes().splitlines()])
    run.add_file(tmp_path / "events.ndjson")
    live = sorted({(event.id, event.seq): event for event in found}.items())
    assert [msgspec.json.encode(msgspec.structs.replace(event, source=None)) for _, event in live] == (
        run.report().ndjson().splitlines()
    )
