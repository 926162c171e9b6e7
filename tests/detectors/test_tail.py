"""The episode tail against quantiles that scipy knows."""

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from detectors.base import Floats
from detectors.tail import (
    HEIGHT,
    QUIET_ROWS,
    READY_ROWS,
    SHARE,
    TAIL_FIELDS,
    flat_border,
    is_flat,
    learn_tail,
    tail_border,
    tail_ready,
)

TAIL = np.dtype(TAIL_FIELDS)


def learned(surprises: Floats, apart: float = 1.0) -> tuple[np.record, Floats]:
    """The tail after these surprises, so many rows apart, and its level after each."""
    tail = np.rec.array(np.zeros(1, TAIL))
    levels = np.empty(len(surprises))
    for i, surprise in enumerate(surprises.tolist()):
        learn_tail(tail[0], i * apart, surprise, True)
        levels[i] = tail[0].tail_level
    return tail[0], levels


@pytest.mark.parametrize(
    "law", [stats.expon(), stats.halfnorm(), stats.lognorm(0.8)], ids=["expon", "halfnorm", "lognorm"]
)
def test_the_level_is_where_rises_and_falls_balance(law: stats.rv_continuous) -> None:
    surprises = law.rvs(size=30_000, random_state=np.random.default_rng(1))
    _, levels = learned(surprises, apart=QUIET_ROWS + 1)

    def drift(u: float) -> float:
        rise, _ = integrate.quad(lambda g: min(1.0, 4.0 * np.log(g / u)) * law.pdf(g), u, law.ppf(1 - 1e-9), limit=200)
        return float(SHARE * rise - (1.0 - SHARE) * law.cdf(u))

    balance = optimize.brentq(drift, law.ppf(0.5), law.ppf(0.99999))
    assert np.exp(np.log(levels[2000:]).mean()) == pytest.approx(balance, rel=0.1)
    assert law.ppf(0.9) < balance < law.ppf(0.99)


def test_the_border_of_noise_is_passed_by_less_than_one_surprise_in_500() -> None:
    for seed in range(5):
        surprises = np.random.default_rng(seed).exponential(1.0, 5000)
        tail, _ = learned(surprises)
        assert 3.0 < tail_border(tail) < 20.0
        assert (surprises > tail_border(tail)).mean() < 1 / 500


def test_a_fault_that_lasts_moves_the_border_once() -> None:
    quiet = np.random.default_rng(2).exponential(1.0, 3000)
    short, long = quiet.copy(), quiet.copy()
    short[2000], long[2000:2050] = 50.0, 50.0
    border = tail_border(learned(quiet)[0])
    once, lasting = tail_border(learned(short)[0]), tail_border(learned(long)[0])
    assert lasting < 1.25 * max(once, border)


def test_the_unit_of_the_surprise_cancels_to_the_bit() -> None:
    surprises = np.random.default_rng(3).lognormal(0.0, 1.0, 3000)
    _, plain = learned(surprises)
    _, scaled = learned(surprises * 2.0**30)
    assert (plain * 2.0**30).tobytes() == scaled.tobytes()


def test_nothing_is_said_before_enough_was_seen() -> None:
    surprises = np.random.default_rng(3).exponential(1.0, 60)
    assert not tail_ready(learned(surprises[: int(READY_ROWS)])[0])
    assert tail_ready(learned(surprises)[0])


def test_only_what_never_moves_is_flat() -> None:
    tail, _ = learned(np.array([2.0, 5.0]))
    assert is_flat(tail, 1000.0)
    assert flat_border(tail) == 10.0
    assert not is_flat(tail, 150.0)
    assert not is_flat(learned(np.ones(20))[0], 1000.0)
    assert HEIGHT == 4.0
