"""`tidegauge init`: what it writes checks clean, leaves no metric out in silence, and finds a fault."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from detectors import LEVELS_ON, PARAMS
from pipeline.cli import app
from pipeline.commands import init
from pipeline.config import read_config
from pipeline.replay import Replay
from pipeline.starting.kinds import Seen, kind_of, left_out
from pipeline.starting.survey import Survey
from pipeline.starting.text import Place, start_config
from pipeline.topics import TopicsError
from schemas.config import Config, load_config
from schemas.formats import Columns
from schemas.formats.times import rfc3339_s
from schemas.metric import Series
from tests.live.harness import create_topic, publish

SAMPLES = Path(__file__).parents[1] / "samples"
CAPTURED = SAMPLES / "kafka-telegraf-json.txt"
DAY_S, STEP_S, FAULT_S = 86_400, 60, 3_600
START_S = 1795412220


def run(*args: str) -> Result:
    return CliRunner().invoke(app, ["init", *args])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config from the captured topic."""
    path = tmp_path_factory.mktemp("init") / "tidegauge.yaml"
    done = run(str(CAPTURED), "-o", str(path))
    assert done.exit_code == 0, done.output
    return path


def telegraf(path: Path, faulty: str, factor: float) -> None:
    """A day more of what was captured, each minute, with noise; in its last hour the field `faulty` times `factor`."""
    captured = [json.loads(line) for line in CAPTURED.read_text().splitlines() if line.strip()]
    newest = {json.dumps([each["name"], each["tags"], sorted(each["fields"])]): each for each in captured}
    metric, field = faulty.split(".")
    rng = np.random.default_rng(11)
    with path.open("w") as lines:
        for k in range(DAY_S // STEP_S):
            in_fault = k * STEP_S >= DAY_S - FAULT_S
            for each in newest.values():
                numbers = {name: x for name, x in each["fields"].items() if isinstance(x, int | float)}
                noise = 1 + 0.03 * rng.standard_normal(len(numbers))
                fields = {name: x * one for (name, x), one in zip(numbers.items(), noise, strict=True)}
                if in_fault and each["name"] == metric and field in fields:
                    fields[field] *= factor
                lines.write(json.dumps({**each, "fields": fields, "timestamp": START_S + k * STEP_S}) + "\n")


@pytest.mark.parametrize(
    ("faulty", "factor", "rule"),
    [("checkout_latency.mean", 4.0, "latency"), ("queue_depth.value", 6.0, "queue"), ("system.load1", 8.0, "unusual")],
)
def test_on_a_captured_telegraf_topic_it_finds_an_injected_fault(
    made: Path, tmp_path: Path, faulty: str, factor: float, rule: str
) -> None:
    telegraf(tmp_path / "later.ndjson", faulty, factor)
    replay = Replay(read_config(made))
    replay.add_file(tmp_path / "later.ndjson")
    opened = [event for event in replay.report().alerts if event.seq == 0]
    metric = faulty.replace(".", "_")
    began_s = START_S + DAY_S - FAULT_S
    found = [event for event in opened if event.labels["metric"] == metric and rfc3339_s(event.at) >= began_s]
    assert [event.rule for event in found] == [rule]
    assert rfc3339_s(found[0].starts_at) - began_s <= 120
    # Noise, of 127 series on their first day; the budget that `init` writes is as many.
    assert len(opened) - len(found) <= 10, [event.why for event in opened]


@pytest.mark.parametrize("sample", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_captured_sample_gives_a_config_that_checks_clean(sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "tidegauge.yaml"
    assert run(str(sample), "-o", str(path)).exit_code == 0
    done = CliRunner().invoke(app, ["check", "--json", str(path)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == []
    assert read_config(path).inputs[0].format == "telegraf_json"


def survey_of(points: dict[Series, list[float]]) -> Survey:
    survey = Survey()
    for one, values in points.items():
        index = survey.intern(one.metric, dict(one.labels))
        t = np.linspace(1795412000.0, 1795412000.0 + 10 * len(values), len(values), endpoint=False, dtype=np.float64)
        survey.add(Columns(np.full(len(t), index, np.int64), t, np.array(values, np.float64), np.arange(len(t))))
    return survey


def config_of(survey: Survey, text: str) -> Config:
    return load_config(text, "made.yaml", PARAMS, LEVELS_ON)


NAMES = st.text(min_size=1, max_size=30) | st.sampled_from(["cpu_usage", "mem_used_percent", "x_total", "a.b", "it's"])
SERIES = st.builds(Series.of, NAMES, st.dictionaries(st.sampled_from(["host", "a", "b c"]), st.text(max_size=5)))
VALUES = st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40)


@given(st.dictionaries(SERIES, VALUES, min_size=1, max_size=12), NAMES)
def test_whatever_the_names_it_checks_clean_and_each_metric_is_watched_once_or_named_as_left_out(
    points: dict[Series, list[float]], topic: str
) -> None:
    survey = survey_of(points)
    text = start_config(survey, Place(topic, "metrics", "auto", "127.0.0.1:9092"))
    rules = [rule for rule in config_of(survey, text).rules if rule.name != "silent"]
    skipped = {seen.metric for seen in survey.seen() if left_out(seen) or kind_of(seen).name == "cpu-idle"}
    for one in points:
        watching = [rule.name for rule in rules if rule.selector.matches(one)]
        assert len(watching) == 1 or (not watching and one.metric in skipped), (one, watching)


def test_more_metrics_than_one_selector_takes_become_several_rules() -> None:
    survey = survey_of({Series(f"some_application_metric_number_{k}"): [float(k), 1.0] for k in range(400)})
    config = config_of(survey, start_config(survey, Place("f", None, "auto", "127.0.0.1:9092")))
    assert [rule.name for rule in config.rules[:2]] == ["unusual", "unusual-2"]


KINDS = [
    ("cpu_usage_user", 0, 90, "cpu"),
    ("cpu_usage_idle", 0, 99, "cpu-idle"),
    ("cpu_usage", 0, 4000, "unusual"),  # no percentage
    ("host_cpu_percent", 0, 100, "cpu"),
    ("mem_used_percent", 3, 60, "memory"),
    ("mem_available_percent", 3, 60, "unusual"),  # less of it is worse
    ("disk_used_percent", 3, 60, "disk"),
    ("host_disk_used_percent", 3, 60, "disk"),
    ("http_error_ratio", 0, 0.1, "error-ratio"),
    ("http_error_ratio", 0, 12, "unusual"),
    ("checkout_latency_99_percentile", 1, 400, "latency"),
    ("checkout_latency_count", 1, 400, "unusual"),
    ("queue_depth_value", 0, 40, "queue"),
    ("flags", 0, 40, "unusual"),
    ("kafka_consumer_lag", 0, 40, "queue"),
    ("shop_orders", 0, 40, "business"),
    ("checkout_requests_value", 0, 40, "traffic"),
]


@pytest.mark.parametrize(("metric", "low", "high", "kind"), KINDS)
def test_a_metrics_kind_is_told_by_its_name_and_its_values(metric: str, low: float, high: float, kind: str) -> None:
    seen = Seen(metric, 1, frozenset(), 10, low, high, rises=False, steps=4)
    assert kind_of(seen).name == kind
    assert left_out(seen) is None


@pytest.mark.parametrize(
    ("metric", "values", "why"),
    [
        ("net_bytes_recv", [1, 2, 3], "running totals"),
        ("net_err_in", [0, 0, 0], "running totals"),
        ("net_bytes_recv", [3, 2, 1], None),
        ("mem_total", [8, 8, 8], "sizes that never changed"),
        ("mem_total", [8, 9, 8], None),
        ("mem_used", [1, 2, 3], None),
        ("anything", range(40), "running totals"),
        ("mem_used", [5, 5], None),
    ],
)
def test_what_can_teach_nothing_is_left_out_with_the_reason(metric: str, values: list[float], why: str | None) -> None:
    (seen,) = survey_of({Series(metric): list(map(float, values))}).seen()
    assert left_out(seen) == why


def test_nothing_is_written_over_and_nothing_made_of_nothing(tmp_path: Path) -> None:
    there, empty, bad = tmp_path / "there.yaml", tmp_path / "empty.ndjson", tmp_path / "bad.ndjson"
    there.write_text("mine")
    empty.write_text("")
    bad.write_text("nonsense\n")
    refused = run(str(CAPTURED), "-o", str(there))
    assert (refused.exit_code, there.read_text()) == (2, "mine")
    assert "--force" in refused.stderr
    assert run(str(CAPTURED), "-o", str(there), "--force").exit_code == 0
    assert run(str(CAPTURED), "-o", str(tmp_path / "no/such.yaml")).exit_code == 2
    assert run(str(empty)).exit_code == 1
    assert "not_json 1" in run(str(bad)).stderr
    assert run("no-such-topic", "--since", "soon").exit_code == 2


def test_a_name_that_is_neither_file_nor_topic_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str, bootstrap: str) -> int:
        raise TopicsError(f"no answer from Kafka at {bootstrap}")

    monkeypatch.setattr(init, "partitions_of", none)
    done = run("no-such", "--bootstrap", "127.0.0.1:1")
    assert done.exit_code == 1
    assert "init: no answer from Kafka at 127.0.0.1:1; a file by that name isn't there either" in done.stderr


@pytest.mark.kafka
def test_a_topic_gives_the_config_of_its_records(kafka: str, topic_name: str) -> None:
    create_topic(kafka, topic_name, 3)
    lines = [line for line in CAPTURED.read_bytes().splitlines() if line.strip()]
    publish(kafka, topic_name, [(json.dumps(json.loads(line)["name"]).encode(), line) for line in lines])
    done = run(topic_name, "--bootstrap", kafka)
    assert done.exit_code == 0, done.output
    config = load_config(done.stdout, "made.yaml", PARAMS, LEVELS_ON)
    assert (config.inputs[0].topic, config.inputs[0].format) == (topic_name, "telegraf_json")
    assert config.kafka.bootstrap == kafka
    assert "stayed on one of 3 partitions" in done.stdout
    assert {"cpu", "disk", "memory", "queue", "latency", "silent"} <= {rule.name for rule in config.rules}
