"""`threshold` against `schemas.levels.over`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Floats, Point, Records
from detectors.threshold import Params, Threshold
from schemas.levels import Border, Op, over
from tests.detectors.streams import one_row, run

numbers = st.floats(-100.0, 100.0) | st.sampled_from([-1.0, 0.0, 80.0])


@st.composite
def borders(draw: st.DrawFn) -> Border:
    op = draw(st.sampled_from(list(Op)))
    low, high = sorted([draw(numbers), draw(numbers)])
    return Border(op, low, high if op in (Op.OUTSIDE, Op.INSIDE) else 0.0)


def verdicts(borders: tuple[Border, ...], x: list[float]) -> Records:
    return run(Threshold(Params(), borders), one_row(x))


@given(st.lists(borders(), max_size=3), st.lists(numbers, max_size=30))
def test_the_score_counts_the_borders_passed(made: list[Border], x: list[float]) -> None:
    out = verdicts(tuple(made), x)
    assert out["score"].tolist() == [float(sum(over(b.op, b.low, b.high, v) for b in made)) for v in x]
    assert (out["deviation"] == 0.0).all()
    assert np.isnan(out["expected"]).all()


@given(borders(), st.lists(numbers, max_size=30))
def test_a_value_outside_the_band_passes_the_mildest_border(border: Border, x: list[float]) -> None:
    out = verdicts((border,), x)
    values: Floats = np.array(x)
    outside = (values < out["lower"]) | (values > out["upper"])
    assert (out["score"][outside] == 1.0).all()


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        ("> 80", np.nan, 80.0),
        (">= 80", np.nan, 80.0),
        ("< 5", 5.0, np.nan),
        ("<= 5", 5.0, np.nan),
        ("outside 10..90", 10.0, 90.0),
        ("inside 10..90", np.nan, np.nan),
    ],
)
def test_the_bounds_are_the_sides_of_the_mildest_border(text: str, lower: float, upper: float) -> None:
    out = verdicts((Border.parse(text), Border.parse("> 1000")), [50.0])
    np.testing.assert_array_equal([out["lower"][0], out["upper"][0]], [lower, upper])


def test_why_names_the_border_and_whether_it_is_passed() -> None:
    threshold = Threshold(Params(), ())
    for value, said in ((96.5, "value 96.5 is above 80"), (70.0, "value 70 is no longer above 80")):
        assert threshold.why(Point(value, np.nan, np.nan, 80.0, 1.0, 0.0, Border.parse("> 80"))) == said
