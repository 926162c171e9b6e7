"""Whatever is published: nothing raises, nothing vanishes, and neither speed nor cuts change a bit of it."""

import json
import sys
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats import Columns
from schemas.formats.base import Payload
from tests.formats.helpers import Reader

names = st.sampled_from(["m", "cpu", "é", ""]) | st.text(max_size=5)
numbers = (
    st.sampled_from([0, -0.0, 1, 1.5, 2**53 + 1, 2**64, 10**400, float("nan"), float("inf"), 1e308])
    | st.integers()
    | st.floats()
)
times = (
    st.sampled_from(
        [
            1795412000,
            1795412000.123,
            1795412000123,
            1795412000123456,
            1795412000123456789,
            10**17 - 1,
            10**11,
            "2026-11-23T05:33:20.123456789Z",
            "2026-11-23t07:33:20+02:00",
            "no",
            None,
        ]
    )
    | numbers
)
labels: st.SearchStrategy[object] = st.dictionaries(names, names, max_size=3) | st.sampled_from(
    [None, {}, {"a": 1}, [], {"a": {"b": ["c"]}}]
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
natives = st.fixed_dictionaries(
    {"metric": names, "timestamp": times, "value": numbers | anything},
    optional={
        "labels": labels,
        "name": names | st.none(),
        "tags": labels,
        "ts": times,
        "kind": st.sampled_from(["gauge", "counter", "delta", "x", None, 1]),
        "unit": st.sampled_from(["ms", "", "🌊" * 64, "🌊" * 65, None, 1]),
        "extra": anything,
        "fields": anything,
        "metrics": anything,
    },
)
aliased = st.fixed_dictionaries({"name": names, "@timestamp": times, "value": numbers}, optional={"tags": labels})
telegrafs = st.fixed_dictionaries(
    {"fields": st.dictionaries(names, numbers | anything, max_size=3), "name": names, "timestamp": times},
    optional={"tags": labels, "extra": anything},
)
some = natives | aliased | telegrafs
documents = (
    some
    | some
    | st.lists(some | anything, max_size=7)
    | st.fixed_dictionaries({"metrics": st.lists(telegrafs | some)})
    | anything
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """JSON in various spellings, one document or several lines, whole or damaged."""
    ascii_only = draw(st.booleans())
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    written = [
        json.dumps(document, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "replace")
        for document in draw(st.lists(documents, min_size=1, max_size=draw(st.sampled_from([1, 1, 1, 7]))))
    ]
    text = b"\n".join(written) + draw(st.sampled_from([b"", b"\n"]))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 4))
        text = (
            text[:at]
            + draw(st.binary(max_size=3) | st.sampled_from([b'"', b"[", b"NaN", b"1e999"]))
            + text[at + length :]
        )
    return text


payloads = st.lists(st.none() | st.binary(max_size=8) | texts() | texts() | texts(), max_size=8)
record_times = st.sampled_from([None, 1795412000.0, 0.0, float("nan")])


def accounted(columns: Columns, count: int) -> None:
    assert (columns.record[1:] >= columns.record[:-1]).all()
    assert [r.record for r in columns.rejects] == sorted(r.record for r in columns.rejects)
    assert abs(columns.x).max(initial=0.0) < float("inf")
    assert not np.signbit(columns.x[columns.x == 0]).any()
    assert set(columns.record.tolist()) | {r.record for r in columns.rejects} <= set(range(count))


@settings(max_examples=400, deadline=None)
@given(payloads, st.sampled_from(["auto", "native", "telegraf_json"]), record_times)
def test_the_quick_way_and_the_exact_way_agree_bit_for_bit(
    given: list[Payload], format: str, record_time: float | None
) -> None:
    quick, exact = Reader(format, 600.0), Reader(format, 600.0, quick=False)
    batch = given * 3  # the second time, spellings are known
    times_s = None if record_time is None else [record_time] * len(batch)
    for _ in range(2):
        assert quick.read(*batch, times_s=times_s) == exact.read(*batch, times_s=times_s)
    assert list(quick.series) == list(exact.series)


@settings(max_examples=200, deadline=None)
@given(payloads, st.data())
def test_where_the_payloads_are_cut_changes_nothing(given: list[Payload], data: st.DataObject) -> None:
    batch = given * 2
    cut = data.draw(st.integers(0, len(batch)))
    whole, parts = Reader(), Reader()
    columns, first, second = whole.decode(*batch), parts.decode(*batch[:cut]), parts.decode(*batch[cut:])
    events = parts.events(first) + [(r + cut, *rest) for r, *rest in parts.events(second)]
    assert whole.events(columns) == events
    assert list(whole.series) == list(parts.series)
    assert columns.skipped == first.skipped + second.skipped
    rejects = [(r.record, r.event, r.reason, r.payload) for r in first.rejects]
    rejects += [(r.record + cut, r.event, r.reason, r.payload) for r in second.rejects]
    assert [(r.record, r.event, r.reason, r.payload) for r in columns.rejects] == rejects


@settings(max_examples=300, deadline=None)
@given(payloads)
def test_every_payload_ends_as_events_rejects_or_skips(given: Sequence[Payload]) -> None:
    for payload in given:
        columns = Reader().decode(payload)
        accounted(columns, 1)
        assert len(columns) + len(columns.rejects) + columns.skipped.total() >= 1
        for reject in columns.rejects:
            assert payload is not None
            assert reject.payload in payload


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({"metric": st.just("m"), "timestamp": st.just(1), "value": anything | numbers}),
        min_size=1,
    )
)
def test_in_a_batch_every_event_is_accounted_for_once(batch: list[dict[str, object]]) -> None:
    for text in (json.dumps(batch), "\n".join(map(json.dumps, [*batch, {}]))):
        columns = Reader().decode(text.encode())
        assert len(columns) + len(columns.rejects) == len(batch) + (text[:1] != "[")
        bad = {r.event for r in columns.rejects}
        for k, event in enumerate(batch):
            value = event["value"]
            number = value if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")
            assert (k not in bad) == (-sys.float_info.max <= number <= sys.float_info.max)


def test_long_runs_with_bad_and_new_ones_in_between_agree_too() -> None:
    def payload(k: int) -> Payload:
        if k % 97 == 0:
            return b"{"
        if k % 101 == 0:
            return None
        if k // 500 % 3 == 1:
            telegraf = {"fields": {"a": k, "b": k / 7}, "name": "m", "tags": {"h": str(k % 11)}, "timestamp": k}
            return json.dumps(telegraf).encode()
        extra = {"x": k} if k // 300 % 2 else {}
        time: object = f"2026-11-23T05:33:{k % 60:02d}Z" if k // 700 % 2 else 1795412000 + k
        return json.dumps(
            {"name": f"m{k % 13}", "tags": {"h": str(k % 17)}, "ts": time, "value": k / 3, **extra}
        ).encode()

    batch = [payload(k) for k in range(5000)]
    times_s = [1795414000.0] * len(batch)
    quick, exact = Reader("auto", 0.0), Reader("auto", 0.0, quick=False)
    for _ in range(2):
        columns = quick.decode(*batch, times_s=times_s)
        accounted(columns, len(batch))
        assert {r.reason for r in columns.rejects} == {"not_json", "future"}
        assert quick.read(*batch, times_s=times_s) == exact.read(*batch, times_s=times_s)
    assert list(quick.series) == list(exact.series)
