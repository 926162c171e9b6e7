"""Budget: a rule's border rises with the number of its series, so that noise stays inside what a person can read.

Noise of scores is taken to open 0.1 times a day and series at its own border, and e times less often for every 0.2 that
a score is higher (the border is u + 4 s, where s is the mean height over u: its tail falls e-fold within s, a quarter
of the border at most). That gives the factor to start from. Then every opening lifts it, and event time lets it
sink, so that openings come as often as the budget has them. It ends at 4: worse than four times its own border opens,
whatever the budget.

Knows openings of one rule in one partition, in their order, and their event times: no clock.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled

BUDGET = np.dtype(
    [
        ("a_day", "f8"),  # openings that this partition may have; 0: as many as there are
        ("partitions", "f8"),  # that share the rule's budget: as many as there were when the first of them was read
        ("series", "f8"),  # that had a point so far
        ("lift", "f8"),  # learned: log of the factor, above the one that the number of series gives
        ("t", "f8"),  # Unix s of the newest point that was over its border
    ]
)
DAY_S = 86_400.0
NOISE_A_DAY = 0.1  # openings of a series that has nothing but noise
TAIL = 0.2  # of the border: so much higher a score is e times rarer
STEP = 0.5  # log of the factor: lifted by a budget spent at once, and the most that a day lets it sink
FACTOR_MAX = 4.0


def budget_of(a_day: float, partitions: int = 1) -> NDArray[np.void]:
    """A new one, for `walk`. a_day: openings a day that all partitions may have together; 0: no budget."""
    made = np.zeros(1, BUDGET)
    made["a_day"], made["partitions"] = a_day / partitions, partitions
    return made


@compiled
def _by_number(b: Any) -> float:
    """Log of the factor that lets as much noise through as the budget has."""
    return math.log(1.0 + TAIL * math.log(max(1.0, NOISE_A_DAY * b.series / b.a_day)))


@compiled
def factor_at(b: Any, t: float) -> float:
    """By how much the border is raised for a point at `t` (Unix seconds) that is over it."""
    by_number = _by_number(b)
    if b.t > 0.0 and t > b.t:
        b.lift -= STEP * min(b.a_day, 1.0) * (t - b.t) / DAY_S
    b.t = max(b.t, t)
    b.lift = max(b.lift, -by_number)
    return min(math.exp(by_number + b.lift), FACTOR_MAX)


@compiled
def spend(b: Any) -> None:
    """An alert opened."""
    b.lift = min(b.lift + STEP / max(b.a_day, 1.0), math.log(FACTOR_MAX) - _by_number(b))
