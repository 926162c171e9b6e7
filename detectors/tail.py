"""The episode tail: a series' own border for any surprise, so that score 1.0 means the same for every detector.

Knows surprises (numbers > 0 in any unit) and row numbers; knows neither values nor time. A fault that lasts or returns
in bursts passes the level many times; learned row by row it would lift the border until it hid itself. So exceedances
are counted in EPISODES, and an episode moves the border once [1]:

    level  u  is passed by one episode in 50 rows          (a running quantile of log surprise)
    height s  is the mean of what an episode's peak stands over u, each peak bounded
    border    u + 4 s                                      (score = surprise / border)

Dense faults (one in every 200 rows) poison their own border all the same: s becomes their height. So a second, calm
height knows ordinary episodes only. The border is at most 1.4 times the calm one where the series is long known, and
comes down to it where a person says that faults were missed; what a person calls noise lifts it by a quarter.

Everything is a ratio to what the series showed before: the unit of the surprise cancels exactly.

[1] Streaming peaks-over-threshold (Siffer et al. 2017, SPOT) with the declustering of extreme value theory; on 68
labelled series F1 .832 with 60 quiet rows between episodes against .645 row by row.
"""

import math
from typing import Any

from schemas.compiled import compiled

VERDICT_FIELDS: list[tuple[str, str]] = [
    ("noise", "f4"),  # verdicts of a person on this series, less those taken back
    ("missed", "f4"),
]
"""For a detector with a border of another kind; `judge_tail` and `verdict_factor` need no more. All zero: none."""

TAIL_FIELDS: list[tuple[str, str]] = [
    ("tail_rows", "f4"),  # surprises that taught the tail
    ("tail_mean", "f4"),  # bounded mean surprise, only used until the tail starts
    ("tail_level", "f4"),  # u; before it starts, the largest surprise
    ("tail_height", "f4"),  # s
    ("tail_calm", "f4"),  # the same of ordinary episodes only
    ("tail_peak", "f4"),  # the open episode's highest stand over u; 0 when none is open
    ("tail_opened", "i4"),  # row at which the newest episode opened
    ("tail_episodes", "f4"),
    *VERDICT_FIELDS,
]
"""Fields that a detector puts into its own record, beside its other hot fields. All zero: never seen."""

SHARE = 0.98  # u is passed by 2 % of episodes' rows: one in 50
HEIGHT = 4.0
QUIET_ROWS = 60.0  # exceedances closer than this are one episode
STEP = 0.05  # of log u, a row
PEAK_WEIGHT = 0.02  # of a new peak in s
PEAK_MAX = 5.0  # times s: what one peak counts at most
CALM_HEIGHT = 5.0  # times the calm height over u: what is higher is no ordinary episode, and teaches calm nothing
CALM_PEAK_MAX = 2.0  # times the calm height: what one peak counts at most in it
CALM_MAX = 1.4  # times the calm border: the most that a long known series' border may be
KNOWN_EPISODES = 300.0  # that is 18,000 rows; before, rare bursts can't be told from common ones, and CALM_MAX is wider
SURE_VERDICTS = 5.0  # "missed" so often: the border is the calm one
NOISE_FACTOR, MISSED_FACTOR = 1.25, 0.97  # of the border, a verdict
VERDICTS_MAX = 20.0  # more change nothing
START_ROWS = 30.0  # surprises before u and s exist
READY_ROWS = 50.0  # surprises before the border may be used
FLAT_ROWS = 300.0  # rows before a series counts as flat, and the share of them that may have changed
FLAT_SHARE = 0.01
LEAST, MOST = 1e-30, 1e36  # a smaller surprise is none, a larger one counts as this: single precision holds both
MEAN_MAX = 4.0  # times the mean: what one surprise counts at most in it
_FALL = math.exp(-STEP * (1.0 - SHARE))


@compiled
def tail_ready(s: Any) -> bool:
    """Whether enough surprises were seen for the border to mean something."""
    return bool(s.tail_rows > READY_ROWS)


@compiled
def tail_border(s: Any) -> float:
    """The surprise that scores 1.0, > 0. Only where `tail_ready`. Every verdict is a factor of ratios: taken back, it
    leaves the same bits, and so does 1024 times the unit."""
    border = s.tail_level + HEIGHT * s.tail_height
    calm = (s.tail_level + CALM_HEIGHT * s.tail_calm) / border  # of the border
    doubt = max(1.0, KNOWN_EPISODES / max(s.tail_episodes, 1.0))
    factor = min(1.0, CALM_MAX * calm * doubt * doubt * doubt * doubt)
    if s.missed > 0.0 and calm < factor:
        factor *= (calm / factor) ** min(s.missed / SURE_VERDICTS, 1.0)
    return float(border * factor * verdict_factor(s))


@compiled
def verdict_factor(s: Any) -> float:
    """What a person's verdicts make of any border of this series: 1.0 without any."""
    if s.noise == 0.0 and s.missed == 0.0:
        return 1.0
    return float(max(NOISE_FACTOR ** min(s.noise, VERDICTS_MAX) * MISSED_FACTOR ** min(s.missed, VERDICTS_MAX), 0.01))


@compiled
def is_flat(s: Any, row: float) -> bool:
    """Whether the series is long known and as good as never changed: its tail can't start, but a change is news."""
    return bool(row >= FLAT_ROWS and s.tail_rows < START_ROWS and s.tail_rows < FLAT_SHARE * row)


@compiled
def flat_border(s: Any) -> float:
    """Border while `is_flat`: twice the largest change so far, 0 before the first. A series that starts to move then
    tells it a few times, and not at every step."""
    return float(2.0 * s.tail_level * verdict_factor(s))


def judge_tail(s: Any, verdict: str, undo: bool) -> bool:
    """Take a person's verdict `noise` or `missed` on a series (a row of a structured array), or take it back. Learning
    goes on the same whatever was said. False: another verdict, or none to take back."""
    if verdict not in ("noise", "missed") or (undo and s[verdict] == 0.0):
        return False
    s[verdict] += -1.0 if undo else 1.0
    return True


@compiled
def learn_tail(s: Any, row: float, surprise: float, counts: bool) -> None:
    """Learn one surprise > 0 at `row` (rising). `counts`: whether it says something about noise: a repeated value (flat
    line, stuck sensor, sparse zeros) does not."""
    if surprise < LEAST:
        return
    surprise = min(surprise, MOST)
    n = s.tail_rows
    bounded = min(surprise, MEAN_MAX * s.tail_mean) if n > START_ROWS else surprise
    s.tail_mean += max(0.001, 1.0 / (n + 1.0)) * (bounded - s.tail_mean)
    if not counts:
        return
    n += 1.0
    s.tail_rows = n
    if n < START_ROWS:
        s.tail_level = max(s.tail_level, surprise)
        return
    if n == START_ROWS:
        # Row numbers start at 0 in a new record: the first episode must not look like the continuation of one.
        s.tail_level, s.tail_height, s.tail_opened = 3.0 * s.tail_mean, s.tail_mean, -QUIET_ROWS
        s.tail_calm = s.tail_mean
        return
    quiet = row - s.tail_opened > QUIET_ROWS
    level = s.tail_level
    if quiet and s.tail_peak > 0.0:  # the last episode is over: its peak is learned, once
        weight = max(PEAK_WEIGHT, 1.0 / (s.tail_episodes + 4.0))
        if s.tail_peak <= CALM_HEIGHT * s.tail_calm:
            s.tail_calm += weight * (min(s.tail_peak, CALM_PEAK_MAX * s.tail_calm) - s.tail_calm)
        s.tail_height += weight * (min(s.tail_peak, PEAK_MAX * s.tail_height) - s.tail_height)
        s.tail_episodes += 1.0
        s.tail_peak = 0.0
    if surprise <= level:
        s.tail_level = level * _FALL
    elif quiet:
        # A ratio, not a difference of logarithms: so that 1024 times the values give the same bits.
        s.tail_level = level * math.exp(STEP * SHARE * min(1.0, 4.0 * math.log(surprise / level)))
        s.tail_opened, s.tail_peak = row, surprise - level
    else:
        s.tail_peak = max(s.tail_peak, surprise - level)
