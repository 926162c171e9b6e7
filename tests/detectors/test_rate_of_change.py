"""`rate_of_change` against the change that made the stream, and against outliers, gaps and odd spacing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.base import Floats, Point, Records
from detectors.rate_of_change import Params, RateOfChange
from schemas.levels import Border
from tests.detectors.streams import Events, judge, one_row, openings, run


def at_times(t: Floats, x: Floats, **params: Any) -> Records:
    detector = RateOfChange(Params(**params), (Border.parse(">= 1"),))
    detector.grow(1)
    fresh = np.arange(len(t)) == 0
    return run(detector, Events(np.zeros(len(t), np.int64), fresh, 1.7e9 + t, x))


@pytest.mark.parametrize(
    ("unit", "slope_per_s"), [("per_second", 2.0), ("per_minute", 2.0 / 60.0), ("per_hour", 2.0 / 3600.0)]
)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), over=st.sampled_from([120.0, 300.0, 3600.0]), sign=st.sampled_from([1.0, -1.0]))
def test_a_line_has_its_slope_whatever_the_spacing(
    unit: str, slope_per_s: float, seed: int, over: float, sign: float
) -> None:
    t = np.cumsum(np.random.default_rng(seed).uniform(0.001, over / 6.0, 300))
    out = at_times(t, 7.0 + sign * slope_per_s * t, limit=4.0, unit=unit, over=over)
    known = np.isfinite(out["expected"])
    assert known[t > t[0] + 1.3 * over].all()
    assert not known[t < t[0] + 0.5 * over].any()
    np.testing.assert_allclose(out["deviation"][known], sign * 3.0 * 0.5, rtol=1e-6)


def test_a_step_is_told_at_its_second_row_once_held_for_the_time_and_then_over() -> None:
    x = np.where(np.arange(60) < 30, 100.0, 130.0)
    out = judge(x, "rate_of_change", limit=20.0, unit="percent", over=300.0)
    assert np.flatnonzero(out["score"] >= 1.0).tolist() == [31]
    assert out["score"][31] == pytest.approx(1.5)
    assert out["expected"][31] == 100.0
    held = np.flatnonzero(np.abs(out["deviation"]) >= 3.0)
    assert held[0] == 31
    assert 34 <= held[-1] <= 37
    assert (np.diff(held) == 1).all()


@settings(max_examples=40, deadline=None)
@given(
    at=st.integers(0, 99),
    height=st.sampled_from([1e3, -1e3, 1e29]),
    over=st.sampled_from([240.0, 300.0, 600.0, 1800.0]),
)
def test_one_outlier_makes_no_change_neither_fresh_nor_old(at: int, height: float, over: float) -> None:
    x = np.full(100, 50.0)
    x[at] += height
    out = judge(x, "rate_of_change", limit=1.0, unit="percent", over=over)
    assert (out["deviation"] == 0.0).all()


def test_a_change_in_the_other_direction_or_below_the_floor_says_nothing() -> None:
    x = np.where(np.arange(60) < 30, 100.0, 70.0)
    for params in ({"direction": "above"}, {"min_change": 31.0}):
        out = judge(x, "rate_of_change", limit=20.0, unit="percent", **params)
        assert (out["score"] == 0.0).all()
        assert (out["deviation"] == 0.0).all()
    out = judge(x, "rate_of_change", limit=20.0, unit="percent", direction="below", min_change=29.0)
    assert openings(out["score"]) == [31]
    assert out["deviation"][31] == pytest.approx(-4.5)


def test_a_change_across_a_gap_is_not_judged() -> None:
    t = np.concatenate([60.0 * np.arange(30), 7200.0 + 60.0 * np.arange(30)])
    out = at_times(t, np.where(t < 7000.0, 10.0, 90.0), limit=20.0, unit="percent", over=300.0)
    assert (out["score"] == 0.0).all()
    assert np.isnan(out["expected"][30:32]).all()


def test_a_worse_change_is_told_again() -> None:
    x = np.concatenate([np.full(30, 100.0), np.full(3, 130.0), np.full(3, 190.0), np.full(20, 190.0)])
    out = judge(x, "rate_of_change", limit=20.0, unit="percent", over=600.0)
    assert np.flatnonzero(out["score"] >= 1.0).tolist() == [31, 34]
    assert out["score"][34] == pytest.approx(4.5)


def test_a_change_from_zero_is_beyond_every_limit_in_percent() -> None:
    out = judge([0.0] * 20 + [1.0] * 10, "rate_of_change", limit=20.0, unit="percent")
    assert out["score"][21] == 100.0
    assert out["deviation"][21] == 300.0


@pytest.mark.parametrize("factor", [1024.0, 2.0**-30])
def test_percent_knows_no_unit(factor: float) -> None:
    x = np.cumsum(np.random.default_rng(3).normal(0.0, 3.0, 500)) + 200.0
    assert judge(x, "rate_of_change", limit=5.0, unit="percent")["score"].tobytes() == (
        judge(factor * x, "rate_of_change", limit=5.0, unit="percent")["score"].tobytes()
    )


def test_why_gives_the_change_the_time_and_the_limit() -> None:
    detector = RateOfChange(Params(limit=20.0, unit="percent", over=300.0), ())
    point = Point(130.0, 100.0, np.nan, np.nan, 1.5, 4.5, Border.parse(">= 1"))
    assert detector.why(point) == "value 130 rose by 30 % over 5 min from 100, over the limit of 20 %"


def test_a_limit_must_be_given_and_be_positive() -> None:
    for params in ({"unit": "percent"}, {"unit": "percent", "limit": 0.0}, {"limit": 3.0}):
        with pytest.raises(ValidationError):
            Params.model_validate(params)
    run(RateOfChange(Params(limit=1.0, unit="per_hour"), ()), one_row([]))
