"""Reads a list of pieces: quickly as far as a format is sure, exactly where it is not, and settles their times."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.formats.base import EARLIEST_S, LATEST_S, Columns, Payload, Sink
from schemas.formats.times import unix_s_column

Exact = Callable[[int, Sink], None]
Quick = Callable[[Sequence[Payload], int, Sink, Exact], int]
_WORTH_PIECES = 3  # a quick try that takes fewer costs more than it saves
_REST_MAX = 64  # pieces read exactly without a quick try, after several that weren't worth it


def read_all(pieces: Sequence[Payload], quick: Quick | None, exact: Exact, sink: Sink) -> Columns:
    """Columns of all pieces; their `record` is the index of the piece."""
    k, rest, idle = 0, 0, 0
    while k < len(pieces):
        if quick and not rest:
            taken = quick(pieces, k, sink, exact)
            idle = 0 if taken >= k + _WORTH_PIECES else min(2 * idle + 1, _REST_MAX)
            k, rest = taken, idle
            if k >= len(pieces):
                break
        elif rest:
            rest -= 1
        exact(k, sink)
        k += 1
    return _settled(exact, sink)


def _settled(exact: Exact, sink: Sink) -> Columns:
    series = np.array(sink.series, np.int64)
    piece = np.array(sink.pieces, np.int64)
    x = np.array(sink.values, np.float64) + 0.0  # -0.0 becomes 0.0
    t = unix_s_column(sink.times)
    fine = (t >= EARLIEST_S) & (t < LATEST_S)
    if sink.latest_s is not None:
        fine &= ~(t > sink.latest_s[piece])
    if not fine.all():
        # Only the quick way lets such times through; all events of its piece have the same one.
        series, piece, t, x = _without(sink, exact, piece[~fine], series, piece, t, x)
    sink.rejects.sort(key=lambda r: r.record)
    return Columns(series, t, x, piece, sink.rejects, sink.skipped)


def _without(
    sink: Sink,
    exact: Exact,
    bad: NDArray[np.int64],
    series: NDArray[np.int64],
    piece: NDArray[np.int64],
    t: NDArray[np.float64],
    x: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Leave out the bad pieces; the exact way says what is wrong with each."""
    for k in np.unique(bad).tolist():
        exact(k, sink)
    keep = ~np.isin(piece, bad)
    return series[keep], piece[keep], t[keep], x[keep]
