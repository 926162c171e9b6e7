"""What `spread` calls more noise, or less."""

import numpy as np
import pytest

from detectors.base import Floats
from tests.detectors.streams import judge, openings

N = 6000
AT = 4000


def noise(seed: int, n: int = N) -> Floats:
    return np.random.default_rng(seed).normal(100.0, 1.0, n)


def spread(x: Floats, times: float, rows: int = 60) -> Floats:
    x = x.copy()
    x[AT : AT + rows] = 100.0 + times * (x[AT : AT + rows] - 100.0)
    return x


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("times", [4.0, 12.0])
def test_more_noise_is_found_within_the_hour_and_cleared_after_it(seed: int, times: float) -> None:
    out = judge(spread(noise(seed), times), "spread")
    assert len(openings(out["score"])) == 1
    first = openings(out["score"])[0]
    assert AT < first < AT + 60
    assert (out["deviation"][first : AT + 60] >= 3.0).all()
    assert (out["deviation"][AT + 200 :] == 0.0).all()


@pytest.mark.parametrize("seed", range(5))
def test_less_noise_is_found_where_it_is_wanted(seed: int) -> None:
    x = spread(noise(seed), 0.05, 120)
    out = judge(x, "spread", direction="below")
    first = openings(out["score"])[0]
    assert AT < first < AT + 120
    assert out["deviation"][first] <= -3.0
    assert openings(judge(x, "spread")["score"]) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_spike_a_step_a_season_and_a_ramp_are_no_spread(seed: int) -> None:
    x = noise(seed)
    x[3000] += 1000.0
    x[3500:] += 100.0
    x += 200.0 * np.sin(2.0 * np.pi * np.arange(N) / 1440.0)
    x[5000:5060] += 0.5 * np.arange(60)
    assert openings(judge(x, "spread")["score"]) == []


@pytest.mark.parametrize("seed", range(5))
def test_noise_that_stays_as_it_is_is_calm(seed: int) -> None:
    assert openings(judge(noise(seed, 20_000), "spread")["score"]) == []


def test_a_stuck_value_and_sparse_values_are_no_spread() -> None:
    rng = np.random.default_rng(1)
    x = noise(1)
    x[AT : AT + 300] = x[AT]
    sparse = np.where(rng.random(N) < 0.05, rng.exponential(9.0, N), 0.0)
    for direction in ("above", "both"):
        assert openings(judge(x, "spread", direction=direction)["score"]) == []
        assert openings(judge(sparse, "spread", direction=direction)["score"]) == []


def test_lasting_noise_becomes_usual() -> None:
    out = judge(spread(noise(1), 5.0, N), "spread")
    assert (out["deviation"][AT + 1000 :] == 0.0).all()


def test_the_floor_of_the_settings_holds() -> None:
    assert openings(judge(spread(noise(1), 4.0), "spread", min_ratio=6.0)["score"]) == []


def test_the_unit_of_the_value_cancels_to_the_bit() -> None:
    x = spread(noise(1), 4.0)
    assert judge(x * 1024.0, "spread").tobytes() == judge(x, "spread").tobytes()
