"""Commands that need no Kafka, as a person at a prompt meets them."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app

CONFIG = """
rules:
  - {name: high, match: cpu, detector: threshold, levels: {warning: "> 80"}}
"""


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[str, str]:
    config, events = tmp_path / "tidegauge.yaml", tmp_path / "cpu.csv"
    config.write_text(CONFIG)
    events.write_text("timestamp,value\n1795412000,70\n1795412001,90\n1795412002,bad\n1795412003,70\n")
    return str(config), str(events)


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"tidegauge {version('tidegauge')}\n"


def test_replay_into_a_pipe_is_alerts_alone_and_the_summary_stands_beside(inputs: tuple[str, str]) -> None:
    config, events = inputs
    done = CliRunner().invoke(app, ["replay", "-c", config, events])
    assert done.exit_code == 0
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["firing", "resolved"]
    told = [" ".join(line.split()) for line in done.stderr.splitlines()]
    assert {"events read 3", "rejected: value_not_number 1", "alerts 1", "alert events 2"} <= set(told)


def test_doctor_takes_the_config_of_a_desk_without_rules(tmp_path: Path) -> None:
    config = tmp_path / "desk.yaml"
    config.write_text(
        'kafka: {bootstrap: "127.0.0.1:1"}\nroute: {receiver: r}\n'
        'receivers: [{name: r, webhook_configs: [{url: "http://127.0.0.1:1/"}]}]\n'
    )
    done = CliRunner().invoke(app, ["doctor", "-c", str(config), "--json"])
    findings = {one["what"]: one for one in json.loads(done.stdout)}
    assert findings["config"]["state"] == "ok", findings["config"]
    assert "no rules" in findings["config"]["seen"]
    assert findings["broker"]["state"] == "fail"  # it went on to ask Kafka


def test_score_says_where_a_file_seems_to_hold_several_series(tmp_path: Path) -> None:
    rows = [f"{1795412000 + t},{t}" for t in range(50)]
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("\n".join(["timestamp,value", *rows]))
    two.write_text("\n".join(["timestamp,value", *rows, *rows]))
    done = CliRunner().invoke(app, ["score", str(one), str(two), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert "two: 50 of 100 rows repeat or go back in time" in " ".join(done.stderr.split())
    assert "one:" not in done.stderr
