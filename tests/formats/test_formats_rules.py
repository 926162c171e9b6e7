"""The rules of docs/inputs.md, one line each."""

import json

import numpy as np
import pytest

from schemas.formats import FORMATS, Decoder, Reason, Skip
from schemas.formats.base import DEPTH_MAX, LABELS_MAX
from tests.formats.helpers import Reader, event

T = b'"timestamp":1795412000'
GOOD = b'{"metric":"m",' + T + b',"value":1}'


def native(**keys: str) -> bytes:
    """An event with some keys as JSON text; "" leaves one out."""
    event = {"metric": '"m"', "timestamp": "1795412000", "value": "1"} | keys
    return ("{" + ",".join(f'"{key}":{text}' for key, text in event.items() if text) + "}").encode()


REJECTED: dict[str, list[bytes]] = {
    "empty": [b"", b" \r\n\t", b"\xef\xbb\xbf"],
    "invalid_utf8": [
        b"\xff",
        native(metric='"m"').replace(b'm"', b'\xff"', 1).replace(b'"\xff"', b'"\xff"'),
        b'{"metric":"m\xff",' + T + b',"value":1}',
        b'{"metric":"m",' + T + b',"value":1,"x":"\xff"}',
        b'{"metric":"m",' + T + b',"value":1,"\xff":1}',
        b'{"metric":"m",' + T + b',"value":1,"labels":{"a":"\xc0\x80"}}',
        GOOD.decode().encode("utf-16"),
    ],
    "too_deep": [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        native(x="[" * DEPTH_MAX + "]" * DEPTH_MAX),
        b"[" * 500 + b"]" * 500,
    ],
    "not_json": [
        b"{",
        b"nonsense",
        GOOD[:-1],
        GOOD + b"}",
        GOOD + GOOD,
        b'{"metric":"\\ud800",' + T + b',"value":1}',
        b'{"metric":"m\n",' + T + b',"value":1}',
        native(value="01"),
        native(value="1."),
        native(value="+1"),
        native(value="0x10"),
        native(value="nan"),
        native(value="1NaN"),
        GOOD.replace(b'"', b"'"),
    ],
    "not_object": [b"1", b"null", b'"text"', b"true", b"[1]", b"[[]]", b'[["metric"]]'],
    "metric_missing": [native(metric=""), native(metric="null"), b"{}"],
    "metric_not_string": [native(metric="1"), native(metric='{"a":1}'), native(metric="true")],
    "metric_empty": [native(metric='""')],
    "metric_too_long": [native(metric='"' + "m" * 513 + '"')],
    "labels_not_object": [native(labels='"a=b"'), native(labels="[]"), native(tags='["a:b"]')],
    "label_not_string": [native(labels='{"a":1}'), native(labels='{"a":null}'), native(labels='{"a":"b","c":{}}')],
    "label_name_empty": [native(labels='{"":"x"}')],
    "label_too_long": [native(labels=json.dumps({"a" * 129: "x"})), native(labels=json.dumps({"a": "x" * 1025}))],
    "too_many_labels": [native(labels=json.dumps({f"l{k}": "x" for k in range(65)}))],
    "labels_too_large": [native(labels=json.dumps({f"l{k}": "x" * 1000 for k in range(20)}))],
    "timestamp_missing": [native(timestamp=""), native(timestamp="null")],
    "timestamp_invalid": [
        native(timestamp=text)
        for text in (
            "true",
            "[]",
            '""',
            '"1795412000"',
            '"2026-11-23"',
            '"2026-11-23T05:33:20"',
            '"2026-02-30T05:33:20Z"',
            '"2026-11-23T24:00:00Z"',
            '"2026-11-23T05:33:20.1234567891Z"',
            '"2026-11-23T05:33:20+0200"',
            '"2026-11-23T05:33:20.Z"',
        )
    ],
    "timestamp_out_of_range": [
        native(timestamp=text)
        for text in ("1e400", "1e40", "-2e10", "9" * 21, "9" * 5000, '"1500-01-01T00:00:00Z"', "NaN")
    ],
    "value_missing": [native(value="")],
    "value_not_number": [native(value=text) for text in ("null", "true", "false", '"1"', '"NaN"', "[1]", "{}")],
    "value_not_finite": [
        native(value=text) for text in ("NaN", "Infinity", "-Infinity", "1e400", "-1e309", "1" + "0" * 309, "9" * 5000)
    ],
    "kind_invalid": [native(kind='"Gauge"'), native(kind="1"), native(kind='""')],
    "unit_invalid": [native(unit="1"), native(unit='"' + "u" * 65 + '"')],
}


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("reason", REJECTED)
def test_a_bad_payload_is_rejected_whole_with_its_reason(reason: str, quick: bool) -> None:
    reader = Reader(quick=quick)
    reader.decode(GOOD)
    for payload in REJECTED[reason]:
        columns = reader.decode(payload, GOOD)
        assert [r.reason for r in columns.rejects] == [reason], payload[:100]
        assert columns.rejects[0].detail
        assert columns.record.tolist() == [1], payload[:100]
        if payload[:1] != b"[":
            assert (columns.rejects[0].payload, columns.rejects[0].event) == (payload, None)


def test_every_reason_has_a_line_here_or_in_its_own_test() -> None:
    elsewhere = {"future", "fields_missing", "fields_not_object", "row_too_long", "poison"}
    assert set(REJECTED) | elsewhere == {str(reason) for reason in Reason}


@pytest.mark.parametrize(
    ("payload", "series", "t", "x"),
    [
        (b"\xef\xbb\xbf" + GOOD, "m", 1795412000.0, 1.0),
        (b"\n " + GOOD + b"\r\n", "m", 1795412000.0, 1.0),
        (native(value="-0.0"), "m", 1795412000.0, 0.0),
        (native(value="-0"), "m", 1795412000.0, 0.0),
        (native(value="-1e-400"), "m", 1795412000.0, 0.0),
        (native(value="9007199254740993"), "m", 1795412000.0, 9007199254740992.0),
        (native(value="1" + "0" * 308), "m", 1795412000.0, 1e308),
        (native(value="18446744073709551617"), "m", 1795412000.0, 18446744073709551616.0),
        (b'{"metric":"a","metric":"m",' + T + b',"value":true,"value":1}', "m", 1795412000.0, 1.0),
        (native(labels='{"a":1,"a":"b"}'), 'm{a="b"}', 1795412000.0, 1.0),
        (native(labels="null", kind="null", unit="null"), "m", 1795412000.0, 1.0),
        (native(name='"other"', tags='{"a":"b"}', ts="5"), 'm{a="b"}', 1795412000.0, 1.0),
        (native(metric="null", name='"m"', timestamp="null", time="1795412000"), "m", 1795412000.0, 1.0),
        (
            b'{"name":"m","tags":{"b":"2","a":"1"},"@timestamp":1795412000,"value":1}',
            'm{a="1", b="2"}',
            1795412000.0,
            1.0,
        ),
        (native(x="[NaN]", y='{"z":1e400}', fields='{"a":1}', metrics="[]"), "m", 1795412000.0, 1.0),
        (native(kind='"counter"', unit='"\U0001f30a"'), "m", 1795412000.0, 1.0),
        (native(timestamp="-1"), "m", -1.0, 1.0),
        (native(timestamp="99999999999"), "m", 99999999999.0, 1.0),
        (native(timestamp="100000000000"), "m", 100000000.0, 1.0),
        (native(timestamp="99999999999999"), "m", 99999999999.999, 1.0),
        (native(timestamp="100000000000000"), "m", 100000000.0, 1.0),
        (native(timestamp="99999999999999900"), "m", 99999999999.9999, 1.0),
        (native(timestamp="100000000000000000"), "m", 100000000.0, 1.0),
        (native(timestamp="1795412000123456789"), "m", 1795412000123456789 / 10**9, 1.0),
        (native(timestamp='"2026-11-23t05:33:20.5z"'), "m", 1795412000.5, 1.0),
        (native(timestamp='"2026-11-23T07:33:20.123456789+02:00"'), "m", 1795412000.123456789, 1.0),
        (native(timestamp='"2016-12-31T23:59:60Z"'), "m", 1483228800.0, 1.0),
    ],
)
def test_an_odd_payload_is_read_by_its_rule(payload: bytes, series: str, t: float, x: float) -> None:
    for quick in (True, False):
        reader = Reader(quick=quick)
        for _ in range(2):
            assert reader.read(payload) == ([event(0, series, t, x)], [], {})


def test_a_tombstone_and_an_empty_batch_are_skipped() -> None:
    assert Reader().read(None, b"[]", GOOD)[2] == {"tombstone": 1, "empty_batch": 1}


def test_in_a_batch_each_bad_event_is_rejected_alone() -> None:
    bad = native(value="NaN", x='"Infinity NaN"')
    for batch in (b"[%s, %s ,%s]" % (GOOD, bad, GOOD), b"%s\n%s\r\n\n%s\n" % (GOOD, bad, GOOD)):
        columns = Reader().decode(batch)
        assert len(columns) == 2
        assert [(r.record, r.event, r.reason, r.payload.strip()) for r in columns.rejects] == [
            (0, 1, "value_not_finite", bad)
        ]


def test_a_broken_line_costs_only_itself() -> None:
    columns = Reader().decode(b'{"metric":"m"\n' + GOOD + b"\n\xff\n" + b"[" * 99 + b"\n5\n[%s,7]" % GOOD)
    assert len(columns) == 2
    assert [(r.event, r.reason, r.payload) for r in columns.rejects] == [
        (0, "not_json", b'{"metric":"m"'),
        (2, "invalid_utf8", b"\xff"),
        (3, "too_deep", b"[" * 99),
        (4, "not_object", b"5"),
        (5, "not_object", b"7"),
    ]


def test_an_indented_event_that_is_broken_is_one_reject() -> None:
    text = json.dumps(json.loads(GOOD), indent=2).encode()
    assert len(Reader().decode(text)) == 1
    assert [r.payload for r in Reader().decode(text[:-1]).rejects] == [text[:-1]]


def test_an_event_too_far_ahead_of_its_record_is_rejected_and_makes_no_series() -> None:
    reader = Reader(max_future_s=600.0)
    late = native(timestamp="1795412601", metric='"new"')
    at_limit = native(timestamp="1795412600")
    for _ in range(2):
        columns = reader.decode(late, at_limit, GOOD, b"[%s,%s]" % (late, GOOD), times_s=[1795412000.0] * 4)
        assert columns.record.tolist() == [1, 2, 3]
        assert [(r.record, r.event, r.reason) for r in columns.rejects] == [(0, None, "future"), (3, 0, "future")]
    assert len(reader.series) == 1
    assert len(reader.decode(late, times_s=[float("nan")])) == 1
    assert [r.reason for r in reader.decode(late, times_s=[1795412000.0]).rejects] == ["future"]
    assert len(reader.decode(late)) == 1


def test_two_spellings_are_one_series_and_endless_ones_are_not_remembered_without_end() -> None:
    reader = Reader()
    payloads = [native(labels='{"a":"b"' + " " * k + "}") for k in range(300)]
    columns = reader.decode(*payloads, native(labels='{"\\u0061":"b"}'), native(tags='{"a":"b"}'))
    assert set(columns.series.tolist()) == {0}
    assert len(columns) == 302

    from schemas.formats.spellings import Spellings

    spellings: Spellings[int] = Spellings(bytes_max=10_000)
    for k in range(1000):
        spellings.learn(str(k), 4, k)
    spellings.learn("long", 5000, 1)
    assert 0 < len(spellings) < 40
    assert spellings.get("999") == 999


def test_a_forgotten_series_is_asked_for_again() -> None:
    given = [0]
    decoder = Decoder("auto", lambda metric, labels: given[0])
    assert decoder.decode([GOOD, GOOD]).series.tolist() == [0, 0]
    given[0] = 5
    decoder.forget()
    assert decoder.decode([GOOD]).series.tolist() == [5]


def test_the_limits_themselves_are_allowed() -> None:
    labels = {f"{k:0128d}": "é" * 1024 for k in range(5)}
    labels |= {f"{k:090d}": "" for k in range(5, LABELS_MAX - 1)}
    labels["z"] = ""
    assert len(labels) == LABELS_MAX
    payload = native(metric='"' + "m" * 512 + '"', labels=json.dumps(labels), unit='"' + "🌊" * 64 + '"')
    assert len(Reader().decode(payload, payload)) == 2
    assert len(Reader().decode(native(x="[" * 31 + "]" * 31))) == 1


def test_an_explicit_format_takes_no_other() -> None:
    telegraf = b'{"fields":{"a":1},"name":"m","tags":{},"timestamp":1795412170}'
    assert [r.reason for r in Reader("native").decode(telegraf).rejects] == ["value_missing"]
    assert [r.reason for r in Reader("telegraf_json").decode(native(name='"m"')).rejects] == ["fields_missing"]
    with pytest.raises(ValueError, match="auto, telegraf_json, native"):
        Decoder("telegraph", lambda metric, labels: 0)


def test_columns_have_their_types_even_when_empty() -> None:
    columns = Reader().decode()
    assert [a.dtype for a in (columns.series, columns.t, columns.x, columns.record)] == [
        np.dtype(np.int64),
        np.dtype(np.float64),
        np.dtype(np.float64),
        np.dtype(np.int64),
    ]


def test_every_reason_and_skip_has_a_sentence_and_every_format_is_made_anew() -> None:
    assert all(word.sentence.endswith(".") for word in (*Reason, *Skip))
    assert all(FORMATS[name]() is not FORMATS[name]() for name in FORMATS)


@pytest.mark.timeout(30)  # a quadratic way through any of them takes minutes
def test_a_hostile_text_costs_time_in_proportion_to_its_length() -> None:
    size = 300_000
    hostile = [
        native(value="NaN", x="9e" + "9" * size),
        native(value="NaN", x="[" + ",".join(f"9e9{k:07d}1" for k in range(size // 12)) + "]"),
        b'{"a":"' + b'\\"' * size,
        b"NaN" * size,
        b'"' + b"\\" * size + b"NaN",
        b"{}\n" * 3 + b"[" * size + b"\n" * size,
        b"[" + b"NaN," * (size // 20) + b"1]",
    ]
    columns = Reader().decode(*hostile)
    assert len(columns) == 0
    assert {r.record for r in columns.rejects} == set(range(len(hostile)))
    assert [r.payload == hostile[r.record] for r in columns.rejects if r.record < 3] == [True] * 3
