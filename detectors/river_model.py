"""An online model of river's `anomaly` or `drift` module, one per series, its score brought to our border 1.0.
`river_group.py` has it of groups.

`river_api.py` says which models there are, and asks them. Their scores mean something else in every model; the episode
tail (`tail.py`) learns for each series how high they usually are. A model costs 2.5 us to 1 ms an event and kilobytes a
series: for chosen series, not for all.
"""

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from detectors import river_state
from detectors.base import VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.pulse import PULSE_FIELDS, pulse
from detectors.river_api import FEATURE, Params, judge_features, judge_safely, models, of_drift
from detectors.tail import TAIL_FIELDS, learn_tail, tail_border, tail_ready
from schemas.compiled import compiled
from schemas.levels import Border

__all__ = ["Params", "River", "judge_features", "models"]

STATE = np.dtype(
    [
        ("rows", "f8"),  # seen by the series
        ("learned", "f8"),  # of them by the model: fewer, where it learned again
        ("level", "f8"),  # robust mean of the value
        ("error", "f8"),  # mean absolute residual to it, bounded
        ("usual", "f8"),  # running mean of the model's raw score, bounded
        ("spread", "f8"),  # mean absolute residual to that, bounded
        ("x", "f8"),  # newest value
        *PULSE_FIELDS,
        *TAIL_FIELDS,
    ]
)
"""One series' calibration: whole f8s. All zero: never seen."""

RISE, PROBABILITY, MASS, DRIFT = 0, 1, 2, 3
"""What a raw score is: see `surprise_of`. DRIFT: 1 where the model says drift."""

READ_AS = {"GaussianScorer": PROBABILITY, "PredictiveAnomalyDetection": PROBABILITY, "HalfSpaceTrees": MASS}
START_ROWS = 30.0  # rows before learning of levels is bounded
ERROR_MAX = 4.0  # mean residuals
SCALE_SIGMAS = 20.0  # from the level, what `scale` brings to 0 and to 1
WEIGHT = 0.005  # of a row in level and usual raw score, after the first 200
NOISE = 1e-6  # of the level: the smallest sigma
DEVIATION_MAX = 1e6
HELD_FROM = 3.0  # |deviation| from which an alert is held
TINY = 1e-300
SIGMA = math.sqrt(math.pi / 2.0)  # sigma / mean absolute deviation of the normal law
CERTAIN = 2.0**-53  # a probability can't say more than this


class River(Detector):
    """A river model per series. Score 1.0 is the border that the episode tail learned for that series, or drift.

    `failures` counts events on which a model raised, or returned what is no number: they score 0, the model goes on.

    >>> from detectors.base import VERDICT
    >>> detector = River(Params(model="GaussianScorer"), (Border.parse(">= 1"),))
    >>> x, out = np.random.default_rng(1).normal(50.0, 5.0, 900), np.zeros(900, VERDICT)
    >>> x[700] = 95.0
    >>> detector.grow(1)
    >>> detector.update(np.zeros(900, np.int64), np.zeros(900, np.bool_), 60.0 * np.arange(900), x, out)
    >>> np.flatnonzero(out["score"] >= 1.0).tolist()
    [700]
    """

    kind: ClassVar[str] = "river"
    version: ClassVar[int] = 3
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"river takes its own Params, got {type(params).__name__}")
        self.failures = 0
        self._params = params
        self._read_as = DRIFT if of_drift(params.model) else READ_AS.get(params.model, RISE)
        self._series: NDArray[np.generic] = np.zeros(0, STATE)
        self._models: list[Any] = []
        # Without a seed the same arguments don't build the same model twice.
        count = river_state.number_count(self._started()) if params.args.get("seed", params.seed) is not None else 0
        # The first says whether a model was saved there: rows whose model was never built keep what was loaded.
        self._numbers: NDArray[np.float64] = np.zeros((0, 1 + count if count else 0), np.float64)

    @property
    def keeps_models(self) -> bool:
        """Whether the saved state holds the models. Else they learn again after a restart."""
        return bool(self._numbers.shape[1])

    def _started(self) -> Any:
        """A model that has learned one value: some build their insides only then."""
        model = self._params.build()
        judge_features(model, {FEATURE: 0.5})
        return model

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)
        self._numbers = grown(self._numbers, rows)
        self._models += [None] * (rows - len(self._models))

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        for i, (k, new, value) in enumerate(zip(rows.tolist(), fresh.tolist(), x.tolist(), strict=True)):
            value = min(max(value, -VALUE_MAX), VALUE_MAX)
            again = new or (self._models[k] is None and not self._load(k))
            if again:
                self._models[k] = self._params.build()
            _begin(self._series, k, new, again, value)
            raw = self._judge(self._models[k], _scaled(self._series, k, value) if self._params.scales else value)
            _calibrate(self._series, k, value, raw, self._read_as, float(self._params.warm_up), out, i)

    def _load(self, k: int) -> bool:
        """Whether a saved model of row `k` was taken up."""
        if not self.keeps_models or self._numbers[k, 0] == 0.0:
            return False
        model = self._started()
        river_state.restore(model, self._numbers[k, 1:])
        self._models[k] = model
        return True

    def _judge(self, model: Any, value: float) -> float:
        """The model's raw score of the value, which it then learns; NaN where it failed."""
        raw = judge_safely(model, {FEATURE: value})
        self.failures += math.isnan(raw)
        return raw

    def why(self, point: Point) -> str:
        sigmas = f"{abs(point.deviation):.1f} sigmas {'above' if point.deviation >= 0.0 else 'below'} its level"
        if point.score < 1.0:
            return f"value {point.value:.6g} is {sigmas} {point.expected:.6g}"
        if self._read_as == DRIFT:
            level = f"{sigmas} {point.expected:.6g}"
            return f"{self._params.model} says that the series drifted, at value {point.value:.6g} ({level})"
        return (
            f"{self._params.model} finds value {point.value:.6g} {point.score:.2g} times as odd as this series' border "
            f"({sigmas} {point.expected:.6g})"
        )

    @property
    def failure_count(self) -> int:
        return self.failures

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        """Calibration, and what the models learned where `keeps_models`: never pickled. Other models learn again after
        a restart, and score 0 for `warm_up` rows, while level and border go on."""
        if not self.keeps_models:
            return {"series": self._series}
        for numbers, model in zip(self._numbers, self._models, strict=True):
            if model is not None:
                numbers[0] = 1.0
                river_state.save(model, numbers[1:])
        return {"series": self._series, "numbers": self._numbers}


@compiled
def _begin(series: Any, k: int, fresh: bool, again: bool, x: float) -> None:
    """Before the event with value `x` of row `k`. `fresh`: forget the row; `again`: its model starts anew."""
    if fresh:
        series.view(np.float64).reshape((len(series), -1))[k] = 0.0
    s = series[k]
    if again:
        s.learned = 0.0
    if s.rows == 0.0:
        s.level = s.x = x


@compiled
def _sigma(s: Any) -> float:
    return float(max(SIGMA * s.error, NOISE * abs(s.level)) + TINY)


@compiled
def _scaled(series: Any, k: int, x: float) -> float:
    """The value as 0..1, the level as 0.5. Not by the least and largest so far: one spike would squeeze all that
    follows into a corner, and 12 sigmas were no odder to HalfSpaceTrees than the tail of the noise."""
    s = series[k]
    return float(min(max(0.5 + (x - s.level) / (2.0 * SCALE_SIGMAS * _sigma(s)), 0.0), 1.0))


@compiled
def surprise_of(raw: float, read_as: int, usual: float) -> float:
    """How odd a raw score is, on a scale that does not end: a border can only be learned where something can pass it.

    A probability squeezes all that is far out into 0.99..1. Its logarithm gives the distances back, and turns evenly
    spread p-values into an exponential tail. Half-space trees say 1 - share of mass: the inverse of the mass is a
    rarity, which goes up tenfold where the logarithm of it hardly moves. Other scores may stand anywhere, even below 0:
    what counts is how far they rise over their usual.
    """
    if read_as == PROBABILITY:
        return -math.log(max(1.0 - raw, CERTAIN))
    if read_as == MASS:
        return 1.0 / max(1.0 - raw, CERTAIN)
    return raw - usual


@compiled
def _calibrate(series: Any, k: int, x: float, raw: float, read_as: int, warm_up: float, out: Any, i: int) -> None:
    """Verdict `i` for value `x` of row `k`, whose model said `raw` (NaN: it failed); then learn both."""
    s, v = series[k], out[i]
    v.expected = v.lower = v.upper = np.nan
    v.score = v.deviation = v.part = 0.0
    row = s.rows
    off = x - s.level
    if row >= warm_up:
        v.expected = s.level
        v.deviation = min(max(off / _sigma(s), -DEVIATION_MAX), DEVIATION_MAX)

    if read_as == DRIFT:
        if s.learned >= warm_up and math.isfinite(raw):
            v.score = pulse(s, row, raw)
            if v.score >= 1.0:  # one value of a drift need not stand out
                v.deviation = max(abs(v.deviation), HELD_FROM) * (1.0 if off >= 0.0 else -1.0)
    elif math.isfinite(raw):
        surprise = surprise_of(raw, read_as, s.usual)
        # The first half of the warm-up is the model's own: what it says then is not what it will say.
        if s.learned >= warm_up / 2.0:
            if surprise > TINY:
                score = surprise / tail_border(s) if tail_ready(s) and s.learned >= warm_up else 0.0
                learn_tail(s, row, surprise, x != s.x)
                v.score = pulse(s, row, score)
            taught = s.learned - warm_up / 2.0
            rise = raw - s.usual
            if taught > START_ROWS and s.spread > 0.0:
                rise = max(-ERROR_MAX * s.spread, min(ERROR_MAX * s.spread, rise))
            weight = max(WEIGHT, 1.0 / (taught + 1.0))
            s.spread += weight * (abs(rise) - s.spread)
            s.usual += weight * rise

    weight = max(WEIGHT, 1.0 / (row + 1.0))
    if row > START_ROWS and s.error > 0.0:
        off = max(-ERROR_MAX * s.error, min(ERROR_MAX * s.error, off))
    s.error += weight * (abs(off) - s.error)
    s.level += weight * off
    s.rows, s.learned, s.x = row + 1.0, s.learned + 1.0, x
