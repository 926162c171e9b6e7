"""The pace, the pauses and the circuit breaker of an integration: pure, told the time."""

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.delivery import backoff
from alerting.delivery.breaker import COOL_MAX_S, COOL_S, FAILURES_MAX, TRANSITIONS, Act, Breaker, State
from alerting.delivery.limits import TokenBucket


@given(
    st.integers(1, 50),
    st.floats(0.1, 100.0),
    st.lists(st.floats(0.0, 30.0), min_size=1, max_size=200),
)
def test_no_window_holds_more_calls_than_the_service_allows(calls: int, window_s: float, waits_s: list[float]) -> None:
    bucket, now_s, made = TokenBucket.of((calls, window_s), 0.0), 0.0, []
    for wait_s in waits_s:
        now_s += wait_s if wait_s > 1.0 else bucket.wait_s(now_s)
        after = bucket.take(now_s)
        if after is not None:
            bucket = after
            made.append(now_s)
    # One more than allowed always spans the window (but for what floating point may lose).
    spans_s = [last - first for first, last in zip(made, made[calls:], strict=False)]
    assert all(span_s >= window_s - 1e-4 for span_s in spans_s)


@given(st.integers(1, 50), st.floats(0.1, 100.0), st.integers(0, 100))
def test_whoever_waits_as_told_may_call(calls: int, window_s: float, taken: int) -> None:
    bucket, now_s = TokenBucket.of((calls, window_s), 1.8e9), 1.8e9
    for _ in range(taken + 1):
        wait_s = bucket.wait_s(now_s)
        assert 0.0 <= wait_s <= window_s + 1e-5
        now_s += wait_s
        after = bucket.take(now_s)
        assert after is not None
        bucket = after


def test_a_clock_set_back_neither_gives_nor_takes_tokens() -> None:
    bucket = TokenBucket.of((1, 1.0), 100.0).take(100.0)
    assert bucket is not None
    assert bucket.take(50.0) is None
    assert bucket.take(101.0) is not None


@given(st.integers(1, 1000), st.text())
def test_a_pause_is_between_half_and_all_of_its_step_and_always_the_same(attempt: int, seed: str) -> None:
    whole_s = min(backoff.MAX_S, backoff.FIRST_S * 2.0 ** min(attempt - 1, 60))
    assert whole_s / 2 <= backoff.delay_s(attempt, seed) <= whole_s
    assert backoff.delay_s(attempt, seed) == backoff.delay_s(attempt, seed)


def test_pauses_of_different_deliveries_are_spread() -> None:
    pauses_s = sorted(backoff.delay_s(8, str(i)) for i in range(1000))
    assert max(b - a for a, b in pairwise(pauses_s)) < 3.0


def test_retry_after_is_heeded_within_reason() -> None:
    assert backoff.due_s(100.0, 1, "a", retry_after_s=60.0) == 160.0
    assert backoff.due_s(100.0, 1, "a", retry_after_s=86_400.0) == 1000.0
    assert backoff.due_s(100.0, 5, "a", retry_after_s=0.0) == 100.0 + backoff.delay_s(5, "a")


def test_every_state_of_the_breaker_answers_every_act() -> None:
    assert set(TRANSITIONS) == set(product(State, Act))


@pytest.mark.parametrize("state", State)
def test_success_closes_it_and_only_cooling_lets_a_trial_through(state: State) -> None:
    assert TRANSITIONS[state, Act.SUCCESS] is State.CLOSED
    reached = {act for act in Act if TRANSITIONS[state, act] is State.TRYING}
    assert reached == ({Act.COOLED} if state is not State.CLOSED else set())


def failed(times: int, now_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.failed(now_s)
    return breaker


def test_it_opens_after_several_failures_in_a_row_and_a_success_forgets_them() -> None:
    assert failed(FAILURES_MAX - 1).state is State.CLOSED
    assert failed(FAILURES_MAX).state is State.OPEN
    assert failed(FAILURES_MAX - 1).succeeded().failed(0.0).state is State.CLOSED


def test_open_it_lets_nothing_through_until_it_has_cooled_then_one_call() -> None:
    broken = failed(FAILURES_MAX, now_s=100.0)
    assert broken.calling(100.0 + COOL_S - 0.1) is None
    trying = broken.calling(100.0 + COOL_S)
    assert trying is not None
    assert trying.state is State.TRYING
    assert trying.calling(140.0) is None, "one trial at a time"
    assert trying.calling(130.0 + COOL_MAX_S) is not None, "its outcome never came"
    assert trying.succeeded() == Breaker()


def test_each_trial_that_fails_doubles_the_wait_up_to_a_limit() -> None:
    breaker, now_s, waits_s = failed(FAILURES_MAX), 0.0, []
    for _ in range(7):
        waits_s.append(breaker.wait_s(now_s))
        now_s += waits_s[-1]
        trying = breaker.calling(now_s)
        assert trying is not None
        breaker = trying.failed(now_s)
    assert waits_s == [30.0, 60.0, 120.0, 240.0, 300.0, 300.0, 300.0]


def test_calls_that_were_under_way_when_it_opened_dont_prolong_it() -> None:
    broken = failed(FAILURES_MAX, now_s=100.0)
    assert broken.failed(120.0).wait_s(120.0) == broken.wait_s(120.0)


@given(st.lists(st.sampled_from(["fail", "succeed", "call", "wait"]), max_size=60))
def test_whatever_happens_a_call_is_allowed_within_five_minutes(acts: list[str]) -> None:
    breaker, now_s = Breaker(), 0.0
    for act in acts:
        if act == "fail":
            breaker = breaker.failed(now_s)
        elif act == "succeed":
            breaker = breaker.succeeded()
        elif act == "call":
            breaker = breaker.calling(now_s) or breaker
        else:
            now_s += 20.0
        assert breaker.wait_s(now_s) <= COOL_MAX_S
        assert breaker.calling(now_s + breaker.wait_s(now_s)) is not None
