"""promtool's notation: what its documentation says each item is, and a sentence for what it is not."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rule_tests.notation import VALUES_MAX, series_of, values_of

# The examples of Prometheus' page on unit tests, and edges of its lexer (`0x3` is four zeros, never hexadecimal).
AS_PROMTOOL = {
    "-2+4x3": [-2, 2, 6, 10],
    "1-2x4": [1, -1, -3, -5, -7],
    "1x4": [1, 1, 1, 1, 1],
    "4 1+0x2": [4, 1, 1, 1],
    "1 _x3": [1, None, None, None],
    "1 stale": [1, None],
    "_": [None],
    "0x3": [0, 0, 0, 0],
    "1e2+.5x2": [100, 100.5, 101],
    "5x0": [5],
    "_x0 7": [7],
    "  1\n\t2  ": [1, 2],
}
WRONG = {
    "": "no values",
    "1 x3": "spaces part values",
    "1+2": "1+2x10 for 10 steps",
    "NaN": "value_not_finite",
    "-Inf": "value_not_finite",
    "{{schema:1}}": "native histogram",
    "stalex3": "write stale alone",
    "5y2": 'value 1, "5y2": not a value',
    "1 2 3x": 'value 3, "3x": not a value',
    "1_000": "not a value",
    "1x999999999": f"more than {VALUES_MAX:,} values",
    "_x999999999": f"more than {VALUES_MAX:,} values",
    "1e308+1e308x5": "beyond 1.8e308",
}


@pytest.mark.parametrize("text", AS_PROMTOOL)
def test_values_are_what_promtool_makes_of_them(text: str) -> None:
    assert [None if math.isnan(value) else value for value in values_of(text)] == AS_PROMTOOL[text]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_value_is_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is looked at below
        values_of(text)
    assert WRONG[text] in str(error.value)


@given(st.lists(st.tuples(st.integers(-100, 100), st.integers(-9, 9), st.integers(0, 20)), min_size=1))
def test_every_item_stands_for_one_value_more_than_its_count(items: list[tuple[int, int, int]]) -> None:
    values = values_of(" ".join(f"{first}{step:+}x{count}" for first, step, count in items))
    assert list(values) == [first + k * step for first, step, count in items for k in range(count + 1)]


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading(text: str) -> None:
    for read in (values_of, series_of):
        with contextlib.suppress(ValueError):
            assert read(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('up{job=~"a"}', "each label has one value"),
        ('{job="a"}', "no metric name"),
        ('up{a="1", a="2"}', "there twice"),
        ('up{a=""}', "leave it out"),
        ("", "expected a metric name"),
        (f'up{{a="{"x" * 2000}"}}', "limit 1024"),
    ],
)
def test_an_input_that_is_no_series_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        series_of(text)
