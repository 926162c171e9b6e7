"""What is wrong with real data, one rule and one counter each, from the record's bytes to state and alerts."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.engine import Engine
from pipeline.partition import TP, Partition
from pipeline.saved import capture
from schemas.alert import AlertEvent, encode_alert
from tests.engine.streams import Event, config, streams
from tests.simulation.broker import Record
from tests.simulation.streams import must_be_finite, state_bytes

T0 = 1_795_412_000.0
ODD_VALUES = ["1e308", "-1e308", "5e-324", "-0.0", "9" * 40, "1e-400", "0", "NaN", "Infinity", "-Infinity", "1e999"]


class Bench:
    """One partition that is told events; their records come to Kafka at the time that a good clock shows."""

    def __init__(self) -> None:
        made = config()
        self.partition = Partition(Engine(made.rules, made.limits), *TP("metrics", 0), "native")
        self.alerts: list[AlertEvent] = []

    def tell(self, *events: Event, at_s: float | None = None, text: str | None = None, kind: str = "gauge") -> None:
        first = self.partition.next_offset
        records = []
        for i, (s, t, x) in enumerate(events):
            labels = {"odd": "yes" if s % 2 else "no"}
            fields = {"metric": f"m{s}", "labels": labels, "timestamp": t, "value": x, "kind": kind}
            payload = json.dumps(fields).encode() if text is None else native(s, t, text)
            records.append(Record(first + i, round((t if at_s is None else at_s) * 1000), payload))
        self.alerts += self.partition.process(records).alerts

    @property
    def state(self) -> dict[str, bytes]:
        return state_bytes(capture(self.partition.shard), silent=False)

    def counted(self, name: str) -> int:
        return self.partition.shard.counts[name]

    def said(self, s: int) -> list[AlertEvent]:
        """What was alerted of one series, whichever records carried it."""
        return [sourceless(alert) for alert in self.alerts if alert.labels["metric"] == f"m{s}"]


def native(s: int, t: float, text: str) -> bytes:
    labels = json.dumps({"odd": "yes" if s % 2 else "no"})
    return f'{{"metric": "m{s}", "labels": {labels}, "timestamp": {t}, "value": {text}}}'.encode()


def sourceless(alert: AlertEvent) -> AlertEvent:
    return replace(alert, source=None)


def calm(s: int, n: int, first_s: float = T0) -> list[Event]:
    return [(s, first_s + i, 60.0 + (i * 7 % 5)) for i in range(n)]


def after(*events: Event) -> Bench:
    bench = Bench()
    bench.tell(*events)
    return bench


@settings(max_examples=30)
@given(streams(points_max=150), st.data())
def test_repeated_events_are_counted_and_change_neither_state_nor_alerts(
    stream: list[Event], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.integers(0, max(len(stream) - 1, 0)), max_size=10)) if stream else []
    twice = [event for i, event in enumerate(stream) for event in [event] * (1 + again.count(i))]
    once, doubled = after(*stream), after(*twice)
    assert doubled.state == once.state
    assert [doubled.said(s) for s in range(6)] == [once.said(s) for s in range(6)]
    ignored = doubled.counted("duplicate") + doubled.counted("late")
    assert ignored == once.counted("duplicate") + once.counted("late") + len(again)


@settings(max_examples=30)
@given(streams(points_max=150))
def test_the_order_of_different_series_does_not_matter(stream: list[Event]) -> None:
    """However late one of them comes; only within a series does time go forward."""
    by_series = {s: [event for event in stream if event[0] == s] for s, _, _ in stream}
    one_after_the_other = [event for s in sorted(by_series) for event in by_series[s]]
    mixed, sorted_ = after(*stream), after(*one_after_the_other)
    assert [mixed.said(s) for s in range(6)] == [sorted_.said(s) for s in range(6)]
    assert [mixed.counted(name) for name in ("applied", "duplicate", "late")] == [
        sorted_.counted(name) for name in ("applied", "duplicate", "late")
    ]


@pytest.mark.parametrize("behind_s", [0.5, 3.0, 3600.0, 1e9])
def test_an_event_older_than_its_series_newest_is_counted_as_late_and_changes_nothing(behind_s: float) -> None:
    bench = after(*calm(1, 100))
    before = bench.state
    bench.tell((1, T0 + 99 - behind_s, 1e6))
    assert bench.state == before
    assert bench.alerts == []
    assert bench.counted("late") == 1


def test_a_clock_far_ahead_is_a_dead_letter_and_changes_nothing() -> None:
    bench = after(*calm(1, 100))
    before = bench.state
    bench.tell((1, T0 + 99 + 601, 1e6), (2, T0 + 99 + 86_400, 1e6), at_s=T0 + 99)
    bench.tell((1, (T0 + 100) * 1000, 60.0), at_s=T0 + 100)  # milliseconds are no future: they are told by their size
    assert bench.partition.rejected == {"future": 2}
    bench.tell((1, T0 + 100, 60.0))
    assert bench.counted("duplicate") == 1
    assert bench.state.keys() == before.keys()


def test_one_publisher_with_a_clock_ahead_silences_no_other_series() -> None:
    """Nor its own for longer than `max_future`."""
    good = calm(1, 60) + [(1, T0 + 60 + i, 99.0) for i in range(20)] + calm(1, 60, T0 + 80)
    alone, beside = after(*good), Bench()
    for i, event in enumerate(good):
        beside.tell((3, event[1] + 599, 60.0), at_s=event[1])
        beside.tell(event)
        if i % 10 == 0:
            beside.tell((5, event[1] + 86_400, 60.0), at_s=event[1])
    assert alone.said(1)
    assert beside.said(1) == alone.said(1)
    assert beside.counted("late") == 0
    back = T0 + len(good)
    beside.tell(*calm(3, 700, back))  # its clock was set right
    assert beside.counted("late") + beside.counted("duplicate") == 599
    assert beside.said(3) == []


def test_a_clock_that_goes_back_is_late_until_time_has_caught_up() -> None:
    bench = after(*calm(1, 400))
    bench.tell(*calm(1, 400, T0 + 300))
    assert (bench.counted("duplicate"), bench.counted("late")) == (1, 99)
    assert bench.counted("applied") == 700
    assert bench.alerts == []


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(ODD_VALUES)), min_size=1, max_size=120))
def test_no_value_makes_the_state_anything_but_finite(values: list[tuple[int, str]]) -> None:
    bench = Bench()
    for i, (s, text) in enumerate(values):
        bench.tell((s, T0 + i, 0.0), text=text)
    must_be_finite(capture(bench.partition.shard))
    bad = sum(not math.isfinite(float(text)) for _, text in values)
    assert bench.partition.rejected == ({"value_not_finite": bad} if bad else {})
    assert bench.counted("applied") == len(values) - bad
    for alert in bench.alerts:
        assert encode_alert(alert)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "null", "true", '"12"', "[1]", "{}"])
def test_what_is_no_number_is_a_dead_letter_and_changes_nothing(text: str) -> None:
    bench = after(*calm(1, 100))
    before = bench.state
    bench.tell((1, T0 + 100, 0.0), text=text)
    assert bench.state == before
    assert sum(bench.partition.rejected.values()) == 1


def test_a_counter_is_judged_by_its_plain_values_whatever_kind_it_says() -> None:
    """A reset is a fall like any other: rates are for the publisher to make. It costs no state and no order."""
    rising: list[Event] = [(1, T0 + i, 10.0 * i) for i in range(300)]
    reset: list[Event] = [*rising, *[(1, T0 + 300 + i, 10.0 * i) for i in range(300)]]
    gauge, counter = Bench(), Bench()
    gauge.tell(*reset)
    counter.tell(*reset, kind="counter")
    assert counter.state == gauge.state
    assert counter.said(1) == gauge.said(1)
    assert counter.counted("applied") == 600


def test_a_gap_ends_what_is_open_and_a_longer_one_starts_the_series_fresh() -> None:
    bench = after(*calm(2, 60), *[(2, T0 + 60 + i, 99.0) for i in range(10)])
    assert [alert.status for alert in bench.said(2)][-1] == "firing"
    bench.tell((2, T0 + 69 + 601, 60.0))
    ended = [alert for alert in bench.said(2) if alert.status == "resolved"]
    assert {alert.at for alert in ended} == {ended[0].at}
    assert ended[0].why == "Resolved from critical: no data for 10 min."
    assert bench.counted("restarted") == 0
    bench.tell((2, T0 + 670 + 3601, 1e6))
    assert bench.counted("restarted") == 1


@pytest.mark.parametrize("value", [0.0, 1.0, -7.5, 60.0])
def test_a_constant_series_never_alerts_and_nor_does_its_first_small_change(value: float) -> None:
    bench = after(*[(0, T0 + i, value) for i in range(1000)])
    bench.tell(*[(0, T0 + 1000 + i, value * 1.01) for i in range(10)])
    assert [alert for alert in bench.alerts if alert.detector == "baseline"] == []
    assert bench.counted("applied") == 1010


def test_batches_may_mix_all_of_it() -> None:
    """One batch of good and bad is what its parts are."""
    parts = [*calm(1, 80), (1, T0 + 40, 5.0), *calm(1, 20, T0 + 80), (1, T0 + 99, 60.0)]
    whole, single = after(*parts), Bench()
    for part in parts:
        single.tell(part)
    assert whole.state == single.state
    assert (whole.counted("late"), whole.counted("duplicate")) == (1, 1)
