"""What a worker tells of the series that somebody scales or heals by: their newest points, every few seconds.

Beside the detection, not of it: it reads the rings that alerts take their evidence from, changes nothing, and what is
lost is told newer the next time. Where nothing is watched nothing is done.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

import numpy as np

from detectors.base import Rows
from pipeline.engine import Shard
from schemas.load import encode_load, load_key
from schemas.selector import Selector

WATCHED_MAX = 10_000
"""Series a worker tells of; a record of 16 points is about half a kilobyte."""
_LOOKED_AT_ONCE = 5_000  # series that are held against the selectors
_TOLD_AT_ONCE = 500  # of 16 points each: about 6 ms


class Watch:
    """Which series of each shard are watched, and up to when they have been told."""

    def __init__(self, selectors: Sequence[Selector]) -> None:
        self._selectors = tuple(dict.fromkeys(selectors))
        self._shards: WeakKeyDictionary[Shard, _Shard] = WeakKeyDictionary()
        self.counts: Counter[str] = Counter()  # told, unwatched (over the bound), unsendable, failed

    @property
    def is_needed(self) -> bool:
        return bool(self._selectors)

    @property
    def series(self) -> int:
        """Watched now."""
        return sum(len(known.rows) for known in self._shards.values())

    def news(self, shard: Shard) -> Iterator[list[tuple[bytes, bytes]]]:
        """Key and value of a record for each watched series that has a new point; in slices of a few milliseconds, so
        that detection goes on between them."""
        known = self._shards.get(shard)
        if known is None:
            known = self._shards[shard] = _Shard()
        while known.looked_at < len(shard.series):
            self._look(shard, known)
            yield []
        changed = np.flatnonzero(shard.last_t[known.rows] > known.told_t)
        for first in range(0, len(changed), _TOLD_AT_ONCE):
            yield self._records(shard, known, changed[first : first + _TOLD_AT_ONCE])

    def _records(self, shard: Shard, known: "_Shard", changed: Rows) -> list[tuple[bytes, bytes]]:
        """changed: numbers of watched series."""
        records = []
        for row in known.rows[changed].tolist():
            times, values = shard.recent.before(row)
            try:
                records.append((load_key(shard.series[row]), encode_load(shard.series[row], times, values)))
            except UnicodeEncodeError:
                self.counts["unsendable"] += 1
        known.told_t[changed] = shard.last_t[known.rows[changed]]
        return records

    def _look(self, shard: Shard, known: "_Shard") -> None:
        end = min(len(shard.series), known.looked_at + _LOOKED_AT_ONCE)
        found = [
            row
            for row in range(known.looked_at, end)
            if any(selector.matches(shard.series[row]) for selector in self._selectors)
        ]
        known.looked_at = end
        if not found:
            return
        room = max(0, WATCHED_MAX - self.series)
        self.counts["unwatched"] += max(0, len(found) - room)
        known.rows = np.append(known.rows, np.array(found[:room], np.int64))
        known.told_t = np.append(known.told_t, np.full(len(found[:room]), -np.inf))


class _Shard:
    """rows: of the watched series; told_t: event time of what was told last, by these."""

    def __init__(self) -> None:
        self.looked_at = 0
        self.rows = np.zeros(0, np.int64)
        self.told_t = np.zeros(0)
