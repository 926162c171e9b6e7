"""What workers tell of watched series, and what the desk makes of it."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.remedies.load import POINTS_MAX, SPACING_S, Load, Track, slope_per_s, together
from pipeline.desk.automation.load import Loads
from pipeline.engine import Engine, Shard
from pipeline.load import WATCHED_MAX, Watch
from schemas.load import LoadError, LoadRecord, decode_load, encode_load, load_key
from schemas.metric import Series
from schemas.selector import Selector
from tests.engine.streams import Event, apply, config, streams

T0 = 1_795_412_000.0
WEB = Series.of("rps", {"service": "web"})


def record(value: float, at_s: float = T0, series: Series = WEB) -> LoadRecord:
    return LoadRecord(metric=series.metric, labels=dict(series.labels), t=[at_s], v=[value])


# The worker ----------------------------------------------------------------------------------------------------------


def shard_of(events: list[Event]) -> Shard:
    shard = Engine(config().rules, config().limits).shard()
    apply(shard, events, 0)
    return shard


def told(watch: Watch, shard: Shard) -> dict[str, LoadRecord]:
    return {key.decode(): decode_load(value) for slice in watch.news(shard) for key, value in slice}


def test_the_newest_points_of_what_is_watched_are_told_once() -> None:
    shard = shard_of([(1, T0 + i, float(i)) for i in range(40)] + [(2, T0, 1.0)])
    watch = Watch([Selector.parse("m1")])
    (news,) = told(watch, shard).values()
    assert (news.metric, news.t, news.v) == ("m1", [T0 + i for i in range(24, 40)], [float(i) for i in range(24, 40)])
    assert news.series in shard.series
    assert told(watch, shard) == {}
    apply(shard, [(1, T0 + 40, 7.0), (2, T0 + 40, 7.0)], 100)
    assert [each.v[-1] for each in told(watch, shard).values()] == [7.0]


def test_where_nothing_is_watched_nothing_is_done() -> None:
    watch = Watch([])
    assert not watch.is_needed
    assert told(watch, shard_of([(1, T0, 1.0)])) == {}


@settings(max_examples=15, deadline=None)
@given(streams(), st.data())
def test_what_is_told_is_the_state_and_changes_nothing_of_it(stream: list[Event], data: st.DataObject) -> None:
    """Whenever it is asked between batches: the same alerts, and after the last time all newest points."""
    shard = Engine(config().rules, config().limits).shard()
    watch, loads = Watch([Selector.parse("{}")]), Loads()
    found = []
    for i, event in enumerate(stream):
        found += apply(shard, [event], i)
        if data.draw(st.booleans()) or i == len(stream) - 1:
            for each in told(watch, shard).values():
                loads.take(each)
    assert found == [*_events(stream)]
    for row, series in enumerate(shard.series):
        load = loads.value(series)
        assert load is not None
        assert (load.at_s, load.value) == (shard.last_t[row], shard.recent.before(row)[1][-1])


def _events(stream: list[Event]) -> list[Any]:
    shard = Engine(config().rules, config().limits).shard()
    return [alert for i, event in enumerate(stream) for alert in apply(shard, [event], i)]


def test_more_series_than_are_told_of_are_counted() -> None:
    shard = Engine(config().rules, config().limits).shard()
    watch = Watch([Selector.parse("many")])
    for number in range(WATCHED_MAX - 3):
        shard.intern("many", {"n": str(number)})
    told(watch, shard)
    assert (watch.series, watch.counts["unwatched"]) == (WATCHED_MAX - 3, 0)
    for number in range(10):
        shard.intern("many", {"more": str(number)})
    told(watch, shard)
    assert (watch.series, watch.counts["unwatched"]) == (WATCHED_MAX, 7)


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=3))
def test_a_record_reads_back_whatever_its_labels(labels: dict[str, str]) -> None:
    series = Series.of("m", labels)
    try:
        key, value = load_key(series), encode_load(series, [1.0], [2.0])
    except UnicodeEncodeError:
        return
    assert decode_load(value).series == series
    assert key.decode() == str(series)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b'{"metric":"m","labels":{},"t":[],"v":[]}', b'{"metric":"m","labels":{},"t":[2,1],"v":[1,1]}',
     b'{"metric":"m","labels":{},"t":[1],"v":[1,2]}', b'{"schema":"x/9","metric":"m","labels":{},"t":[1],"v":[1]}'],
)  # fmt: skip
def test_what_is_no_load_is_refused(data: bytes) -> None:
    with pytest.raises(LoadError):
        decode_load(data)


# The desk ------------------------------------------------------------------------------------------------------------


@given(st.floats(-100, 100), st.floats(-1e6, 1e6), st.integers(5, 40), st.data())
def test_a_trend_survives_a_fifth_of_wild_points(slope: float, start: float, count: int, data: st.DataObject) -> None:
    times = [10.0 * i for i in range(count)]
    values = [start + slope * t for t in times]
    for at in data.draw(st.sets(st.integers(0, count - 1), max_size=count // 5)):
        values[at] = data.draw(st.floats(-1e9, 1e9))
    found = slope_per_s(times, values)
    assert found is not None
    assert math.isclose(found, slope, abs_tol=1e-6)


@given(st.lists(st.tuples(st.floats(0.1, 30.0), st.floats(-1e3, 1e3)), min_size=1, max_size=200), st.integers(1, 9))
def test_a_track_keeps_the_newest_and_points_that_are_apart(steps: list[tuple[float, float]], size: int) -> None:
    """However the records were cut, the newest point is there, times rise, and it stays small."""
    t, points = T0, []
    for step_s, value in steps:
        t += step_s
        points.append((t, value))
    track = Track(WEB, (), ())
    for at in range(0, len(points), size):
        part = points[max(0, at - 3) : at + size]
        track = track.then([t for t, _ in part], [v for _, v in part])
    assert (track.times_s[-1], track.values[-1]) == points[-1]
    assert len(track.times_s) <= POINTS_MAX
    gaps = [b - a for a, b in pairwise(track.times_s)]
    assert all(gap > 0 for gap in gaps)
    assert all(gap >= SPACING_S for gap in gaps[:-1])


def test_an_alerts_series_is_found_among_the_watched() -> None:
    loads = Loads()
    loads.take(record(1.0, series=Series.of("cpu", {})))
    loads.take(record(2.0, series=Series.of("cpu", {"host": "a"})))
    loads.take(record(3.0, series=Series.of("cpu", {"host": "b"})))
    found = loads.of_alert({"alertname": "high", "metric": "cpu", "host": "a", "team": "shop"})
    assert found is not None
    assert found.value == 2.0
    assert loads.of_alert({"alertname": "high", "metric": "mem", "host": "a"}) is None
    loads.forget(T0 + 1)
    assert len(loads) == 0


def test_loads_come_together() -> None:
    both = [Load(10.0, 1.0, T0, 9), Load(30.0, -2.0, T0 - 5, 9)]
    assert together(both, "sum") == Load(40.0, -1.0, T0 - 5, 9)
    assert together(both, "avg") == Load(20.0, -0.5, T0 - 5, 9)
    assert together(both, "max") == Load(30.0, -2.0, T0 - 5, 9)
