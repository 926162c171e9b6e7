"""The commands against a real broker, through the command line."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from schemas.alert import encode_alert
from schemas.dead_letter import decode_dead_letter, encode_dead_letter
from tests.commands.test_redrive import letters
from tests.commands.test_rendering import EVENT
from tests.live.harness import create_topic, publish, read

pytestmark = pytest.mark.kafka
EVENT_LINE = '{"metric": "up", "labels": {"host": "h%d"}, "timestamp": 17954120%02d, "value": %d}\n'


def tidegauge(*arguments: object, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == exit_code, done.output
    return done.stdout


@pytest.fixture
def config(tmp_path: Path, kafka: str, topic_name: str) -> Path:
    path = tmp_path / "tidegauge.yaml"
    path.write_text(
        f"kafka: {{bootstrap: '{kafka}', group: {topic_name}}}\n"
        f"inputs: [{{topic: {topic_name}, keyed_by_series: true}}]\n"
        f"topics: {{alerts: {topic_name}.a, state: {topic_name}.s, dead_letters: {topic_name}.d}}\n"
        "rules: [{name: any, match: up, detector: threshold, levels: {warning: '> 1'}}]\n"
    )
    return path


def records(kafka: str, topic: str, values: Sequence[bytes]) -> None:
    publish(kafka, topic, [(None, value) for value in values])


def test_a_file_arrives_line_by_line_each_series_on_one_partition(
    config: Path, kafka: str, topic_name: str, tmp_path: Path
) -> None:
    create_topic(kafka, topic_name, 4)
    lines = [EVENT_LINE % (i % 7, i, i) for i in range(60)]
    (tmp_path / "events.ndjson").write_text("".join(lines))
    assert tidegauge("publish", "file", tmp_path / "events.ndjson", "-c", config).startswith("published 60 records")
    found = read(kafka, topic_name)
    assert sorted(record.value or b"" for record in found) == sorted(line.strip().encode() for line in lines)
    partitions = {(record.key, record.partition) for record in found}
    assert len(partitions) == len({key for key, _ in partitions}) == 7


def test_this_machine_tells_of_itself(config: Path, kafka: str, topic_name: str) -> None:
    create_topic(kafka, topic_name, 1)
    tidegauge("publish", "host", "-c", config, "--every", "200ms", "--duration", "0.3", "--host", "here")
    events = [json.loads(record.value or b"") for record in read(kafka, topic_name)]
    assert {"host_cpu_percent", "host_memory_used_percent"} <= {event["metric"] for event in events}
    assert {event["labels"]["host"] for event in events} == {"here"}


def test_tail_shows_each_alert_once_and_json_gives_the_records_as_they_are(
    config: Path, kafka: str, topic_name: str
) -> None:
    create_topic(kafka, f"{topic_name}.a", 1)
    mild = msgspec.structs.replace(EVENT, id="1" * 32, level="info", previous_level=None)
    values = [encode_alert(EVENT), encode_alert(EVENT), b"no alert", encode_alert(mild)]
    records(kafka, f"{topic_name}.a", values)
    common = ("tail", "-c", config, "--from", "beginning", "--timeout", "5")
    assert tidegauge(*common, "--max", "2").count(EVENT.why) == 2
    assert tidegauge(*common, "--level", "warning", "--max", "1").count("CRITICAL") == 1
    raw = tidegauge(*common, "--json", "--max", "3").splitlines()
    assert raw == [values[0].decode(), values[1].decode(), values[3].decode()]


def test_dead_letters_are_listed_and_redriven_once(config: Path, kafka: str, topic_name: str) -> None:
    create_topic(kafka, topic_name, 1)
    create_topic(kafka, f"{topic_name}.d", 1)
    long = b"nonsense" * 1000
    publish(kafka, topic_name, [(b"key", long)])
    made = [stored.letter for stored in letters(b"nonsense", b'{"metric":""}', long, long + b"!")]
    here = [msgspec.structs.replace(letter, topic=topic_name, partition=0, offset=0) for letter in made if letter]
    records(kafka, f"{topic_name}.d", [encode_dead_letter(letter) for letter in here])

    assert "3  not_json" in tidegauge("dead-letters", "list", "-c", config)
    listed = tidegauge("dead-letters", "list", "-c", config, "--json", "--reason", "metric_empty").splitlines()
    assert [decode_dead_letter(line.encode()) for line in listed] == [here[1]]

    redrive = ("dead-letters", "redrive", "-c", config, "--json")
    would = json.loads(tidegauge(*redrive, "--dry-run", exit_code=1))
    assert (would["redriven"], would["gone"]) == (3, 1)
    assert json.loads(tidegauge(*redrive, "--reason", "metric_empty"))["redriven"] == 1
    rest = json.loads(tidegauge(*redrive, exit_code=1))
    assert (rest["redriven"], rest["gone"], rest["skipped"]) == (2, 1, 1)
    assert json.loads(tidegauge(*redrive))["redriven"] == 0
    again = [(record.key, record.value) for record in read(kafka, topic_name)[1:]]
    assert again == [(None, b'{"metric":""}'), (None, b"nonsense"), (b"key", long)]


def test_doctor_finds_what_is_wrong_and_says_what_would_do(config: Path, kafka: str, topic_name: str) -> None:
    create_topic(kafka, topic_name, 2)
    findings = {one["what"]: one for one in json.loads(tidegauge("doctor", "-c", config, "--json"))}
    assert findings["broker"]["state"] == findings[f"topic {topic_name}"]["state"] == "ok"
    assert findings[f"topic {topic_name}.s"]["state"] == "warn"
    assert findings[f"lag of {topic_name}"]["state"] == "ok"
    assert "dead letters" not in findings
    records(kafka, topic_name, [b"nonsense"])
    create_topic(kafka, f"{topic_name}.d", 1)
    letter = letters(b"nonsense")[0].letter
    assert letter is not None
    records(kafka, f"{topic_name}.d", [encode_dead_letter(letter)])
    findings = {one["what"]: one for one in json.loads(tidegauge("doctor", "-c", config, "--json"))}
    assert findings[f"lag of {topic_name}"]["state"] == findings["dead letters"]["state"] == "warn"
    assert "1 events could not be read" in findings["dead letters"]["seen"]
    config.write_text(config.read_text().replace("keyed_by_series: true", "keyed_by_series: false"))
    create_topic(kafka, f"{topic_name}.s", 1)
    findings = {one["what"]: one for one in json.loads(tidegauge("doctor", "-c", config, "--json", exit_code=1))}
    assert "keyed_by_series" in findings[f"topic {topic_name}"]["mend"]
    assert "compact" in findings[f"topic {topic_name}.s"]["seen"]


def test_where_nobody_answers_every_command_says_so_and_ends_with_one(config: Path, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("{}\n")
    nowhere = ("-c", config, "--bootstrap", "127.0.0.1:1")
    for command in (["publish", "file", tmp_path / "a.ndjson"], ["tail"], ["dead-letters", "list"]):
        tidegauge(*command, *nowhere, exit_code=1)
    tidegauge("tail", "-c", tmp_path / "nosuch.yaml", exit_code=2)
