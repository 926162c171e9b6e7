"""A detector that does nothing but heed: its bar is doubled by `noise`, halved by `missed`, set to twice the newest
value by `normal`; a value at the bar scores 1."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

import detectors
from detectors.base import Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from schemas.config import Config, load_config
from schemas.levels import Border


class Params(Settings):
    """bar: of every series, before anyone has said anything."""

    bar: float = 100.0


class Bar(Detector):
    """State: by how much the bar was multiplied, 0 before the first event; and the newest value."""

    kind: ClassVar[str] = "bar"
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        assert isinstance(params, Params)
        self._bar = params.bar
        self._times, self._newest = np.zeros(0), np.zeros(0)

    def grow(self, rows: int) -> None:
        self._times, self._newest = grown(self._times, rows), grown(self._newest, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        for i, row in enumerate(rows.tolist()):
            if fresh[i] or not self._times[row]:
                self._times[row] = 1.0
            bar = self._bar * self._times[row]
            score = max(0.0, float(x[i]) / bar)
            out[i] = (np.nan, np.nan, bar, score, 4.0 * (score >= 1.0), 0.0)
            self._newest[row] = x[i]

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        if not self._times[row]:
            self._times[row] = 1.0
        if verdict == "normal":
            if undo:
                return False
            self._times[row] = max(1e-6, 2 * self._newest[row] / self._bar)
        else:
            self._times[row] *= 2.0 if (verdict == "noise") != undo else 0.5
        return True

    def why(self, point: Point) -> str:
        return f"value {point.value:.6g} is at the bar {point.upper:.6g}"

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"times": self._times, "newest": self._newest}


@contextmanager
def known() -> Iterator[None]:
    """While rules may name it."""
    was_known = "bar" in detectors.KINDS
    detectors.KINDS["bar"], detectors.PARAMS["bar"], detectors.LEVELS_ON["bar"] = Bar, Params, "score"
    try:
        yield
    finally:
        for table in () if was_known else (detectors.KINDS, detectors.PARAMS, detectors.LEVELS_ON):
            del table["bar"]


def config(text: str) -> Config:
    return load_config(text, "test.yaml", detectors.PARAMS, detectors.LEVELS_ON)
