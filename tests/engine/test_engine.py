"""The engine: the same events give the same bytes, and every alert carries what the contract says."""

import json
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine import Batch, Engine
from pipeline.wording import RuleWords, labels_of
from schemas.alert import alert_id, decode_alert, fingerprint
from schemas.metric import Series
from tests.engine.streams import CONFIG, Event, alerts, apply, config, streams

T0 = 1_795_412_000.0
STEP = [(1, T0 + i, 60.0 + (i % 3)) for i in range(50)]


@settings(max_examples=60, deadline=None)
@given(streams(), st.data())
def test_batches_may_be_cut_anywhere_and_the_alert_bytes_stay(stream: list[Event], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=6)))
    assert alerts(stream, tuple(cuts)) == alerts(stream)


@settings(max_examples=30, deadline=None)
@given(streams())
def test_ids_and_sequence_numbers_tell_each_episode_without_a_gap(stream: list[Event]) -> None:
    by_id = defaultdict(list)
    for event in map(decode_alert, alerts(stream)):
        by_id[event.id].append(event)
    for episode in by_id.values():
        assert [event.seq for event in episode] == list(range(len(episode)))
        assert {event.starts_at for event in episode} == {episode[0].starts_at}
        levels = [None, *(event.level for event in episode)]
        assert [event.previous_level for event in episode] == levels[:-1]
        assert all((event.status == "resolved") == (event.level is None) for event in episode)
        assert all(event.status == "firing" for event in episode[:-1])


@settings(max_examples=30, deadline=None)
@given(streams())
def test_evidence_is_the_series_last_points_up_to_the_transition(stream: list[Event]) -> None:
    shard = Engine(config().rules, config().limits).shard()
    taken: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for i, event in enumerate(stream):
        s, t, x = event
        history = taken[f"m{s}"]
        in_order = not history or t > history[-1][0]
        found = apply(shard, [event], i)
        if in_order:
            if history and t - history[-1][0] > 3600:
                silent, history[:] = list(history), []
            else:
                silent = list(history)
            history.append((t, x))
        for alert in found:
            points = list(zip(alert.evidence.t, alert.evidence.v, strict=True))
            expected = silent if alert.source is None else history
            assert points == expected[-16:]


def test_one_series_is_one_alert_whose_levels_change() -> None:
    values = [*STEP, *[(1, T0 + 50 + i, x) for i, x in enumerate([85, 85, 85, 85, 85, 85, 97, 97, 97, 97, 97, 97, 60])]]
    found = [decode_alert(a) for a in alerts(values) if decode_alert(a).rule == "high"]
    assert [(e.level, e.previous_level, e.seq) for e in found] == [("warning", None, 0), ("critical", "warning", 1)]
    first = found[0]
    labels = {"alertname": "high", "metric": "m1", "odd": "yes", "host": "h1"}
    assert first.labels == labels
    assert first.fingerprint == fingerprint(labels)
    series = Series.of("m1", {"odd": "yes", "host": "h1"})
    assert first.id == alert_id("high", series, T0 + 50)
    assert (first.starts_at, first.at) == ("2026-11-23T05:34:10.000Z", "2026-11-23T05:34:15.000Z")
    assert (first.value, first.upper, first.direction) == (85.0, 80.0, "above")
    assert first.source is not None
    assert first.source.offset == 55
    assert "80" in first.why
    assert first.why.endswith("since 2026-11-23T05:34:10Z (5 s).")


def test_rule_labels_stand_over_the_series_own() -> None:
    text = CONFIG.replace("labels: {team: shop}", "labels: {team: shop, host: overridden}")
    stream = [*STEP, *[(1, T0 + 50 + i, 60.0 + i % 3) for i in range(300)], (1, T0 + 350, 500.0)]
    found = [decode_alert(a) for a in alerts(stream, text=text)]
    labels = [e.labels for e in found if e.rule == "unusual"]
    assert {(one["host"], one["exported_host"]) for one in labels} == {("overridden", "h1")}


def test_no_two_series_share_a_fingerprint() -> None:
    rule = RuleWords("r", (("team", "shop"),), (), "")
    series = [
        Series.of("m", {}),
        Series.of("m", {"metric": "a"}),
        Series.of("m", {"metric": "b"}),
        Series.of("m", {"alertname": "r"}),
        Series.of("m", {"team": "shop"}),
        Series.of("m", {"team": "x", "exported_team": "y"}),
        Series.of("m", {"team": "y", "exported_team": "x"}),
    ]
    assert len({fingerprint(labels_of(rule, one)) for one in series}) == len(series)


def test_a_rule_takes_its_levels_from_different_detectors() -> None:
    quiet = [(1, T0 + i, 60.0 + (i * 7 % 5)) for i in range(400)]
    found = [decode_alert(a) for a in alerts([*quiet, *[(1, T0 + 400 + i, 89.0 + i) for i in range(6)]])]
    both = [(e.level, e.detector) for e in found if e.rule == "both"]
    assert both == [("warning", "baseline"), ("critical", "threshold")]


def test_repeated_and_late_events_are_counted_and_change_nothing() -> None:
    shard = Engine(config().rules, config().limits).shard()
    apply(shard, [(1, 10.0, 1.0), (1, 10.0, 99.0), (1, 9.0, 99.0), (1, 11.0, 1.0)])
    assert (shard.counts["applied"], shard.counts["duplicate"], shard.counts["late"]) == (2, 1, 1)


def test_a_silent_alert_ends_with_the_same_bytes_by_tick_and_by_its_next_point() -> None:
    firing: list[Event] = [(2, T0 + i, 85.0) for i in range(10)]
    engine = Engine(config().rules, config().limits)
    by_tick, by_point = engine.shard(), engine.shard()
    for shard in (by_tick, by_point):
        assert [e.level for e in apply(shard, firing)] == ["warning"]
    assert by_tick.advance(T0 + 9 + 600) == []
    ended = by_tick.advance(T0 + 9 + 601)
    assert apply(by_point, [(2, T0 + 5000, 60.0)]) == ended
    assert [(e.status, e.at, e.value, e.source) for e in ended] == [
        ("resolved", "2026-11-23T05:43:29.000Z", None, None)
    ]
    assert ended[0].why == "Resolved from warning: no data for 10 min."
    assert by_tick.advance(T0 + 9999) == []


def test_a_gap_longer_than_idle_after_starts_the_series_fresh() -> None:
    noisy = [(1, T0 + i, 60.0 + (i * 7 % 5)) for i in range(400)]
    after_gap = [(1, T0 + 400 + 3601 + i, 500.0 + (i * 7 % 5)) for i in range(60)]
    unusual = [decode_alert(a) for a in alerts([*noisy, *after_gap]) if decode_alert(a).rule == "unusual"]
    assert unusual == []


def test_a_series_beyond_the_cap_is_refused_and_known_ones_go_on() -> None:
    made = config(CONFIG.replace("limits: {", "limits: {max_series: 2, "))
    engine = Engine(made.rules, made.limits)
    shard = engine.shard()
    assert [shard.intern("m", {"i": str(i)}) for i in (0, 1, 2, 0, 1)] == [0, 1, -1, 0, 1]
    assert engine.shard().intern("m", {"i": "9"}) == -1


@pytest.mark.parametrize("hostile", ['a"b', "<script>", "\x1b[31m", "line\nbreak", "{{ x }}", "\u202eltr", ""])
def test_hostile_labels_come_through_unchanged_and_the_sentence_stays_on_one_line(hostile: str) -> None:
    shard = Engine(config().rules, config().limits).shard()
    series = shard.intern("m1", {"odd": hostile})
    batch = Batch(np.full(10, series), T0 + np.arange(10.0), np.full(10, 99.0))
    found = shard.apply(batch)
    assert found
    for event in found:
        assert event.labels["odd"] == hostile
        assert event.why.isprintable()
        assert event.annotations["summary"].isprintable()


def test_alert_events_have_the_fields_of_the_contract_in_their_order() -> None:
    stream = [*STEP, *[(1, T0 + 50 + i, 99.0) for i in range(10)]]
    assert list(json.loads(alerts(stream)[0])) == [
        *("schema", "id", "seq", "status", "level", "previous_level", "rule", "detector", "fingerprint"),
        *("labels", "annotations", "starts_at", "at", "ends_at", "value", "expected", "lower", "upper", "score"),
        *("deviation", "direction", "evidence", "why", "source", "config"),
    ]


def test_a_shift_that_is_accepted_says_that_it_is_normal_now() -> None:
    rng = np.random.default_rng(3)
    text = "rules: [{name: r, match: '{}', detector: baseline, levels: {warning: 1.0}}]\n"
    noise = rng.normal(100.0, 1.0, 2200).tolist()
    stream: list[Event] = [(1, T0 + 60 * i, x + 3.0 * (i >= 1500)) for i, x in enumerate(noise)]
    ended = [e for e in (decode_alert(a) for a in alerts(stream, text=text)) if e.status == "resolved"]
    assert any("which held so long that it is normal now, 3 h" in e.why for e in ended), [e.why for e in ended]
