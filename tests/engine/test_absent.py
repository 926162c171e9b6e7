"""`absent`: told at the deadline, the same whoever notices, over with the next point, gone after `idle_after`."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine import Engine, Shard
from pipeline.saved import capture, restore
from schemas.alert import AlertEvent, encode_alert
from schemas.config import ConfigErrors
from tests.engine.streams import Event, apply, config

T0 = 1_795_392_000.0
TEXT = """
limits: {idle_after: 1h, stale_after: 10m}
rules:
  - name: stopped
    match: '{}'
    detector: absent
    params: {after: 5m}
    levels: {warning: 1.0, critical: 3.0}
"""


def shard_of(text: str = TEXT) -> Shard:
    made = config(text)
    return Engine(made.rules, made.limits).shard()


def told(events: list[AlertEvent]) -> list[tuple[str, str | None, str, int]]:
    """(time of day, level, why, seq)."""
    return [(e.at[11:19], e.level, e.why, e.seq) for e in events]


DEADLINES = [
    ("00:05:00", "warning", "Warning: no data for 5 min.", 0),
    ("00:15:00", "critical", "Critical (was warning): no data for 15 min.", 1),
]
GONE = ("01:00:00", None, "Resolved from critical: no data for 1 h, so none is expected any more.", 2)


def test_silence_opens_and_worsens_at_its_deadlines_and_the_next_point_ends_it() -> None:
    shard = shard_of()
    assert apply(shard, [(1, T0, 7.0)]) == []
    found = apply(shard, [(1, T0 + 1200, 8.0)], 1)
    assert told(found) == [*DEADLINES, ("00:20:00", None, "Resolved from critical: data is back after 20 min.", 2)]
    assert len({e.id for e in found}) == 1
    assert {e.starts_at for e in found} == {"2026-11-23T00:05:00.000Z"}
    assert [e.evidence.v for e in found] == [[7.0], [7.0], [7.0, 8.0]]
    assert [e.source and e.source.offset for e in found] == [None, None, 1]
    assert (found[2].value, found[2].score) == (8.0, 4.0)


def test_a_tick_and_the_next_point_say_the_same() -> None:
    lazily, ticked = shard_of(), shard_of()
    for shard in (lazily, ticked):
        apply(shard, [(1, T0, 7.0)])
    found = []
    for now_s in (299.0, 300.0, 301.0, 600.0, 901.0, 902.0):
        assert ticked.has_silent(T0 + now_s) == (now_s in (301.0, 901.0))
        found += ticked.advance(T0 + now_s)
    assert told(found) == DEADLINES
    found += apply(ticked, [(1, T0 + 1200, 8.0)], 1)
    assert [encode_alert(e) for e in found] == [encode_alert(e) for e in apply(lazily, [(1, T0 + 1200, 8.0)], 1)]


def test_a_series_that_is_gone_for_idle_after_leaves_and_says_so() -> None:
    lazily, ticked = shard_of(), shard_of()
    for shard in (lazily, ticked):
        apply(shard, [(1, T0, 7.0)])
    found = ticked.advance(T0 + 5000)
    assert told(found) == [*DEADLINES, GONE]
    assert not ticked.has_silent(T0 + 1e6)
    assert ticked.advance(T0 + 1e6) == []
    assert apply(ticked, [(1, T0 + 1e6, 8.0)], 1) == []
    assert told(apply(lazily, [(1, T0 + 1e6, 8.0)], 1)) == [*DEADLINES, GONE]
    assert told(ticked.advance(T0 + 1e6 + 301))[0][1] == "warning"  # it is expected again


def test_a_point_that_comes_late_ends_it_no_earlier_than_it_began() -> None:
    shard = shard_of()
    apply(shard, [(1, T0, 7.0)])
    shard.advance(T0 + 301)
    (end,) = apply(shard, [(1, T0 + 10, 8.0)], 1)
    assert (end.status, end.at, end.starts_at) == ("resolved", "2026-11-23T00:05:00.000Z", "2026-11-23T00:05:00.000Z")
    again = shard.advance(T0 + 400)
    assert [(e.at[11:19], e.seq) for e in again] == [("00:05:10", 0)]
    assert again[0].id != end.id


def test_episodes_that_late_points_cut_short_never_share_an_id() -> None:
    """A tick knew of 20 minutes of silence; then come points from within them, each silent for long again."""
    shard = shard_of()
    apply(shard, [(1, T0, 7.0)])
    found = shard.advance(T0 + 1200)
    for i, late_s in enumerate((10.0, 400.0, 401.0, 905.0), 1):
        found += apply(shard, [(1, T0 + late_s, 8.0)], i)
        assert shard.has_silent(T0 + 1200) == (late_s < 900.0)
        found += shard.advance(T0 + 1200)
        assert not shard.has_silent(T0 + 1200)
    keys = [(e.id, e.seq) for e in found]
    assert len(set(keys)) == len(keys)
    times = [(e.at, e.seq) for e in found]
    assert [at for at, _ in times] == sorted(at for at, _ in times)


def test_a_series_that_was_never_seen_is_not_missed() -> None:
    shard = shard_of()
    shard.intern("m1", {})
    assert not shard.has_silent(T0)
    assert shard.advance(T0) == []


def test_a_rule_that_is_removed_ends_its_alert_after_its_start() -> None:
    shard = shard_of()
    apply(shard, [(1, T0, 7.0)])
    shard.advance(T0 + 301)
    other = shard_of(TEXT.replace("name: stopped", "name: other"))
    (end,) = restore(other, capture(shard))
    assert (end.status, end.at) == ("resolved", "2026-11-23T00:05:00.000Z")


steps = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([1.0, 100.0, 250.0, 301.0, 900.0, 1000.0, 4000.0])), max_size=40
)


@settings(deadline=None)
@given(steps, st.sets(st.integers(0, 40), max_size=4), st.data())
def test_batches_ticks_and_restarts_change_no_byte(
    stream: list[tuple[int, float]], cuts: set[int], data: st.DataObject
) -> None:
    t = T0 + np.cumsum([step for _, step in stream])
    events: list[Event] = [(s, float(at), 1.0) for (s, _), at in zip(stream, t, strict=True)]
    whole = shard_of()
    expected = apply(whole, events) if events else []
    expected += whole.advance(T0 + 1e6)
    shard, found = shard_of(), []
    for a, b in pairwise([0, *sorted(cut for cut in cuts if cut < len(events)), len(events)]):
        found += apply(shard, events[a:b], a) if b > a else []
        if b > a and data.draw(st.booleans()):  # a tick, not later than the next event
            found += shard.advance(events[b][1] if b < len(events) else events[-1][1] + 500)
        if data.draw(st.booleans()):
            saved, shard = capture(shard), shard_of()
            assert restore(shard, saved) == []
    found += shard.advance(T0 + 1e6)
    by_key = [{(e.id, e.seq): encode_alert(e) for e in some} for some in (found, expected)]
    assert by_key[0] == by_key[1]
    assert len(found) == len(expected)


@pytest.mark.parametrize("levels", ["{info: 0.5, warning: 1.0, critical: 3.0}", "{critical: 2.0}"])
def test_every_level_is_reached(levels: str) -> None:
    shard = shard_of(TEXT.replace("{warning: 1.0, critical: 3.0}", levels))
    apply(shard, [(1, T0, 7.0)])
    assert len(shard.advance(T0 + 3000)) == levels.count(".")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("for: 5s", "for: counts on data that comes, and absent is about none; use params: {after: ...}"),
        ("keep_firing_for: 5s", "keep_firing_for: counts on data that comes"),
        ("clear: {warning: 3.0}", "clear.warning: absent clears with the series' next point; leave it out"),
        ("back_off: true", "back_off: holds back openings by score, and absent has none; leave it out"),
        ("budget: 10/day", "budget: holds back openings by score, and absent has none; leave it out"),
    ],
)
def test_what_counts_on_data_that_comes_is_refused(written: str, meant: str) -> None:
    with pytest.raises(ConfigErrors, match=re.escape(meant)):
        config(f"{TEXT}    {written}\n")


def test_it_needs_a_rule_of_its_own() -> None:
    mixed = TEXT.replace("{warning: 1.0, critical: 3.0}", "{warning: 1.0, critical: {detector: baseline, at: 1.0}}")
    with pytest.raises(ConfigErrors, match="absent needs a rule of its own"):
        config(mixed)
