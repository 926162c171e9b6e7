"""`range` against the least and largest of the past, looked up in full."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import Floats, Point, Records
from detectors.range import Params, Range
from schemas.levels import Border
from tests.detectors.streams import judge, openings

EAGER: dict[str, Any] = {"warm_up": 10, "warm_up_time": 0.0}


def new_rows(out: Records) -> list[int]:
    return [int(i) for i in np.flatnonzero(out["score"] >= 1.0)]


@settings(max_examples=60, deadline=None)
@given(
    x=st.lists(st.floats(-100.0, 100.0, width=32) | st.sampled_from([0.0, 1.0]), min_size=12, max_size=120),
    margin=st.sampled_from([0.01, 0.05, 0.5]),
)
def test_the_bounds_are_the_past_widened_by_the_margin(x: list[float], margin: float) -> None:
    out = judge(x, "range", margin=margin, **EAGER)
    for i in range(10, len(x)):
        low, high = min(x[:i]), max(x[:i])
        if high - low > 1e-3:
            assert out["upper"][i] == pytest.approx(high + margin * (high - low))
            assert out["lower"][i] == pytest.approx(low - margin * (high - low))
        if not out["lower"][i] <= x[i] <= out["upper"][i] and not (out["score"][max(0, i - 6) : i] > 0.0).any():
            assert out["score"][i] >= 1.0
        if low <= x[i] <= high:
            assert out["score"][i] == 0.0


def test_each_record_is_news_once() -> None:
    x = np.sin(np.arange(400)) * 10.0
    x[[350, 370, 390]] = 15.0, 15.0, 15.5
    assert new_rows(judge(x, "range", **EAGER)) == [350]


def test_a_steady_climb_is_never_news_and_a_jump_is() -> None:
    x = np.arange(2000.0)
    assert new_rows(judge(x, "range", **EAGER)) == [10], "of ten rows, one step is a tenth of the range"
    assert new_rows(judge(x, "range", warm_up=300, warm_up_time=0.0)) == []
    x[1500:] += 200.0
    assert new_rows(judge(x, "range", warm_up=300, warm_up_time=0.0)) == [1500]


def test_noise_has_few_records_and_an_outlier_is_one() -> None:
    rng = np.random.default_rng(1)
    told = 0
    for _ in range(20):
        x = rng.normal(50.0, 5.0, 5000)
        told += len(openings(judge(x, "range")["score"]))
        x[4000] += 60.0
        assert 4000 in new_rows(judge(x, "range"))
    assert told <= 20, "in 100,000 rows of white noise: two days and a half of each series after its first"


def test_both_warm_ups_must_have_passed() -> None:
    x = [1.0, 2.0] * 100
    x[60] = 9.0
    assert new_rows(judge(x, "range", warm_up=100, warm_up_time=0.0)) == []
    assert new_rows(judge(x, "range", warm_up=10, warm_up_time=3601.0)) == []
    assert new_rows(judge(x, "range", warm_up=60, warm_up_time=3600.0)) == [60]


def test_a_plateau_is_held_until_it_is_over_or_known() -> None:
    x = np.tile([1.0, 2.0], 300)
    x[300:320] = 5.0
    out = judge(x, "range", **EAGER)
    assert np.flatnonzero(out["deviation"] >= 3.0).tolist() == list(range(300, 320))
    x[300:] = 5.0
    assert np.flatnonzero(judge(x, "range", **EAGER)["deviation"] >= 3.0).tolist() == list(range(300, 361))
    short = judge(-x, "range", settle=600.0, **EAGER)
    assert np.flatnonzero(short["deviation"] <= -3.0).tolist() == list(range(300, 311))


@pytest.mark.parametrize(("remember_rows", "again"), [(0, False), (100, True), (1000, False)])
def test_what_was_seen_long_ago_is_news_again(remember_rows: int, again: bool) -> None:
    x = np.tile([1.0, 2.0], 500)
    x[[300, 700]] = 9.0
    out = judge(x, "range", remember=60.0 * remember_rows, **EAGER)
    assert new_rows(out) == ([300, 700] if again else [300])


@pytest.mark.parametrize("direction", ["above", "below"])
def test_only_the_side_asked_for_is_told_and_has_a_bound(direction: str) -> None:
    x: Floats = np.tile([1.0, 2.0], 200)
    x[300], x[350] = 9.0, -9.0
    out = judge(x, "range", direction=direction, **EAGER)
    assert new_rows(out) == [300 if direction == "above" else 350]
    assert np.isnan(out["lower" if direction == "above" else "upper"]).all()


@pytest.mark.parametrize(("factor", "offset"), [(1024.0, 0.0), (1000.0, 0.0), (1.0, 512.0)])
def test_news_knows_no_unit(factor: float, offset: float) -> None:
    x = np.random.default_rng(3).standard_t(2.0, 3000)
    assert new_rows(judge(x, "range", **EAGER)) == new_rows(judge(factor * x + offset, "range", **EAGER))


def test_why_names_the_border_it_passed() -> None:
    detector = Range(Params(), ())
    border = Border.parse(">= 1")
    assert detector.why(Point(9.0, np.nan, 0.9, 2.1, 7.0, 21.0, border)) == (
        "value 9 lies above the border 2.1 around everything seen, 7 times the margin beyond it"
    )
    assert detector.why(Point(1.5, np.nan, 0.9, 2.1, 0.0, 0.0, border)).startswith("value 1.5 is within what was seen")
