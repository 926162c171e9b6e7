"""Members' points into the open buckets of their groups, and rows out of them. Compiled; no rules, no I/O."""

import math
from typing import Any

import numpy as np

from detectors.base import Floats, Rows
from schemas.compiled import compiled

OPEN = np.dtype(
    [
        ("bucket", "f8"),  # number of the newest bucket
        ("t", "f8"),  # Unix s of the newest point in it
        ("row_t", "f8"),  # of the newest closed row
        ("rows", "f8"),  # closed so far
        ("buckets", "f8"),  # so far; 0: never seen
        ("closed", "f8"),  # 1: the newest bucket is
        ("several", "f8"),  # 1: a member came twice in a bucket, so rows are closed by a later bucket only
    ]
)
CELL = np.dtype(
    [
        ("value", "f8"),  # newest or sum, in the open bucket
        ("came", "f8"),  # 1: in the newest bucket
        ("known", "f8"),  # 1: it is waited for
        ("missed", "f8"),  # rows without it, since it came last
    ]
)
"""A member. All zero: never seen."""

GONE_ROWS = 10.0  # rows without a member, then it is no longer waited for
EARLY_BUCKETS = 2.0  # of a group, whose members are still turning up: no row is closed early


@compiled
def gather(
    series: Rows,
    t: Floats,
    x: Floats,
    first: int,
    last: int,
    row_of: Rows,
    member_of: Rows,
    align_s: float,
    summed: bool,
    open_: Any,
    gathered: Any,
    group: Rows,
    closer: Rows,
    row_t: Floats,
    gap_s: Floats,
    rows: Floats,
) -> tuple[int, int]:
    """Takes points `first` to `last` into their groups' buckets: (rows closed, points that came too late for theirs).

    Written for each closed row: `group`, `closer` (the event that closed it), `row_t` (Unix seconds), `gap_s` since the
    group's row before (0 for its first), `rows` (the members' values, NaN where one did not come). Room for two each.
    """
    n = late = 0
    for i in range(first, last):
        g = row_of[series[i]]
        if g < 0:
            continue
        o, cells = open_[g], gathered[g]
        cell = cells[member_of[series[i]]]
        bucket = math.floor(t[i] / align_s)
        if o.buckets > 0.0 and (bucket < o.bucket or (bucket == o.bucket and o.closed > 0.0)):
            late += 1
            if bucket == o.bucket and cell.came > 0.0:
                o.several = 1.0
            cell.known, cell.missed = 1.0, 0.0
            continue
        if o.buckets == 0.0 or bucket > o.bucket:
            if o.buckets > 0.0 and o.closed == 0.0:
                _close(o, cells, g, i, n, group, closer, row_t, gap_s, rows)
                n += 1
            for j in range(len(cells)):
                cells[j].came = 0.0
            o.bucket, o.t, o.closed = bucket, t[i], 0.0
            o.buckets += 1.0
        if cell.came > 0.0:
            o.several = 1.0
        cell.value = cell.value + x[i] if summed and cell.came > 0.0 else x[i]
        cell.came, cell.known, cell.missed = 1.0, 1.0, 0.0
        o.t = max(o.t, t[i])
        if summed or o.several > 0.0 or o.buckets <= EARLY_BUCKETS:
            continue
        complete = True
        for j in range(len(cells)):
            complete = complete and (cells[j].came > 0.0 or cells[j].known == 0.0)
        if complete:
            _close(o, cells, g, i, n, group, closer, row_t, gap_s, rows)
            n += 1
    return n, late


@compiled
def close_all(open_: Any, gathered: Any, group: Rows, closer: Rows, row_t: Floats, gap_s: Floats, rows: Floats) -> None:
    """Closes the open buckets of the groups `group`; the rest is written, as by `gather`, but for `closer`."""
    for n in range(len(group)):
        g = group[n]
        _close(open_[g], gathered[g], g, -1, n, group, closer, row_t, gap_s, rows)


@compiled
def _close(
    o: Any, cells: Any, g: int, i: int, n: int, group: Rows, closer: Rows, row_t: Floats, gap_s: Floats, rows: Floats
) -> None:
    group[n], closer[n], row_t[n] = g, i, o.t
    gap_s[n] = o.t - o.row_t if o.rows > 0.0 else 0.0
    o.row_t, o.closed = o.t, 1.0
    o.rows += 1.0
    for j in range(len(cells)):
        rows[n, j] = cells[j].value if cells[j].came > 0.0 else np.nan
        if cells[j].came == 0.0 and cells[j].known > 0.0:
            cells[j].missed += 1.0
            if cells[j].missed > GONE_ROWS:
                cells[j].known = 0.0
