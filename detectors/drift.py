"""A distribution that is no longer the one it was: ADWIN on the mean, Kolmogorov-Smirnov on the whole of it.

Knows one series a row: what the time of day adds and how much of a value the next one repeats (`residual.py`), and the
windows of one of the two tests. Slower and surer than `changepoint`: for the question whether a model, a border or a
contract still fits, not for the pager.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors import adaptive_window, profile, two_samples
from detectors.base import VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.prefetch import AHEAD, prefetch
from detectors.pulse import HELD, PULSE_FIELDS, SCORE_MAX, pulse
from detectors.residual import RESIDUAL_FIELDS, learn, repetition, season, sigma_of
from schemas.compiled import compiled
from schemas.levels import Border

STATE = np.dtype(
    [
        *RESIDUAL_FIELDS,
        *adaptive_window.WINDOW_FIELDS,
        *two_samples.SAMPLE_FIELDS,
        ("first", "f8"),  # Unix s of the first row
        ("centre", "f8"),  # level and sigma at the end of the warm-up: they don't follow, or nothing would ever drift
        ("sigma", "f8"),  # 0: the warm-up is not over
        ("repeated", "f8"),  # and the repetition: a drift itself would raise it
        ("deviation", "f8"),  # of the drift that was told
        ("old", "f8"),  # mean before it, in sigmas from the centre
        ("until", "f8"),  # row number until which it is held; 0: none is
        *PULSE_FIELDS,
    ]
)
"""One series. All f8, all zero: never seen."""

SEASONAL = 5  # where the settings say whether the time of day is taken out
FIRST_LEVELS = 3  # of the histogram: most rows touch no other
SPAN = 4.0  # sigmas to either side that ADWIN sees as 0 and 1
SEASON_S = 2.0 * profile.DAY_S  # before a time of day that was taken out is known: the profile has seen it twice
REPEATS_MAX = 0.999  # of the repetition that is allowed for
FAR = 1e6  # sigmas from the centre at most
HELD_FROM = 3.0  # |deviation| from which an alert is held


class Params(Settings):
    """Settings of `drift`. Lengths are in rows."""

    method: Literal["adwin", "ks"] = Field(
        default="adwin", description="`adwin`: the mean, over all lengths. `ks`: the distribution, reference to recent."
    )
    confidence: float = Field(default=1e-3, gt=0.0, lt=0.5, description="Chance of a false drift at one test.")
    every: int = Field(default=32, ge=1, description="Rows between two tests.")
    reference: int = Field(default=2000, ge=two_samples.REFERENCE, description="`ks`: rows of the reference window.")
    recent: int = Field(default=500, ge=two_samples.RECENT, description="`ks`: rows of the recent window.")
    season: Literal["day", "none"] = Field(default="day", description="Whether the time of day is taken out first.")
    warm_up: int = Field(
        default=300,
        ge=50,
        description="Rows that level and spread are taken from, before any test; with a season, at least two days.",
    )
    settle: int = Field(default=100, ge=1, description="Rows that an alert is held after the newest drift.")


class Drift(Detector):
    """Score: difference / the bound of the test, at the rows that test; 0 between them. `expected`: the mean before.

    >>> from detectors.base import VERDICT
    >>> detector = Drift(Params(season="none"), (Border.parse(">= 1"),))
    >>> x, out = np.random.default_rng(1).normal(50.0, 5.0, 3000), np.zeros(3000, VERDICT)
    >>> x[2000:] += 5.0
    >>> detector.grow(1)
    >>> detector.update(np.zeros(3000, np.int64), np.zeros(3000, np.bool_), 60.0 * np.arange(3000), x, out)
    >>> np.flatnonzero(out["score"] >= 1.0).tolist(), out["expected"][[2200, 2999]].round().tolist()
    ([2112], [50.0, 55.0])
    """

    kind: ClassVar[str] = "drift"
    version: ClassVar[int] = 2
    tells_ends: ClassVar[bool] = True
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    slow_axes: ClassVar[Mapping[str, int]] = {"profile": 1}
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"drift takes its own Params, got {type(params).__name__}")
        adwin, seasonal = params.method == "adwin", params.season == "day"
        self._by_adwin = adwin
        self._settings = (
            adwin,
            params.confidence,
            float(params.every),
            float(-(-params.reference // two_samples.REFERENCE)),
            float(-(-params.recent // two_samples.RECENT)),
            seasonal,
            float(params.warm_up),
            float(params.settle),
        )
        self._series: NDArray[np.generic] = np.zeros(0, STATE)
        self._profile: NDArray[np.generic] = np.zeros((0, profile.BINS if seasonal else 1), profile.BIN)
        levels, samples = (adaptive_window.LEVELS, 0) if adwin else (0, two_samples.REFERENCE + two_samples.RECENT)
        self._buckets: NDArray[np.generic] = np.zeros((0, levels, adaptive_window.COLUMNS), np.float64)
        self._samples: NDArray[np.generic] = np.zeros((0, samples), np.float32)

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)
        self._profile = grown(self._profile, rows)
        self._buckets = grown(self._buckets, rows)
        self._samples = grown(self._samples, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._series, self._profile, self._buckets, self._samples, rows, fresh, t, x, self._settings, out)

    def why(self, point: Point) -> str:
        if abs(point.deviation) < HELD_FROM:
            return f"value {point.value:.6g} comes from what counts as normal again, of mean {point.expected:.6g}"
        side = "above" if point.deviation > 0.0 else "below"
        what = "mean" if self._by_adwin else "distribution"
        told = f"by {point.score:.2g} times what chance explains" if point.score >= 1.0 else "as was told"
        return (
            f"the {what} of the newest values moved to {side} the one before, of mean {point.expected:.6g}, {told} "
            f"(newest value {point.value:.6g})"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        windows = {"buckets": self._buckets} if self._by_adwin else {"samples": self._samples}
        return {"series": self._series, "profile": self._profile, **windows}


@compiled
def _run(
    series: Any,
    profiles: Any,
    buckets: Any,
    samples: Any,
    rows: Rows,
    fresh: Flags,
    t: Floats,
    x: Floats,
    settings: Any,
    out: Any,
) -> None:
    cells = series.view(np.float64).reshape((len(series), -1))
    bins = profiles.view(np.uint16).reshape((len(profiles), -1))
    sums = buckets.reshape((len(buckets), -1))[:, : FIRST_LEVELS * adaptive_window.COLUMNS]
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            later = rows[i + AHEAD]
            for field in range(0, cells.shape[1], 8):  # 8 numbers are a cache line
                prefetch(cells, later, field)
            if settings[SEASONAL]:
                bin_ = profile.BIN_CELLS * profile.place(t[i + AHEAD])[0]
                prefetch(bins, later, bin_)
                prefetch(bins, later, min(bin_ + 2 * profile.BIN_CELLS, bins.shape[1] - 1))
            for field in range(0, sums.shape[1], 8):
                prefetch(sums, later, field)
        k = rows[i]
        if fresh[i]:
            cells[k] = 0.0
            bins[k] = 0
            buckets[k] = 0.0
            samples[k] = 0.0
        _step(series[k], profiles[k], buckets[k], samples[k], t[i], x[i], settings, out[i])


@compiled
def _step(s: Any, p: Any, buckets: Any, samples: Any, t: float, x: float, settings: Any, v: Any) -> None:
    adwin, confidence, every, reference_stride, recent_stride, seasonal, warm_up, settle = settings
    v.expected = v.lower = v.upper = np.nan
    v.score = v.deviation = v.part = 0.0
    if not math.isfinite(x) or (s.rows > 0.0 and not t > s.t):
        return
    x = min(max(x, -VALUE_MAX), VALUE_MAX)
    added = season(p, t, seasonal)
    row = s.rows
    if row == 0.0:
        s.first = t
    if s.sigma == 0.0 and row >= warm_up and (not seasonal or t - s.first >= SEASON_S):
        s.centre, s.sigma, s.repeated = s.level, sigma_of(s, s.error), min(repetition(s), REPEATS_MAX)
    if s.sigma > 0.0:
        y = max(-FAR, min(FAR, (x - added - s.centre) / s.sigma))
        score, difference, old = 0.0, 0.0, 0.0
        test = row % every == 0.0
        if adwin:
            adaptive_window.add(s, buckets, 0.5 + max(-0.5, min(0.5, y / (2.0 * SPAN))))
            if test:
                score, difference, old = adaptive_window.cut(s, buckets, confidence, _repeats(s, 1.0))
                old = 2.0 * SPAN * (old - 0.5)
            mean = 2.0 * SPAN * (s.total / max(s.width, 1.0) - 0.5)
        else:
            score, difference, old = _compare(s, samples, row, y, test, confidence, reference_stride, recent_stride)
            mean = s.reference_sum / max(s.reference, 1.0)
        held = row < s.until
        v.score = pulse(s, row, min(score, HELD) if held else score)
        if score >= 1.0:
            s.until = row + settle
            if not held:
                s.old, s.deviation = old, HELD_FROM * min(score, SCORE_MAX) * (1.0 if difference >= 0.0 else -1.0)
                held = True
        if held:
            v.deviation = s.deviation
        v.expected = s.centre + added + s.sigma * (s.old if held else mean)
    learn(s, p, t, x, added, seasonal, True)


@compiled
def _repeats(s: Any, stride: float) -> float:
    """Rows that say as much as one independent row, where every `stride`-th is taken: (1 + phi) / (1 - phi)."""
    phi = s.repeated**stride
    return float((1.0 + phi) / (1.0 - phi))


@compiled
def _compare(
    s: Any,
    samples: Any,
    row: float,
    y: float,
    test: bool,
    confidence: float,
    reference_stride: float,
    recent_stride: float,
) -> tuple[float, float, float]:
    """One row of the Kolmogorov-Smirnov test: score, difference of the means, mean of the reference."""
    if s.reference < two_samples.REFERENCE:
        if row % reference_stride == 0.0:
            two_samples.add_reference(s, samples, y)
        return 0.0, 0.0, 0.0
    if row % recent_stride == 0.0:
        two_samples.add_recent(s, samples, y)
    if not test or s.recent < two_samples.RECENT:
        return 0.0, 0.0, 0.0
    n = two_samples.REFERENCE / _repeats(s, reference_stride)
    m = two_samples.RECENT / _repeats(s, recent_stride)
    score = two_samples.distance(samples) / two_samples.bound(confidence, n, m)
    old = s.reference_sum / s.reference
    difference = 0.0
    if score >= 1.0:
        for j in range(two_samples.RECENT):
            difference += samples[two_samples.REFERENCE + j] / two_samples.RECENT
        difference -= old
        s.reference = s.reference_sum = s.recent = 0.0  # what is now is the new reference
    return score, difference, old
