"""What is known of a metric's load now: its newest value, where it is heading, and how old that is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from schemas.metric import Series
from schemas.response.scaling import Aggregate

POINTS_MAX = 32
SPACING_S = 10.0
"""Points of a trend that are kept, and how far apart at least: five minutes of a metric of every second."""
_POINTS_OF_A_TREND = 4


@dataclass(frozen=True)
class Load:
    """value: the newest, of event time `at_s` (Unix seconds). slope_per_s: None where too little is known.

    points: how many the slope is from.
    """

    value: float
    slope_per_s: float | None
    at_s: float
    points: int


@dataclass(frozen=True)
class Track:
    """Points of one series, at least one, times rising; the newest, and before it some that lie `SPACING_S` apart."""

    series: Series
    times_s: tuple[float, ...]
    values: tuple[float, ...]

    def then(self, times_s: Sequence[float], values: Sequence[float]) -> "Track":
        """With what came since; older points than its newest are left out.

        >>> track = Track(Series("m"), (0.0,), (1.0,)).then([0.0, 2.0, 4.0, 10.0, 12.0], [9.0, 2.0, 3.0, 4.0, 5.0])
        >>> track.times_s, track.values
        ((0.0, 10.0, 12.0), (1.0, 4.0, 5.0))
        """
        kept = list(zip(self.times_s, self.values, strict=True))
        for point in zip(times_s, values, strict=True):
            if kept and point[0] <= kept[-1][0]:
                continue
            if len(kept) > 1 and kept[-1][0] - kept[-2][0] < SPACING_S:
                kept.pop()
            kept.append(point)
        kept = kept[-POINTS_MAX:]
        return Track(self.series, tuple(t for t, _ in kept), tuple(v for _, v in kept))

    def load(self) -> Load:
        return Load(self.values[-1], slope_per_s(self.times_s, self.values), self.times_s[-1], len(self.times_s))


def slope_per_s(times_s: Sequence[float], values: Sequence[float]) -> float | None:
    """Median of the slopes between all pairs of points [Theil 1950, Sen 1968]: up to 29 % of them may be wrong.

    >>> slope_per_s([0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 90.0, 4.0, 5.0])
    1.0
    """
    if len(times_s) < _POINTS_OF_A_TREND:
        return None
    points = list(zip(times_s, values, strict=True))
    return median((v2 - v1) / (t2 - t1) for i, (t1, v1) in enumerate(points) for t2, v2 in points[i + 1 :])


def together(loads: Sequence[Load], aggregate: Aggregate) -> Load:
    """Of at least one. `at_s` is the oldest: all of it is known for then. A slope that isn't known counts as none.

    >>> together([Load(10.0, 1.0, 5.0, 9), Load(30.0, None, 3.0, 1)], "sum")
    Load(value=40.0, slope_per_s=1.0, at_s=3.0, points=1)
    """
    at_s, points = min(load.at_s for load in loads), min(load.points for load in loads)
    if aggregate == "max":
        most = max(loads, key=lambda load: load.value)
        return Load(most.value, most.slope_per_s, at_s, points)
    known = [load.slope_per_s for load in loads if load.slope_per_s is not None]
    if aggregate == "avg":
        slope = sum(known) / len(loads) if known else None
        return Load(fmean(load.value for load in loads), slope, at_s, points)
    return Load(sum(load.value for load in loads), sum(known) if known else None, at_s, points)
