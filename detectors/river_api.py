"""river's models by their names, the settings of `river`, and how a model is asked: `score_one` and `learn_one`, or
`update` and `drift_detected`. Knows nothing of the models' insides."""

import difflib
import inspect
import math
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from detectors.base import Settings

FEATURE = "value"  # the one feature a model sees
WRAPPERS = ("QuantileFilter", "ThresholdFilter")  # need another model as an argument: our tail does their work
PLACEHOLDERS = ("DummyDriftDetector", "NoDrift")  # of river.drift: look at no value
UNIT_RANGE = ("HalfSpaceTrees", "OneClassSVM")  # expect features in 0..1


@cache
def _anomaly() -> Any:
    """river takes a second to import (scipy's distributions), which only those who use it should pay."""
    return import_module("river.anomaly")


@cache
def _drift() -> Any:
    return import_module("river.drift")


@cache
def _bases() -> Any:
    return import_module("river.base")


def of_drift(name: str) -> bool:
    made = getattr(_drift(), name, None)
    return inspect.isclass(made) and issubclass(made, _bases().DriftDetector) and name not in PLACEHOLDERS


def models() -> tuple[str, ...]:
    """Names that `model` may have."""
    anomalies = (name for name in _anomaly().__all__ if name not in WRAPPERS)
    return tuple(sorted([*anomalies, *filter(of_drift, _drift().__all__)]))


def _model_class(name: str) -> Any:
    return getattr(_drift() if of_drift(name) else _anomaly(), name)


def _takes_one(name: str) -> bool:
    return of_drift(name) or issubclass(_model_class(name), _bases().SupervisedAnomalyDetector)


def judge_features(model: Any, features: Mapping[str, float]) -> float:
    """The model's raw score of these features, which it then learns. A drift model's is 1.0 where it says drift.

    Raises what river raises, and ValueError where a model that takes one value is given more.

    >>> from river.anomaly import StandardAbsoluteDeviation
    >>> model = StandardAbsoluteDeviation()
    >>> [round(judge_features(model, {"value": value}), 2) for value in (1.0, 2.0, 3.0, 9.0)][2:]
    [2.12, 7.0]
    """
    drifts = isinstance(model, _bases().DriftDetector)
    if not drifts and not isinstance(model, _bases().SupervisedAnomalyDetector):
        raw = float(model.score_one(dict(features)))
        model.learn_one(dict(features))
        return raw
    if len(features) != 1:
        raise ValueError(f"{type(model).__name__} takes one value, not {len(features)}: {', '.join(features)}")
    (value,) = features.values()
    if drifts:
        model.update(value)
        return float(model.drift_detected)
    raw = float(model.score_one({}, value))  # judges the target, from features that we don't have
    model.learn_one({}, value)
    return raw


def judge_safely(model: Any, features: Mapping[str, float]) -> float:
    """The same; NaN where the model failed, for the caller to count."""
    try:
        raw = judge_features(model, features)
    except Exception:  # a foreign model: whatever it raises must not stop the other series
        return math.nan
    return raw if math.isfinite(raw) else math.nan


class Params(Settings):
    """Settings of `river`."""

    of_groups: ClassVar[bool | None] = None

    model: str = Field(description="A model of river.anomaly or river.drift, such as HalfSpaceTrees or KSWIN.")
    args: Mapping[str, bool | int | float | str | None] = Field(
        default={}, description="Arguments of the model's constructor, by river's names."
    )
    scale: bool | None = Field(
        default=None,
        description="Give the model level -+ 20 sigmas as 0..1. By default where the model wants that range, and to "
        "all members of a group.",
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
        if name in PLACEHOLDERS:
            raise ValueError(f"{name} looks at no value; river.drift has ADWIN, KSWIN, PageHinkley")
        if name in _drift().binary.__all__:
            raise ValueError(f"{name} takes right or wrong, not values of a series; river.drift has ADWIN, KSWIN, ...")
        if name not in models():
            close = difflib.get_close_matches(name, models(), n=1, cutoff=0.5)
            hint = f'; did you mean "{close[0]}"?' if close else f"; river has {', '.join(models())}"
            raise ValueError(f'no model "{name}" in river.anomaly or river.drift{hint}')
        return name

    @model_validator(mode="after")
    def _constructible(self) -> "Params":
        known = inspect.signature(_model_class(self.model)).parameters
        for name in self.args:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f'did you mean "{close[0]}"?' if close else f"it has {', '.join(known) or 'none'}"
                raise ValueError(f'args: {self.model} has no argument "{name}"; {hint}')
        try:
            model = self.build()
            # Many wrong values only show when the model works.
            for value in (0.0, 1.0, 0.5):
                judge_features(model, {FEATURE: value})
        except Exception as error:  # of river's own and any kind: each says that these arguments don't work
            raise ValueError(f"args: {self.model} does not work with {dict(self.args)}: {error}") from error
        return self

    def build(self) -> Any:
        """A new model; `args` stand over `seed`."""
        make = _model_class(self.model)
        seed = {"seed": self.seed} if "seed" in inspect.signature(make).parameters else {}
        return make(**{**seed, **self.args})

    @property
    def scales(self) -> bool:
        return self.model in UNIT_RANGE if self.scale is None else self.scale

    @property
    def scales_group(self) -> bool:
        """Members of one group count in many units."""
        return self.scale is not False

    @property
    def not_of_groups(self) -> str:
        if not _takes_one(self.model):
            return ""
        several = ", ".join(name for name in models() if not _takes_one(name))
        return f"river's {self.model} takes one value; of groups judge {several}"
