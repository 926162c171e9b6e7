"""What a person said of a group counts from one row of it on, wherever batches are cut, and is part of the state."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.control_book import ControlBook
from pipeline.engine import Engine, Shard
from pipeline.partition import Partition
from pipeline.saved import capture, restore
from pipeline.snapshots.checks import check_meaning
from schemas.alert import encode_alert, rfc3339
from schemas.control import VERDICTS, Control, Verdict
from tests.engine.streams import config
from tests.engine.test_grouping import T0, TEXT, Event, apply, shard_of, stream

ROW_300_S = T0 + 300 * 60.0
LEVELS = TEXT.replace("levels:", "back_off: false\n    levels:")


def says(
    verdict: Verdict, holds_from_s: float, *, host: str = "a", number: int = 1, undo: Control | None = None
) -> Control:
    return Control(
        id=f"{number:016x}",
        verdict=verdict,
        undo=undo.id if undo else False,
        rule="together",
        metric="together",
        labels={"host": host},
        at=rfc3339(holds_from_s),
        holds_from=rfc3339(holds_from_s),
    )


EVENTS = stream(5, rows=310, tidy=True)


def opened(controls: list[Control], events: list[Event] = EVENTS) -> int:
    shard = shard_of()
    for control in controls:
        shard.admit(control)
    return sum(event.seq == 0 for event in apply(shard, events))


def test_noise_raises_the_bar_of_that_group_from_its_time_on() -> None:
    loud = [says("noise", T0 + 60.0 * row, number=row) for row in range(200, 220)]
    assert opened([]) >= 1
    assert opened(loud) == 0
    assert opened([says("noise", ROW_300_S + 3600, number=n) for n in range(20)]) == opened([])
    assert opened([says("noise", T0, host="b", number=n) for n in range(20)]) == opened([])


def test_it_counts_before_the_first_row_at_or_after_its_time() -> None:
    shard = shard_of()
    shard.admit(says("noise", T0 + 100 * 60.0 + 30))
    newest = [event for event in EVENTS if event[2] < T0 + 101 * 60.0]
    apply(shard, newest)
    assert shard.counts["control:applied"] == 0
    apply(shard, [event for event in EVENTS if T0 + 101 * 60.0 <= event[2] < T0 + 103 * 60.0], len(newest))
    assert shard.counts["control:applied"] == 1
    assert shard.counts["control:late"] == 0


def test_one_that_comes_late_counts_from_the_next_row_and_is_counted() -> None:
    shard = shard_of()
    apply(shard, EVENTS[:800])
    shard.admit(says("noise", T0))
    apply(shard, EVENTS[800:1200], 800)
    assert (shard.counts["control:applied"], shard.counts["control:late"]) == (1, 1)


def test_a_group_that_has_not_come_is_waited_for_and_a_worker_asks_for_those_it_has() -> None:
    made = config(TEXT)
    partition = Partition(Engine(made.rules, made.limits), "metrics", 0, "auto")
    book = ControlBook()
    book.add([says("noise", T0), says("noise", T0, host="elsewhere", number=2)])
    assert book.wanted(partition) == []
    apply(partition.shard, EVENTS[:20])
    assert [one.labels["host"] for one in book.wanted(partition)] == ["a"]


def test_a_row_that_time_closes_is_judged_before_a_verdict_whenever_that_came() -> None:
    """A restart knows that both were at one offset, not which came first."""
    fault = [event for event in EVENTS if event[2] < T0 + 303 * 60.0]
    fault.remove(next(event for event in reversed(fault) if event[1] == "a"))  # its bucket stays open
    states = []
    for first in ("verdict", "time"):
        shard = shard_of()
        apply(shard, fault)
        if first == "verdict":
            shard.admit(says("normal", T0))
        shard.advance(T0 + 303 * 60.0 + 5000)
        if first == "time":
            shard.admit(says("normal", T0))
        apply(shard, [(m, h, t + 7200.0, x) for m, h, t, x in EVENTS[:80]][:40], len(fault))
        states.append({name: array.tobytes() for name, array in capture(shard).arrays.items()})
    assert states[0] == states[1]


def test_a_rule_about_silent_sets_refuses_at_once() -> None:
    made = config(TEXT.replace("multivariate", "absent").replace("params: {warm_up: 150}", ""))
    shard = Engine(made.rules, made.limits).shard()
    apply(shard, EVENTS[:20])
    assert shard.admit(says("noise", T0))
    assert shard.counts["control:refused"] == 1
    assert not capture(shard).controls.pending


@st.composite
def sayings(draw: st.DrawFn) -> list[Control]:
    made: list[Control] = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        at_s = T0 + 60.0 * draw(st.integers(-5, 330)) + draw(st.sampled_from([0.0, 10.0, 59.5]))
        verdict: Verdict = draw(st.sampled_from(VERDICTS))
        one = says(verdict, at_s, host=draw(st.sampled_from("ab")), number=number)
        takes_back: bool = draw(st.booleans())
        if made and takes_back:
            before = draw(st.sampled_from(made))
            after_s = max(at_s, before.holds_from_s)
            one = says(before.verdict, after_s, host=before.labels["host"], number=number, undo=before)
        made.append(one)
    return made


def told(controls: list[Control], events: list[Event], cuts: tuple[int, ...], restarts: bool) -> list[bytes]:
    shard: Shard = shard_of(LEVELS)
    for control in controls:
        shard.admit(control)
    found = []
    for a, b in pairwise((0, *cuts, len(events))):
        found += apply(shard, events[a:b], a)
        if restarts:
            saved, shard = capture(shard), shard_of(LEVELS)
            check_meaning(saved)
            found += restore(shard, saved)
    outcomes = sorted((id_, done.outcome) for id_, done in capture(shard).controls.done.items())
    return [*(encode_alert(event) for event in found), repr(outcomes).encode()]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), sayings(), st.sets(st.integers(0, 2640), max_size=4), st.randoms())
def test_cuts_restarts_and_the_order_in_which_they_are_told_change_nothing(
    seed: int, controls: list[Control], cuts: set[int], random: Random
) -> None:
    events = stream(seed)
    where = tuple(sorted(cut for cut in cuts if cut <= len(events)))
    whole = told(controls, events, (), restarts=False)
    mixed = controls.copy()
    random.shuffle(mixed)
    assert told(mixed, events, where, restarts=False) == whole
    assert told(controls, events, where, restarts=True) == whole


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_burn_rate_refuses_and_it_is_counted(verdict: Verdict) -> None:
    text = TEXT.replace("multivariate", "burn_rate").replace("{warm_up: 150}", "{bad: m0, total: m1}")
    made = config(text)
    shard = Engine(made.rules, made.limits).shard()
    shard.admit(says(verdict, T0))
    apply(shard, EVENTS[:100])
    assert shard.counts["control:refused"] == 1
