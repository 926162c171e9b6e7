"""Bytes that Telegraf 1.37.2 wrote, read as an independent little reader with the json module says."""

import json
from collections import Counter

import pytest

from schemas.metric import Series
from tests.formats.helpers import SAMPLES, Event, Reader, event

LINES = (SAMPLES / "telegraf.json.ndjson").read_bytes().splitlines(keepends=True)
LINES_MS = (SAMPLES / "telegraf.json-ms.ndjson").read_bytes().splitlines(keepends=True)
BATCHES = (SAMPLES / "telegraf.json-batch.ndjson").read_bytes().splitlines(keepends=True)
KAFKA = [text + b"\n" for text in (SAMPLES / "kafka-telegraf-json.txt").read_bytes().split(b"\n\n") if text]


def expected(payloads: list[bytes], unit: int) -> tuple[list[Event], Counter[str]]:
    events: list[Event] = []
    skipped: Counter[str] = Counter()
    for record, payload in enumerate(payloads):
        document = json.loads(payload)
        for metric in document.get("metrics", [document]):
            for field, value in metric["fields"].items():
                if isinstance(value, str):
                    skipped["string_field"] += 1
                    continue
                series = str(Series.of(f"{metric['name']}_{field}", metric["tags"]))
                events.append(event(record, series, metric["timestamp"] / unit, float(value)))
    return events, skipped


@pytest.mark.parametrize("format", ["auto", "telegraf_json"])
@pytest.mark.parametrize(
    ("payloads", "unit"), [(LINES, 1), (LINES_MS, 1000), (BATCHES, 1), (KAFKA, 1)], ids=["s", "ms", "batch", "kafka"]
)
def test_every_captured_payload_gives_exactly_its_events(format: str, payloads: list[bytes], unit: int) -> None:
    events, skipped = expected(payloads, unit)
    assert len(events) > 700
    reader = Reader(format)
    for _ in range(2):  # unknown spellings, then known ones
        assert reader.read(*payloads) == (events, [], skipped)


def test_a_file_of_telegraf_as_one_payload_is_a_batch() -> None:
    events, skipped = expected(LINES, 1)
    for file in (b"".join(LINES), b"".join(BATCHES)):
        columns = (reader := Reader()).decode(file)
        assert sorted(reader.events(columns)) == sorted((0, *one[1:]) for one in events)
        assert columns.skipped == skipped
        assert not columns.rejects


def test_fields_that_are_no_numbers_are_skipped_and_counted_by_what_they_are() -> None:
    fields = b'{"a":1,"text":"x","on":true,"off":false,"none":null,"b":2}'
    metric = b'{"fields":' + fields + b',"name":"m","tags":{},"timestamp":1795412170}'
    events = [event(0, "m_a", 1795412170.0, 1.0), event(0, "m_b", 1795412170.0, 2.0)]
    assert Reader().read(metric) == (events, [], {"string_field": 1, "bool_field": 2, "null_field": 1})


def test_one_bad_field_is_rejected_and_the_others_are_kept() -> None:
    metric = b'{"fields":{"a":1e400,"b":2,"c":[3]},"name":"m","tags":{},"timestamp":1795412170}'
    columns = (reader := Reader()).decode(metric)
    assert reader.events(columns) == [event(0, "m_b", 1795412170.0, 2.0)]
    assert [(r.reason, r.payload) for r in columns.rejects] == [
        ("value_not_finite", metric),
        ("value_not_number", metric),
    ]


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (b'{"fields":{"a":1},"timestamp":1}', "metric_missing"),
        (b'{"fields":{"a":1},"name":"","timestamp":1}', "metric_empty"),
        (b'{"fields":{"a":1},"name":"m","tags":["a"],"timestamp":1}', "labels_not_object"),
        (b'{"fields":{"a":1},"name":"m","tags":{"a":1},"timestamp":1}', "label_not_string"),
        (b'{"fields":{"a":1},"name":"m"}', "timestamp_missing"),
        (b'{"fields":{"a":1},"name":"m","timestamp":"yesterday"}', "timestamp_invalid"),
        (b'{"fields":null,"name":"m","timestamp":1}', "fields_missing"),
        (b'{"fields":[1],"name":"m","timestamp":1}', "fields_not_object"),
        (b'{"fields":{"' + b"f" * 512 + b'":1},"name":"m","timestamp":1}', "metric_too_long"),
    ],
)
def test_a_bad_metric_is_rejected_with_its_reason(metric: bytes, reason: str) -> None:
    columns = Reader().decode(metric)
    assert (len(columns), [r.reason for r in columns.rejects]) == (0, [reason])


def test_a_series_beyond_the_cap_is_counted_and_comes_in_once_there_is_room() -> None:
    reader = Reader(cap=1)
    metric = b'{"fields":{"a":1,"b":2},"name":"m","timestamp":1}'
    columns = reader.decode(metric, metric)
    assert (len(columns), columns.skipped) == (2, {"series_cap": 2})
    reader._cap = 2
    assert len(reader.decode(metric)) == 2
