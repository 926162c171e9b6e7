"""A metric's last points as a picture: the line, the band it was expected in, the point that made the alert.

About 40 to 70 ms and 12 KB each at 600 x 240; the first one also costs the import of matplotlib, 0.4 s.
No label is drawn: a letter that the font lacks, or a `$` that starts a formula, would make a picture of an alert fail.
"""

import io
import math
from datetime import UTC, datetime
from functools import lru_cache

from alerting.alert import Alert
from alerting.words.texts import COLOURS

WIDTH, HEIGHT = 600, 240  # pixels
POINTS_MIN = 2
_INK, _GREY, _BAND = "#344054", "#98a2b3", "#d1e9ff"


def can_draw(alert: Alert) -> bool:
    return len(_points(alert)) >= POINTS_MIN


def draw(alert: Alert) -> bytes:
    """PNG; the same bytes for the same alert, on any thread. Raises ValueError where it has too few points."""
    points = tuple(_points(alert))
    if len(points) < POINTS_MIN:
        raise ValueError(f"{len(points)} points, needs {POINTS_MIN}")
    colour = COLOURS[alert.level if alert.is_firing else None]
    return _drawn(points, _finite(alert.lower), _finite(alert.upper), _finite(alert.expected), colour)


@lru_cache(64)
def _drawn(
    points: tuple[tuple[float, float], ...],
    lower: float | None,
    upper: float | None,
    expected: float | None,
    colour: str,
) -> bytes:
    """Several receivers show the same alert."""
    # Imported here: a desk without mail or Slack never pays for it. No pyplot: it keeps figures in global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    times, values = [t for t, _ in points], [v for _, v in points]
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)  # the one that it is saved by
    axes = figure.add_axes((0.11, 0.13, 0.86, 0.82))
    if lower is not None and upper is not None:
        axes.axhspan(lower, upper, facecolor=_BAND, edgecolor="none")
    if expected is not None:
        axes.axhline(expected, color=_GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(times, values, color=_INK, linewidth=1.6, marker="o", markersize=2.5)
    axes.plot(times[-1:], values[-1:], color=colour, marker="o", markersize=9, markeredgecolor="white")
    axes.annotate(
        _short(values[-1]), (times[-1], values[-1]), xytext=(-9, 0), textcoords="offset points", ha="right",
        va="center", color=colour, fontsize=10, fontweight="bold",
    )  # fmt: skip
    axes.margins(x=0.03, y=0.12)
    ticks, layout = _time_ticks(times[0], times[-1])
    axes.set_xticks(ticks, [datetime.fromtimestamp(t, UTC).strftime(layout) for t in ticks])
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(lambda x, _: _short(x))
    axes.grid(axis="y", color="#eaecf0", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=_INK, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_GREY)
    out = io.BytesIO()
    # Without matplotlib's note of itself, so that the same alert gives the same bytes.
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _time_ticks(first_s: float, last_s: float) -> tuple[list[float], str]:
    """At most six round moments between the two, and how they are written."""
    step_s = next((step for step in _STEPS_S if (last_s - first_s) / step <= _TICKS_MAX), (last_s - first_s) / 4)
    layout = "%H:%M:%S" if step_s < 60 else "%H:%M UTC" if last_s - first_s < _DAY_S else "%d %b %H:%M"
    ticks = [math.ceil(first_s / step_s) * step_s + i * step_s for i in range(_TICKS_MAX + 1)]
    return [tick for tick in ticks if first_s <= tick <= last_s] or [first_s], layout


_DAY_S = 86_400.0
_TICKS_MAX = 5
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, _DAY_S, 2 * _DAY_S)


def _short(value: float) -> str:
    """
    >>> [_short(v) for v in (0.0, 0.05, 1200.0, 2.4e6, -3e9, 1e-7, 1e20)]
    ['0', '0.05', '1200', '2.4M', '-3G', '1e-07', '1e+20']
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e13:
            return f"{value / (1000 if unit == 'k' else size):.4g}{unit}"
    return f"{value:.4g}"


def _points(alert: Alert) -> list[tuple[float, float]]:
    """In order of time, numbers only, of a size that can be drawn."""
    pairs = zip(alert.evidence_t, alert.evidence_v, strict=False)
    return sorted((t, v) for t, v in pairs if _drawable(v) and 0 <= t < _YEAR_9999_S)


def _finite(value: float | None) -> float | None:
    return value if value is not None and _drawable(value) else None


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < _VALUE_MAX


_VALUE_MAX = 1e100  # beyond it the axis' own arithmetic overflows
_YEAR_9999_S = 253_370_764_800.0
