"""What `flatline` calls stuck, and what may stand still."""

import numpy as np
import pytest

from detectors.base import Floats
from tests.detectors.streams import Events, judge, make, one_row, openings, run


def moving(seed: int, n: int = 3000, step: float = 0.0) -> Floats:
    """Noise around 100, in steps of `step` where that isn't 0."""
    x = np.random.default_rng(seed).normal(100.0, 5.0, n)
    return x if step == 0.0 else np.round(x / step) * step


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("step", [0.0, 0.1, 2.0])
def test_a_stuck_value_opens_one_alert_held_while_it_lasts(seed: int, step: float) -> None:
    x = moving(seed, step=step)
    x[2000:2060] = x[1999]
    x[2060] = x[1999] + 1.0
    out = judge(x, "flatline")
    opened = openings(out["score"])
    assert len(opened) == 1
    assert 2000 < opened[0] < 2050
    assert (out["deviation"][opened[0] : 2060] >= 3.0).all()
    assert (out["deviation"][2060:] == 0.0).all()


def test_it_is_told_once_however_long_it_lasts() -> None:
    x = moving(1)
    x[2000:2400] = 7.0
    assert list(np.flatnonzero(judge(x, "flatline")["score"] >= 1.0)) == [2014]


@pytest.mark.parametrize("seed", range(3))
def test_the_next_stuck_value_is_found_as_well(seed: int) -> None:
    x = moving(seed, 6000)
    for at in range(1000, 6000, 800):
        x[at : at + 60] = x[at]
    assert len(openings(judge(x, "flatline")["score"])) == 7


def sparse(rng: np.random.Generator) -> Floats:
    return np.where(rng.random(5000) < 0.3, rng.exponential(9.0, 5000), 0.0)


def counts(rng: np.random.Generator) -> Floats:
    return rng.poisson(0.7, 5000).astype(np.float64)


def coarse(rng: np.random.Generator) -> Floats:
    return np.round(rng.normal(0.0, 0.5, 5000))


def rare(rng: np.random.Generator) -> Floats:
    return np.where(rng.random(5000) < 0.002, 5.0, 3.0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [sparse, counts, coarse, rare])
def test_a_series_that_often_stands_still_is_calm(seed: int, shape: object) -> None:
    assert callable(shape)
    assert openings(judge(shape(np.random.default_rng(seed)), "flatline")["score"]) == []


def test_a_value_at_which_a_series_rests_each_night_is_learned() -> None:
    x = np.random.default_rng(1).normal(100.0, 5.0, 20 * 1440)
    for night in range(1, 20):
        x[night * 1440 : night * 1440 + 300 + 10 * (night % 7)] = 0.0
    opened = openings(judge(x, "flatline")["score"])
    assert [row // 1440 for row in opened] == [1]  # the first such night


def test_a_series_that_stops_for_good_is_normal_after_some_2300_rows() -> None:
    x = np.concatenate([moving(1, 2000), np.full(4000, 100.0)])
    out = judge(x, "flatline")
    held = np.flatnonzero(np.abs(out["deviation"]) >= 3.0)
    assert 2000 <= held[0] < 2020
    assert held[-1] < 2000 + 2500


def test_a_burst_of_doubles_within_seconds_is_no_stuck_value() -> None:
    x, step_s = moving(1, 1000), np.full(1000, 60.0)
    x[500:540], step_s[500:540] = x[499], 0.1
    events = one_row(x)
    fast = Events(events.rows, events.fresh, events.t[0] + np.cumsum(step_s), events.x)
    assert openings(run(make("flatline", 1), fast)["score"]) == []
    assert openings(run(make("flatline", 1), events)["score"]) != []


def test_the_floors_of_the_settings_hold() -> None:
    x = moving(1)
    x[2000:2060] = x[1999]
    assert openings(judge(x, "flatline", min_rows=70)["score"]) == []
    assert openings(judge(x, "flatline", min_s=4000.0)["score"]) == []
    assert judge(x, "flatline", min_s=1800.0)["score"][2029] >= 1.0


def test_the_unit_of_the_value_makes_no_difference() -> None:
    x = moving(1, step=2.0)
    x[2000:2060] = x[1999]
    assert judge(x * 1000.0, "flatline").tobytes() == judge(x, "flatline").tobytes()
