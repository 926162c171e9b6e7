"""A stuck consumer is told from a broker that is down, and from one that simply has nothing new."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.partition import TP
from pipeline.watchdog import STUCK_AFTER_S, Judge

A, B = TP("metrics", 0), TP("metrics", 1)


def looks(*seen: tuple[float, dict[TP, int], dict[TP, int] | None]) -> list[str | None]:
    judge = Judge()
    return [judge.look(*one) for one in seen]


def test_no_progress_while_kafka_has_more_is_stuck() -> None:
    assert looks((0, {A: 5}, {A: 9}), (STUCK_AFTER_S, {A: 5}, {A: 99}))[-1] is not None


def test_any_progress_starts_the_clock_anew() -> None:
    assert looks((0, {A: 5}, {A: 9}), (44, {A: 6}, {A: 9}), (88, {A: 7}, {A: 9})) == [None] * 3


def test_a_broker_that_does_not_answer_is_not_our_fault_however_long() -> None:
    away = [(float(t), {A: 5}, None) for t in range(5, 600, 5)]
    assert looks((0, {A: 5}, {A: 9}), *away, (605, {A: 5}, {A: 9}), (645, {A: 6}, {A: 9})) == [None] * (len(away) + 3)


def test_nothing_new_is_no_reason() -> None:
    assert looks(*[(float(t), {A: 9}, {A: 9}) for t in range(0, 600, 5)]) == [None] * 120


def test_a_partition_that_is_assigned_but_not_held_is_stuck_too() -> None:
    assert looks((0, {A: -1}, {A: 9}), (STUCK_AFTER_S, {A: -1}, {A: 9}))[-1] is not None


def test_one_partition_does_not_hide_behind_another() -> None:
    seen = looks(*[(float(t), {A: 5, B: t}, {A: 9, B: t + 1}) for t in range(0, 60, 5)])
    assert "metrics/0" in str(seen[-1])


@given(st.lists(st.tuples(st.floats(0.1, 30), st.integers(0, 3), st.booleans()), max_size=60))
def test_it_never_speaks_within_the_time_it_allows(steps: list[tuple[float, int, bool]]) -> None:
    judge, now_s, offset, still_s = Judge(), 0.0, 0, 0.0
    for step_s, progress, answers in steps:
        now_s, offset = now_s + step_s, offset + progress
        still_s = 0.0 if progress or not answers else still_s + step_s
        told = judge.look(now_s, {A: offset}, {A: 10_000} if answers else None)
        if told is not None:
            assert still_s > 0.0
            return
