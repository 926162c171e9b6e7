"""`forecast`: limits are foretold, and nothing that comes and goes by itself is taken for one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.quality.trends import SHAPES, START_S, alerts
from detectors.base import Floats, Point
from detectors.forecast import STATE, Forecast, Params, packed, unpacked
from detectors.holt import DAMPING, HOLT_FIELDS, LEVEL_WEIGHT, TREND_WEIGHT, ahead, holt
from detectors.pulse import SCORE_MAX
from schemas.levels import Border
from tests.detectors.streams import Events, judge, make, mixed, run
from tests.detectors.streams import cuts as cut_places

DAY = 1440  # rows of a minute
BORDER = Border.parse(">= 1")


def noise(seed: int, n: int) -> Floats:
    return np.asarray(50.0 + np.random.default_rng(seed).normal(0.0, 1.0, n))


def test_holt_is_the_recurrence_of_the_book() -> None:
    s = np.zeros(1, HOLT_FIELDS).view(np.recarray)
    y = np.random.default_rng(1).normal(0.0, 1.0, 200).cumsum()
    level, slope = y[1], y[1] - y[0]
    holt(s[0], y[0], 1.0)
    holt(s[0], y[1], 1.0)
    for value in y[2:]:
        before = level
        level = LEVEL_WEIGHT * value + (1 - LEVEL_WEIGHT) * (before + DAMPING * slope)
        slope = TREND_WEIGHT * (level - before) + (1 - TREND_WEIGHT) * DAMPING * slope
        holt(s[0], value, 1.0)
    assert s[0].holt_level == pytest.approx(level)
    assert s[0].holt_trend == pytest.approx(slope)


def test_damped_steps_are_the_sum_of_their_dampings() -> None:
    assert ahead(7.0) == pytest.approx(sum(DAMPING**k for k in range(1, 8)))
    assert ahead(1e9) == pytest.approx(DAMPING / (1.0 - DAMPING))


@pytest.mark.parametrize("method", ["slope", "holt", "both"])
@pytest.mark.parametrize(("sign", "limit"), [(1.0, "> 90"), (-1.0, "< 10")])
def test_a_limit_is_foretold_held_and_cleared(method: str, sign: float, limit: str) -> None:
    x = noise(1, 4 * DAY) - 50.0
    rise = np.concatenate([np.arange(600) / 10.0, np.full(120, 60.0)])  # 40 away is reached after 400 minutes
    x[2 * DAY : 2 * DAY + 720] += rise
    out = judge(50.0 + sign * x, "forecast", 60.0, limit=limit, method=method)
    first = int(np.flatnonzero(out["score"] >= 1.0)[0]) - 2 * DAY
    assert 60 < first < 370
    assert (sign * out["deviation"][2 * DAY + first : 2 * DAY + 720] >= 3.0).all()
    assert out["score"].max() == SCORE_MAX
    assert (np.abs(out["deviation"][3 * DAY :]) < 3.0).all()
    assert (out["score"][3 * DAY :] < 1.0).all()


def test_the_score_is_the_share_of_the_horizon_that_is_left() -> None:
    x = noise(1, 2 * DAY + 600)
    x[2 * DAY :] += np.arange(600) / 10.0
    out = judge(x, "forecast", 60.0, limit="> 90")
    crossed = 2 * DAY + 400
    critical = int(np.flatnonzero(out["score"] >= 4.0)[0])
    assert 30 <= crossed - critical <= 90, "a quarter of four hours, and never later than half an hour"


@pytest.mark.parametrize("shape", ["quiet", "walk", "season", "saw"])
@pytest.mark.parametrize("seed", [11, 12])
def test_what_comes_and_goes_by_itself_is_not_foretold(shape: str, seed: int) -> None:
    rng = np.random.default_rng([seed, len(shape)])
    t = START_S + np.arange(0.0, 14 * 86400.0, 300.0)
    x = SHAPES[shape](rng, t)
    limit = float(x.max() + 0.3 * (x.max() - x.min()))
    assert len(alerts("forecast", {"limit": f"> {limit!r}"}, t, x).opened) <= 1


def test_one_burst_of_a_job_does_not_fire() -> None:
    x = noise(3, 5 * DAY)
    for day in range(1, 5):
        x[day * DAY : day * DAY + 15] += np.linspace(0.0, 35.0, 15)  # a quarter of an hour, every night
    assert (judge(x, "forecast", 60.0, limit="> 90")["score"][DAY + 60 :] < 1.0).all()


def test_a_series_over_its_limit_fires_without_a_forecast() -> None:
    out = judge([95.0] * 200, "forecast", 60.0, limit=">= 95")
    assert out["score"].max() == SCORE_MAX
    assert (judge([95.0] * 200, "forecast", 60.0, limit="> 95")["score"] < 1.0).all()


@settings(max_examples=25, deadline=None)
@given(events=mixed, cuts=cut_places)
def test_cuts_change_no_bit_where_the_limit_is_near(events: Events, cuts: list[int]) -> None:
    params = {"limit": "> 55", "horizon": 1800.0, "history": 0.0}
    whole = run(make("forecast", 3, params), events)
    assert run(make("forecast", 3, params), events, cuts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("limit", ["inside 1..2", "outside 10..90", "90", "> x"])
def test_a_limit_has_one_side(limit: str) -> None:
    with pytest.raises(ValidationError, match="write"):
        Params(limit=limit)


def test_why_tells_when_and_how_fast() -> None:
    forecast = Forecast(Params(limit="> 90", horizon=14_400.0), ())
    part = int(packed(0.7, 0.9, 1.25))
    point = Point(85.0, 85.5, np.nan, np.nan, 1.1, 6.6, BORDER, part)
    assert forecast.why(point) == (
        "value 85, the limit 90 will be reached in 3 h 36 min (2 h 48 min to 5 h), at 1.25 per hour"
    )
    never = Point(85.0, 85.5, np.nan, np.nan, 1.1, 6.6, BORDER, int(packed(0.7, 0.9, math.inf)))
    assert "(2 h 48 min or much later)" in forecast.why(never)
    assert forecast.why(Point(91.0, 91.0, np.nan, np.nan, SCORE_MAX, 600.0, BORDER)) == (
        "value 91 has reached the limit 90"
    )
    assert forecast.why(Point(70.0, 70.0, np.nan, np.nan, 0.0, 0.0, BORDER)) == (
        "value 70 is no longer about to reach the limit 90"
    )


@given(st.tuples(*[st.integers(0, 65_535)] * 3))
def test_three_times_fit_into_one_number(marks: tuple[int, int, int]) -> None:
    whole = packed(*[(mark + 0.5) / 1000.0 for mark in marks])
    assert whole == float(int(whole))
    assert unpacked(int(whole)) == marks


def test_the_state_is_as_large_as_the_page_says() -> None:
    forecast = make("forecast", 1, {"limit": "> 1"})
    assert sum(array.nbytes for array in forecast.state.values()) == 1072
    assert STATE.itemsize == 32
