"""Files on their way to Kafka: what is published, under which key, dated when."""

import json
from pathlib import Path

import pytest

from pipeline.commands.feed import Feed, key_of, shifted
from pipeline.commands.publish import seconds
from schemas.formats import Decoder


def decoded(payload: bytes) -> list[tuple[str, dict[str, str], float, float]]:
    seen: list[tuple[str, dict[str, str]]] = []

    def intern(metric: str, labels: dict[str, str]) -> int:
        seen.append((metric, dict(labels)))
        return len(seen) - 1

    columns = Decoder("auto", intern).decode([payload])
    return [(*seen[s], t, x) for s, t, x in zip(columns.series, columns.t.tolist(), columns.x.tolist(), strict=True)]


def test_lines_go_out_as_they_are_and_rows_as_native_events(tmp_path: Path) -> None:
    lines, rows = tmp_path / "a.ndjson", tmp_path / "b.csv"
    lines.write_bytes(b'{"metric": "up", "timestamp": 1795412001, "value": 1e0}\r\n\n  nonsense  \n')
    rows.write_text("timestamp,value,metric,host\n1795412000,1.5,cpu,w1\n1795412000.5,,cpu,w1\n1795412002,2.5,cpu,\n")
    feed = Feed([lines, rows])
    items = list(feed.items())
    assert [item.value for item in items if item.key is None or item.key == b"up"] == [
        b'{"metric": "up", "timestamp": 1795412001, "value": 1e0}',
        b"nonsense",
    ]
    assert [item.first_s for item in items] == [1795412000.0, 1795412001.0, 1795412001.0, 1795412002.0]
    assert items[0].key == b'cpu{host="w1"}'
    assert decoded(items[0].value) == [("cpu", {"host": "w1"}, 1795412000.0, 1.5)]
    assert decoded(items[3].value) == [("cpu", {}, 1795412002.0, 2.5)]
    assert feed.left_out == 1


def test_the_key_is_the_series_however_it_is_spelt() -> None:
    first = b'{"metric":"up","labels":{"a":"1","b":"2"},"timestamp":1,"value":1}'
    second = b'{"value": 2, "tags": {"b": "2", "a": "\\u0031"}, "name": "up", "ts": 2}'
    assert key_of(first) == key_of(second) == b'up{a="1", b="2"}'
    assert key_of(b"[1]") is key_of(b"nonsense") is key_of(b'{"metric": 7}') is None


@pytest.mark.parametrize("stamp", ["1795412000", "1795412000.25", "1795412000250", "1795412000250000000"])
def test_times_move_in_their_own_unit_and_values_stay_byte_for_byte(stamp: str) -> None:
    payload = b'{"metric":"up","timestamp":%s,"value":1.50}' % stamp.encode()
    moved = shifted(payload, 60.0)
    assert b'"value":1.50}' in moved
    assert decoded(moved)[0][2] == decoded(payload)[0][2] + 60.0
    assert type(json.loads(moved)["timestamp"]) is type(json.loads(payload)["timestamp"])


def test_batches_move_as_a_whole_and_what_has_no_time_stays() -> None:
    one = b'{"metric":"up","timestamp":"2026-11-23T05:33:20Z","value":1}'
    telegraf = b'{"metrics":[{"name":"up","tags":{},"timestamp":1795412000,"fields":{"x":1}}]}'
    for batch in (b"[" + one + b"," + one + b"]", telegraf):
        assert {t for _, _, t, _ in decoded(shifted(batch, -10.0))} == {1795411990.0}
    for odd in (b"nonsense", b"[1]", b'{"timestamp":true}', b"", b'{"metrics":3}'):
        assert shifted(odd, 5.0) == odd


def test_durations_are_read_and_defaults_are_taken_as_they_are() -> None:
    assert [seconds(text) for text in ("30", "1.5", "30s", "1h30m", 1.0)] == [30.0, 1.5, 30.0, 5400.0, 1.0]
