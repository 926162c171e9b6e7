"""A slow ramp: an hour's climb whose every row is near the one before, so that no residual sees it.

Knows one series a row, and what it usually climbs at each hour of the UTC day.

1. The last hour as six means of ten minutes. Its climbs are the four differences of means that are two apart.
2. What the hour of the day usually climbs is taken out: a morning's rise is no news.
3. The surprise is the smallest of the four rests, 0 where they disagree in sign: a ramp makes all four as large, while
   a step, a spike or a burst leaves at least one of them alone.
4. Its border is learned by the episode tail (`tail.py`). Told once, held until the climb is under half of the border.
"""

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors.base import VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.prefetch import AHEAD, prefetch
from detectors.tail import TAIL_FIELDS, judge_tail, learn_tail, tail_border, tail_ready
from schemas.compiled import compiled
from schemas.levels import Border

STATE = np.dtype(
    [
        ("rows", "f8"),  # seen
        ("t", "f8"),  # Unix s of the newest
        ("x", "f8"),  # the newest value
        ("sum", "f8"),  # of the open mean's values
        ("m0", "f8"),  # the newest whole mean
        ("m1", "f8"),
        ("m2", "f8"),
        ("m3", "f8"),
        ("m4", "f8"),
        ("m5", "f8"),  # the oldest
        ("period", "f4"),  # s between rows, a running mean, bounded
        ("moves", "f4"),  # share of values that differ from the one before
        ("count", "f4"),  # of them
        ("means", "f4"),  # whole ones so far, since the last gap
        ("left", "f4"),  # mean absolute climb that the hour of the day does not explain
        ("held", "f4"),  # border that the open episode passed, signed; 0: none
        *TAIL_FIELDS,
    ]
)
"""One series: 144 bytes, and 24 hours of 8 bytes. All zero: never seen."""

HOURS = 24
HOUR = np.dtype([("climb", "f4"), ("left", "f4")])
"""climb: usual one at that hour; left: mean absolute rest. 0 as `left`: never seen."""

HOUR_S = 3600.0
DAY_S = 86400.0
MEANS = 6.0  # an hour
ROWS_MIN = 2.0  # of a mean, where values are rarer than one in five minutes: then the window is longer than an hour
DAY_WEIGHT = 0.3  # of a day in the usual climb of an hour
LEFT_MAX = 5.0  # what is left counts at most so many times its mean
HOUR_SHARE = 0.5  # share of the hour's own noise in the scale of the surprise
MOVES_WEIGHT = 0.001
MOVES_MIN = 0.2  # of values that move: what mostly rests, and jumps, has no ramps
GAP_MEANS = 3.0  # a longer gap, in means, starts afresh
BORDER = 0.9  # tail borders: the smallest of four seldom strays, and is judged only every ten minutes
BACK = 0.5  # of the border: the ramp is over
HELD = 0.999
SCORE_MAX = 100.0
DEVIATION = 3.0
NOISE = 1e-6  # of the value: smaller climbs are rounding
TINY = 1e-300
_DIRECTIONS = {"above": 1.0, "both": 0.0, "below": -1.0}


class Params(Settings):
    """Settings of `ramp`."""

    direction: Literal["above", "below", "both"] = Field(
        default="both", description="`above`: only climbs alert; `below`: only declines."
    )
    warm_up: int = Field(default=1440, ge=200, description="Rows of a series before it may score.")
    warm_up_s: float = Field(
        default=172800.0,
        ge=0.0,
        allow_inf_nan=False,
        description="Seconds of a series before it may score; two days know the hours.",
    )
    min_change: float = Field(
        default=0.0,
        ge=0.0,
        allow_inf_nan=False,
        description="Ramps that add less in an hour never score, in the series' unit.",
    )


class Ramp(Detector):
    """Score: the climb that the hour of the day does not explain, in borders. Deviation: >= 3 while it lasts.

    >>> import numpy as np
    >>> from detectors.base import VERDICT
    >>> x = np.random.default_rng(1).normal(50.0, 1.0, 20_000)
    >>> x[18_000:18_060] += 0.3 * np.arange(60.0)
    >>> x[18_060:] += 18.0
    >>> ramp, out = Ramp(Params(), ()), np.zeros(20_000, VERDICT)
    >>> ramp.grow(1)
    >>> ramp.update(np.zeros(20_000, np.int64), np.zeros(20_000, bool), 60.0 * np.arange(20_000), x, out)
    >>> bool(18_000 < np.flatnonzero(out["score"] >= 1.0)[0] < 18_060)
    True
    """

    kind: ClassVar[str] = "ramp"
    tells_ends: ClassVar[bool] = True
    version: ClassVar[int] = 3
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"ramp takes its own Params, got {type(params).__name__}")
        self._settings = (
            _DIRECTIONS[params.direction],
            float(params.warm_up),
            params.warm_up_s,
            params.min_change,
        )
        self._series: NDArray[np.generic] = np.zeros(0, STATE)
        self._hours: NDArray[np.generic] = np.zeros((0, HOURS), HOUR)

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)
        self._hours = grown(self._hours, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, self._hours, rows, fresh, t, x, self._settings, out)

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        """`noise`, `missed`: counted, the border is a function of the counts."""
        return judge_tail(self._series[row], verdict, undo)

    def why(self, point: Point) -> str:
        if point.score < 1.0 and abs(point.deviation) < DEVIATION:
            return f"value {point.value:.6g} is on no slow ramp"
        way = "climbs" if point.deviation >= 0.0 else "declines"
        if point.score < 1.0:
            return f"value {point.value:.6g} is the end of an hour that still {way} more than usual"
        return (
            f"value {point.value:.6g} is the end of an hour that {way} {point.score:.2g} times as fast as this series' "
            f"border for this time of day"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"series": self._series, "hours": self._hours}


@compiled
def _run(series: Any, hours: Any, rows: Rows, fresh: Flags, t: Floats, x: Floats, settings: Any, out: Any) -> None:
    cells = series.view(np.float64).reshape((len(series), -1))
    bins = hours.view(np.float32).reshape((len(hours), -1))
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            later = rows[i + AHEAD]
            prefetch(cells, later, 0)
            prefetch(cells, later, 8)
            prefetch(cells, later, 16)
            prefetch(bins, later, 2 * _place(t[i + AHEAD])[0])
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
            bins[k] = 0.0
        _step(series[k], hours[k], t[i], x[i], settings, out[i])


@compiled
def _place(t: float) -> tuple[int, int, float]:
    """The hour of the day of Unix second `t`: the two whose middles are around it, and the weight of the second."""
    at = (t % DAY_S) / DAY_S * HOURS + 0.5
    return (int(at) + HOURS - 1) % HOURS, int(at) % HOURS, at - math.floor(at)


@compiled
def _step(s: Any, p: Any, t: float, x: float, settings: Any, v: Any) -> None:
    v.expected = v.lower = v.upper = np.nan
    v.score = v.deviation = v.part = 0.0
    row, dt = s.rows, t - s.t
    if not math.isfinite(x) or (row > 0.0 and not dt > 0.0):
        return
    x = min(max(x, -VALUE_MAX), VALUE_MAX)
    s.rows, s.t = row + 1.0, t
    if row == 1.0:
        s.period = dt
    if row > 0.0:
        if dt > GAP_MEANS * max(HOUR_S / MEANS, ROWS_MIN * s.period):
            s.sum = s.count = s.means = s.held = 0.0
        s.period += max(0.01, 1.0 / (row + 1.0)) * (min(dt, 3.0 * s.period) - s.period)
        s.moves += max(MOVES_WEIGHT, 1.0 / (row + 1.0)) * ((1.0 if x != s.x else 0.0) - s.moves)
    s.x = x
    s.sum += x
    s.count += 1.0
    if s.held != 0.0:
        v.deviation = DEVIATION if s.held > 0.0 else -DEVIATION
    if row > 0.0 and s.count >= max(HOUR_S / MEANS / s.period, ROWS_MIN):
        s.m5, s.m4, s.m3, s.m2, s.m1, s.m0 = s.m4, s.m3, s.m2, s.m1, s.m0, s.sum / s.count
        s.sum = s.count = 0.0
        s.means += 1.0
        if s.means >= MEANS:
            _judge(s, p, t, settings, v)


@compiled
def _judge(s: Any, p: Any, t: float, settings: Any, v: Any) -> None:
    """The verdict on the last hour, then learn it."""
    direction, warm_up, warm_up_s, min_change = settings
    left, right, weight = _place(t)
    usual = (1.0 - weight) * p[left].climb + weight * p[right].climb
    here = right if weight >= 0.5 else left
    known = p[here].left > 0.0 and s.left > 0.0
    c0, c1, c2, c3 = s.m0 - s.m2 - usual, s.m1 - s.m3 - usual, s.m2 - s.m4 - usual, s.m3 - s.m5 - usual
    low, high = min(c0, c1, c2, c3), max(c0, c1, c2, c3)
    rest = low if low > 0.0 else (high if high < 0.0 else 0.0)
    side = 1.0 if rest > 0.0 else -1.0
    scale = 1.0
    if known:
        scale = 1.0 - HOUR_SHARE + HOUR_SHARE * min(max(p[here].left / s.left, 0.3), 4.0)
    surprise = abs(rest) / scale
    if s.held != 0.0 and (surprise < BACK * abs(s.held) or s.held * side < 0.0):
        s.held = v.deviation = 0.0
    if known and s.moves >= MOVES_MIN and surprise > NOISE * abs(s.m0) + TINY:
        if tail_ready(s) and s.rows > warm_up and s.rows * s.period > warm_up_s:
            border = BORDER * tail_border(s)
            wanted = direction * side >= 0.0 and 3.0 * abs(rest) >= min_change
            score = surprise / border if wanted else 0.0
            v.score = min(score, HELD)
            if score >= 1.0 and s.held == 0.0:
                v.score = min(score, SCORE_MAX)
                s.held = side * border
                v.deviation = side * DEVIATION * v.score
        learn_tail(s, s.rows, surprise, True)
    _learn(s, p[here], (c0 + c1 + c2 + c3) / 4.0)


@compiled
def _learn(s: Any, hour: Any, rest: float) -> None:
    """One hour's mean climb, beyond what that hour usually has."""
    share = max(s.period * ROWS_MIN, HOUR_S / MEANS) / HOUR_S  # of the hour, until the next mean
    a = min(DAY_WEIGHT * share, DAY_WEIGHT)
    if s.left > 0.0:
        rest = max(-LEFT_MAX * s.left, min(LEFT_MAX * s.left, rest))
    s.left += max(a / HOURS, 1.0 / (s.means + 1.0)) * (abs(rest) - s.left)
    if hour.left > 0.0:
        hour.climb += a * rest
        hour.left += a * (abs(rest) - hour.left)
    else:
        hour.climb, hour.left = rest, abs(rest)
