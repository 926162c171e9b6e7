"""The covariance of a group's members and its Cholesky factor: how far a row is from where the members go together.

Knows standardised values (NaN where a member did not come); `joint` holds the covariance in its upper triangle with the
diagonal, the factor below it, the factor's diagonal stands at the members (`factor`; 0: not in it yet).
"""

import math
from typing import Any

import numpy as np

from detectors.base import Floats
from schemas.compiled import compiled

START_ROWS = 30.0  # values of a member before it counts and its learning is bounded
TINY = 1e-300
RIDGE = 0.01  # of the mean variance, added to each: collinear and constant members keep a factor
NAMED = 4096.0  # as in detectors/group.py: `part` holds the numbers of up to three members, plus one, to this base


@compiled
def squared_distance(members: Any, joint: Any, sigmas: Floats) -> float:
    """Squared Mahalanobis distance, by forward substitution. A member that did not come counts as where it is
    expected."""
    n = len(sigmas)
    solved = np.zeros(n)
    total = 0.0
    for j in range(n):
        if members[j].factor <= 0.0:
            continue
        rest = sigmas[j] if sigmas[j] == sigmas[j] else 0.0
        for i in range(j):
            rest -= joint[j, i] * solved[i]
        solved[j] = rest / members[j].factor
        total += solved[j] * solved[j]
    return total


@compiled
def learn_joint(joint: Any, sigmas: Floats, weight: float) -> None:
    """Moves the covariance (around the members' own levels) towards this row's products."""
    for j in range(len(sigmas)):
        if sigmas[j] != sigmas[j]:
            continue
        for i in range(j + 1):
            if sigmas[i] == sigmas[i]:
                joint[i, j] += weight * (sigmas[i] * sigmas[j] - joint[i, j])


@compiled
def factor(members: Any, joint: Any) -> None:
    """Cholesky factor of covariance + ridge, below the diagonal of `joint`, its diagonal at the members."""
    n = len(members)
    trace, known = 0.0, 0.0
    for j in range(n):
        if members[j].rows > START_ROWS:
            trace += joint[j, j]
            known += 1.0
    ridge = RIDGE * (trace / known if known > 0.0 else 0.0) + TINY
    for j in range(n):
        if members[j].rows <= START_ROWS:
            members[j].factor = 0.0
            for i in range(j):
                joint[j, i] = 0.0
            continue
        pivot = joint[j, j] + ridge
        for i in range(j):
            if members[i].factor <= 0.0:
                joint[j, i] = 0.0
                continue
            rest = joint[i, j]
            for k in range(i):
                rest -= joint[i, k] * joint[j, k]
            joint[j, i] = rest / members[i].factor
            pivot -= joint[j, i] * joint[j, i]
        # Members that come at different times make a matrix that need not be a covariance: never below the ridge.
        members[j].factor = math.sqrt(max(pivot, ridge))


@compiled
def named(odd: Floats) -> float:
    """The three members that are oddest, those of less than half the first's oddity left out."""
    part, scale, first, before, last = 0.0, 1.0, 0.0, math.inf, -1
    for _ in range(3):
        best = -1
        for j in range(len(odd)):
            over = odd[j] < before or (odd[j] == before and j > last)
            if odd[j] > 0.0 and over and (best < 0 or odd[j] > odd[best]):
                best = j
        if best < 0 or odd[best] < 0.5 * first:
            break
        if first == 0.0:
            first = odd[best]
        before, last = odd[best], best
        part += scale * (best + 1.0)
        scale *= NAMED
    return part
