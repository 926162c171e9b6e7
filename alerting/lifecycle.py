"""The life of an alert: inactive, pending, firing at a level, recovering, resolved. A table, and its loop.

Every level of a rule runs the table for itself; the alert stands at the highest level that fires or recovers, so one
alert moves between levels instead of becoming several. All times are event times of the series' own points: `for` and
`keep_firing_for` don't advance while the series is silent.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerting.back_off import BACK_OFF_FIELDS, count_row, forget, got_worse, may_open
from alerting.budget import factor_at, spend
from schemas import levels
from schemas.compiled import compiled
from schemas.levels import Border

Records = NDArray[np.void]
Record = Any  # one of them, whose fields only numba knows


class State(IntEnum):
    """Where one level of one alert stands. The numbers go into saved state: never reuse one."""

    INACTIVE = 0
    PENDING = 1  # over the border, but not yet for as long as `for` asks, or held back
    FIRING = 2
    RECOVERING = 3  # back, but not yet for as long as `keep_firing_for` asks
    RESOLVED = 4  # until the series' next point


class Act(IntEnum):
    """What a point (or the lack of points) says about one level."""

    AWAY = 0  # over the border, or held open by the clear condition
    AWAY_SERVED = 1  # the same, for at least `for`, and not held back
    BACK = 2  # neither
    BACK_SERVED = 3  # the same, and for at least `keep_firing_for`
    GONE = 4  # the series is silent for `stale_after`, or its rule was removed


TRANSITIONS: dict[tuple[State, Act], State] = {
    (State.INACTIVE, Act.AWAY): State.PENDING,
    (State.INACTIVE, Act.AWAY_SERVED): State.FIRING,
    (State.INACTIVE, Act.BACK): State.INACTIVE,
    (State.INACTIVE, Act.BACK_SERVED): State.INACTIVE,
    (State.INACTIVE, Act.GONE): State.INACTIVE,
    (State.PENDING, Act.AWAY): State.PENDING,
    (State.PENDING, Act.AWAY_SERVED): State.FIRING,
    (State.PENDING, Act.BACK): State.INACTIVE,
    (State.PENDING, Act.BACK_SERVED): State.INACTIVE,
    (State.PENDING, Act.GONE): State.INACTIVE,
    (State.FIRING, Act.AWAY): State.FIRING,
    (State.FIRING, Act.AWAY_SERVED): State.FIRING,
    (State.FIRING, Act.BACK): State.RECOVERING,
    (State.FIRING, Act.BACK_SERVED): State.RESOLVED,
    (State.FIRING, Act.GONE): State.RESOLVED,
    (State.RECOVERING, Act.AWAY): State.FIRING,
    (State.RECOVERING, Act.AWAY_SERVED): State.FIRING,
    (State.RECOVERING, Act.BACK): State.RECOVERING,
    (State.RECOVERING, Act.BACK_SERVED): State.RESOLVED,
    (State.RECOVERING, Act.GONE): State.RESOLVED,
    (State.RESOLVED, Act.AWAY): State.PENDING,
    (State.RESOLVED, Act.AWAY_SERVED): State.FIRING,
    (State.RESOLVED, Act.BACK): State.INACTIVE,
    (State.RESOLVED, Act.BACK_SERVED): State.INACTIVE,
    (State.RESOLVED, Act.GONE): State.INACTIVE,
}

_TABLE = np.zeros((len(State), len(Act)), np.int8)
for (_state, _act), _next in TRANSITIONS.items():
    _TABLE[_state, _act] = _next

LEVEL = np.dtype(
    [
        ("rank", "i8"),
        ("detector", "i8"),
        ("on_score", "?"),
        ("open_op", "i8"),
        ("open_low", "f8"),
        ("open_high", "f8"),
        ("has_clear", "?"),
        ("clear_op", "i8"),
        ("clear_low", "f8"),
        ("clear_high", "f8"),
        ("clear_deviation", "f8"),
        ("for_s", "f8"),
        ("keep_firing_for_s", "f8"),
    ]
)

CELL = np.dtype(
    [
        ("starts_at_s", "f8"),  # first point over a border of the open episode
        ("ended_s", "f8"),  # end of the episode before
        ("since_s", "f8", (3,)),  # by level: since when AWAY (pending, firing) or BACK (recovering)
        ("seq", "i4"),  # of the newest transition of the open episode
        ("rank", "i1"),  # of the level the alert stands at; 0: none
        ("state", "i1", (3,)),
        *BACK_OFF_FIELDS,
        ("seen", "u2"),  # its series is counted in the rule's budget
    ],
    align=True,
)
"""One alert: one rule on one series. 64 bytes, of which back-off and budget take 16."""

OLD_CELL = np.dtype(
    [
        ("starts_at_s", "f8"),
        ("ended_s", "f8"),
        ("since_s", "f8", (3,)),
        ("seq", "i4"),
        ("rank", "i1"),
        ("state", "i1", (3,)),
    ],
    align=True,
)
"""As it was before there was a back-off: snapshots of then are still read."""

TRANSITION = np.dtype(
    [
        ("event", "i8"),  # index of the point in the batch; for a silent series: of its next point, or -1
        ("row", "i8"),
        ("at_s", "f8"),
        ("starts_at_s", "f8"),
        ("seq", "i4"),
        ("rank", "i1"),
        ("previous_rank", "i1"),
        ("silent", "?"),
        ("silent_s", "f8"),  # where silence is what it is about: how long it was by then
        ("raised", "f8"),  # by how much the budget raised the border, where a score opened; else 0
    ],
    align=True,
)
HELD_BACK = ("back_off", "budget")
"""Why an opening was held back, in the order of `walk`'s counts."""


@dataclass(frozen=True)
class LevelRule:
    """When one level opens, holds and clears.

    open: the border of the value, or of the score where `on_score`. An open level is held while the point is over
    `open`, or not yet over `clear` (value levels), or |deviation| >= `clear_deviation` sigmas (score levels: their
    score is a pulse, which says where something opens or gets worse, not how long it lasts).
    """

    rank: int
    detector: int
    on_score: bool
    open: Border
    clear: Border | None = None
    clear_deviation: float = 0.0
    for_s: float = 0.0
    keep_firing_for_s: float = 0.0


def level_table(rules: tuple[LevelRule, ...]) -> Records:
    """The rules as a LEVEL array for `walk`; at most three."""
    table = np.zeros(len(rules), LEVEL)
    for row, rule in zip(table, rules, strict=True):
        clear = rule.clear or Border(levels.Op.ABOVE, 0.0)
        row["rank"], row["detector"], row["on_score"] = rule.rank, rule.detector, rule.on_score
        row["open_op"], row["open_low"], row["open_high"] = rule.open.op, rule.open.low, rule.open.high
        row["has_clear"] = rule.clear is not None
        row["clear_op"], row["clear_low"], row["clear_high"] = clear.op, clear.low, clear.high
        row["clear_deviation"] = rule.clear_deviation
        row["for_s"], row["keep_firing_for_s"] = rule.for_s, rule.keep_firing_for_s
    return table


_over = compiled(levels.over)


@compiled
def _away(level: Record, state: int, x: float, over: bool, deviation: float) -> bool:
    """over: the value or the score is over the border of the level."""
    if over:
        return True
    if level.on_score:
        # A pulse that had to be repeated row by row would never serve its `for`: the deviation sustains it.
        return 1 <= state <= 3 and abs(deviation) >= level.clear_deviation
    if 2 <= state <= 3 and level.has_clear:
        return not _over(level.clear_op, level.clear_low, level.clear_high, x)
    return False


@compiled
def _served(cell: Record, k: int, level: Record, t: float, away: bool) -> bool:
    """Whether level `k` of one alert has been on its side for long enough; keeps since when."""
    before = cell.state[k]
    same_side = before == 1 or before == 2 if away else before == 3
    if not same_side:
        cell.since_s[k] = t
    served: bool = t - cell.since_s[k] >= (level.for_s if away else level.keep_firing_for_s)
    return served


@compiled
def _settle(cell: Record, levels_: Records, at_s: float, out: Record) -> bool:
    """Moves the alert to its highest level that fires or recovers. True: that is a transition, written to `out`."""
    rank = 0
    starts_at_s = np.inf
    for k in range(len(levels_)):
        state = cell.state[k]
        if state == 2 or state == 3:
            rank = max(rank, levels_[k].rank)
        if state == 1 or state == 2:
            starts_at_s = min(starts_at_s, cell.since_s[k])
    if rank == cell.rank:
        return False
    if cell.rank == 0:
        # A level that was pending all through the episode before starts a new one: its id must not be that one's.
        cell.starts_at_s = max(starts_at_s, cell.ended_s)
        cell.seq = 0
    else:
        cell.seq += 1
    if rank == 0:
        cell.ended_s = at_s
    out.rank, out.previous_rank, out.seq, out.starts_at_s = rank, cell.rank, cell.seq, cell.starts_at_s
    out.at_s = at_s
    cell.rank = rank
    return True


@compiled
def _silence(cell: Record, levels_: Records, at_s: float, out: Record) -> bool:
    for k in range(len(levels_)):
        cell.state[k] = _TABLE[cell.state[k], 4]
    return _settle(cell, levels_, at_s, out)


@compiled
def walk(
    levels_: Records,
    stale_after_s: float,
    idle_after_s: float,
    backs_off: bool,
    budget: Records,
    cells: Records,
    rows: NDArray[np.int64],
    t: NDArray[np.float64],
    gap_s: NDArray[np.float64],
    x: NDArray[np.float64],
    score: NDArray[np.float64],
    deviation: NDArray[np.float64],
    held_back: NDArray[np.int64],
    out: Records,
) -> int:
    """Takes points in order through the alerts of one rule; returns how many transitions were written to `out`.

    budget: one BUDGET; rows: cell of each point; t: Unix seconds; gap_s: seconds since the series' previous point (0
    for its first); score, deviation: detectors x points; held_back: openings, as HELD_BACK, added to; out: TRANSITION,
    room for two a point (a silent end, then a new start).
    """
    n = 0
    has_budget = budget[0].a_day > 0.0
    for i in range(len(rows)):
        cell = cells[rows[i]]
        if gap_s[i] > stale_after_s:
            if _silence(cell, levels_, t[i] - gap_s[i] + stale_after_s, out[n]):
                out[n].event, out[n].row, out[n].silent, out[n].raised = i, rows[i], True, 0.0
                n += 1
            if gap_s[i] > idle_after_s:
                forget(cell)
        count_row(cell)
        if has_budget and cell.seen == 0:
            cell.seen = 1
            budget[0].series += 1.0
        closed = cell.rank == 0
        raised = 0.0  # not asked
        too_mild = False
        by_score = False
        opens = 0  # by a score: not asked, told, held back
        for k in range(len(levels_)):
            level = levels_[k]
            d = level.detector
            over = _over(level.open_op, level.open_low, level.open_high, score[d, i] if level.on_score else x[i])
            if over and level.on_score:
                if has_budget:
                    raised = factor_at(budget[0], t[i]) if raised == 0.0 else raised
                    over = _over(level.open_op, level.open_low, level.open_high, score[d, i] / raised)
                    too_mild = too_mild or not over
                if over and closed:
                    cell.peak = max(cell.peak, score[d, i] / level.open_low)
                elif over:
                    got_worse(cell, score[d, i] / level.open_low)
            away = _away(level, cell.state[k], x[i], over, deviation[d, i])
            if not away and cell.state[k] == 0:
                continue
            served = _served(cell, k, level, t[i], away)
            if away and served and closed and level.on_score:
                if backs_off and opens == 0:
                    opens = 1 if may_open(cell, max(cell.peak, 1.0)) else 2
                    held_back[0] += 1 if opens == 2 and over else 0
                served = opens != 2
                by_score = by_score or served
            before = cell.state[k]
            cell.state[k] = _TABLE[before, (0 if away else 2) + (1 if served else 0)]
            if before == 1 and not away:
                cell.peak = 0.0
        if _settle(cell, levels_, t[i], out[n]):
            out[n].event, out[n].row, out[n].silent, out[n].raised = i, rows[i], False, 0.0
            if by_score and has_budget:
                out[n].raised = factor_at(budget[0], t[i])
                spend(budget[0])
            n += 1
        elif closed and too_mild:
            held_back[1] += 1
    return n


@compiled
def end_silent(
    levels_: Records, stale_after_s: float, cells: Records, last_t: NDArray[np.float64], now_s: float, out: Records
) -> int:
    """Ends the alerts whose series are silent for longer than `stale_after_s` at event time `now_s`; as `walk` would.

    last_t: Unix seconds of the newest point of each cell's series; out: TRANSITION, room for one a cell.
    """
    n = 0
    for row in range(len(last_t)):
        if now_s - last_t[row] > stale_after_s and _silence(cells[row], levels_, last_t[row] + stale_after_s, out[n]):
            out[n].event, out[n].row, out[n].silent, out[n].raised = -1, row, True, 0.0
            n += 1
    return n
