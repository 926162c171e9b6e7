"""What a person said counts from one event of its series on, wherever batches are cut, and is part of the state."""

from dataclasses import replace as replaced

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.control import SavedControls
from pipeline.engine import Shard
from pipeline.saved import capture, restore
from pipeline.snapshots.checks import check_meaning
from pipeline.snapshots.errors import SnapshotInvalid
from schemas.control import VERDICTS, Control, Verdict
from tests.engine.streams import Event, streams
from tests.feedback.streams import CONFIG, T0, encoded, run, says, shard_of

BURSTS: list[Event] = [(1, T0 + i, 150.0 if i % 20 == 10 else 10.0) for i in range(100)]


def opened(shard: Shard, events: list[Event]) -> list[float]:
    """Seconds after T0 at which alerts opened."""
    return [event.evidence.t[-1] - T0 for event in run(shard, events) if event.seq == 0]


@pytest.mark.parametrize(
    ("verdict", "then"), [("noise", [10.0, 30.0]), ("missed", [10.0, 30.0, 50.0, 70.0, 90.0]), ("normal", [10.0, 30.0])]
)
def test_a_verdict_counts_from_its_event_time_on(verdict: Verdict, then: list[float]) -> None:
    shard = shard_of()
    # `normal` is said at a burst, which then is the newest value of the series.
    shard.admit(says(verdict, T0 + (30.5 if verdict == "normal" else 50)))
    assert opened(shard, BURSTS) == then
    assert shard.counts["control:applied"] == 1
    assert shard.counts["control:late"] == 0


def test_it_counts_before_the_event_at_that_very_time_is_judged() -> None:
    shard = shard_of()
    shard.admit(says("noise", T0 + 30))
    assert opened(shard, BURSTS) == [10.0]


def test_other_series_and_other_rules_hear_nothing_of_it() -> None:
    shard = shard_of()
    shard.admit(says("noise", T0, series=2))
    shard.admit(says("noise", T0, rule="fixed", number=2))
    shard.admit(says("noise", T0, rule="gone", number=3))
    assert opened(shard, BURSTS) == [10.0, 30.0, 50.0, 70.0, 90.0]
    assert shard.counts["control:applied"] == 0
    assert shard.counts["control:refused"] == 2


def test_one_that_comes_late_counts_from_the_next_event_on_and_is_counted() -> None:
    shard = shard_of()
    assert opened(shard, BURSTS[:40]) == [10.0, 30.0]
    assert shard.admit(says("noise", T0))
    assert opened(shard, BURSTS[40:]) == []
    assert (shard.counts["control:applied"], shard.counts["control:late"]) == (1, 1)


def test_one_that_comes_again_changes_nothing() -> None:
    shard = shard_of()
    noise = says("missed", T0 + 5)
    assert shard.admit(noise)
    assert not shard.admit(noise)
    run(shard, BURSTS[:20])
    assert not shard.admit(noise)
    run(shard, BURSTS[20:])
    assert shard.counts["control:applied"] == 1


def test_what_is_taken_back_leaves_the_state_that_was() -> None:
    shard, untouched = shard_of(), shard_of()
    noise = says("noise", T0 + 20)
    shard.admit(noise)
    shard.admit(says("noise", T0 + 60, number=2, undo=noise))
    assert opened(shard, BURSTS) == [10.0, 70.0, 90.0]
    run(untouched, BURSTS)
    ours, theirs = capture(shard), capture(untouched)
    assert all(ours.arrays[name].tobytes() == theirs.arrays[name].tobytes() for name in ours.arrays)
    assert [done.outcome for done in ours.controls.done.values()] == ["undone", "undo"]


def test_only_what_holds_on_that_series_and_rule_can_be_taken_back() -> None:
    shard = shard_of()
    noise = says("noise", T0)
    shard.admit(noise)
    shard.admit(says("missed", T0 + 1, number=2, undo=noise))
    shard.admit(says("noise", T0 + 1, number=3, undo=says("noise", T0, number=9)))
    shard.admit(says("noise", T0 + 2, number=4, undo=noise))
    shard.admit(says("noise", T0 + 3, number=5, undo=noise))
    run(shard, BURSTS)
    outcomes = {int(id_, 16): done.outcome for id_, done in shard.controls.done.items()}
    assert outcomes == {1: "undone", 2: "refused", 3: "refused", 4: "undo", 5: "refused"}


@st.composite
def sayings(draw: st.DrawFn, events: list[Event]) -> list[Control]:
    made: list[Control] = []
    times = [t for _, t, _ in events] or [T0]
    for number in range(draw(st.integers(1, 6))):
        at_s = draw(st.sampled_from(times)) + draw(st.sampled_from([-5000.0, -1.0, 0.0, 0.25, 30.0]))
        verdict: Verdict = draw(st.sampled_from(VERDICTS))
        one = says(verdict, round(at_s, 3), series=draw(st.integers(0, 3)), number=number)
        target = draw(st.integers(-3, len(made) - 1))
        if target >= 0:
            before = made[target]
            later = max(one.holds_from, before.holds_from)
            one = msgspec.structs.replace(before, id=one.id, undo=before.id, holds_from=later)
        made.append(one)
    return made


@given(streams(series_max=4, points_max=150), st.data())
def test_cuts_restarts_and_the_order_in_which_they_are_told_change_nothing(
    events: list[Event], data: st.DataObject
) -> None:
    controls = data.draw(sayings(events))
    whole = shard_of()
    for control in controls:
        whole.admit(control)
    expected = encoded(run(whole, events))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(events)), max_size=5)))
    ours = shard_of()
    for control in data.draw(st.permutations(controls)):
        ours.admit(control)
    found, start = [], 0
    for cut in (*cuts, len(events)):
        found += run(ours, events[start:cut])
        again = shard_of()
        assert restore(again, capture(ours)) == []
        for control in controls:
            assert not again.admit(control)
        ours, start = again, cut
    assert [without_source(one) for one in encoded(found)] == [without_source(one) for one in expected]
    assert ours.controls.save() == whole.controls.save()


def without_source(data: bytes) -> dict[str, object]:
    """Offsets count from the beginning of what was applied at once."""
    decoded: dict[str, object] = msgspec.json.decode(data)
    return {**decoded, "source": None}


def test_what_a_detector_was_told_is_told_again_when_it_learns_again() -> None:
    shard = shard_of()
    noise = says("noise", T0)
    shard.admit(noise)
    run(shard, BURSTS[:5])
    again = shard_of(CONFIG.replace("detector: bar", "detector: bar\n    params: {bar: 120}"))
    restore(again, capture(shard))
    assert noise.id not in again.controls
    same = shard_of()
    restore(same, capture(shard))
    assert noise.id in same.controls


TWO = """
rules:
  - name: bar
    match: '{}'
    levels:
      warning: {detector: bar, at: 1.0, params: {bar: %s}}
      critical: {detector: bar, at: 1.0, params: {bar: %s}}
"""


@pytest.mark.parametrize(("bars", "still"), [((100, 210), True), ((110, 200), True), ((110, 210), False)])
def test_it_is_told_again_only_where_no_detector_of_the_rule_still_knows(bars: tuple[int, int], still: bool) -> None:
    shard = shard_of(TWO % (100, 200))
    noise = says("noise", T0)
    shard.admit(noise)
    run(shard, BURSTS[:5])
    again = shard_of(TWO % bars)
    restore(again, capture(shard))
    assert (noise.id in again.controls) == still
    again.admit(noise)
    run(again, BURSTS[5:9])
    times = [float(detector.state["times"][0]) for detector in again.bindings[0].detectors]
    assert max(times) == 2.0
    assert min(times) == (1.0 if still else 2.0)


def test_a_snapshot_whose_controls_cannot_be_is_refused() -> None:
    shard = shard_of()
    run(shard, BURSTS[:5])
    saved = capture(shard)
    bad = msgspec.structs.replace(says("noise", T0), holds_from="soon")
    with pytest.raises(SnapshotInvalid, match="a control is not as it must be"):
        check_meaning(replaced(saved, controls=SavedControls([bad])))
