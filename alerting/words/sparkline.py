"""A metric's last points as a line of text, for channels without pictures."""

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_GAP = "·"
POINTS_MAX = 32


def sparkline(values: Sequence[float], points_max: int = POINTS_MAX) -> str:
    """A bar a value, lowest to highest; the last `points_max` of them. A value that is no number is a dot.

    >>> sparkline([1, 2, 3, 8]), sparkline([5, 5, 5]), sparkline([0, float("nan"), 1]), sparkline([])
    ('▁▂▃█', '▁▁▁', '▁·█', '')
    """
    shown = list(values)[-points_max:]
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return _GAP * len(shown)
    low, high = min(finite), max(finite)
    # Halved first: the difference of two numbers near the largest is not a number.
    span = high / 2 - low / 2
    return "".join(
        _BARS[round((value / 2 - low / 2) / span * (len(_BARS) - 1)) if span > 0 else 0]
        if math.isfinite(value)
        else _GAP
        for value in shown
    )
