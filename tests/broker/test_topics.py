"""The topics of a config on a real Kafka."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from pipeline.commands.topics import app
from pipeline.config import read_config
from pipeline.topics import SETTINGS, TopicsError, ensure_topics, topics_of

CONFIG = """
version: 1
kafka: {{bootstrap: "{bootstrap}"}}
inputs: [{{topic: {name}-in, keyed_by_series: {keyed}}}]
topics:
  {{alerts: {name}-a, state: {name}-s, dead_letters: {name}-d, incidents: {name}-i, changes: {name}-c,
    workers: {name}-w, control: {name}-control}}
rules: [{{name: high, match: cpu, detector: threshold, levels: {{warning: "> 80"}}}}]
"""


def config_file(folder: Path, bootstrap: str, name: str = "t", keyed: bool = True) -> Path:
    path = folder / "tidegauge.yaml"
    path.write_text(CONFIG.format(bootstrap=bootstrap, name=name, keyed=str(keyed).lower()), "utf-8")
    return path


@pytest.fixture
def admin(kafka: str) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(bootstrap_servers=kafka)) as client:
        yield client


@pytest.mark.kafka
def test_missing_topics_are_created_once_and_as_they_must_be(
    kafka: str, admin: KafkaAdminClient, topic_name: str, tmp_path: Path
) -> None:
    command = CliRunner()
    told = ["create", "--json", "-c", str(config_file(tmp_path, kafka, topic_name))]
    dry = command.invoke(app, [*told, "--dry-run"])
    assert (dry.exit_code, {row["outcome"] for row in json.loads(dry.stdout)}) == (0, {"missing"})
    assert not [name for name in admin.list_topics() if name.startswith(topic_name)]
    first = command.invoke(app, told)
    assert (first.exit_code, {row["outcome"] for row in json.loads(first.stdout)}) == (0, {"created"})
    second = command.invoke(app, told)
    assert (second.exit_code, {row["outcome"] for row in json.loads(second.stdout)}) == (0, {"exists"})
    partitions = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    assert {suffix: partitions[f"{topic_name}-{suffix}"] for suffix in ("in", "a", "s", "d")} == {
        "in": 4,
        "a": 1,
        "s": 1,
        "d": 1,
    }
    state = ConfigResource(ConfigResourceType.TOPIC, f"{topic_name}-s")
    settings = admin.describe_configs([state])["topic"][f"{topic_name}-s"]
    assert {key: settings[key]["value"] for key in SETTINGS["alerts-state"]} == SETTINGS["alerts-state"]


@pytest.mark.kafka
def test_a_topic_that_is_there_but_not_as_it_must_be_is_reported_and_left_alone(
    kafka: str, admin: KafkaAdminClient, topic_name: str, tmp_path: Path
) -> None:
    admin.create_topics(
        {f"{topic_name}-s": {"configs": {"cleanup.policy": "delete"}}, f"{topic_name}-in": {"num_partitions": 3}},
        wait_for_metadata=True,
    )
    path = config_file(tmp_path, kafka, topic_name, keyed=False)
    done = CliRunner().invoke(app, ["create", "-c", str(path)], terminal_width=400)
    assert done.exit_code == 1
    problems = {each.topic.role: each.problem for each in ensure_topics(kafka, read_config(path)) if each.problem}
    assert problems.keys() == {"alerts-state", "input"}
    assert "must be compact" in str(problems["alerts-state"])
    assert "keyed_by_series" in str(problems["input"])
    partitions = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    assert partitions[f"{topic_name}-in"] == 3


@pytest.mark.kafka
def test_what_the_broker_refuses_is_in_the_outcome(kafka: str, topic_name: str, tmp_path: Path) -> None:
    config = read_config(config_file(tmp_path, kafka, topic_name))
    outcomes = ensure_topics(kafka, config, replication=3)
    assert {outcome.what for outcome in outcomes} == {"failed"}
    assert "replication" in str(outcomes[0].problem).lower()


def test_no_broker_is_an_error_in_words(tmp_path: Path) -> None:
    config = read_config(config_file(tmp_path, "127.0.0.1:1"))
    with pytest.raises(TopicsError, match=r"no answer from Kafka at 127\.0\.0\.1:1"):
        ensure_topics("127.0.0.1:1", config, timeout_s=0.5)


def test_an_input_that_is_not_keyed_by_series_gets_one_partition_whatever_is_asked(tmp_path: Path) -> None:
    topics = topics_of(read_config(config_file(tmp_path, "127.0.0.1:1", keyed=False)), partitions=8)
    assert [(topic.role, topic.partitions) for topic in topics[:2]] == [("input", 1), ("alerts", 8)]


def test_every_mistake_of_the_config_is_told_before_kafka_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "tidegauge.yaml"
    path.write_text("version: 1\nnonsense: 1\n", "utf-8")
    done = CliRunner().invoke(app, ["create", "-c", str(path)])
    assert done.exit_code == 2
    assert f"{path}:2: nonsense" in done.stderr
