"""`drift` against river's ADWIN, scipy's Kolmogorov-Smirnov test, and on drifts whose time is known."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import drift as river_drift

from detectors import adaptive_window, two_samples
from detectors.base import Floats, Point, Records
from detectors.drift import STATE, Drift, Params
from schemas.levels import Border
from tests.detectors.streams import judge, openings

METHODS = pytest.mark.parametrize("method", ["adwin", "ks"])
ADWIN: Any = river_drift.ADWIN
stats: Any = import_module("scipy.stats")


def ar(seed: int, n: int, phi: float) -> Floats:
    """Noise of spread 1 whose first autocorrelation is phi."""
    news = np.random.default_rng(seed).normal(0.0, np.sqrt(1.0 - phi * phi), n)
    for i in range(1, n):
        news[i] += phi * news[i - 1]
    return news


def window() -> tuple[Any, Floats]:
    return np.zeros(1, STATE)[0], np.zeros((adaptive_window.LEVELS, adaptive_window.COLUMNS))


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), confidence=st.sampled_from([0.002, 0.05, 1e-5]), every=st.sampled_from([1, 32, 100])
)
def test_adwin_detects_where_river_does(seed: int, confidence: float, every: int) -> None:
    rng = np.random.default_rng(seed)
    jumps = np.cumsum((rng.random(2000) < 0.003) * rng.normal(0.0, 0.1, 2000))
    values = np.clip(0.5 + rng.normal(0.0, 0.1, 2000) + jumps, 0.0, 1.0)
    theirs = ADWIN(delta=confidence, clock=every)
    s, buckets = window()
    rows = 0
    for i, y in enumerate(values.tolist()):
        theirs.update(y)
        adaptive_window.add(s, buckets, y)
        rows += 1
        before = s["width"]
        detected = rows % every == 0 and adaptive_window.cut(s, buckets, confidence, 1.0)[0] > 1.0
        assert detected == theirs.drift_detected, f"row {i}"
        if detected:
            rows = 0
        else:
            assert before == theirs.width
            assert s["total"] == pytest.approx(theirs.total)
            assert s["squares"] == pytest.approx(theirs.variance, abs=1e-9)


def test_a_long_window_is_bounded_and_keeps_its_sums() -> None:
    s, buckets = window()
    values = np.random.default_rng(1).random(45_000)
    for y in values.tolist():
        adaptive_window.add(s, buckets, y)
    width = int(s["width"])
    assert 10_000 < width <= 20_475 + 2048
    assert s["total"] == pytest.approx(values[-width:].sum())
    assert s["squares"] == pytest.approx(width * values[-width:].var(), rel=1e-6)
    assert buckets[:, 0].max() <= adaptive_window.BUCKETS


def filled(reference: list[float], recent: list[float]) -> Any:
    s, samples = np.zeros(1, STATE)[0], np.zeros(two_samples.REFERENCE + two_samples.RECENT, np.float32)
    for y in reference:
        two_samples.add_reference(s, samples, y)
    for y in recent:
        two_samples.add_recent(s, samples, y)
    return samples


numbers = st.floats(-100.0, 100.0, width=32) | st.sampled_from([0.0, 1.0, 2.0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(numbers, min_size=two_samples.REFERENCE, max_size=two_samples.REFERENCE),
    st.lists(numbers, min_size=two_samples.RECENT, max_size=two_samples.RECENT + 50),
)
def test_the_distance_is_that_of_scipy(reference: list[float], recent: list[float]) -> None:
    theirs = stats.ks_2samp(reference, recent[-two_samples.RECENT :], method="asymp").statistic
    assert two_samples.distance(filled(reference, recent)) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("confidence", [0.05, 1e-3, 1e-5])
def test_the_bound_is_the_distance_that_scipy_gives_this_chance(confidence: float) -> None:
    bound = two_samples.bound(confidence, 128.0, 64.0)
    # Of two samples of whole values the distance has steps of 1/128: the two around the bound.
    below, above = np.floor(bound * 128.0) / 128.0, np.ceil(bound * 128.0) / 128.0
    chances = []
    for distance in (below, above):
        shift = round(distance * 64)
        reference = np.arange(128.0)
        recent = np.concatenate([reference[1::2][shift:], 1000.0 + np.arange(shift)])
        test = stats.ks_2samp(reference, recent, method="asymp")
        assert test.statistic == pytest.approx(shift / 64.0, abs=1 / 64)
        chances.append(float(stats.kstwobign.sf(distance * np.sqrt(128.0 * 64.0 / 192.0))))
    assert chances[1] <= confidence * 1.001
    assert confidence <= chances[0] * 1.001


def told(out: Records) -> list[int]:
    return [int(i) for i in np.flatnonzero(out["score"] >= 1.0)]


@METHODS
@pytest.mark.parametrize("sigmas", [1.0, -3.0])
def test_a_drift_is_told_once_and_held_for_a_while(method: str, sigmas: float) -> None:
    x = 50.0 + 5.0 * ar(1, 8000, 0.0)
    x[5000:] += 5.0 * sigmas
    out = judge(x, "drift", method=method, season="none")
    rows = told(out)
    assert len(rows) == 1
    assert 5000 < rows[0] < 5700
    held = np.flatnonzero(out["deviation"] * np.sign(sigmas) >= 3.0)
    assert held.tolist() == list(range(rows[0], rows[0] + 100))
    assert out["expected"][rows[0]] == pytest.approx(50.0, abs=1.5)
    assert out["expected"][-1] == pytest.approx(50.0 + 5.0 * sigmas, abs=1.5)


@METHODS
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_noise_and_waves_are_no_drift(method: str, phi: float) -> None:
    assert sum(len(told(judge(ar(seed, 8000, phi), "drift", method=method))) for seed in range(3)) <= 1


@METHODS
def test_a_daily_season_is_no_drift(method: str) -> None:
    t = np.arange(8 * 1440)
    x = 100.0 + 10.0 * np.sin(t * 2.0 * np.pi / 1440.0) + ar(3, len(t), 0.3)
    assert openings(judge(x, "drift", method=method)["score"]) == []
    if method == "ks":
        assert len(openings(judge(x, "drift", method=method, season="none")["score"])) >= 3, "without a profile"


def test_ks_sees_a_shape_that_has_the_same_mean() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(50.0, 1.0, 9000)
    x[6000:] = 50.0 + rng.choice([-4.0, 4.0], 3000)
    assert 6000 < told(judge(x, "drift", method="ks", season="none"))[0] < 7000


@METHODS
def test_drift_is_tested_only_every_so_many_rows(method: str) -> None:
    out = judge(ar(1, 4000, 0.0), "drift", method=method, every=50, reference=500, recent=100)
    assert (np.flatnonzero(out["score"] > 0.0) % 50 == 0).all()
    assert (out["score"] > 0.0).any()


def test_why_names_what_moved() -> None:
    border = Border.parse(">= 1")
    detector = Drift(Params(method="ks"), ())
    assert detector.why(Point(61.0, 50.0, np.nan, np.nan, 1.2, 3.6, border)) == (
        "the distribution of the newest values moved to above the one before, of mean 50, by 1.2 times what chance "
        "explains (newest value 61)"
    )
    assert detector.why(Point(61.0, 60.0, np.nan, np.nan, 0.0, 0.0, border)).startswith("value 61 comes from what")
