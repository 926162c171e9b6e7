"""A series, or a set of them, that stops: silence, in units of what a person allows. Knows when it spoke last, not what
it said.

The engine decides its alerts by time, at the deadline (`alerting/absence.py`); `update` says the same after the fact.
"""

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors.base import Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from schemas.compiled import compiled
from schemas.config import Duration
from schemas.duration import format_duration


class Params(Settings):
    """Settings of `absent`."""

    of_groups: ClassVar[bool | None] = None

    after: Duration = Field(default=300.0, gt=0, description="How long it may be silent: 1.0 of the levels.")


class Absent(Detector):
    """Score: silence / `after`. A row can only tell of the silence before it.

    >>> from detectors.base import VERDICT
    >>> absent = Absent(Params(after=60.0), ())
    >>> absent.grow(1)
    >>> out = np.zeros(3, VERDICT)
    >>> absent.update(np.zeros(3, np.int64), np.zeros(3, np.bool_), np.array([0.0, 30.0, 210.0]), np.zeros(3), out)
    >>> out["score"].tolist()
    [0.0, 0.0, 3.0]
    """

    kind: ClassVar[str] = "absent"
    levels_on: ClassVar[Literal["score", "value", "silence"]] = "silence"
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Any, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"absent takes its own Params, got {type(params).__name__}")
        self.after_s = params.after
        self._seen: NDArray[np.generic] = np.zeros(0, _SEEN)

    def grow(self, rows: int) -> None:
        self._seen = grown(self._seen, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        _run(self._seen, self.after_s, rows, fresh, t, out)

    def why(self, point: Point) -> str:
        return f"no data for {format_duration(point.score * self.after_s)}"

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"seen": self._seen}


_SEEN = np.dtype([("t", "f8")])  # Unix s of the newest row; 0: none


@compiled
def _run(seen: Any, after_s: float, rows: Rows, fresh: Flags, t: Floats, out: Any) -> None:
    for i in range(len(rows)):
        s, v = seen[rows[i]], out[i]
        v.expected = v.lower = v.upper = np.nan
        v.score = v.deviation = v.part = 0.0
        if not fresh[i] and s.t > 0.0 and t[i] - s.t >= after_s:
            v.score = (t[i] - s.t) / after_s
        s.t = t[i]
