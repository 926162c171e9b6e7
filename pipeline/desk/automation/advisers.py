"""Answers to who asks how many replicas a load needs, from what the workers told last."""

import threading
from collections.abc import Callable, Sequence

from incidents.remedies.advice import Advice, Adviser, NoAdvice
from pipeline.desk.automation.load import Loads
from schemas.response.scaling import Scaling


class Advisers:
    """All of `automation.scaling`, by name. Thread-safe."""

    def __init__(self, scaling: Sequence[Scaling], loads: Loads, now: Callable[[], float]) -> None:
        self._advisers = {each.name: Adviser(each) for each in scaling}
        self._loads, self._now = loads, now
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        return list(self._advisers)

    def advise(self, name: str) -> tuple[Scaling, Advice | NoAdvice]:
        """Raises KeyError."""
        adviser = self._advisers[name]
        with self._lock:
            return adviser.scaling, adviser.advise(self._loads.values(adviser.scaling.selector), self._now())
