"""A level that shifted, by sequential tests: small shifts that no single value shows, soon after they happened.

Knows one series a row, through its standardised residuals (`residual.py`), and the two running sums of CUSUM or of the
Page-Hinkley test. A shift that was told is held until the series is back, or until its new level counts as normal.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors import profile
from detectors.base import VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.prefetch import AHEAD, prefetch
from detectors.pulse import HELD, PULSE_FIELDS, pulse
from detectors.residual import RESIDUAL_FIELDS, innovation, learn, season, sigma_of
from schemas.compiled import compiled
from schemas.levels import Border

SUM_FIELDS: list[tuple[str, str]] = [
    ("up", "f8"),  # the two test statistics, >= 0
    ("down", "f8"),
    ("count", "f8"),  # rows, mean, sums and their extremes since the Page-Hinkley test began anew
    ("mean", "f8"),
    ("up_sum", "f8"),
    ("up_least", "f8"),
    ("down_sum", "f8"),
    ("down_most", "f8"),
]
STATE = np.dtype(
    [
        *RESIDUAL_FIELDS,
        *SUM_FIELDS,
        ("up_rows", "f8"),  # since the statistic was 0, and the mean residual of these rows: the shift
        ("up_shift", "f8"),
        ("down_rows", "f8"),
        ("down_shift", "f8"),
        ("side", "f8"),  # of a shift that was told and is held: -1, 0, 1
        ("size", "f8"),  # of it, > 0
        ("held", "f8"),  # rows since it was told, their mean residual, and a short mean of it
        ("held_mean", "f8"),
        ("short", "f8"),
        *PULSE_FIELDS,
    ]
)
"""One series. All f8, all zero: never seen."""

SEASONAL = 4  # where the settings say whether the time of day is taken out
Z_MAX = 4.0  # sigmas that one row may count: no single outlier is a shift, nor are three
FORGET = 0.9999  # of the Page-Hinkley sums, a row; river's default
PH_ROWS = 30.0  # before the Page-Hinkley test may speak: its own mean must exist
SEVERE = 3.0  # sigmas of shift that score 1.0 by their size
SHORT_WEIGHT = 0.05  # of a row in the short mean, a sigma of shift: a small one takes more rows to be seen over
SHORT_WEIGHT_MAX = 0.1
BACK = 0.25  # of the shift, and of 2 sigmas: nearer to the old level than this the series is back
FAR = 100.0  # mean residuals: as far as one row counts in the new level
HELD_FROM = 3.0  # |deviation| from which an alert is held
DEVIATION_MAX = 1e6

_DIRECTIONS = {"above": 1.0, "both": 0.0, "below": -1.0}


class Params(Settings):
    """Settings of `changepoint`. Shifts are in sigmas of the residuals. Lengths are in rows."""

    method: Literal["cusum", "page_hinkley"] = Field(
        default="cusum", description="`cusum` tests against the learned level, `page_hinkley` against the mean since."
    )
    drift: float = Field(
        default=0.5, ge=0.0, le=5.0, description="Sigmas a row that are no shift; twice this is found soonest."
    )
    threshold: float = Field(
        default=15.0, gt=0.0, le=1e4, description="Sum of what is beyond `drift`, in sigmas, that scores 1.0."
    )
    direction: Literal["above", "below", "both"] = Field(default="both", description="Shifts that may alert.")
    season: Literal["day", "none"] = Field(default="day", description="Whether the time of day is taken out first.")
    warm_up: int = Field(default=200, ge=50, description="Rows of a series before it may score.")
    settle: int = Field(default=60, ge=5, description="Rows after which a shift is the new level, and its alert ends.")
    min_change: float = Field(
        default=0.0, ge=0.0, allow_inf_nan=False, description="Smaller shifts never score, in the series' unit."
    )


class Changepoint(Detector):
    """Score: running sum / `threshold`, or the shift / 3 sigmas where that is more. `expected`: the level before.

    A shift of two sigmas is told a dozen rows later, once, and is the new level after `settle` rows:

    >>> from detectors.base import VERDICT
    >>> detector = Changepoint(Params(season="none"), (Border.parse(">= 1"),))
    >>> x, out = np.random.default_rng(1).normal(50.0, 5.0, 900), np.zeros(900, VERDICT)
    >>> x[700:] += 10.0
    >>> detector.grow(1)
    >>> detector.update(np.zeros(900, np.int64), np.zeros(900, np.bool_), 60.0 * np.arange(900), x, out)
    >>> np.flatnonzero(out["score"] >= 1.0).tolist(), out["expected"][[720, 899]].round().tolist()
    ([713], [50.0, 60.0])
    """

    kind: ClassVar[str] = "changepoint"
    version: ClassVar[int] = 2
    tells_ends: ClassVar[bool] = True
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    slow_axes: ClassVar[Mapping[str, int]] = {"profile": 1}
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"changepoint takes its own Params, got {type(params).__name__}")
        self._settings = (
            params.method == "cusum",
            params.drift,
            params.threshold,
            _DIRECTIONS[params.direction],
            params.season == "day",
            float(params.warm_up),
            float(params.settle),
            params.min_change,
        )
        self._series: NDArray[np.generic] = np.zeros(0, STATE)
        self._profile: NDArray[np.generic] = np.zeros((0, profile.BINS if params.season == "day" else 1), profile.BIN)

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)
        self._profile = grown(self._profile, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, self._profile, rows, fresh, t, x, self._settings, out)

    def why(self, point: Point) -> str:
        side = "above" if point.deviation >= 0.0 else "below"
        if abs(point.deviation) < HELD_FROM:
            return f"value {point.value:.6g} is near the level {point.expected:.6g}, the old one or the new one"
        if point.score < 1.0:
            return f"value {point.value:.6g} still belongs to a level {side} {point.expected:.6g}"
        return (
            f"the level shifted to {side} {point.expected:.6g}: value {point.value:.6g} is one of many on that side, "
            f"{point.score:.2g} times the evidence or the size that this takes"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"series": self._series, "profile": self._profile}


@compiled
def cusum(s: Any, z: float, drift: float) -> None:
    """One row of the two-sided CUSUM [Page 1954]: up = max(0, up + z - drift), down alike for -z."""
    s.up = max(0.0, s.up + z - drift)
    s.down = max(0.0, s.down - z - drift)


@compiled
def page_hinkley(s: Any, z: float, drift: float, forget: float) -> None:
    """One row of the two-sided Page-Hinkley test [Hinkley 1971]: as CUSUM, but against the mean of the rows so far, and
    with sums that forget. `up`, `down`: how far the sums stand from their extreme."""
    s.count += 1.0
    s.mean += (z - s.mean) / s.count
    off = z - s.mean
    s.up_sum = forget * s.up_sum + off - drift
    s.down_sum = forget * s.down_sum + off + drift
    s.up_least = s.up_sum if s.count == 1.0 else min(s.up_least, s.up_sum)
    s.down_most = s.down_sum if s.count == 1.0 else max(s.down_most, s.down_sum)
    s.up, s.down = s.up_sum - s.up_least, s.down_most - s.down_sum


@compiled
def anew(s: Any) -> None:
    """Both tests as after no row."""
    s.up = s.down = s.count = s.mean = s.up_sum = s.up_least = s.down_sum = s.down_most = 0.0
    s.up_rows = s.up_shift = s.down_rows = s.down_shift = 0.0


@compiled
def _run(series: Any, profiles: Any, rows: Rows, fresh: Flags, t: Floats, x: Floats, settings: Any, out: Any) -> None:
    cells = series.view(np.float64).reshape((len(series), -1))
    bins = profiles.view(np.uint16).reshape((len(profiles), -1))
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            later = rows[i + AHEAD]
            for field in range(0, cells.shape[1], 8):  # 8 numbers are a cache line
                prefetch(cells, later, field)
            if settings[SEASONAL]:
                bin_ = profile.BIN_CELLS * profile.place(t[i + AHEAD])[0]
                prefetch(bins, later, bin_)
                prefetch(bins, later, min(bin_ + 2 * profile.BIN_CELLS, bins.shape[1] - 1))
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
            bins[k] = 0
        _step(series[k], profiles[k], t[i], x[i], settings, out[i])


@compiled
def _step(s: Any, p: Any, t: float, x: float, settings: Any, v: Any) -> None:
    seasonal, warm_up, settle = settings[SEASONAL], settings[5], settings[6]
    v.expected = v.lower = v.upper = np.nan
    v.score = v.deviation = v.part = 0.0
    if not math.isfinite(x) or (s.rows > 0.0 and not t > s.t):
        return
    x = min(max(x, -VALUE_MAX), VALUE_MAX)
    added = season(p, t, seasonal)
    residual = x - s.level - added
    if s.rows >= warm_up:
        v.expected = s.level + added
        if s.side == 0.0:
            v.score = _test(s, residual, settings)
        if s.side != 0.0:
            v.deviation = _hold(s, residual, settle)
    learn(s, p, t, x, added, seasonal, s.side == 0.0)


@compiled
def _test(s: Any, residual: float, settings: Any) -> float:
    """The score of a row while no shift is held; one that reaches 1 is held from here on."""
    by_cusum, drift, threshold, direction, _, _, _, min_change = settings
    z = max(-Z_MAX, min(Z_MAX, innovation(s, residual)))
    if by_cusum:
        cusum(s, z, drift)
    else:
        page_hinkley(s, z, drift, FORGET)
    far = FAR * sigma_of(s, s.error)
    bounded = max(-far, min(far, residual))
    s.up_rows = s.up_rows + 1.0 if s.up > 0.0 else 0.0
    s.down_rows = s.down_rows + 1.0 if s.down > 0.0 else 0.0
    s.up_shift = s.up_shift + (bounded - s.up_shift) / s.up_rows if s.up > 0.0 else 0.0
    s.down_shift = s.down_shift + (bounded - s.down_shift) / s.down_rows if s.down > 0.0 else 0.0
    side = 1.0 if direction > 0.0 or (direction == 0.0 and s.up >= s.down) else -1.0
    sum_, shift = (s.up, s.up_shift) if side > 0.0 else (s.down, -s.down_shift)
    score = sum_ / threshold
    if not by_cusum and s.count < PH_ROWS:
        return 0.0
    if score < 1.0 or shift <= 0.0 or shift < min_change:
        return float(pulse(s, s.rows, min(score, HELD)))
    sigma = sigma_of(s, s.error)
    score = pulse(s, s.rows, max(score, shift / (SEVERE * sigma)))
    s.side, s.size = side, shift / sigma
    s.held, s.held_mean, s.short = 0.0, 0.0, side * shift
    anew(s)
    return float(score)


@compiled
def _hold(s: Any, residual: float, settle: float) -> float:
    """The deviation of a row of a shift that was told; it ends where the series is back or the level is accepted."""
    sigma = sigma_of(s, s.error)
    bounded = max(-FAR * sigma, min(FAR * sigma, residual))
    s.held += 1.0
    s.held_mean += (bounded - s.held_mean) / s.held
    s.short += min(SHORT_WEIGHT * s.size, SHORT_WEIGHT_MAX) * (bounded - s.short)
    off = s.side * s.short / sigma
    if off < BACK * min(s.size, 2.0):
        s.side = 0.0
        return 0.0
    deviation = s.side * min(max(HELD_FROM, off), DEVIATION_MAX)
    if s.held >= settle:
        s.level += s.held_mean
        s.side = s.before = 0.0
    return float(deviation)
