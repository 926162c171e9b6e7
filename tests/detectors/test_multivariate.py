"""`multivariate`: what it finds in a group, what it stays quiet about, whom it names."""

import numpy as np
import pytest

from detectors.base import Floats, Point, Records
from detectors.group import unpacked
from schemas.levels import Border
from tests.detectors.groups import make, one_group, run


def noise(n: int, members: int, seed: int = 3) -> Floats:
    rng = np.random.default_rng(seed)
    load = np.cumsum(rng.normal(0.0, 0.05, n))[:, None]
    return 50.0 + load * rng.uniform(0.5, 2.0, members) + rng.normal(0.0, 1.0, (n, members))


def judged(x: Floats) -> Records:
    return run(make("multivariate", 1, x.shape[1], {}), one_group(x))[0]


@pytest.mark.parametrize("members", [1, 2, 5, 20])
def test_noise_alone_is_quiet(members: int) -> None:
    assert int((judged(noise(10_000, members))["score"] >= 1.0).sum()) <= 2


def test_a_small_oddity_of_many_members_is_found_where_no_one_of_them_stands_out() -> None:
    x = noise(3000, 20)
    x[2500] += 4.5 * np.where(np.arange(20) % 2, 1.0, -1.0)
    out = judged(x)
    assert out["score"][2500] >= 1.0
    assert int((out["score"] >= 1.0).sum()) <= 2


def test_a_fault_of_some_members_names_them() -> None:
    x = noise(3000, 10)
    x[2500, [2, 7]] += 400.0
    verdict = judged(x)[2500]
    assert verdict["score"] >= 1.0
    assert set(unpacked(int(verdict["part"]))) == {2, 7}
    names = tuple(f"metric_{j}" for j in range(10))
    text = make("multivariate", 1, 10).why(
        Point(3.0, 0.5, np.nan, 1.2, 2.5, 9.0, Border.parse(">= 1"), int(verdict["part"]), names)
    )
    assert text.endswith(("most of all metric_2, metric_7", "most of all metric_7, metric_2"))


def test_an_alert_is_held_while_the_fault_lasts_and_cleared_after() -> None:
    x = noise(4000, 8)
    x[3000:3050, :5] += 15.0
    out = judged(x)
    assert out["score"][3000] >= 1.0
    assert (out["deviation"][3000:3050] >= 3.0).all()
    assert (np.abs(out["deviation"][3060:3100]) < 3.0).mean() > 0.9


@pytest.mark.parametrize("factor", [1024.0, 1.0 / 1024.0])
def test_the_unit_of_the_members_does_not_matter(factor: float) -> None:
    x = noise(2000, 5)
    x[1500, 1:4] += 40.0
    units = np.array([1.0, factor, 1.0, factor, factor])
    np.testing.assert_array_equal(judged(x)["score"] >= 1.0, judged(x * units)["score"] >= 1.0)


def test_collinear_constant_and_absent_members_change_no_judgement_into_noise() -> None:
    x = noise(4000, 6)
    x[:, 1], x[:, 2], x[:, 3] = 2.0 * x[:, 0] + 1.0, 7.0, np.nan
    x[1000:1500, 4] = np.nan
    out = judged(x)
    assert int((out["score"] >= 1.0).sum()) <= 2
    x[3500] += 30.0
    assert judged(x)["score"][3500] >= 1.0


def test_a_member_that_joins_late_is_first_learned() -> None:
    x = noise(4000, 6)
    x[:3000, 5] = np.nan
    x[3000:, 5] += 1e6
    assert (judged(x)["score"][3000:3200] < 1.0).all()
