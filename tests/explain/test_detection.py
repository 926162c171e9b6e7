"""`explain SERIES --at TIME INPUT`: the reason told is the one that held it back, and looking changes nothing."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands.explain_views import told_lines
from pipeline.observing import ObservedEngine
from pipeline.partition import Partition
from pipeline.replay import Replay
from schemas.alert import encode_alert
from schemas.formats.base import LATEST_S
from schemas.selector import Selector
from tests.engine.streams import CONFIG, Event, alerts, apply, config, streams

START_S = 1_795_412_000


def write(folder: Path, rules: str, values: list[float], every_s: int = 60, labels: str = "") -> tuple[str, str]:
    (folder / "tidegauge.yaml").write_text(f"rules:\n{rules}")
    lines = [f"{START_S + every_s * i},{value:.17g}{labels}" for i, value in enumerate(values)]
    (folder / "cpu.csv").write_text("\n".join(["timestamp,value" + (",host" if labels else ""), *lines]) + "\n")
    return str(folder / "tidegauge.yaml"), str(folder / "cpu.csv")


def explained(folder: Path, rules: str, values: list[float], row: int, *more: str) -> dict[str, Any]:
    """The one rule's explanation at that row."""
    config_file, events = write(folder, rules, values)
    at = str(START_S + 60 * row)
    done = CliRunner().invoke(app, ["explain", "cpu", "--at", at, "-c", config_file, "--json", *more, events])
    assert done.exit_code == 0, done.output
    (rule,) = json.loads(done.stdout)["rules"]
    return dict(rule)


def reason(rule: dict[str, Any], level: str = "warning") -> tuple[str, str]:
    (found,) = [one for one in rule["levels"] if one["level"] == level]
    return found["state"], found["reason"]


HIGH = '  - {name: high, match: cpu, detector: threshold, levels: {warning: "> 80"}, %s}\n'


@pytest.mark.parametrize(
    ("settings", "values", "row", "state", "words"),
    [
        ("for: 0s", [70, 90], 0, "inactive", "value 70 is not above 80"),
        ("for: 0s", [70, 90], 1, "firing", "value 90 is above 80, since "),
        ("for: 5m", [70, 90, 90, 90], 3, "pending", "held back by for: over its border for 2 min of 5 min"),
        ("for: 2m", [70, 90, 90, 90], 3, "firing", "value 90 is above 80"),
        ('clear: {warning: "< 60"}', [90, 70], 1, "firing", "held: value 70 is not below 60"),
        ("keep_firing_for: 5m", [90, 70, 70], 2, "recovering", "held by keep_firing_for: back for 1 min of 5 min"),
        ("for: 0s", [90, 70], 1, "resolved", "ended at this point: value 70 is not above 80"),
    ],
)
def test_of_a_threshold_border_and_timers_are_told(
    tmp_path: Path, settings: str, values: list[float], row: int, state: str, words: str
) -> None:
    said, why = reason(explained(tmp_path, HIGH % settings, values, row))
    assert said == state
    assert words in why


def noise(count: int, *spikes: int) -> list[float]:
    """Around 50 with a spread of 3; spikes of 40."""
    values = np.random.default_rng(1).normal(50.0, 3.0, count)
    values[list(spikes)] += 40.0
    return [float(value) for value in values]


SCORED = "  - {name: odd, match: cpu, detector: baseline, levels: {warning: 1.0}, %s}\n"


def test_a_detector_that_warms_up_says_how_far_it_is(tmp_path: Path) -> None:
    rule = explained(tmp_path, SCORED % "back_off: false", noise(100, 30), 30)
    assert reason(rule) == ("inactive", "warming up: point 31 of the 60 that it needs first")


def test_an_opening_that_waits_for_the_back_off_says_so(tmp_path: Path) -> None:
    values = noise(1000, 900, 906)
    state, why = reason(explained(tmp_path, SCORED % "back_off: true", values, 906))
    assert state == "pending"
    assert "held back by back-off: " in why
    told = explained(tmp_path, SCORED % "back_off: false", values, 906)
    assert reason(told)[0] == "firing"


def test_an_opening_that_the_budget_holds_says_how_high_the_border_is(tmp_path: Path) -> None:
    values = noise(1000, 300, 500, 700, 950)  # each opening raises the border
    rule = explained(tmp_path, SCORED % "back_off: false, budget: 1/week", values, 950)
    state, why = reason(rule)
    assert state == "inactive"
    assert "held back by the budget: score " in why
    assert f"raised x{rule['levels'][0]['border_raised_by_budget']:.2g}" in why


def test_every_part_of_the_default_has_its_vote(tmp_path: Path) -> None:
    rules = "  - {name: odd, match: cpu, detector: default, levels: {warning: 1.0, critical: 2.0}}\n"
    rule = explained(tmp_path, rules, noise(1000, 900), 900)
    (detector,) = rule["point"]["detectors"]
    assert list(detector["votes"]) == ["baseline", "ramp", "flatline", "spread", "gap"]
    assert detector["speaks"] == "baseline"
    assert detector["score"] == max(vote["score"] for vote in detector["votes"].values())
    assert [event["seq"] for event in rule["events"]] == [0]


def test_an_alert_is_found_by_its_id_and_by_its_fingerprint(tmp_path: Path) -> None:
    config_file, events = write(tmp_path, HIGH % "for: 2m", [70, 90, 90, 90, 70], labels=",web")
    replayed = CliRunner().invoke(app, ["replay", "-c", config_file, events])
    opened = json.loads(replayed.stdout.splitlines()[0])
    for name in (opened["id"], opened["fingerprint"]):
        done = CliRunner().invoke(app, ["explain", name, "-c", config_file, "--json", events])
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert (found["series"], found["at"]) == ('cpu{host="web"}', opened["at"])
        assert found["rules"][0]["events"][0]["id"] == opened["id"]


def test_points_that_came_twice_or_late_are_counted_and_explain_nothing(tmp_path: Path) -> None:
    config_file, events = write(tmp_path, HIGH % "for: 0s", [70, 70])
    with Path(events).open("a") as file:
        file.write(f"{START_S},99\n{START_S + 60},99\n")
    done = CliRunner().invoke(app, ["explain", "cpu", "-c", config_file, "--json", events])
    found = json.loads(done.stdout)
    assert found["passed_over"] == 2
    assert reason(found["rules"][0])[0] == "inactive"


def test_a_group_is_explained_by_its_rows(tmp_path: Path) -> None:
    rules = (
        "  - {name: together, match: cpu, group_by: [], align: 1m, detector: multivariate, levels: {warning: 1.0}}\n"
    )
    config_file, _ = write(tmp_path, rules, [])
    values = np.random.default_rng(2).normal(50.0, 3.0, (400, 3))
    lines = [f"{START_S + 60 * i},{values[i, k]},{k}" for i in range(400) for k in range(3)]
    events = tmp_path / "cpu.csv"
    events.write_text("\n".join(["timestamp,value,host", *lines]))
    at = str(START_S + 60 * 350)
    done = CliRunner().invoke(app, ["explain", 'cpu{host="1"}', "--at", at, "-c", config_file, "--json", str(events)])
    assert done.exit_code == 0, done.output
    (rule,) = json.loads(done.stdout)["rules"]
    assert rule["about"] == "together"
    assert rule["point"] is not None
    assert rule["levels"][0]["state"] in ("inactive", "pending", "firing")


def test_a_silence_is_told_by_its_length(tmp_path: Path) -> None:
    rules = "  - {name: gone, match: cpu, detector: absent, params: {after: 10m}}\n"
    rule = explained(tmp_path, rules, [1, 1], 6)
    assert rule["silence"] == "silent for 5 min by then; it opens warning after 10 min"


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (["mem", "--at", "0"], 1, "no series in these events is mem"),
        (["cpu", "--at", "0"], 1, "has no point at or before 0"),
        (["cpu", "--at", "soon"], 2, "is no time; write 2026"),
        (["cpu{", "--at", "0"], 2, "no alert id and no series"),
        (["cpu", "--rule", "nope"], 2, "has no rule 'nope'; there are high"),
        (["0" * 32], 1, "open no alert"),
    ],
)
def test_what_can_not_be_found_says_what_would_do(tmp_path: Path, asked: list[str], code: int, words: str) -> None:
    config_file, events = write(tmp_path, HIGH % "for: 0s", [70, 90])
    done = CliRunner().invoke(app, ["explain", asked[0], events, "-c", config_file, *asked[1:]])
    assert done.exit_code == code
    assert words in done.stderr


def test_of_several_series_the_names_are_told(tmp_path: Path) -> None:
    config_file, _ = write(tmp_path, HIGH % "for: 0s", [])
    events = tmp_path / "cpu.csv"
    events.write_text(f"timestamp,value,host\n{START_S},1,a\n{START_S},2,b\n")
    done = CliRunner().invoke(app, ["explain", "cpu", str(events), "-c", config_file])
    assert done.exit_code == 1
    assert 'cpu is 2 series; name one:\n  cpu{host="a"}\n  cpu{host="b"}' in done.stderr


def test_hostile_labels_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    config_file, _ = write(tmp_path, HIGH % "for: 0s", [])
    events = tmp_path / "cpu.csv"
    events.write_text(f"timestamp,value,host\n{START_S},90,\x1b[2J[red]x\n")
    done = CliRunner().invoke(app, ["explain", "cpu", str(events), "-c", config_file])
    assert done.exit_code == 0, done.output
    assert "\x1b[2J" not in done.stdout
    assert "[red]" in done.stdout


def test_without_events_a_series_says_how_to_give_them() -> None:
    done = CliRunner().invoke(app, ["explain", 'cpu{host="a"}'])
    assert done.exit_code == 2
    assert "tidegauge explain SERIES --at TIME INPUT" in " ".join(done.stderr.split())


def observed(text: str, match: str, until_s: float, rows: int) -> ObservedEngine:
    checked = config(text)
    selector = Selector.parse(match)
    return ObservedEngine(checked.rules, checked.limits, 1, selector=selector, until_s=until_s, rows=rows)


GROUPED = """
  - {name: gone, match: "{}", group_by: [odd], detector: absent, params: {after: 2m}}
  - {name: together, match: "{}", group_by: [odd], align: 5s, detector: multivariate, levels: {warning: 1.0}}
  - {name: few, match: "{}", detector: baseline, budget: 1/day}
"""


@given(streams(), st.lists(st.integers(0, 400), max_size=4), st.integers(1, 50), st.floats(0.0, 2e9))
def test_looking_changes_no_alert_wherever_batches_are_cut(
    events: list[Event], cuts: list[int], rows: int, until_s: float
) -> None:
    text = CONFIG + GROUPED
    shard = observed(text, '{odd="yes"}', until_s, rows).shard()
    ends = sorted({min(cut, len(events)) for cut in cuts} | {0, len(events)})
    told = [encode_alert(event) for a, b in pairwise(ends) for event in apply(shard, events[a:b], a)]
    assert told == alerts(events, text=text)


@pytest.mark.parametrize("match", ["cpu", 'cpu{host="web"}'])
def test_records_of_a_topic_are_seen_as_lines_of_a_file_are(match: str) -> None:
    text = "rules:\n" + HIGH % "for: 2m"
    engine = observed(text, match, START_S + 180.0, 5)
    partition = Partition(engine, "metrics", 0, "auto", partitions=2)
    for offset in range(6):
        value = {"metric": "cpu", "labels": {"host": "web"}, "timestamp": START_S + 60 * offset, "value": 90}
        partition.process([Sent(offset, (START_S + 60 * offset) * 1000, json.dumps(value).encode())])
    (shard,) = engine.shards
    ((watched,),) = shard.watched.values()
    assert [step.t - START_S for step in watched.steps] == [0.0, 60.0, 120.0, 180.0]
    assert [step.row_number for step in watched.steps] == [1, 2, 3, 4]
    (event,) = shard.told
    assert event.source is not None
    assert event.source.offset == 2


@dataclass(frozen=True)
class Sent:
    offset: int
    timestamp: int
    value: bytes


@pytest.mark.parametrize("rows", [1, 7, 500])
def test_looking_changes_no_alert(tmp_path: Path, rows: int) -> None:
    text = "rules:\n" + SCORED % "budget: 5/day" + HIGH % "for: 2m"
    checked = config(text)
    values = noise(1500, 400, 430, 700, 701, 702, 703, 1200)
    _, events = write(tmp_path, "", values)
    plain, engine = (
        Replay(checked),
        ObservedEngine(
            checked.rules, checked.limits, 1, selector=Selector.parse("cpu"), until_s=LATEST_S - 1.0, rows=rows
        ),
    )
    watched = Replay(checked, (), engine)
    for run in (plain, watched):
        run.add_file(Path(events))
    told = plain.report().ndjson()
    assert told.count(b"\n") > 3
    assert watched.report().ndjson() == told


def test_what_the_alert_event_says_is_shown_without_its_events() -> None:
    points = [{"at": "2026-11-23T05:33:20.000Z", "value": value} for value in (70.0, 71.0, 90.0)]
    numbers = {"value": 90.0, "expected": 70.0, "lower": 60.0, "upper": 80.0, "score": 2.5, "deviation": 6.0}
    told = {"rule": "odd", "detector": "baseline", **numbers, "why": "Warning: \x1b[2Jfar.", "evidence": points}
    lines = [line.plain for line in told_lines(told)]
    assert lines[0].endswith("90 │  !")
    assert lines[-2].strip() == "rule odd, baseline: value 90, expected 70, lower 60, upper 80, score 2.5"
    assert lines[-1].strip() == "Warning: \\x1b[2Jfar."
    assert list(told_lines({"rule": "", "evidence": []})) == []
