"""What `gap` calls missing data, and which gaps are usual."""

import numpy as np
import pytest

from detectors.base import Floats, Records
from tests.detectors.streams import START_S, Events, make, run

DAY_S = 86400.0


def at_times(t: Floats, **params: float) -> Records:
    n = len(t)
    fresh = np.zeros(n, np.bool_)
    fresh[:1] = True
    return run(make("gap", 1, params), Events(np.zeros(n, np.int64), fresh, START_S + t, np.zeros(n)))


def opened(t: Floats, **params: float) -> list[int]:
    return [int(row) for row in np.flatnonzero(at_times(t, **params)["score"] >= 1.0)]


def without(t: Floats, begin_s: float, end_s: float) -> Floats:
    return t[(t < begin_s) | (t >= end_s)]


@pytest.mark.parametrize("period_s", [1.0, 60.0, 3600.0])
def test_the_first_value_after_a_long_gap_opens_one_alert_that_clears_at_the_next(period_s: float) -> None:
    t = without(period_s * np.arange(1000.0), 700 * period_s, 730 * period_s)
    out = at_times(t)
    assert list(np.flatnonzero(out["score"] >= 1.0)) == [700]
    assert out["score"][700] == pytest.approx(31 / 20)
    assert list(np.flatnonzero(out["deviation"] >= 3.0)) == [700]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("lost", [0.05, 0.3])
def test_rows_lost_by_chance_never_alert(seed: int, lost: float) -> None:
    t = 60.0 * np.arange(20_000.0)
    assert opened(t[np.random.default_rng(seed).random(len(t)) >= lost]) == []


@pytest.mark.parametrize("seed", range(10))
def test_an_irregular_series_learns_its_gaps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.exponential(60.0, 20_000))
    assert opened(t) == []
    assert len(opened(np.concatenate([t, t[-1] + 3600.0 + np.cumsum(rng.exponential(60.0, 100))]))) == 1


def test_bursts_with_pauses_between_learn_their_pauses() -> None:
    step_s = np.where(np.arange(20_000) % 50 == 0, 1200.0, 1.0)
    assert [row for row in opened(np.cumsum(step_s)) if row > 1000] == []


def test_a_gap_each_night_is_learned_after_the_first() -> None:
    t = 60.0 * np.arange(20 * 1440.0)
    rng = np.random.default_rng(1)
    for night in range(20):
        begin_s = night * DAY_S + 7200.0 + rng.uniform(-600.0, 600.0)
        t = without(t, begin_s, begin_s + 3600.0 + rng.uniform(-300.0, 300.0))
    assert len(opened(t)) == 1
    assert len(opened(without(t, 15.5 * DAY_S, 15.5 * DAY_S + 3600.0))) == 2


def test_closed_nights_and_weekends_are_learned_within_two_weeks() -> None:
    t = 60.0 * np.arange(10 * 7 * 1440.0)
    day, hour = (t // DAY_S) % 7, t % DAY_S / 3600.0
    t = t[(day < 5) & (hour >= 8) & (hour < 18)]
    late = [row for row in opened(t) if t[row] > 15 * DAY_S]
    assert late == []


def test_outages_at_different_times_are_each_news() -> None:
    t = 60.0 * np.arange(20 * 1440.0)
    for day in range(2, 20, 2):
        begin_s = day * DAY_S + 5000.0 * day
        t = without(t, begin_s, begin_s + 3600.0)
    assert len(opened(t)) == 9


def test_the_floors_of_the_settings_hold() -> None:
    t = without(60.0 * np.arange(1000.0), 700 * 60.0, 730 * 60.0)
    assert opened(t, min_periods=40.0) == []
    assert opened(t, min_s=2000.0) == []
    assert opened(t, min_s=1800.0) == [700]
