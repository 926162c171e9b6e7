"""An online model of river's `anomaly` module, one per series, its score brought to our border 1.0.

Knows river's API (`score_one`, `learn_one`) and nothing of its models' insides. river's scores mean something else in
every model; the episode tail (`tail.py`) learns for each series how high they usually are. A model costs 3 us to 1 ms
an event and kilobytes a series: for chosen series, not for all.
"""

import difflib
import inspect
import math
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from detectors.base import VALUE_MAX, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.pulse import PULSE_FIELDS, pulse
from detectors.tail import TAIL_FIELDS, learn_tail, tail_border, tail_ready
from schemas.compiled import compiled
from schemas.levels import Border

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
"""One series' calibration. All f8, all zero: never seen."""

FEATURE = "value"  # the one feature a model sees
WRAPPERS = ("QuantileFilter", "ThresholdFilter")  # need another model as an argument: our tail does their work
RISE, PROBABILITY, MASS = 0, 1, 2  # what a raw score is, see `_surprise`
READ_AS = {"GaussianScorer": PROBABILITY, "PredictiveAnomalyDetection": PROBABILITY, "HalfSpaceTrees": MASS}
UNIT_RANGE = ("HalfSpaceTrees", "OneClassSVM")  # expect features in 0..1
START_ROWS = 30.0  # rows before learning of levels is bounded
ERROR_MAX = 4.0  # mean residuals
SCALE_SIGMAS = 20.0  # from the level, what `scale` brings to 0 and to 1
WEIGHT = 0.005  # of a row in level and usual raw score, after the first 200
NOISE = 1e-6  # of the level: the smallest sigma
DEVIATION_MAX = 1e6
TINY = 1e-300
SIGMA = math.sqrt(math.pi / 2.0)  # sigma / mean absolute deviation of the normal law
CERTAIN = 2.0**-53  # a probability can't say more than this


@cache
def _anomaly() -> Any:
    """river takes a second to import (scipy's distributions), which only those who use it should pay."""
    return import_module("river.anomaly")


@cache
def _supervised() -> Any:
    return import_module("river.base").SupervisedAnomalyDetector


def models() -> tuple[str, ...]:
    """Names that `model` may have."""
    return tuple(sorted(name for name in _anomaly().__all__ if name not in WRAPPERS))


class Params(Settings):
    """Settings of `river`."""

    model: str = Field(description="A model of river.anomaly, such as HalfSpaceTrees or GaussianScorer.")
    args: Mapping[str, bool | int | float | str | None] = Field(
        default={}, description="Arguments of the model's constructor, by river's names."
    )
    scale: bool | None = Field(
        default=None,
        description="Give the model level -+ 20 sigmas as 0..1. By default where the model wants that range.",
    )
    warm_up: int = Field(
        default=300,
        ge=100,
        description="Rows the model learns before it may score; the second half teaches the border.",
    )
    seed: int = Field(default=1, description="For models that draw random numbers: the same in every series and run.")

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        if name in WRAPPERS:
            raise ValueError(f"{name} wraps another model; name that model itself, its border is learned anyway")
        if name not in models():
            close = difflib.get_close_matches(name, models(), n=1, cutoff=0.5)
            hint = f'; did you mean "{close[0]}"?' if close else f"; river has {', '.join(models())}"
            raise ValueError(f'no model "{name}" in river.anomaly{hint}')
        return name

    @model_validator(mode="after")
    def _constructible(self) -> "Params":
        known = inspect.signature(getattr(_anomaly(), self.model)).parameters
        for name in self.args:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f'did you mean "{close[0]}"?' if close else f"it has {', '.join(known) or 'none'}"
                raise ValueError(f'args: {self.model} has no argument "{name}"; {hint}')
        try:
            model = self.build()
            # Many wrong values only show when the model works.
            for value in (0.0, 1.0, 0.5):
                _score_one(model, value)
                _learn_one(model, value)
        except Exception as error:
            raise ValueError(f"args: {self.model} does not work with {dict(self.args)}: {error}") from error
        return self

    def build(self) -> Any:
        """A new model; `args` stand over `seed`."""
        make = getattr(_anomaly(), self.model)
        seed = {"seed": self.seed} if "seed" in inspect.signature(make).parameters else {}
        return make(**{**seed, **self.args})

    @property
    def scales(self) -> bool:
        return self.model in UNIT_RANGE if self.scale is None else self.scale


def _score_one(model: Any, value: float) -> float:
    """Raw score, before learning. river's supervised models judge the target `y`, the others the features `x`."""
    if isinstance(model, _supervised()):
        return float(model.score_one({}, value))
    return float(model.score_one({FEATURE: value}))


def _learn_one(model: Any, value: float) -> None:
    if isinstance(model, _supervised()):
        model.learn_one({}, value)
    else:
        model.learn_one({FEATURE: value})


class River(Detector):
    """A model of river.anomaly per series. Score 1.0 is the border that the episode tail learned for that series.

    `failures` counts events on which a model raised, or returned what is no number: they score 0, the model goes on.
    """

    kind: ClassVar[str] = "river"
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"river takes its own Params, got {type(params).__name__}")
        self.failures = 0
        self._params = params
        self._read_as = READ_AS.get(params.model, RISE)
        self._series: NDArray[np.generic] = np.zeros(0, STATE)
        self._models: list[Any] = []

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)
        self._models += [None] * (rows - len(self._models))

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        for i, (k, new, value) in enumerate(zip(rows.tolist(), fresh.tolist(), x.tolist(), strict=True)):
            value = min(max(value, -VALUE_MAX), VALUE_MAX)
            again = new or self._models[k] is None
            if again:
                self._models[k] = self._params.build()
            _begin(self._series, k, new, again, value)
            raw = self._judge(self._models[k], _scaled(self._series, k, value) if self._params.scales else value)
            _calibrate(self._series, k, value, raw, self._read_as, float(self._params.warm_up), out, i)

    def _judge(self, model: Any, value: float) -> float:
        """The model's raw score of the value, which it then learns; NaN where it failed."""
        try:
            raw = _score_one(model, value)
            _learn_one(model, value)
        except Exception:
            # A foreign model: whatever it raises must not stop the other series.
            raw = math.nan
        if not math.isfinite(raw):
            self.failures += 1
            return math.nan
        return raw

    def why(self, point: Point) -> str:
        sigmas = f"{abs(point.deviation):.1f} sigmas {'above' if point.deviation >= 0.0 else 'below'} its level"
        if point.score < 1.0:
            return f"value {point.value:.6g} is {sigmas} {point.expected:.6g}"
        return (
            f"{self._params.model} finds value {point.value:.6g} {point.score:.2g} times as odd as this series' border "
            f"({sigmas} {point.expected:.6g})"
        )

    @property
    def failure_count(self) -> int:
        return self.failures

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        """The calibration only. The models themselves can't be saved yet (never pickled): after a restart they learn
        again, and score 0 for `warm_up` rows, while level and border go on."""
        return {"series": self._series}


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
def _surprise(raw: float, read_as: int, usual: float) -> float:
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
    v.score = v.deviation = 0.0
    row = s.rows
    off = x - s.level
    if row >= warm_up:
        v.expected = s.level
        v.deviation = min(max(off / _sigma(s), -DEVIATION_MAX), DEVIATION_MAX)

    if math.isfinite(raw):
        surprise = _surprise(raw, read_as, s.usual)
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
