"""Pictures of metrics: whatever the numbers and names, well-formed, within their frame, and without anything active."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.charts import HEIGHT, WIDTH, Chart, line, points, svg

VALUES = st.one_of(st.floats(-1e99, 1e99), st.sampled_from([0.0, 1e-300, -1e-300, 1e99, 5.0]))
SERIES = st.lists(st.tuples(st.integers(0, 10**9), VALUES), min_size=2, max_size=40, unique_by=lambda p: p[0])
_ALLOWED = {"svg", "title", "text", "rect", "path", "polyline"}


@given(SERIES, st.text(), st.one_of(st.none(), VALUES), st.one_of(st.none(), VALUES), st.integers(0, 10**9))
def test_any_chart_is_drawn_within_its_frame(
    series: list[tuple[int, float]], title: str, lower: float | None, upper: float | None, from_s: int
) -> None:
    t, v = points([([float(at) for at, _ in series], [value for _, value in series])])
    chart = Chart(title=title, t=t, v=v, lower=lower, upper=upper, from_s=from_s)
    drawn = svg(chart)
    root = ElementTree.fromstring(drawn)  # noqa: S314 - made here
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= _ALLOWED
    names = {name for element in root.iter() for name in element.attrib}
    assert not any(name.startswith("on") or "href" in name or name == "style" for name in names)
    numbers = [float(n) for n in re.findall(r"-?[\d.]+(?:e-?\d+)?", root.findall("{*}polyline")[0].attrib["points"])]
    assert all(math.isfinite(n) for n in numbers)
    assert all(-0.2 <= x <= WIDTH + 0.2 for x in numbers[::2])
    assert all(-0.2 <= y <= HEIGHT + 0.2 for y in numbers[1::2])
    assert "\n" not in line(chart)


def test_too_few_points_are_no_chart() -> None:
    with pytest.raises(ValueError, match="1 points"):
        svg(Chart(title="x", t=[1.0], v=[1.0], from_s=0))
