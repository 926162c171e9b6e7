"""The path through Kafka and Faust, on a real broker, with real worker processes."""

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from pipeline.config import read_config
from pipeline.replay import Replay
from schemas.alert import decode_alert
from schemas.dead_letter import decode_dead_letter
from schemas.export import alert_schema
from tests.engine.streams import CONFIG, Event
from tests.live.harness import committed, config_file, create_topic, publish, read, worker

pytestmark = pytest.mark.kafka
RULES = CONFIG[CONFIG.index("rules:") :]
T0 = 1_795_412_000.0


def shop(seed: int, series: int = 8, points: int = 900) -> list[Event]:
    """A quarter of an hour of several noisy series, with bursts."""
    rng = np.random.default_rng(seed)
    events = []
    for i in range(points):
        for s in range(series):
            burst = 60 if (i + 97 * s) % 300 > 280 else 0
            events.append((s, T0 + i + 0.125 * s, float(np.round(60 + rng.normal(0, 3) + burst, 3))))
    return events


def native(event: Event) -> dict[str, object]:
    s, t, x = event
    labels = {"odd": "yes" if s % 2 else "no", "host": f"h{s}"}
    return {"metric": f"m{s}", "labels": labels, "timestamp": t, "value": x}


def without_source(value: bytes) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(decode_alert(value), source=None))


def replayed(config: Path, lines: list[bytes], folder: Path) -> list[bytes]:
    (folder / "events.ndjson").write_bytes(b"\n".join(lines))
    run = Replay(read_config(config))
    run.add_file(folder / "events.ndjson")
    return run.report().ndjson().splitlines()


@pytest.mark.parametrize(
    ("partitions", "compression"), [(1, None), (4, "gzip"), (3, "snappy"), (2, "lz4"), (2, "zstd")]
)
def test_live_and_replay_publish_the_same_bytes(
    kafka: str, topic_name: str, tmp_path: Path, partitions: int, compression: str | None
) -> None:
    config = config_file(tmp_path, kafka, topic_name, RULES)
    create_topic(kafka, topic_name, partitions)
    events = shop(seed=partitions)
    lines = [json.dumps(native(event)).encode() for event in events]
    records: list[tuple[bytes | None, bytes]] = [
        (str(event[0]).encode(), line) for event, line in zip(events, lines, strict=True)
    ]
    half = len(records) // 2
    publish(kafka, topic_name, records[:half], compression)
    with worker(config) as running:
        running.wait_for_events(half)
        for start in range(half, len(records), 701):  # while it runs: other cuts
            publish(kafka, topic_name, records[start : start + 701], compression)
        running.wait_for_events(len(records))
    found = read(kafka, f"{topic_name}.alerts")
    expected = replayed(config, lines, tmp_path)
    assert len(expected) > 20
    ordered = sorted(found, key=lambda r: (decode_alert(r.value or b"").id, decode_alert(r.value or b"").seq))
    assert [without_source(record.value or b"") for record in ordered] == expected
    for record in found:
        event = decode_alert(record.value or b"")
        assert record.key == event.fingerprint.encode()
        assert dict(record.headers)["ce_id"] == f"{event.id}:{event.seq}".encode()
        assert event.source is None or event.source.topic == topic_name
    latest = {record.key: record.value for record in found}
    assert {record.key: record.value for record in read(kafka, f"{topic_name}.state")} == latest
    assert committed(kafka, topic_name, topic_name) == len(records)


def test_every_valid_event_is_counted_and_every_bad_one_is_a_dead_letter(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    """300,000 records: a third garbage, a third nearly right, a third right."""
    rng = random.Random(7)
    good = [json.dumps(native((i % 500, T0 + i // 500, 1.0))).encode() for i in range(100_000)]
    nearly = [
        rng.choice(
            [
                line.replace(b'"value": 1.0', b'"value": "1.0"'),
                line.replace(b'"value": 1.0', b'"value": NaN'),
                line.replace(b'"timestamp"', b'"when"'),
                line[: rng.randrange(2, len(line) - 1)],
                line.replace(b'"metric": "m', b'"metric": 5, "x": "'),
                line.replace(b'"host": "h', b'"host": 12, "y": "'),
            ]
        )
        for line in good
    ]
    garbage = [rng.randbytes(rng.randrange(1, 60)).replace(b"\n", b"!") for _ in range(100_000)]
    records: list[tuple[bytes | None, bytes]] = [(None, line) for line in [*good, *nearly, *garbage]]
    # Shuffled among the good ones, but those stay in their order, as a producer of one series would send them.
    order = [*([0] * len(good)), *([1] * (len(nearly) + len(garbage)))]
    rng.shuffle(order)
    rest = records[len(good) :]
    rng.shuffle(rest)
    first, second = iter(records[: len(good)]), iter(rest)
    mixed = [next(second if bad else first) for bad in order]
    config = config_file(tmp_path, kafka, topic_name, RULES)
    create_topic(kafka, topic_name, 1)
    publish(kafka, topic_name, mixed, "lz4")
    with worker(config) as running:
        running.wait_for_events(len(good), 240)
        bad = len(nearly) + len(garbage)
        running.wait("dead letters", lambda: running.metrics("tidegauge_dead_letters_total") >= bad, 240)
        assert running.metrics("tidegauge_events_total") == len(good)
        assert running.metrics("tidegauge_events_ignored_total") == 0
        assert running.metrics("tidegauge_dead_letters_total") == bad
        assert running.metrics("tidegauge_series") == 500
    letters = [decode_dead_letter(record.value or b"") for record in read(kafka, f"{topic_name}.dead")]
    places = Counter(letter.offset for letter in letters)
    assert sorted(places) == [offset for offset, is_bad in enumerate(order) if is_bad]
    assert set(places.values()) == {1}
    assert all(letter.topic == topic_name and letter.partition == 0 for letter in letters)


def test_foreign_clients_publish_with_kcat_and_read_alerts_that_fit_the_schema(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    """And the other way round: kafka-python publishes, kcat reads."""
    kcat = shutil.which("kcat")
    if kcat is None:
        pytest.skip("kcat is not installed: apt-get install kcat")
    config = config_file(tmp_path, kafka, topic_name, RULES)
    create_topic(kafka, topic_name, 1)
    lines = [json.dumps(native(event)) for event in shop(seed=3, series=2)]
    with worker(config) as running:
        subprocess.run(
            [kcat, "-b", kafka, "-t", topic_name, "-P", "-z", "snappy"],
            input="\n".join(lines[:1000]).encode(),
            check=True,
            timeout=60,
        )
        running.wait_for_events(1000)
        publish(kafka, topic_name, [(None, line.encode()) for line in lines[1000:]])
        running.wait_for_events(len(lines))
    by_python = [record.value or b"" for record in read(kafka, f"{topic_name}.alerts")]
    by_kcat = subprocess.run(
        [kcat, "-b", kafka, "-t", f"{topic_name}.alerts", "-C", "-e", "-q", "-o", "beginning"],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout.splitlines()
    assert by_python == by_kcat
    assert by_python
    validator = Draft202012Validator(alert_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
    for value in by_python:
        validator.validate(json.loads(value))


def test_an_input_not_keyed_by_series_over_several_partitions_is_refused(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    config = config_file(tmp_path, kafka, topic_name, RULES, keyed_by_series=False)
    create_topic(kafka, topic_name, 2)
    command = [sys.executable, "-m", "pipeline.cli", "worker", "-c", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "has 2 partitions: say keyed_by_series: true" in ended.stderr


def test_a_restart_goes_on_where_the_last_worker_committed(kafka: str, topic_name: str, tmp_path: Path) -> None:
    """No event is taken twice and none is left out, though what was learned is not kept yet."""
    config = config_file(tmp_path, kafka, topic_name, RULES)
    create_topic(kafka, topic_name, 2)
    records: list[tuple[bytes | None, bytes]] = [
        (str(event[0]).encode(), json.dumps(native(event)).encode()) for event in shop(seed=5, points=200)
    ]
    publish(kafka, topic_name, records[:1000])
    with worker(config) as first:
        first.wait_for_events(1000)
    publish(kafka, topic_name, records[1000:])
    with worker(config) as second:
        second.wait_for_events(len(records) - 1000)
        assert second.metrics("tidegauge_events_total") == len(records) - 1000


def test_what_piled_up_is_committed_as_soon_as_it_is_read_however_seldom_state_is_saved(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    config = config_file(tmp_path, kafka, topic_name, RULES, snapshot_every="1h")
    create_topic(kafka, topic_name, 3)  # more partitions than keys: nothing comes for one
    lines = [json.dumps(native(event)).encode() for event in shop(seed=5, series=2, points=200)]
    publish(kafka, topic_name, [(b"one", line) for line in lines])
    with worker(config) as running:
        running.wait("the commit", lambda: committed(kafka, topic_name, topic_name) == len(lines), 30)
        assert running.metrics("tidegauge_snapshots_total", outcome="saved") > 0
