"""What is answered to who asks how many replicas a load needs. Told the time; remembers its own earlier answers."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from incidents.remedies.load import Load, together
from incidents.remedies.scaling import Bounds, recommended
from schemas.metric import Series
from schemas.response.scaling import Scaling

_ANSWERS_MAX = 10_000


@dataclass(frozen=True)
class Advice:
    """replicas: how many there should be. load: of all series that count; series: how many those are."""

    replicas: int
    load: Load
    series: int
    reason: str


@dataclass(frozen=True)
class NoAdvice:
    """Nothing is known. It must never be taken for 0: who asks falls back to what it was told to."""

    reason: str


class Adviser:
    """One scaling's answers. Up at once, down only when it has long been low; the first answer knows no earlier one."""

    def __init__(self, scaling: Scaling) -> None:
        self.scaling = scaling
        self._answers: deque[tuple[float, int]] = deque(maxlen=_ANSWERS_MAX)
        self._last: tuple[float, int] | None = None  # when the answer became what it is, and what it is

    def advise(self, loads: Mapping[Series, Load], now_s: float) -> Advice | NoAdvice:
        """loads: of the series that match."""
        scaling = self.scaling
        if not loads:
            return NoAdvice(f"nothing is known of any series that matches {scaling.selector}: does a worker watch it?")
        fresh = [load for load in loads.values() if now_s - load.at_s <= scaling.stale_after_s]
        if not fresh:
            newest_s = max(load.at_s for load in loads.values())
            return NoAdvice(
                f"no fresh data: the newest point of {len(loads)} series is {now_s - newest_s:.0f} s old, and "
                f"{scaling.stale_after_s:g} s count"
            )
        load = together(fresh, scaling.aggregate)
        current = self._current(load, len(fresh))
        share = 1.0 / max(current, 1) if scaling.aggregate == "sum" else 1.0
        bounds = Bounds(
            replicas_min=scaling.replicas_min,
            replicas_max=scaling.replicas_max,
            step_up_max=scaling.step_up_max,
            step_down_max=scaling.step_down_max,
            tolerance=0.0 if scaling.aggregate == "sum" else 0.1,  # a sum's current number is our own last answer
            stabilise_down_s=scaling.stabilise_down_s,
        )
        try:
            found = recommended(
                current,
                load.value * share,
                scaling.target,
                bounds,
                list(self._answers),
                now_s,
                slope_per_s=None if load.slope_per_s is None else load.slope_per_s * share,
                lead_s=scaling.lead_s + max(0.0, now_s - load.at_s),
            )
        except ValueError as error:
            return NoAdvice(str(error))
        self._remember(now_s, found.wanted, found.replicas)
        return Advice(found.replicas, load, len(fresh), found.reason)

    def _current(self, load: Load, series: int) -> int:
        """How many there are: for a sum nobody says, so what was answered last, or what the load asks for now."""
        if self.scaling.aggregate != "sum":
            return series
        if self._last is not None:
            return self._last[1]
        wanted = math.ceil(load.value / self.scaling.target) if math.isfinite(load.value) else 1
        return min(max(wanted, self.scaling.replicas_min, 1), self.scaling.replicas_max)

    def _remember(self, now_s: float, wanted: int, replicas: int) -> None:
        while self._answers and self._answers[0][0] <= now_s - self.scaling.stabilise_down_s:
            self._answers.popleft()
        self._answers.append((now_s, wanted))
        if self._last is None or self._last[1] != replicas:
            self._last = (now_s, replicas)
