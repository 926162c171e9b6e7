"""What `ramp` calls a ramp, and which climbs are usual."""

import numpy as np
import pytest

from detectors.base import Floats
from tests.detectors.streams import START_S, judge, openings

N = 15 * 1440
AT = 14 * 1440 + 300


def noise(seed: int, n: int = N) -> Floats:
    return np.random.default_rng(seed).normal(100.0, 1.0, n)


def climbing(x: Floats, sigmas: float = 18.0) -> Floats:
    """An hour up, and on from there."""
    whole = np.zeros(len(x))
    whole[AT : AT + 60] = sigmas * np.arange(1, 61) / 60.0
    whole[AT + 60 :] = sigmas
    return x + whole


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sigmas", [18.0, -18.0])
def test_a_ramp_over_an_hour_is_found_before_it_ends_and_cleared_after(seed: int, sigmas: float) -> None:
    out = judge(climbing(noise(seed), sigmas), "ramp")
    first = openings(out["score"])[0]
    assert AT < first <= AT + 60
    assert out["deviation"][first] * sigmas > 0.0
    held = np.flatnonzero(out["deviation"])
    assert held[0] == first
    assert AT + 40 < held[-1] < AT + 100
    assert (np.abs(out["deviation"][held]) >= 3.0).all()


@pytest.mark.parametrize("seed", range(5))
def test_steps_spikes_bursts_and_plateaus_are_no_ramps(seed: int) -> None:
    x = noise(seed)
    x[5000] += 300.0
    x[6000:6010] -= 50.0
    x[7000:7045] += 30.0
    x[9000:] += 20.0
    assert openings(judge(x, "ramp")["score"]) == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hours", [24.0, 12.0])
def test_a_season_is_no_ramp_once_it_is_known(seed: int, hours: float) -> None:
    x = 30.0 * np.sin(2.0 * np.pi * np.arange(N) / (60.0 * hours)) + noise(seed)
    assert openings(judge(x, "ramp")["score"]) == []


def test_a_morning_rise_that_comes_at_night_is_a_ramp() -> None:
    day = np.interp(np.arange(1440) / 60.0, [0.0, 8.0, 9.0, 18.0, 19.0, 24.0], [0.0, 0.0, 30.0, 30.0, 0.0, 0.0])
    minute = (np.arange(20 * 1440) + int(START_S % 86400.0 / 60.0)) % 1440
    x = noise(1, 20 * 1440) + day[minute]
    assert openings(judge(x, "ramp")["score"]) == []
    night = int(np.flatnonzero(minute == 120)[-1])
    x[night : night + 60] += 0.5 * np.arange(60)
    x[night + 60 : night + 120] += 30.0
    assert openings(judge(x, "ramp")["score"])[0] in range(night, night + 61)


def test_a_random_walk_is_calm() -> None:
    alerts = sum(
        len(openings(judge(np.cumsum(np.random.default_rng(seed).normal(0.0, 1.0, N)), "ramp")["score"]))
        for seed in range(5)
    )
    assert alerts <= 4  # in 65 days after the warm-up


def test_white_noise_is_calm() -> None:
    assert sum(len(openings(judge(noise(seed, 2 * N), "ramp")["score"])) for seed in range(5)) <= 2


def test_the_direction_and_the_floor_hold() -> None:
    x = climbing(noise(1))
    assert openings(judge(x, "ramp", direction="below")["score"]) == []
    assert openings(judge(x, "ramp", direction="above")["score"]) != []
    assert openings(judge(x, "ramp", min_change=30.0)["score"]) == []
    assert openings(judge(x, "ramp", warm_up_s=15.0 * 86400.0)["score"]) == []


def test_the_unit_of_the_value_cancels_to_the_bit() -> None:
    x = climbing(noise(1))
    assert judge(x * 1024.0, "ramp").tobytes() == judge(x, "ramp").tobytes()
