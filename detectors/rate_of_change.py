"""How much a series changed over a set time, against a limit that a person wrote: `20 % in 5 min`, `3 a minute`.

Knows one series a row: its newest three values and a ring of time buckets. Learns nothing. Both ends of the change are
medians of three, so that one outlier makes no change, neither when it comes nor when it is `over` old.
"""

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors.base import VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.prefetch import AHEAD, prefetch
from detectors.pulse import PULSE_FIELDS, SCORE_MAX, pulse
from schemas.compiled import compiled
from schemas.config.values import Duration
from schemas.duration import format_duration
from schemas.levels import Border

STATE = np.dtype(
    [
        ("rows", "f8"),  # seen
        ("t0", "f8"),  # Unix s of the newest three rows, newest first, and their values
        ("t1", "f8"),
        ("t2", "f8"),
        ("x0", "f8"),
        ("x1", "f8"),
        ("x2", "f8"),
        *PULSE_FIELDS,
    ]
)
"""One series. All f8, all zero: never seen."""

BUCKET = np.dtype([("t", "f8"), ("x", "f8"), ("n", "f8")])
"""Mean time, mean value and number of the rows of an eighth of `over`."""

BUCKETS = 8  # of `over`
RING = 14  # the oldest that may stand for the value `over` ago is 1.5 `over` old, wherever in its bucket the row lies
NEAR = 0.5  # of `over`: how far from its due time either end of the change may lie
HELD_FROM = 3.0  # |deviation| where the limit is reached: an alert is held from there on
TINY = 1e-300

_DIRECTIONS = {"above": 1.0, "both": 0.0, "below": -1.0}
_PERCENT = 0.0  # instead of the seconds of a unit of time
_UNITS: dict[str, tuple[float, str]] = {
    "per_second": (1.0, " a second"),
    "per_minute": (60.0, " a minute"),
    "per_hour": (3600.0, " an hour"),
    "percent": (_PERCENT, " %"),
}


class Params(Settings):
    """Settings of `rate_of_change`."""

    limit: float = Field(gt=0.0, allow_inf_nan=False, description="Change that scores 1.0, in `unit`; without a sign.")
    unit: Literal["per_second", "per_minute", "per_hour", "percent"] = Field(
        description="What `limit` counts: the mean slope over the time, or the change in percent of the older value."
    )
    over: Duration = Field(default=300.0, ge=1.0, description="Event time that the change is taken over.")
    direction: Literal["above", "below", "both"] = Field(
        default="both", description="`above`: only rises may alert; `below`: only falls."
    )
    min_change: float = Field(
        default=0.0, ge=0.0, allow_inf_nan=False, description="Smaller changes never score, in the series' unit."
    )


class RateOfChange(Detector):
    """Score: change over `over` divided by `limit`. `deviation`: 3 x the same with its sign; `expected`: value before.

    A step of 30 % is told at its second row, once:

    >>> from detectors.base import VERDICT
    >>> detector = RateOfChange(Params(limit=20.0, unit="percent"), (Border.parse(">= 1"),))
    >>> x, out = np.where(np.arange(20) < 15, 100.0, 130.0), np.zeros(20, VERDICT)
    >>> detector.grow(1)
    >>> detector.update(np.zeros(20, np.int64), np.zeros(20, np.bool_), 60.0 * np.arange(20), x, out)
    >>> np.flatnonzero(out["score"] >= 1.0).tolist(), float(out["score"][16])
    ([16], 1.5)
    """

    kind: ClassVar[str] = "rate_of_change"
    tells_ends: ClassVar[bool] = True
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"rate_of_change takes its own Params, got {type(params).__name__}")
        self._params = params
        self._settings = (
            params.over,
            _UNITS[params.unit][0],
            params.limit,
            _DIRECTIONS[params.direction],
            params.min_change,
        )
        self._series: NDArray[np.generic] = np.zeros(0, STATE)
        self._buckets: NDArray[np.generic] = np.zeros((0, RING), BUCKET)

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)
        self._buckets = grown(self._buckets, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, self._buckets, rows, fresh, t, x, self._settings, out)

    def why(self, point: Point) -> str:
        limit, words = self._params.limit, _UNITS[self._params.unit][1]
        change = abs(point.deviation) / HELD_FROM * limit
        more = "more than " if abs(point.deviation) >= HELD_FROM * SCORE_MAX else ""
        moved = "rose" if point.deviation >= 0.0 else "fell"
        over = format_duration(self._params.over)
        return (
            f"value {point.value:.6g} {moved} by {more}{change:.3g}{words} over {over} from {point.expected:.6g}, "
            f"{'over' if point.score >= 1.0 else 'against'} the limit of {limit:.6g}{words}"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"series": self._series, "buckets": self._buckets}


@compiled
def _run(series: Any, buckets: Any, rows: Rows, fresh: Flags, t: Floats, x: Floats, settings: Any, out: Any) -> None:
    cells = series.view(np.float64).reshape((len(series), -1))
    rings = buckets.view(np.float64).reshape((len(buckets), -1))
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            later = rows[i + AHEAD]
            for field in range(0, cells.shape[1], 8):  # 8 numbers are a cache line
                prefetch(cells, later, field)
            for field in range(0, rings.shape[1], 8):
                prefetch(rings, later, field)
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
            rings[k] = 0.0
        _step(series[k], buckets[k], t[i], x[i], settings, out[i])


@compiled
def _step(s: Any, ring: Any, t: float, x: float, settings: Any, v: Any) -> None:
    over_s, unit_s, limit, direction, min_change = settings
    v.expected = v.lower = v.upper = np.nan
    v.score = v.deviation = v.part = 0.0
    if not math.isfinite(x) or (s.rows > 0.0 and not t > s.t0):
        return
    x = min(max(x, -VALUE_MAX), VALUE_MAX)
    s.t2, s.t1, s.t0 = s.t1, s.t0, t
    s.x2, s.x1, s.x0 = s.x1, s.x0, x
    s.rows += 1.0
    before, change, span_s = _change(s, ring, over_s)
    _learn(ring, t, x, over_s / BUCKETS)
    if not span_s > 0.0:
        return
    v.expected = before
    rate = change / span_s * unit_s
    if unit_s == _PERCENT:
        rate = 100.0 * change / max(abs(before), TINY)  # from 0, any change is beyond every limit
    share = max(-SCORE_MAX, min(SCORE_MAX, rate / limit))
    if abs(change) < min_change or share * direction < 0.0:
        share = 0.0
    v.deviation = HELD_FROM * share
    v.score = pulse(s, s.rows, abs(share))


@compiled
def _learn(ring: Any, t: float, x: float, width_s: float) -> None:
    number = math.floor(t / width_s)
    b = ring[int(number % RING)]
    if b.n == 0.0 or math.floor(b.t / width_s) != number:
        b.t, b.x, b.n = t, x, 1.0
        return
    b.n += 1.0
    b.t += (t - b.t) / b.n
    b.x += (x - b.x) / b.n


@compiled
def _change(s: Any, ring: Any, over_s: float) -> tuple[float, float, float]:
    """Value before, change since, and the seconds between the two; 0 seconds where too little is known.

    Each end is the median of three: the newest values, and the means of the buckets nearest to `over` ago. Where there
    are only two of either, of all their differences the smallest: the outlier, should one be among them, makes a
    larger one.
    """
    due = s.t0 - over_s
    near, nearer, nearest = -1, -1, -1
    for j in range(len(ring)):
        if ring[j].n == 0.0 or abs(ring[j].t - due) > NEAR * over_s:
            continue
        if nearest < 0 or abs(ring[j].t - due) < abs(ring[nearest].t - due):
            near, nearer, nearest = nearer, nearest, j
        elif nearer < 0 or abs(ring[j].t - due) < abs(ring[nearer].t - due):
            near, nearer = nearer, j
        elif near < 0 or abs(ring[j].t - due) < abs(ring[near].t - due):
            near = j
    known = 1 + int(s.rows > 1.0 and s.t0 - s.t1 <= NEAR * over_s) + int(s.rows > 2.0 and s.t0 - s.t2 <= NEAR * over_s)
    if known < 2 or nearer < 0:
        return 0.0, 0.0, 0.0
    if known == 3 and near >= 0:
        t_now, now = _middle(s.t0, s.x0, s.t1, s.x1, s.t2, s.x2)
        a, b, c = ring[near], ring[nearer], ring[nearest]
        t_then, then = _middle(a.t, a.x, b.t, b.x, c.t, c.x)
        return then, now - then, t_now - t_then
    then, change, span_s = 0.0, math.inf, 0.0
    for j in (nearest, nearer, near):
        if j >= 0:
            for age in range(known):
                t_now, now = (s.t0, s.x0) if age == 0 else (s.t1, s.x1) if age == 1 else (s.t2, s.x2)
                if abs(now - ring[j].x) < abs(change):
                    then, change, span_s = ring[j].x, now - ring[j].x, t_now - ring[j].t
    return then, change, span_s


@compiled
def _middle(ta: float, a: float, tb: float, b: float, tc: float, c: float) -> tuple[float, float]:
    """The median of three values, and its time."""
    if a <= b <= c or c <= b <= a:
        return tb, b
    if b <= a <= c or c <= a <= b:
        return ta, a
    return tc, c
