"""Statistics on struct-of-arrays state: one file a detector, one line each in KINDS. No Kafka, no clock, no I/O."""

from typing import Literal

from pydantic import BaseModel

from detectors.base import Detector, Settings
from detectors.baseline import Baseline
from detectors.default import Default
from detectors.flatline import Flatline
from detectors.gap import Gap
from detectors.ramp import Ramp
from detectors.river_model import River
from detectors.spread import Spread
from detectors.threshold import Threshold
from schemas.levels import Border

KINDS: dict[str, type[Detector]] = {
    "threshold": Threshold,
    "default": Default,
    "baseline": Baseline,
    "ramp": Ramp,
    "flatline": Flatline,
    "spread": Spread,
    "gap": Gap,
    "river": River,
}
"""By the name that a rule's `detector:` has."""

PARAMS: dict[str, type[Settings]] = {kind: detector.Params for kind, detector in KINDS.items()}
LEVELS_ON: dict[str, Literal["score", "value"]] = {kind: detector.levels_on for kind, detector in KINDS.items()}


def make(kind: str, params: BaseModel, borders: tuple[Border, ...]) -> Detector:
    """A detector of a rule. params: what the config read, an instance of the kind's own `Params`."""
    if not isinstance(params, KINDS[kind].Params):
        raise TypeError(f"{kind} takes {KINDS[kind].Params.__name__}, got {type(params).__name__}")
    return KINDS[kind](params, borders)
