"""The life of an alert about silence: it opens and worsens at deadlines after the last point, the next ends it.

A deadline is decided by whoever comes first: a tick that knows how late it is, or the series' own next point. Both give
the same transitions: they are computed from the last point alone, and carry the deadline as their time.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alerting.lifecycle import Record, Records, State
from schemas.compiled import compiled

DEADLINE = np.dtype([("rank", "i8"), ("after_s", "f8")])
APART_S = 0.001  # between the end of an episode and the next: as exact as event times are told
_FIRING, _RESOLVED = int(State.FIRING), int(State.RESOLVED)


def deadlines(levels: Sequence[tuple[int, float]]) -> Records:
    """For the loops below. levels: rank and seconds of silence that open it, mildest first."""
    return np.array(list(levels), DEADLINE)


@compiled
def _write(cell: Record, rank: int, at_s: float, silent_s: float, out: Record) -> None:
    if cell.rank == 0:
        cell.starts_at_s, cell.seq = at_s, 0
    else:
        cell.seq += 1
    if rank == 0:
        cell.ended_s = at_s
    out.rank, out.previous_rank, out.seq, out.starts_at_s = rank, cell.rank, cell.seq, cell.starts_at_s
    out.at_s, out.silent_s, out.raised = at_s, silent_s, 0.0
    cell.rank = rank


@compiled
def _leave(cell: Record) -> None:
    for k in range(len(cell.state)):
        if cell.state[k] == _FIRING:
            cell.state[k] = _RESOLVED


@compiled
def _deadline_s(cell: Record, last_s: float, after_s: float) -> float:
    """When silence since `last_s` opens a level: after the end of the episode before, so that its id is another one.

    A point that came late ended that one at its own deadline, which may lie behind this one's.
    """
    at_s = last_s + after_s
    return at_s if at_s > cell.ended_s else cell.ended_s + APART_S


@compiled
def _pass_time(levels: Records, idle_after_s: float, cell: Record, last_s: float, now_s: float, out: Records) -> int:
    """What has happened by `now_s` to an alert whose series spoke last at `last_s`; at most four transitions."""
    if cell.ended_s >= last_s + idle_after_s:
        return 0  # it is gone: nothing is expected of it any more
    n = 0
    for k in range(len(levels)):
        after_s = levels[k].after_s
        at_s = _deadline_s(cell, last_s, after_s)
        is_over = now_s - last_s > after_s and now_s > at_s
        if levels[k].rank > cell.rank and is_over and after_s < idle_after_s:
            cell.state[k], cell.since_s[k] = _FIRING, at_s
            _write(cell, levels[k].rank, at_s, after_s, out[n])
            n += 1
    if cell.rank != 0 and now_s - last_s > idle_after_s:
        _leave(cell)
        _write(cell, 0, last_s + idle_after_s, idle_after_s, out[n])
        n += 1
    return n


@compiled
def walk_silence(
    levels: Records,
    idle_after_s: float,
    cells: Records,
    rows: NDArray[np.int64],
    t: NDArray[np.float64],
    gap_s: NDArray[np.float64],
    out: Records,
) -> int:
    """Takes points in order; returns how many transitions were written to `out`, which has room for five a point.

    rows: cell of each point; t: Unix seconds; gap_s: seconds since the series' previous point (0 for its first).
    """
    n = 0
    for i in range(len(rows)):
        cell = cells[rows[i]]
        last_s = t[i] - gap_s[i]
        if gap_s[i] > levels[0].after_s:
            first = n
            n += _pass_time(levels, idle_after_s, cell, last_s, t[i], out[n:])
            for j in range(first, n):
                out[j].event, out[j].row, out[j].silent = i, rows[i], True
        if cell.rank != 0:
            at_s = t[i]
            for k in range(len(levels)):
                if levels[k].rank == cell.rank:
                    # The point may be older than what a tick decided.
                    at_s = max(at_s, _deadline_s(cell, last_s, levels[k].after_s))
            _leave(cell)
            _write(cell, 0, at_s, gap_s[i], out[n])
            out[n].event, out[n].row, out[n].silent = i, rows[i], False
            n += 1
    return n


@compiled
def pass_time(
    levels: Records, idle_after_s: float, cells: Records, last_t: NDArray[np.float64], now_s: float, out: Records
) -> int:
    """As `walk_silence`, at event time `now_s` without a point.

    last_t: Unix seconds of the newest point of each cell's series; out: room for four a cell.
    """
    n = 0
    for row in range(len(last_t)):
        first = n
        n += _pass_time(levels, idle_after_s, cells[row], last_t[row], now_s, out[n:])
        for j in range(first, n):
            out[j].event, out[j].row, out[j].silent = -1, row, True
    return n


def due(
    levels: Records, idle_after_s: float, cells: Records, last_t: NDArray[np.float64], now_s: float
) -> NDArray[np.int64]:
    """Rows for which `pass_time` would write anything. last_t: of each cell's series, NaN where it had no point."""
    after_s = np.full(4, idle_after_s)  # by rank: what opens the next level, or ends it
    for rank in range(4):
        worse = levels["after_s"][(levels["rank"] > rank) & (levels["after_s"] < idle_after_s)]
        after_s[rank] = worse.min() if len(worse) else idle_after_s if rank else np.inf
    waits_s, ended_s = after_s[cells["rank"]], cells["ended_s"]
    at_s = np.where(last_t + waits_s > ended_s, last_t + waits_s, ended_s + APART_S)
    gone = ended_s >= last_t + idle_after_s
    return np.flatnonzero(~gone & (now_s - last_t > waits_s) & (now_s > at_s))
