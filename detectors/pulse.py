"""The pulse: a score reaches 1 where an episode opens and where it gets worse, not on every row of it.

Knows scores and row numbers. What goes on without getting worse is told by `deviation`, which holds the alert open.
"""

from typing import Any

from schemas.compiled import compiled

PULSE_FIELDS: list[tuple[str, str]] = [
    ("episode_row", "f8"),  # newest row whose score reached 1
    ("episode_peak", "f8"),  # highest score told in that episode; 0: there was none
]
"""Fields that a detector puts into its own record. All zero: never seen."""

QUIET_ROWS = 5.0  # rows below 1 that end an episode
WORSE = 1.0001  # times the peak
SCORE_MAX = 100.0
HELD = 0.999  # the most that is said in between


@compiled
def pulse(s: Any, row: float, score: float) -> float:
    """The score to report for a score >= 0 at `row`: itself where the episode opens or gets worse, else below 1."""
    bar = 1.0
    if s.episode_peak > 0.0 and row - s.episode_row <= QUIET_ROWS:
        bar = max(1.0, s.episode_peak * WORSE)
    if score >= 1.0:
        s.episode_row = row
    if score >= bar:
        s.episode_peak = score
        return min(score, SCORE_MAX)
    return min(score, HELD)
