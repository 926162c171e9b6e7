"""`trend` and the slopes it stands on, against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.base import Floats, Point
from detectors.buckets import BUCKETS
from detectors.slopes import certainty, dependence, interval, kendall, middle, slopes
from detectors.trend import Params, Trend
from schemas.levels import Border
from tests.detectors.streams import judge, openings

quick = settings(max_examples=60, deadline=None)
points = st.lists(st.integers(-20, 20) | st.floats(-1e3, 1e3), min_size=4, max_size=BUCKETS)
DAY = 288  # rows of five minutes


def pairwise(y: Floats) -> tuple[Floats, int]:
    pairs = np.empty(BUCKETS * BUCKETS)
    return pairs, int(slopes(np.arange(len(y), dtype=np.float64), y, len(y), pairs))


@quick
@given(points)
def test_the_slope_and_its_interval_are_scipys(values: list[float]) -> None:
    y = np.array(values, np.float64)
    pairs, m = pairwise(y)
    wanted = stats.theilslopes(y, np.arange(len(y)), alpha=0.9)
    assert middle(pairs, m) == pytest.approx(wanted.slope, abs=1e-9)
    if len(set(values)) == len(values):  # scipy has no correction for ties of the values
        low, high = interval(pairs, m, stats.norm.ppf(0.95), kendall(y, len(y))[1])
        assert (low, high) == pytest.approx((wanted.low_slope, wanted.high_slope), abs=1e-9)


@quick
@given(points)
def test_the_order_of_the_buckets_is_as_certain_as_scipys_kendall_says(values: list[float]) -> None:
    y = np.array(values, np.float64)
    s, variance = kendall(y, len(y))
    wanted = stats.kendalltau(np.arange(len(y)), y, variant="c", method="asymptotic")
    if len(set(values)) == 1:
        assert (s, variance) == (0.0, 0.0)
        return
    assert 2.0 * stats.norm.sf(abs(s) / np.sqrt(variance)) == pytest.approx(wanted.pvalue, rel=1e-9)
    assert certainty(s, variance) <= abs(s) / np.sqrt(variance)


def test_neighbours_that_depend_on_each_other_count_for_less() -> None:
    rng = np.random.default_rng(3)
    places, left = np.arange(float(BUCKETS)), np.empty(BUCKETS)
    alone = [dependence(places, rng.normal(size=BUCKETS), BUCKETS, 0.0, left)[0] for _ in range(200)]
    walks = [dependence(places, np.cumsum(rng.normal(size=BUCKETS)), BUCKETS, 0.0, left)[0] for _ in range(200)]
    assert np.median(alone) < 1.3
    assert np.median(walks) > 3.0


def noise(seed: int, n: int) -> Floats:
    return np.asarray(50.0 + np.random.default_rng(seed).normal(0.0, 1.0, n))


def test_a_slow_rise_is_told_while_it_goes_on_and_then_cleared() -> None:
    x = noise(1, 4 * DAY)
    x[2 * DAY :] += np.minimum(np.arange(2 * DAY) / 12.0, 8.0)  # 1 an hour for eight hours
    out = judge(x, "trend", 300.0)
    told = openings(out["score"])
    assert [2 * DAY < i < 2 * DAY + 96 for i in told] == [True]
    assert (out["deviation"][told[0] : 2 * DAY + 90] >= 3.0).all()
    assert (out["deviation"][2 * DAY + 96 + 72 :] < 3.0).any(), "over a window after the rise"
    assert openings(out["score"][3 * DAY :]) == []


@pytest.mark.parametrize(("direction", "alerts"), [("above", 0), ("below", 1), ("both", 1)])
def test_only_the_directions_asked_for_alert(direction: str, alerts: int) -> None:
    x = noise(1, 3 * DAY)
    x[2 * DAY :] -= np.arange(DAY) / 12.0
    out = judge(x, "trend", 300.0, direction=direction)
    assert len(openings(out["score"], 200)) == alerts
    assert out["deviation"].min() == 0.0 or direction != "above"
    assert out["deviation"].max() == 0.0 or direction != "below"


def test_what_every_day_does_is_no_trend() -> None:
    x = noise(2, 14 * DAY) + 20.0 * np.sin(np.arange(14 * DAY) * 2.0 * np.pi / DAY)
    assert openings(judge(x, "trend", 300.0)["score"]) == []


def test_a_smaller_change_than_asked_for_never_scores() -> None:
    x = noise(1, 3 * DAY)
    x[2 * DAY :] += np.arange(DAY) / 24.0
    assert openings(judge(x, "trend", 300.0)["score"])
    assert openings(judge(x, "trend", 300.0, min_change=30.0)["score"]) == []
    assert openings(judge(x, "trend", 300.0, min_change_relative=0.6)["score"]) == []


@pytest.mark.parametrize(("scale", "offset"), [(1024.0, 0.0), (2.0**-20, 0.0)])
def test_another_unit_gives_the_same_scores(scale: float, offset: float) -> None:
    x = noise(1, 3 * DAY)
    x[2 * DAY :] += np.arange(DAY) / 12.0
    a, b = judge(x, "trend", 300.0), judge(x * scale + offset, "trend", 300.0)
    np.testing.assert_array_equal(a["score"], b["score"])


def test_gaps_longer_than_the_window_start_it_afresh() -> None:
    x = noise(1, 2 * DAY)
    out = judge(np.concatenate([x, x]), "trend", 300.0)
    assert np.isfinite(out["expected"][-1])
    sparse = judge(x[:100], "trend", 7 * 3600.0)
    assert np.isnan(sparse["expected"]).all()


def test_why_tells_from_where_and_how_fast() -> None:
    trend = Trend(Params(), ())
    border = Border.parse(">= 1")
    up = Point(62.0, 50.0, np.nan, np.nan, 1.5, 9.0, border)
    assert trend.why(up) == (
        "value 62 has risen steadily over 6 h, from 50, by 2 per hour, 1.5 times this series' border for a trend"
    )
    over = Point(62.0, 61.0, np.nan, np.nan, 0.2, 1.0, border)
    assert trend.why(over) == "value 62 no longer keeps on its trend over 6 h"
