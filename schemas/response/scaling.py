"""What is told to who scales by itself (KEDA): how many replicas a load needs. `automation.scaling` of the config."""

from dataclasses import dataclass
from typing import Literal, get_args

from schemas.selector import Selector

Aggregate = Literal["sum", "avg", "max"]
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)


@dataclass(frozen=True)
class Scaling:
    """selector: series that are its load. aggregate: `sum`, the load of all replicas together; `avg` and `max`, of
    series of which each replica has one. target: load that one replica should have. lead_s: so far ahead the trend
    counts. stale_after_s: a series whose newest point is older doesn't count, and without any there is no answer.
    """

    name: str
    selector: Selector
    target: float
    replicas_max: int
    aggregate: Aggregate = "sum"
    replicas_min: int = 1
    lead_s: float = 60.0
    stale_after_s: float = 120.0
    stabilise_down_s: float = 300.0
    step_up_max: int | None = None
    step_down_max: int | None = None
