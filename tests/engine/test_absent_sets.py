"""`absent` of a label set and of all that comes on a partition: silent when its newest member is."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine import Batch, Engine, Shard
from pipeline.saved import capture, restore
from pipeline.silent_sets import SilentSets
from pipeline.snapshots.checks import check_meaning
from schemas.alert import AlertEvent, encode_alert, rfc3339
from schemas.config import ConfigErrors
from tests.engine.streams import config

T0 = 1_795_392_000.0
AFTER_S, IDLE_S = 300.0, 3600.0
TEXT = """
limits: {idle_after: 1h, stale_after: 10m}
rules:
  - name: service-silent
    match: 'up'
    detector: absent
    group_by: [service]
    params: {after: 5m}
    levels: {warning: 1.0, critical: 3.0}
"""
WHOLE = TEXT.replace("[service]", "[]").replace("'up'", "'{}'").replace("service-silent", "nothing-comes")
SERIES = (("up", {"service": "a", "host": "1"}), ("up", {"service": "a", "host": "2"}), ("up", {"service": "b"}))
STRAYS = (("up", {"host": "9"}), ("other", {"service": "a"}))
Event = tuple[int, float]  # number in SERIES + STRAYS, seconds after T0


def shard_of(text: str = TEXT, inputs: int = 1, partitions: int = 1) -> Shard:
    made = config(text)
    return Engine(made.rules, made.limits, inputs).shard(partitions, "metrics", 3)


def apply(shard: Shard, events: list[Event], first_offset: int = 0) -> list[AlertEvent]:
    """Values are the offsets."""
    named = SERIES + STRAYS
    series = np.array([shard.intern(*named[s]) for s, _ in events], np.int64)
    offsets = np.arange(first_offset, first_offset + len(events), dtype=np.int64)
    t = np.array([T0 + t for _, t in events], np.float64)
    return shard.apply(Batch(series, t, offsets.astype(np.float64), "metrics", 3, offsets))


def told(events: list[AlertEvent]) -> list[tuple[str, str | None, str]]:
    """(time of day, level, why)."""
    return [(e.at[11:19], e.level, e.why) for e in events]


LAST = 'the last was up{host="2", service="a"}'


def test_a_set_is_silent_when_none_of_its_series_speaks() -> None:
    shard = shard_of()
    assert apply(shard, [(0, 0), (1, 10), (2, 20), (2, 310), (2, 500)]) == []
    found = apply(shard, [(2, 1100), (0, 1210)], 5)
    assert told([e for e in found if e.labels["service"] == "a"]) == [
        ("00:05:10", "warning", f"Warning: no data from any of its series for 5 min, {LAST}."),
        ("00:15:10", "critical", f"Critical (was warning): no data from any of its series for 15 min, {LAST}."),
        ("00:20:10", None, 'Resolved from critical: data is back after 20 min, from up{host="1", service="a"}.'),
    ]
    first, _, end = (e for e in found if e.labels["service"] == "a")
    assert first.labels == {"alertname": "service-silent", "metric": "service-silent", "service": "a"}
    assert (first.evidence.v, first.source, first.value) == ([1.0], None, None)
    assert (end.evidence.v, end.source and end.source.offset, end.value) == ([0.0, 6.0], 6, 6.0)
    assert {e.labels["service"] for e in found} == {"a", "b"}  # b was silent from 500 to 1100


def test_a_topic_is_silent_when_nothing_comes_at_all() -> None:
    shard = shard_of(WHOLE)
    assert apply(shard, [(0, 0), (1, 290), (3, 580), (4, 870)]) == []
    (found,) = shard.advance(T0 + 870 + 301)
    assert found.labels == {"alertname": "nothing-comes", "metric": "nothing-comes"}
    assert found.at[11:19] == "00:19:30"
    assert "the last was other" in found.why


def test_it_leaves_after_idle_after_and_says_so() -> None:
    shard = shard_of()
    apply(shard, [(1, 0)])
    assert told(shard.advance(T0 + 5000))[-1] == (
        "01:00:00",
        None,
        f"Resolved from critical: no data from any of its series for 1 h, {LAST}, so none is expected any more.",
    )
    assert shard.advance(T0 + 1e6) == []


def test_an_event_that_is_older_than_the_sets_newest_is_no_sign_of_life() -> None:
    shard = shard_of()
    apply(shard, [(0, 0), (1, 100)])
    (opened,) = shard.advance(T0 + 401)
    assert apply(shard, [(0, 99)], 2) == []  # host 1 spoke before host 2 did
    (end,) = apply(shard, [(0, 405)], 3)
    assert (end.id, end.status, end.at[11:19]) == (opened.id, "resolved", "00:06:45")


def test_series_without_the_label_are_in_no_set_and_counted() -> None:
    shard = shard_of()
    apply(shard, [(0, 0), (3, 1), (3, 2), (4, 3)])
    assert shard.counts["group_skipped:service-silent:unlabelled"] == 2
    assert {e.labels["service"] for e in shard.advance(T0 + 1000)} == {"a"}


@pytest.mark.parametrize(
    ("inputs", "partitions", "place"),
    [
        (1, 1, {}),
        (2, 1, {"kafka_topic": "metrics"}),
        (1, 4, {"kafka_partition": "3"}),
        (2, 4, {"kafka_topic": "metrics", "kafka_partition": "3"}),
    ],
)
def test_where_there_are_several_partitions_or_topics_an_alert_says_which(
    inputs: int, partitions: int, place: dict[str, str]
) -> None:
    shard = shard_of(TEXT, inputs, partitions)
    apply(shard, [(0, 0)])
    (found,) = shard.advance(T0 + 301)
    assert found.labels == {"alertname": "service-silent", "metric": "service-silent", "service": "a", **place}
    again = shard_of(TEXT, inputs, partitions)
    assert restore(again, capture(shard)) == []
    assert told(apply(again, [(1, 600)]))[-1][1] is None


def test_a_topic_that_gets_more_partitions_ends_the_alerts_of_the_old_one() -> None:
    shard = shard_of()
    apply(shard, [(0, 0)])
    (opened,) = shard.advance(T0 + 301)
    wider = shard_of(partitions=2)
    (end,) = restore(wider, capture(shard))
    assert (end.id, end.status, end.labels) == (opened.id, "resolved", opened.labels)
    assert [e.labels["kafka_partition"] for e in wider.advance(T0 + 301)] == ["3"]


def test_a_rule_that_is_removed_ends_the_alert_of_the_set() -> None:
    shard = shard_of()
    apply(shard, [(0, 0)])
    (opened,) = shard.advance(T0 + 301)
    saved = capture(shard)
    check_meaning(saved)
    (end,) = restore(shard_of(TEXT.replace("service-silent", "another")), saved)
    assert (end.id, end.status, end.at) == (opened.id, "resolved", opened.at)


def test_a_restart_with_another_match_finds_who_spoke_last_among_those_that_are_left() -> None:
    shard = shard_of()
    apply(shard, [(0, 0), (1, 100), (2, 50)])
    fewer = shard_of(TEXT.replace("'up'", "'up{host!=\"2\"}'"))
    restore(fewer, capture(shard))
    assert [(e.labels["service"], e.at[11:19]) for e in fewer.advance(T0 + 360)] == [
        ("a", "00:05:00"),
        ("b", "00:05:50"),
    ]
    more = shard_of()
    restore(more, capture(fewer))
    assert more.advance(T0 + 390) == []  # already told, and host 2 spoke last
    (worse,) = more.advance(T0 + 1001 - 50)
    assert (worse.labels["service"], worse.at[11:19]) == ("b", "00:15:50")


def oracle(stream: list[Event], end_s: float) -> set[tuple[str, float, str | None]]:
    """(set, when, level), from the times at which each set's newest event time rose."""
    found: set[tuple[str, float, str | None]] = set()
    for name, members in (("a", (0, 1)), ("b", (2,))):
        rises: list[float] = []
        for s, t in stream:
            if s in members and (not rises or t > rises[-1]):
                rises.append(t)
        for a, b in pairwise([*rises, end_s] if rises else ()):
            is_back = b != end_s
            for after_s, level in ((AFTER_S, "warning"), (3 * AFTER_S, "critical")):
                if b - a > after_s:
                    found.add((name, a + after_s, level))
            if b - a > IDLE_S:
                found.add((name, a + IDLE_S, None))
            elif b - a > AFTER_S and is_back:
                found.add((name, b, None))
    return found


steps = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from([1.0, 100.0, 250.0, 301.0, 900.0, 1000.0, 4000.0]),
        st.sampled_from([0.0, 0.0, 0.0, -50.0, -350.0]),
    ),
    max_size=40,
)


def stream_of(drawn: list[tuple[int, float, float]]) -> list[Event]:
    """Members whose clocks are behind among them."""
    at = np.cumsum(np.array([step for _, step, _ in drawn], np.float64)) + 1000.0
    return [(s, float(t + late)) for (s, _, late), t in zip(drawn, at, strict=True)]


@settings(deadline=None)
@given(steps)
def test_it_tells_what_a_small_oracle_tells(drawn: list[tuple[int, float, float]]) -> None:
    stream = stream_of(drawn)
    shard = shard_of()
    found = apply(shard, stream) if stream else []
    found += shard.advance(T0 + 1e6)
    expected = {(name, rfc3339(T0 + at), level) for name, at, level in oracle(stream, 1e6)}
    assert {(e.labels["service"], e.at, e.level) for e in found} == expected
    assert len(found) == len(expected)
    assert len({(e.id, e.seq) for e in found}) == len(found)


@settings(deadline=None)
@given(steps, st.sampled_from([TEXT, WHOLE]), st.sets(st.integers(0, 40), max_size=4), st.data())
def test_batches_ticks_and_restarts_change_no_byte(
    drawn: list[tuple[int, float, float]], text: str, cuts: set[int], data: st.DataObject
) -> None:
    stream = stream_of(drawn)
    whole = shard_of(text)
    expected = apply(whole, stream) if stream else []
    expected += whole.advance(T0 + 1e6)
    shard, found = shard_of(text), []
    for a, b in pairwise([0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]):
        found += apply(shard, stream[a:b], a) if b > a else []
        later = [t for _, t in stream[b:]]
        if b > a and data.draw(st.booleans()):  # a tick, not later than any event to come
            found += shard.advance(T0 + min(later, default=stream[-1][1] + 500))
        if data.draw(st.booleans()):
            saved, shard = capture(shard), shard_of(text)
            check_meaning(saved)
            assert restore(shard, saved) == []
    found += shard.advance(T0 + 1e6)
    by_key = [{(e.id, e.seq): encode_alert(e) for e in some} for some in (found, expected)]
    assert by_key[0] == by_key[1]
    assert len(found) == len(expected)


@settings(deadline=None)
@given(steps)
def test_a_set_knows_its_newest_time_as_its_speaker_does(drawn: list[tuple[int, float, float]]) -> None:
    shard = shard_of()
    stream = stream_of(drawn)
    if stream:
        apply(shard, stream)
    (binding,) = shard.bindings
    assert isinstance(binding, SilentSets)
    rows = slice(0, binding.rows)
    assert binding.newest_t[rows].tolist() == shard.last_t[binding.series_of[rows]].tolist()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("group_by: [kafka_partition]", 'group_by[0]: "kafka_partition" is set by Tidegauge itself'),
        ("group_by: [service, service]", "is there twice"),
        ("group_by: [service]\n    align: 30s", "align: absent takes no rows of members; leave it out"),
    ],
)
def test_what_a_set_can_not_be_is_refused(written: str, meant: str) -> None:
    with pytest.raises(ConfigErrors, match=re.escape(meant)):
        config(TEXT.replace("group_by: [service]", written))
