"""Groups in the engine: members meet by event time, one alert a group, the same bytes whatever cuts and restarts."""

from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.group import MEMBERS_MAX
from pipeline.engine import Batch, Engine, Shard
from pipeline.grouping import GroupBinding
from pipeline.saved import capture, restore
from schemas.alert import AlertEvent, encode_alert, rfc3339
from schemas.config import ConfigErrors
from tests.engine.streams import config

T0 = 1_795_412_000.0
TEXT = """
limits: {idle_after: 12h, stale_after: 1h}
rules:
  - name: together
    match: '{__name__=~"m[0-9]"}'
    group_by: [host]
    detector: multivariate
    params: {warm_up: 150}
    levels: {warning: 1.0, critical: 2.0}
    labels: {team: ops}
"""
Event = tuple[str, str, float, float]  # metric, host, Unix seconds, value


def apply(shard: Shard, events: list[Event], first_offset: int = 0) -> list[AlertEvent]:
    series = [shard.intern(metric, {"host": host, "rack": "r1"}) for metric, host, _, _ in events]
    return shard.apply(
        Batch(
            np.array(series, np.int64),
            np.array([t for _, _, t, _ in events], np.float64),
            np.array([x for _, _, _, x in events], np.float64),
            "metrics",
            0,
            np.arange(first_offset, first_offset + len(events), dtype=np.int64),
        )
    )


def shard_of(text: str = TEXT) -> Shard:
    made = config(text)
    return Engine(made.rules, made.limits).shard()


def stream(seed: int, rows: int = 330, members: int = 4, tidy: bool = False) -> list[Event]:
    """Members of two hosts, a minute apart, a fault in all of host a at row 300; holes, lateness, doubles by chance."""
    rng = np.random.default_rng(seed)
    events: list[Event] = []
    for row in range(rows):
        for host in "ab":
            for member in rng.permutation(members).tolist():
                value = 50.0 + rng.normal(0.0, 1.0) + (40.0 if host == "a" and 300 <= row < 306 else 0.0)
                t = T0 + 60.0 * row + float(rng.uniform(0.0, 20.0))
                if not tidy and rng.random() < 0.02:
                    continue
                if not tidy and rng.random() < 0.01:
                    t += float(rng.choice([-90.0, 45.0]))
                events.append((f"m{member}", host, t, value))
    return events


def told(events: list[Event], cuts: tuple[int, ...] = (), restarts: bool = False) -> list[bytes]:
    shard, found = shard_of(), []
    for a, b in pairwise((0, *cuts, len(events))):
        found += apply(shard, events[a:b], a)
        if restarts:
            saved, shard = capture(shard), shard_of()
            found += restore(shard, saved)
    return [encode_alert(event) for event in found]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.data())
def test_cuts_and_restarts_change_no_byte(seed: int, data: st.DataObject) -> None:
    events = stream(seed)
    cuts = tuple(sorted(data.draw(st.sets(st.integers(0, len(events)), max_size=5))))
    whole = told(events)
    assert told(events, cuts) == whole
    assert told(events, cuts, restarts=True) == whole


def test_a_group_is_one_alert_that_names_its_members() -> None:
    shard = shard_of()
    found = apply(shard, stream(5, tidy=True))
    first = found[0]
    assert first.labels == {"alertname": "together", "metric": "together", "host": "a", "team": "ops"}
    assert {event.labels["host"] for event in found} == {"a"}
    assert first.status == "firing"
    assert found[-1].status == "resolved"
    assert first.detector == "multivariate"
    assert 'm0{rack="r1"}' in first.why or 'm1{rack="r1"}' in first.why
    assert first.value is not None
    assert first.evidence.v[-1] == first.value
    assert len(first.evidence.t) == 16
    assert first.source is not None
    events = stream(5, tidy=True)
    closing = events[first.source.offset]
    # The row closes with the last member of the fault's first minute: no waiting for the next.
    assert closing[1] == "a"
    assert int((closing[2] - T0) // 60) == 300


def binding_of(shard: Shard) -> GroupBinding:
    binding = shard.bindings[0]
    assert isinstance(binding, GroupBinding)
    return binding


def rows_of(events: list[Event]) -> tuple[int, int]:
    """(rows closed, late) of host a."""
    shard = shard_of()
    apply(shard, events)
    binding = binding_of(shard)
    return int(binding.open["rows"][0]), binding.late


def minute(row: int, *members: int, at: float = 0.0) -> list[Event]:
    return [(f"m{member}", "a", T0 + 60.0 * row + at + 0.1 * k, 1.0) for k, member in enumerate(members)]


START = minute(0, 0, 1) + minute(1, 0, 1) + minute(2, 0, 1)


@pytest.mark.parametrize(
    ("what", "events", "rows", "late"),
    [
        ("complete rows need no later event", START, 3, 0),
        ("an incomplete one does", START + minute(3, 0), 3, 0),
        ("which is the next bucket's", START + minute(3, 0) + minute(4, 0), 4, 0),
        ("a member that is late for a closed row is counted", START + minute(3, 0) + minute(4, 0) + minute(3, 1), 4, 1),
        (
            "one that comes twice a bucket: rows wait for the end of theirs",
            START + minute(2, 0, at=30.0) + minute(3, 0, 1),
            3,
            1,
        ),
        ("a member long gone is not waited for", START + [e for row in range(3, 16) for e in minute(row, 0)], 16, 0),
        ("one that is new is waited for from then on", START + minute(3, 0, 2, 1) + minute(4, 0, 1), 4, 0),
    ],
)
def test_when_a_row_is_closed(what: str, events: list[Event], rows: int, late: int) -> None:
    assert rows_of(events) == (rows, late), what


def test_a_group_that_goes_silent_is_resolved_by_time() -> None:
    shard = shard_of()
    found = apply(shard, [event for event in stream(5, rows=303, tidy=True) if event[1] == "a"])
    assert [event.status for event in found] == ["firing"] * len(found)
    assert not shard.has_silent(T0 + 60.0 * 303)
    ends = shard.advance(T0 + 60.0 * 303 + 3700.0)
    assert [(event.status, event.labels["host"]) for event in ends] == [("resolved", "a")]
    assert len(ends[0].evidence.t) == 16
    assert shard.advance(T0 + 1e5) == []


def known(events: list[AlertEvent]) -> list[bytes]:
    """Without `source`: who reads again may learn from time what was learned from an event, or the other way round."""
    return [encode_alert(msgspec.structs.replace(event, source=None)) for event in events]


def burning(rows: int) -> list[Event]:
    """Errors from row 280 on; every bucket waits for a later one."""
    events: list[Event] = []
    for row in range(rows):
        at = T0 + 60.0 * row
        events += [("m0", "a", at + 1.0, 60.0 if row >= 280 else 0.0), ("m1", "a", at + 2.0, 100.0)]
    return events


def failing(rows: int, drop: int) -> list[Event]:
    """Host a, without the last points: its newest bucket stays open."""
    return [event for event in stream(5, rows=rows, tidy=True) if event[1] == "a"][:-drop]


BURN = """
rules:
  - name: budget
    match: '{__name__=~"m0|m1"}'
    group_by: [host]
    detector: burn_rate
    params: {bad: m0, total: m1, min_events: 50, windows: [{long: 1h, short: 5m, burn: 14.4}]}
"""
STALE_BURN = "limits: {idle_after: 12h, stale_after: 1h}\n" + BURN
WIDE_BURN = STALE_BURN.replace("[host]", "[host]\n    align: 2h")


@pytest.mark.parametrize(
    ("name", "what", "events"),
    [
        ("multivariate", TEXT, failing(304, 1)),
        ("multivariate", TEXT, failing(306, 3)),
        ("multivariate, bucket complete", TEXT, failing(306, 4)),
        ("burn_rate", STALE_BURN, burning(300)),
        ("burn_rate, a last bucket after a gap", STALE_BURN, [*burning(300), ("m1", "a", T0 + 86400.0, 1e6)]),
        ("burn_rate, buckets wider than stale_after", WIDE_BURN, burning(420)),
    ],
)
def test_a_tick_and_the_next_point_say_the_same_of_a_group(name: str, what: str, events: list[Event]) -> None:
    lazily, ticked, replayed = shard_of(what), shard_of(what), shard_of(what)
    told_before = [apply(shard, events) for shard in (lazily, ticked, replayed)]
    newest_t = events[-1][2]
    open_t = float(binding_of(ticked).open["t"][0])
    late_s = 3 * 3600.0
    later: list[Event] = [(m, h, newest_t + late_s + k, 50.0) for k, (m, h, _, _) in enumerate(events[-6:])]
    later = [(m, h, t + step, x) for step in (0.0, 7200.0) for m, h, t, x in later]
    found, at = list(told_before[1]), len(events)
    for now_s in (open_t + 3600.0, float(int(open_t) + 3602), newest_t + late_s):
        due = ticked.has_silent(now_s)
        ends = ticked.advance(now_s)
        assert due or not ends
        assert not ticked.has_silent(now_s)
        found += ends
    found += apply(ticked, later, at)
    expected = told_before[0] + apply(lazily, later, at)
    assert expected
    assert known(found) == known(expected)
    rows = [binding_of(shard).open["rows"][0] for shard in (ticked, lazily)]
    assert rows[0] == rows[1]
    # Another series of the partition has brought time on: a replay's last look ends it as the next point does.
    closing = told_before[2] + replayed.advance(newest_t + late_s)
    assert known(closing) == known(expected)[: len(closing)]


def test_an_open_bucket_is_judged_before_silence_ends_the_alert() -> None:
    """What fails in it belongs to the alert; its point is the newest of the evidence, and silence counts from there."""
    shard = shard_of(STALE_BURN)
    apply(shard, burning(300))
    newest_t = T0 + 60.0 * 299 + 2.0
    assert shard.advance(newest_t + 3600.0) == []
    (end,) = shard.advance(newest_t + 3601.0)
    assert (end.status, end.source) == ("resolved", None)
    assert end.evidence.t[-1] == newest_t
    assert end.at == rfc3339(newest_t + 3600.0)
    apply(shard, [("m1", "a", newest_t + 1.0, 100.0)])  # its bucket was closed by time
    assert binding_of(shard).late == 1


def test_series_that_no_group_takes_are_counted_by_reason() -> None:
    shard = shard_of(TEXT.replace("m[0-9]", "m.*"))
    count = MEMBERS_MAX + 2
    apply(shard, [(f"m{i}", "a", T0 + 0.01 * i, 1.0) for i in range(count)])
    apply(shard, [(f"m{count - 1}", "a", T0 + 60.0, 1.0)])
    bare = [shard.intern(f"m{i}", {"rack": "r1"}) for i in range(3)]
    shard.apply(Batch(np.array(bare), np.full(3, T0), np.ones(3)))
    other = shard.intern("not-matched", {})
    shard.apply(Batch(np.array([other]), np.full(1, T0), np.ones(1)))
    skipped = {name: n for name, n in shard.counts.items() if name.startswith("group_skipped")}
    assert skipped == {"group_skipped:together:full": 3, "group_skipped:together:unlabelled": 3}
    binding = binding_of(shard)
    assert (binding.rows, len(binding.members[0])) == (1, MEMBERS_MAX)
    again = shard_of(TEXT.replace("m[0-9]", "m.*"))
    assert restore(again, capture(shard)) == []
    assert [len(one) for one in binding_of(again).members] == [MEMBERS_MAX]


def test_a_group_that_is_none_any_more_moves_no_other() -> None:
    """Snapshots from before series without a label of `group_by` were left out."""
    shard = shard_of()
    apply(shard, sorted(stream(5, rows=303, tidy=True), key=lambda event: -ord(event[1])))  # host b has row 0
    saved = capture(shard)
    bare = [(metric, tuple(pair for pair in labels if pair != ("host", "b"))) for metric, labels in saved.series]
    again = shard_of()
    assert restore(again, replace(saved, series=bare)) == []
    assert binding_of(again).open[0] == binding_of(shard).open[1]
    assert (binding_of(again).gathered[0, :4] == binding_of(shard).gathered[1, :4]).all()
    assert binding_of(again).rows == 1


def test_a_member_whose_clock_is_ahead_makes_the_others_late_until_their_time_has_caught_up() -> None:
    ahead = [("m0", "a", T0 + 60.0 * 3 + 540.0, 1.0)]
    others = [event for row in range(3, 14) for event in minute(row, 1, 2)]
    # Minutes 3 to 11 are left out; all three meet in minute 12, and in 13 the first is waited for again.
    assert rows_of(START + ahead + others) == (4, 18)


@pytest.mark.parametrize("align", ["5m", "20s", "7m"])
def test_another_align_drops_the_open_bucket_and_goes_on(align: str) -> None:
    shard, other = shard_of(), shard_of(TEXT.replace("[host]", f"[host]\n    align: {align}"))
    fired = apply(shard, [event for event in stream(5, rows=304, tidy=True) if event[1] == "a"][:-1])
    assert [event.status for event in fired] == ["firing"] * len(fired)
    assert restore(other, capture(shard)) == []
    rows = int(binding_of(other).open["rows"][0])
    assert rows == int(binding_of(shard).open["rows"][0])
    assert (np.asarray(binding_of(other).detectors[0].state["groups"])["rows"] > 0.0).any()  # what was learned goes on
    apply(other, [event for event in stream(5, rows=330, tidy=True) if event[2] > T0 + 60.0 * 304 and event[1] == "a"])
    assert int(binding_of(other).open["rows"][0]) > rows
    ends = other.advance(T0 + 1e5)
    assert not binding_of(other).cells["rank"].any()
    assert {event.id for event in ends} <= {fired[0].id}


def test_a_rule_that_goes_ends_its_groups_alerts() -> None:
    shard = shard_of()
    apply(shard, stream(5, rows=303, tidy=True))
    other = shard_of(TEXT.replace("name: together", "name: renamed"))
    ends = restore(other, capture(shard))
    assert [(e.rule, e.labels["host"], e.why) for e in ends] == [
        ("together", "a", f"Resolved from {ends[0].previous_level}: its rule was removed.")
    ]
    assert len(ends[0].evidence.v) == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("group_by: [host]", ""), "group_by: missing; multivariate judges several series together"),
        (("group_by: [host]", "group_by: ['a-b']"), "is not the name of a label"),
        (("group_by: [host]", "group_by: [host, host]"), "is there twice"),
        (("detector: multivariate\n    params: {warm_up: 150}", "detector: baseline"), "judges each series for itself"),
    ],
)
def test_a_group_by_that_can_not_be_is_refused(change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigErrors, match=message):
        config(TEXT.replace(*change))


def test_counts_of_one_bucket_add_up_and_fire_and_resolve() -> None:
    shard = shard_of(BURN)
    events: list[Event] = []
    for row in range(40):
        failing = 5 <= row < 10
        for ten in range(6):
            at = T0 + 40.0 + 60.0 * row + 10.0 * ten  # T0 is 20 s into a bucket
            events += [("m1", "a", at, 10.0), ("m0", "a", at + 1.0, 5.0 if failing else 0.0)]
    found = apply(shard, events)
    assert [(event.status, event.labels["host"]) for event in found] == [("firing", "a"), ("resolved", "a")]
    first = found[0]
    assert first.value is not None
    # Half of the events of two failing minutes: the hour, of which seven minutes were seen, had no other failures.
    assert first.value == pytest.approx(60.0 / 3600.0 / 0.001)
    assert first.upper == 14.4
    assert "1 h and 5 min" in first.why
    # Failures end at 05:44; five minutes later the short window has forgotten them.
    assert "2026-11-23T05:44" < found[-1].at < "2026-11-23T05:50"
    assert binding_of(shard).late == 0
