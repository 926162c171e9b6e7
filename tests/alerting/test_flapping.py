"""Flapping is what Nagios calls so; looking at it more often changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.noise.flapping import SAMPLE_S, STATES, FlapState, is_idle, percent, settles_at_s, step
from schemas.desk import Flapping


def run(changes: list[tuple[float, bool]], rule: Flapping | None = None) -> FlapState:
    """Steps at (seconds after the one before, fires)."""
    state, now_s = step(None, False, 0.0, rule), 0.0
    for after_s, is_firing in changes:
        now_s += after_s
        state = step(state, is_firing, now_s, rule)
    return state


# Nagios Core 4, base/flapping.c: sum over changes of 0.75 + (place - 1) * 0.5 / 19, in percent of 20.
@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ("0" * 21, 0.0),
        ("01" * 10 + "0", 100.0),
        ("0" + "1" * 20, 3.75),
        ("0" * 20 + "1", 6.25),
        ("0" * 10 + "1" * 11, 100 * (0.75 + 9 * 0.5 / 19) / 20),
        # The example of Nagios' manual: changes at 3, 4, 5, 9, 12, 16, 19 of 20. It says about 31 %, from its figure.
        ("000101111000111100001"[:21], 100 * sum(0.75 + i * 0.5 / 19 for i in (2, 3, 4, 8, 11, 15, 19)) / 20),
        ("01", 6.25),
        ("1", 0.0),
    ],
)
def test_newer_changes_weigh_more_as_in_nagios(history: str, expected: float) -> None:
    assert percent(history) == pytest.approx(expected)


def test_an_alert_that_changes_every_two_minutes_flaps_after_twenty() -> None:
    changes = [(120.0, i % 2 == 0) for i in range(20)]
    flapping = [run(changes[:n]).is_flapping for n in range(21)]
    assert flapping.index(True) == 9
    assert all(flapping[9:])


def test_an_alert_that_changes_every_half_hour_does_not() -> None:
    assert not run([(1800.0, i % 2 == 0) for i in range(100)]).is_flapping


def test_it_settles_by_time_alone_at_the_time_it_says() -> None:
    state = run([(60.0, i % 2 == 0) for i in range(20)])
    settles_s = settles_at_s(state)
    assert settles_s is not None
    assert step(state, state.history[-1] == "1", settles_s - 1.0).is_flapping
    settled = step(state, state.history[-1] == "1", settles_s)
    assert not settled.is_flapping
    assert settles_at_s(settled) is None
    assert settles_s - state.at_s == 14 * SAMPLE_S  # 70 minutes after 20 changes in a row


def test_between_the_thresholds_it_stays_as_it_was() -> None:
    middle = "0" * 14 + "1010101"
    assert 25.0 < percent(middle) < 50.0
    for was in (True, False):
        assert step(FlapState(middle, 0.0, was), True, 1.0).is_flapping is was


def test_switched_off_nothing_flaps() -> None:
    off = Flapping(enabled=False)
    assert not run([(1.0, i % 2 == 0) for i in range(50)], off).is_flapping
    assert not step(FlapState("01" * 10, 0.0, True), True, 1.0, off).is_flapping


def test_what_was_quiet_for_the_whole_history_may_be_forgotten() -> None:
    state = run([(60.0, True), (60.0, False)])
    assert not is_idle(state)
    assert is_idle(step(state, False, state.at_s + STATES * SAMPLE_S))


@given(st.lists(st.tuples(st.integers(0, 2000), st.booleans()), max_size=40), st.lists(st.integers(0, 30_000)))
def test_looking_in_between_changes_nothing(changes: list[tuple[int, bool]], looks: list[int]) -> None:
    seen = plain = step(None, False, 0.0)
    now_s, is_firing, waiting = 0, False, sorted(looks)
    for after_s, fires in changes:
        now_s += after_s
        while waiting and waiting[0] <= now_s:
            seen = step(seen, is_firing, float(waiting.pop(0)))
        seen, plain, is_firing = step(seen, fires, float(now_s)), step(plain, fires, float(now_s)), fires
        assert (seen.history.lstrip(seen.history[0]), seen.is_flapping) == (
            plain.history.lstrip(plain.history[0]),
            plain.is_flapping,
        )
        assert len(seen.history) <= STATES


@given(st.lists(st.tuples(st.floats(0.0, 2000.0), st.booleans()), max_size=60))
def test_every_flapping_settles_within_two_hours_of_quiet(changes: list[tuple[float, bool]]) -> None:
    state = run(changes)
    settles_s = settles_at_s(state)
    assert (settles_s is None) is not state.is_flapping
    assert settles_s is None or settles_s <= state.at_s + 7200.0


def test_a_clock_set_back_is_no_time_at_all() -> None:
    state = step(step(None, True, 1000.0), False, 500.0)
    assert state == FlapState("10", 1000.0)
