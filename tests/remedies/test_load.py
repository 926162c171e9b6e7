"""What workers tell of watched series, what the desk makes of it, and what KEDA is answered."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.remedies.advice import Advice, Adviser, NoAdvice
from incidents.remedies.load import POINTS_MAX, SPACING_S, Load, Track, slope_per_s, together
from pipeline.config import read_config
from pipeline.desk.automation.advisers import Advisers
from pipeline.desk.automation.load import Loads
from pipeline.engine import Engine, Shard
from pipeline.load import WATCHED_MAX, Watch
from pipeline.topics import topics_of
from schemas.config import ConfigErrors
from schemas.load import LoadError, LoadRecord, decode_load, encode_load, load_key
from schemas.metric import Series
from schemas.response.scaling import Scaling
from schemas.selector import Selector
from tests.api.scene import CLOSED, START_S, Api
from tests.engine.streams import Event, apply, config, streams

T0 = 1_795_412_000.0
WEB = Series.of("rps", {"service": "web"})
SCALING = Scaling("web", Selector.parse('rps{service="web"}'), target=100.0, replicas_max=20, replicas_min=2)


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


# How many ------------------------------------------------------------------------------------------------------------


def ask(adviser: Adviser, value: float, now_s: float, slope_per_s: float | None = None) -> int:
    found = adviser.advise({WEB: Load(value, slope_per_s, now_s, 9)}, now_s)
    assert isinstance(found, Advice), found
    return found.replicas


def test_a_load_is_shared_out() -> None:
    assert [ask(Adviser(SCALING), value, T0) for value in (0.0, 100.0, 250.0, 701.0, 9_999.0)] == [2, 2, 3, 8, 20]


def test_it_scales_ahead_of_a_rising_load_and_not_below_a_falling_one() -> None:
    assert ask(Adviser(SCALING), 500.0, T0, slope_per_s=5.0) == 8  # 800 in a minute
    assert ask(Adviser(SCALING), 500.0, T0, slope_per_s=-5.0) == 5


def test_it_goes_down_only_when_the_load_has_long_been_low() -> None:
    adviser = Adviser(SCALING)
    assert ask(adviser, 1_000.0, T0) == 10
    assert [ask(adviser, 300.0, T0 + s) for s in (60.0, 299.0, 301.0)] == [10, 10, 3]


@pytest.mark.parametrize(
    ("aggregate", "values", "replicas"), [("avg", (90, 50), 3), ("max", (90, 50), 3), ("max", (60, 20), 2)]
)
def test_where_each_replica_has_a_series_their_number_counts(
    aggregate: Any, values: tuple[int, ...], replicas: int
) -> None:
    scaling = replace(SCALING, aggregate=aggregate, target=60.0, replicas_min=1)
    loads = {Series.of("cpu", {"pod": str(i)}): Load(float(v), None, T0, 1) for i, v in enumerate(values)}
    found = Adviser(scaling).advise(loads, T0)
    assert isinstance(found, Advice)
    assert found.replicas == replicas


def test_without_fresh_data_there_is_no_number() -> None:
    adviser = Adviser(SCALING)
    assert isinstance(adviser.advise({}, T0), NoAdvice)
    old = adviser.advise({WEB: Load(5.0, None, T0 - 121, 9)}, T0)
    assert isinstance(old, NoAdvice)
    assert "121 s old" in old.reason
    assert isinstance(adviser.advise({WEB: Load(math.nan, None, T0, 9)}, T0), NoAdvice)
    assert isinstance(adviser.advise({WEB: Load(-5.0, None, T0, 9)}, T0), NoAdvice)


_LOADS = st.lists(
    st.tuples(st.floats(1, 200), st.floats(0, 5_000), st.none() | st.floats(-50, 50)), min_size=1, max_size=60
)


@given(_LOADS, st.sampled_from(["sum", "avg", "max"]))
def test_whatever_the_load_does_the_number_is_within_bounds_and_enough(steps: Any, aggregate: Any) -> None:
    """Never below what the load needs now, unless it is more than there may be; never less than lately needed."""
    adviser, now_s = Adviser(replace(SCALING, aggregate=aggregate)), T0
    needed: list[tuple[float, int]] = []
    for step_s, value, slope in steps:
        now_s += step_s
        found = ask(adviser, value, now_s, slope)
        assert SCALING.replicas_min <= found <= SCALING.replicas_max
        if aggregate == "sum":
            wants = min(math.ceil(value / SCALING.target - 1e-9), SCALING.replicas_max)
            needed.append((now_s, wants))
            assert found >= max(n for at_s, n in needed if at_s > now_s - SCALING.stabilise_down_s)


# Over HTTP -----------------------------------------------------------------------------------------------------------


def served(folder: Path, loads: Loads, **how: Any) -> Api:
    api = Api(folder, **how)
    service = api.app.state.service
    api.app.state.service = replace(service, advisers=Advisers([SCALING], loads, api.now))
    return api


def test_keda_is_answered_a_number_and_where_it_comes_from(tmp_path: Path) -> None:
    loads = Loads()
    with served(tmp_path, loads) as api:
        for i in range(9):
            loads.take(record(500.0 + 10 * i, START_S - 80 + 10 * i))
        body = api.get("/api/desk/scaling/web")
        assert (body["replicas"], body["value"], body["target"]) == (7, 580.0, 100.0)  # 640 in a minute
        assert body["load"]["slope_per_s"] == pytest.approx(1.0)
        assert "in 60 s" in body["reason"]


def test_keda_is_answered_an_error_rather_than_a_0(tmp_path: Path) -> None:
    loads = Loads()
    with served(tmp_path, loads) as api:
        nothing = api.ask("GET", "/api/desk/scaling/web")
        assert (nothing.status_code, "does a worker watch it" in nothing.text) == (503, True)
        loads.take(record(500.0, START_S - 3_600))
        old = api.ask("GET", "/api/desk/scaling/web")
        assert (old.status_code, "3600 s old" in old.text) == (503, True)
        unknown = api.ask("GET", "/api/desk/scaling/wbe")
        assert (unknown.status_code, "did you mean" in unknown.text) == (404, True)


def test_keda_needs_a_token_and_a_viewers_is_enough(tmp_path: Path) -> None:
    loads = Loads()
    loads.take(record(500.0, START_S))
    with served(tmp_path, loads, server=CLOSED) as api:
        assert api.ask("GET", "/api/desk/scaling/web").status_code == 401
        assert api.ask("GET", "/api/desk/scaling/web", token="viewer-token").status_code == 200


# The config ----------------------------------------------------------------------------------------------------------

GOOD = """
automation:
  watch: ['cpu_usage{service="web"}']
  load_every: 2s
  scaling:
    - {name: web, metric: 'rps{service="web"}', target: 100, min: 2, max: 20, lead: 90s}
"""


def test_the_config_says_what_is_watched(tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text(GOOD)
    config = read_config(file, need_rules=False)
    plan = config.desk.response.automation
    assert [str(each) for each in plan.watched] == ['cpu_usage{service="web"}', 'rps{service="web"}']
    assert (plan.load_every_s, plan.scaling[0].lead_s, plan.scaling[0].aggregate) == (2.0, 90.0, "sum")
    assert [topic.role for topic in topics_of(config) if topic.name == "tidegauge-load"] == ["load"]


def test_the_topic_is_only_there_where_something_is_watched(tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text("route: {receiver: a}\nreceivers: [{name: a}]\n")
    assert "load" not in [topic.role for topic in topics_of(read_config(file, need_rules=False))]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max": 1}, "automation.scaling[0].min: must not be above max (1), got 2"),
        ({"target": 0}, "automation.scaling[0].target: must be > 0"),
        ({"name": "Web/1"}, "automation.scaling[0].name: must look like"),
        ({"metric": "rps{"}, "automation.scaling[0].metric"),
        ({"aggregate": "p99"}, "automation.scaling[0].aggregate"),
    ],
)
def test_a_wrong_scaling_is_told(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    written = yaml.safe_load(GOOD)
    written["automation"]["scaling"][0] |= wrong
    file = tmp_path / "desk.yaml"
    file.write_text(yaml.safe_dump(written))
    with pytest.raises(ConfigErrors) as errors:
        read_config(file, need_rules=False)
    assert message in str(errors.value)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    written = yaml.safe_load(GOOD)
    written["automation"]["scaling"] *= 2
    file = tmp_path / "desk.yaml"
    file.write_text(yaml.safe_dump(written))
    with pytest.raises(ConfigErrors, match="is on line"):
        read_config(file, need_rules=False)
