"""The metrics of an incident's alerts as pictures: SVG without scripts, styles or links, for a page and for paper.

A point is what alert events carried as evidence. Names are text of strangers: they are escaped, and cut.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

import msgspec

POINTS_MAX = 400
WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 26, 26
_INK, _GREY, _BAND, _BAD = "#344054", "#667085", "#d1e9ff", "#d92d20"
_VALUE_MAX = 1e100  # beyond it the axis' own arithmetic overflows
_TITLE_CHARS_MAX = 90
_BARS = "▁▂▃▄▅▆▇█"


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """t: Unix seconds of event time, rising; v: values there. lower, upper: the band that was expected at the end.

    from_s, to_s: while the alert fired; to_s None: it still did.
    """

    title: str
    t: list[float]
    v: list[float]
    lower: float | None = None
    upper: float | None = None
    from_s: float
    to_s: float | None = None


def points(pieces: Iterable[tuple[Sequence[float], Sequence[float]]]) -> tuple[list[float], list[float]]:
    """Evidence of several events as one line: each time once, what can't be drawn left out, at most the last 400.

    >>> points([([1.0, 2.0], [5.0, 6.0]), ([2.0, 3.0], [6.0, float("nan")])])
    ([1.0, 2.0], [5.0, 6.0])
    """
    found = {
        t: v
        for times, values in pieces
        for t, v in zip(times, values, strict=False)
        if math.isfinite(v) and abs(v) < _VALUE_MAX and 0 <= t < 2e11
    }
    rising = sorted(found.items())[-POINTS_MAX:]
    return [t for t, _ in rising], [v for _, v in rising]


def svg(chart: Chart) -> str:
    """Raises ValueError where it has no two points."""
    if len(chart.t) < 2:
        raise ValueError(f"{len(chart.t)} points, needs 2")
    band = [edge for edge in (chart.lower, chart.upper) if edge is not None and abs(edge) < _VALUE_MAX]
    low, high = min([*chart.v, *band]), max([*chart.v, *band])
    margin = (high - low) * 0.08 or max(abs(high) * 0.1, 1.0)
    low, high = low - margin, high + margin
    first_s, last_s = chart.t[0], chart.t[-1]

    def x(at_s: float) -> float:
        share = (min(max(at_s, first_s), last_s) - first_s) / (last_s - first_s)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    title = escape(_cut(chart.title))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" font-family="sans-serif" font-size="11" fill="{_GREY}">',
        f"<title>{title}</title>",
        f'<text x="{_LEFT}" y="14" font-size="12" fill="{_INK}">{title}</text>',
    ]
    if len(band) == 2 and band[0] <= band[1]:
        top, bottom = y(band[1]), y(band[0])
        parts.append(_box(_LEFT, top, WIDTH - _LEFT - _RIGHT, max(bottom - top, 1.0), _BAND))
    fired, ended = x(chart.from_s), x(last_s if chart.to_s is None else chart.to_s)
    if ended > fired:
        parts.append(_box(fired, HEIGHT - _BOTTOM, ended - fired, 4.0, _BAD))
    for value in (low + margin, high - margin) if high - low > 2.5 * margin else (chart.v[-1],):
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{_short(value)}</text>')
        parts.append(f'<path d="M{_LEFT} {y(value)}H{WIDTH - _RIGHT}" stroke="#eaecf0" fill="none"/>')
    line = " ".join(f"{x(t)},{y(v)}" for t, v in zip(chart.t, chart.v, strict=True))
    parts.append(f'<polyline points="{line}" fill="none" stroke="{_INK}" stroke-width="1.6"/>')
    for at_s, anchor in ((first_s, "start"), (last_s, "end")):
        moment = f"{datetime.fromtimestamp(at_s, UTC):%d %b %H:%M:%S}"
        parts.append(f'<text x="{x(at_s)}" y="{HEIGHT - 6}" text-anchor="{anchor}">{moment}</text>')
    return "".join((*parts, "</svg>"))


def line(chart: Chart, width: int = 40) -> str:
    """The same in one line of text.

    >>> line(Chart(title="x", t=[1, 2, 3], v=[1.0, 2.0, 8.0], from_s=2))
    '▁▂█ 1 to 8'
    """
    step = max(1, math.ceil(len(chart.v) / width))
    values = [max(chart.v[at : at + step], key=abs) for at in range(0, len(chart.v), step)]
    low, high = min(values), max(values)
    top = len(_BARS) - 1
    bars = "".join(_BARS[round((value - low) / (high - low) * top) if high > low else 0] for value in values)
    return f"{bars} {_short(min(chart.v))} to {_short(max(chart.v))}"


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{round(width, 1)}" height="{round(height, 1)}" fill="{colour}"/>'


def _cut(title: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in title)
    return shown if len(shown) <= _TITLE_CHARS_MAX else shown[: _TITLE_CHARS_MAX - 1] + "…"


def _short(value: float) -> str:
    """
    >>> [_short(v) for v in (0.0, 0.05, 1200.0, 2.4e6, 1e20)]
    ['0', '0.05', '1200', '2.4M', '1e+20']
    """
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if size <= abs(value) < 1e13:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"
