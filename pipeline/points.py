"""A series' points in order: which are admitted, and the last few kept as evidence. Compiled; no rules, no I/O."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.alert import Evidence
from schemas.compiled import compiled

KEPT = 16  # points kept a series; the contract allows 32 in an alert, but 16 bytes each are paid by every series
Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@compiled
def admit(
    series: Rows, t: Floats, idle_after_s: float, last_t: Floats, gap_s: Floats, fresh: NDArray[np.bool_], kept: Rows
) -> tuple[int, int, int]:
    """Event time only goes forward within a series: (admitted, duplicates, late).

    series: index of each event's series; t: Unix seconds. `last_t` is the state: newest time by series, NaN before the
    first. Written for each admitted event: `kept` its index, `gap_s` the seconds since the series' point before (0 for
    its first), `fresh` whether that gap is longer than `idle_after_s`.
    """
    n = duplicates = late = 0
    for i in range(len(series)):
        s = series[i]
        last = last_t[s]
        if last == last:
            if t[i] == last:
                duplicates += 1
                continue
            if t[i] < last:
                late += 1
                continue
            gap_s[n] = t[i] - last
        else:
            gap_s[n] = 0.0
        fresh[n] = gap_s[n] > idle_after_s
        kept[n] = i
        last_t[s] = t[i]
        n += 1
    return n, duplicates, late


@compiled
def remember(
    series: Rows, t: Floats, x: Floats, fresh: NDArray[np.bool_], counts: Rows, ring_t: Floats, ring_x: Floats
) -> None:
    """Writes points into their series' rings. counts: points since the series was fresh."""
    for i in range(len(series)):
        s = series[i]
        if fresh[i]:
            counts[s] = 0
        at = counts[s] % KEPT
        ring_t[s, at], ring_x[s, at] = t[i], x[i]
        counts[s] += 1


@compiled
def predecessors(series: Rows, newest: Rows) -> Rows:
    """Index of each event's predecessor of its series in the batch; -1: it is in the ring, or nowhere.

    newest: -1 for each series of the shard; written.
    """
    before = np.empty(len(series), np.int64)
    for i in range(len(series)):
        before[i] = newest[series[i]]
        newest[series[i]] = i
    return before


@dataclass(frozen=True)
class Points:
    """Admitted points of a batch: columns of one length. `gap_s`, `fresh`: see `admit`."""

    series: Rows
    t: Floats
    x: Floats
    gap_s: Floats
    fresh: NDArray[np.bool_]

    def part(self, first: int, last: int) -> "Points":
        """Those from number `first` up to `last`, which is not among them."""
        s = slice(first, last)
        return Points(self.series[s], self.t[s], self.x[s], self.gap_s[s], self.fresh[s])

    def take(self, chosen: Rows) -> "Points":
        return Points(self.series[chosen], self.t[chosen], self.x[chosen], self.gap_s[chosen], self.fresh[chosen])


class Recent:
    """The last points of every series of a shard."""

    def __init__(self) -> None:
        self.counts = np.zeros(0, np.int64)
        self.ring_t = np.zeros((0, KEPT))
        self.ring_x = np.zeros((0, KEPT))

    def before(self, s: int) -> tuple[list[float], list[float]]:
        """Times and values of series `s` in the ring, oldest first."""
        n = int(self.counts[s])
        at = np.arange(max(0, n - KEPT), n) % KEPT
        return self.ring_t[s, at].tolist(), self.ring_x[s, at].tolist()

    def evidence(self, s: int, i: int, points: Points, before: Rows) -> Evidence:
        """The last points of series `s` up to event `i` of a batch that `remember` has not seen yet; -1: before it.

        before: the `predecessors` of the batch.
        """
        times: list[float] = []
        values: list[float] = []
        whole = False  # a fresh series has no past
        while i >= 0 and len(times) < KEPT and not whole:
            times.append(float(points.t[i]))
            values.append(float(points.x[i]))
            whole = bool(points.fresh[i])
            i = int(before[i])
        times.reverse()
        values.reverse()
        if not whole and len(times) < KEPT:
            old_t, old_x = self.before(s)
            times = (old_t + times)[-KEPT:]
            values = (old_x + values)[-KEPT:]
        return Evidence(times, values)
