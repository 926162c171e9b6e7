"""Statistics on struct-of-arrays state: one file a detector, one line each in KINDS. No Kafka, no clock, no I/O."""

from typing import Literal

from pydantic import BaseModel

from detectors.absent import Absent
from detectors.base import Detector, Settings
from detectors.baseline import Baseline
from detectors.burn_rate import BurnRate
from detectors.changepoint import Changepoint
from detectors.default import Default
from detectors.default import Params as DefaultParams
from detectors.drift import Drift
from detectors.flatline import Flatline
from detectors.forecast import Forecast
from detectors.gap import Gap
from detectors.group import GroupDetector, Seat
from detectors.multivariate import Multivariate
from detectors.ramp import Ramp
from detectors.range import Range
from detectors.rate_of_change import RateOfChange
from detectors.river_group import RiverGroup
from detectors.river_model import River
from detectors.spread import Spread
from detectors.threshold import Threshold
from detectors.trend import Trend
from schemas.levels import Border

KINDS: dict[str, type[Detector]] = {
    "threshold": Threshold,
    "default": Default,
    "baseline": Baseline,
    "rate_of_change": RateOfChange,
    "range": Range,
    "changepoint": Changepoint,
    "drift": Drift,
    "ramp": Ramp,
    "flatline": Flatline,
    "spread": Spread,
    "gap": Gap,
    "river": River,
    "absent": Absent,
    "trend": Trend,
    "forecast": Forecast,
}
"""By the name that a rule's `detector:` has."""

GROUP_KINDS: dict[str, type[GroupDetector]] = {
    "multivariate": Multivariate,
    "burn_rate": BurnRate,
    "river": RiverGroup,
}
"""The same for rules with `group_by`. A kind of both has the same settings in both."""

PARAMS: dict[str, type[Settings]] = {
    **{kind: detector.Params for kind, detector in KINDS.items()},
    **{kind: detector.Params for kind, detector in GROUP_KINDS.items()},
}
LEVELS_ON: dict[str, Literal["score", "value", "silence"]] = {
    **{kind: detector.levels_on for kind, detector in KINDS.items()},
    **{kind: detector.levels_on for kind, detector in GROUP_KINDS.items()},
}

_NOT_NORMAL = {"ramp", "flatline", "spread", "gap"}  # they expect no level that could be learned anew


def heeded(kind: str, params: BaseModel | None = None) -> frozenset[str]:
    """Verdicts of a person that a detector of this kind learns from, with these settings or, if None, its defaults.

    >>> sorted(heeded("gap")), sorted(heeded("default", KINDS["default"].Params(baseline=False)))
    (['missed', 'noise'], ['noise'])
    """
    if isinstance(params, DefaultParams) and params.baseline is False:
        return frozenset({"noise"})  # the others are about what is expected
    groups, series = GROUP_KINDS.get(kind), KINDS.get(kind)
    learns = series is not None and series.feedback is not Detector.feedback
    learns |= groups is not None and groups.feedback is not GroupDetector.feedback
    if not learns:
        return frozenset()
    return frozenset({"noise", "missed"} if kind in _NOT_NORMAL else {"noise", "normal", "missed"})


def make(kind: str, params: BaseModel, borders: tuple[Border, ...], grouped: bool = False) -> Detector:
    """A detector of a rule. params: what the config read, an instance of the kind's own `Params`. grouped: the rule has
    `group_by`; one of groups comes in a `Seat`."""
    if kind in GROUP_KINDS and (grouped or kind not in KINDS):
        return Seat(make_group(kind, params, borders))
    if not isinstance(params, KINDS[kind].Params):
        raise TypeError(f"{kind} takes {KINDS[kind].Params.__name__}, got {type(params).__name__}")
    return KINDS[kind](params, borders)


def make_group(kind: str, params: BaseModel, borders: tuple[Border, ...]) -> GroupDetector:
    """The same for a rule with `group_by`."""
    if not isinstance(params, GROUP_KINDS[kind].Params):
        raise TypeError(f"{kind} takes {GROUP_KINDS[kind].Params.__name__}, got {type(params).__name__}")
    return GROUP_KINDS[kind](params, borders)
