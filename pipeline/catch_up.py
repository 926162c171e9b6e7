"""When all that lay unread at a rebalance is applied: a checkpoint right then spares a second fault all of it."""

import asyncio
from collections.abc import Iterable, Mapping

from pipeline.partition import TP

NEARLY_S = 0.25  # age of the newest applied record where more comes all the while
FETCHED_WITHIN_S = 2.0  # Kafka holds an empty fetch for 1.5 s: until then an end may be the one of before


class CatchUp:
    """`reached` is set when each partition since `begin` has been read to its end once."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._behind: set[TP] = set()
        self._began_s = 0.0

    def begin(self, tps: Iterable[TP], monotonic_s: float) -> None:
        """A rebalance is over, and these are held."""
        self._behind, self._began_s = set(tps), monotonic_s

    def applied(self, tp: TP, lag_records: int, age_s: float) -> None:
        """A batch is. age_s: of its last record; NaN where that isn't known."""
        if not lag_records or age_s < NEARLY_S:
            self._leave({tp})

    def second_passed(self, lag_records: Mapping[TP, int], monotonic_s: float) -> None:
        """For partitions that nothing comes for. lag_records: of those whose end is known."""
        if monotonic_s - self._began_s >= FETCHED_WITHIN_S:
            self._leave({tp for tp, lag in lag_records.items() if not lag})

    def _leave(self, tps: set[TP]) -> None:
        if self._behind:
            self._behind -= tps
            if not self._behind:
                self.reached.set()
