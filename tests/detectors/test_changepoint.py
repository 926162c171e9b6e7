"""`changepoint` against river, against CUSUM by hand, and on shifts whose time and size are known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import PageHinkley

from detectors.base import Floats, Point
from detectors.changepoint import STATE, Changepoint, Params, anew, cusum, page_hinkley
from detectors.residual import repetition
from schemas.levels import Border
from tests.detectors.streams import judge, make, one_row, openings, run

METHODS = pytest.mark.parametrize("method", ["cusum", "page_hinkley"])


def ar(seed: int, n: int, phi: float) -> Floats:
    """Noise of spread 1 whose first autocorrelation is phi."""
    news = np.random.default_rng(seed).normal(0.0, np.sqrt(1.0 - phi * phi), n)
    for i in range(1, n):
        news[i] += phi * news[i - 1]
    return news


def detections(z: Floats, drift: float, threshold: float, forget: float) -> list[int]:
    s = np.zeros(1, STATE)[0]
    found = []
    for i, value in enumerate(z.tolist()):
        page_hinkley(s, value, drift, forget)
        if s["count"] >= 30.0 and max(s["up"], s["down"]) > threshold:
            found.append(i)
            anew(s)
    return found


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    drift=st.sampled_from([0.0, 0.005, 0.5]),
    threshold=st.sampled_from([5.0, 12.0, 50.0]),
    forget=st.sampled_from([1.0, 0.9999, 0.99]),
)
def test_page_hinkley_detects_where_river_does(seed: int, drift: float, threshold: float, forget: float) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(0.0, 1.0, 1500) + np.cumsum((rng.random(1500) < 0.004) * rng.normal(0.0, 3.0, 1500))
    theirs: Any = PageHinkley(delta=drift, threshold=threshold, alpha=forget)
    found = []
    for i, value in enumerate(z.tolist()):
        theirs.update(value)
        if theirs.drift_detected:
            found.append(i)
    assert detections(z, drift, threshold, forget) == found


@given(st.lists(st.floats(-9.0, 9.0), max_size=60), st.sampled_from([0.0, 0.5, 1.0]))
def test_cusum_is_the_largest_sum_of_newest_excesses(z: list[float], drift: float) -> None:
    s = np.zeros(1, STATE)[0]
    for value in z:
        cusum(s, value, drift)
    excess = np.array(z) - drift
    tails = [0.0, *(float(excess[i:].sum()) for i in range(len(z)))]
    assert s["up"] == pytest.approx(max(tails), abs=1e-9)


@METHODS
@pytest.mark.parametrize(("sigmas", "rows"), [(1.0, 200), (2.0, 40), (4.0, 12), (-2.0, 40)])
def test_a_shift_is_told_once_in_time_and_then_is_the_level(method: str, sigmas: float, rows: int) -> None:
    for seed in range(5):
        x = 50.0 + 5.0 * ar(seed, 2400, 0.0)
        x[2000:] += 5.0 * sigmas
        out = judge(x, "changepoint", method=method)
        told = np.flatnonzero(out["score"][1990:] >= 1.0) + 1990
        assert len(told) == 1
        assert 2000 <= told[0] < 2000 + rows
        held = np.flatnonzero(np.abs(out["deviation"]) >= 3.0)
        assert held[held >= 1990][0] == told[0]
        assert held[-1] <= told[0] + 60
        assert np.sign(out["deviation"][told[0]]) == np.sign(sigmas)
        assert out["expected"][told[0]] == pytest.approx(50.0, abs=3.0)
        assert out["expected"][-1] == pytest.approx(50.0 + 5.0 * sigmas, abs=3.0)


@METHODS
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_noise_and_waves_are_no_shifts(method: str, phi: float) -> None:
    told = sum(len(openings(judge(ar(seed, 5000, phi), "changepoint", method=method)["score"])) for seed in range(20))
    assert told <= 5, "in 100,000 rows"


def test_outliers_are_no_shifts() -> None:
    x = ar(1, 3000, 0.0)
    x[500::50] += 40.0
    assert len(openings(judge(x, "changepoint")["score"])) <= 1, "of 50"


def test_a_season_is_no_shift() -> None:
    t = np.arange(8 * 1440)
    x = 100.0 + 20.0 * np.sin(t * 2.0 * np.pi / 1440.0) + ar(3, len(t), 0.3)
    assert openings(judge(x, "changepoint")["score"][2 * 1440 :]) == []


def test_a_series_that_comes_back_ends_its_alert_before_it_settles() -> None:
    x = 50.0 + 5.0 * ar(2, 2400, 0.0)
    x[2000:2030] += 25.0
    out = judge(x, "changepoint", settle=300)
    held = np.flatnonzero(np.abs(out["deviation"]) >= 3.0)
    assert 2000 < held[0] < 2012
    assert 2030 <= held[-1] < 2060
    assert out["expected"][-1] == pytest.approx(50.0, abs=2.0)


def test_a_shift_ranks_by_its_size() -> None:
    x = ar(4, 2100, 0.0)
    scores = []
    for size in (2.0, 6.0, 30.0):
        shifted = x.copy()
        shifted[2000:] += size
        scores.append(float(judge(shifted, "changepoint")["score"].max()))
    assert 1.0 <= scores[0] < 1.3
    assert scores[1] == pytest.approx(2.0, rel=0.2)
    assert scores[2] == pytest.approx(10.0, rel=0.2)


def test_the_other_direction_and_small_shifts_say_nothing() -> None:
    x = 50.0 + 5.0 * ar(5, 2300, 0.0)
    x[2000:] += 15.0
    for params, told in (
        ({"direction": "below"}, 0),
        ({"min_change": 25.0}, 0),
        ({"direction": "above", "min_change": 5.0}, 1),
    ):
        assert len(openings(judge(x, "changepoint", **params)["score"])) == told


@pytest.mark.parametrize("factor", [1024.0, 1000.0])
def test_shifts_know_no_unit(factor: float) -> None:
    x = 50.0 + ar(6, 3000, 0.4) + 3.0 * (np.arange(3000) > 2000)
    one, other = judge(x, "changepoint"), judge(factor * x, "changepoint")
    assert ((one["score"] >= 1.0) == (other["score"] >= 1.0)).all()
    if factor == 1024.0:
        assert one["score"].tobytes() == other["score"].tobytes()


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_repetition_is_the_first_autocorrelation(phi: float) -> None:
    detector = make("changepoint", 1)
    run(detector, one_row(ar(7, 20_000, phi)))
    assert repetition(detector.state["series"][0]) == pytest.approx(phi, abs=0.1)


def test_why_names_the_level_that_was_left() -> None:
    border = Border.parse(">= 1")
    detector = Changepoint(Params(), ())
    assert detector.why(Point(61.0, 50.0, np.nan, np.nan, 1.1, 3.2, border)) == (
        "the level shifted to above 50: value 61 is one of many on that side, 1.1 times the evidence or the size that "
        "this takes"
    )
    assert detector.why(Point(50.5, 50.0, np.nan, np.nan, 0.0, 0.0, border)).startswith("value 50.5 is near the level")
