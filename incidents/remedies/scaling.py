"""How many replicas a load needs: up at once, down only when the load has long been low. Pure arithmetic.

The same rule answers a scaling act and KEDA's question; both bring the current number, the load and what was
recommended lately.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Between which numbers, by how many at once, and how long to wait. None: no such limit.

    tolerance: as a share of the target; a load nearer to it changes nothing (Kubernetes' own autoscaler has 0.1).
    stabilise_down_s: down to the highest number that was recommended in this time, no further.
    up_cooldown_s, down_cooldown_s: since the number was last changed, in either direction.
    """

    replicas_min: int = 1
    replicas_max: int = 10
    step_up_max: int | None = None
    step_down_max: int | None = None
    tolerance: float = 0.1
    stabilise_down_s: float = 300.0
    up_cooldown_s: float = 0.0
    down_cooldown_s: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError where they hold no number."""
        if not 0 <= self.replicas_min <= self.replicas_max or self.replicas_max < 1:
            raise ValueError(f"no number of replicas lies between {self.replicas_min} and {self.replicas_max}")


@dataclass(frozen=True)
class Recommendation:
    """How many there should be, and why, as one clause. wanted: what the load alone asks for, within min and max."""

    replicas: int
    reason: str
    wanted: int


def recommended(
    current: int,
    value: float,
    target: float,
    bounds: Bounds,
    history: Sequence[tuple[float, int]],
    now_s: float,
    slope_per_s: float | None = None,
    lead_s: float = 0.0,
    changed_s: float | None = None,
) -> Recommendation:
    """value, target: load on each of the `current` replicas, and the load each should have, in one unit.

    slope_per_s: trend of the value; with it the load in `lead_s` counts where that is higher, never where it is lower.
    history: (Unix seconds, `wanted`) of earlier answers, any order. changed_s: when `current` last became what it is.

    >>> recommended(3, 92.0, 60.0, Bounds(replicas_max=10), [], now_s=0.0)
    Recommendation(replicas=5, reason='92 on each of 3, 60 wanted: 5', wanted=5)
    >>> recommended(5, 12.0, 60.0, Bounds(), [(0.0, 4)], now_s=60.0).replicas
    4

    Raises ValueError where a number isn't one: whoever asks must not take silence for idleness.
    """
    if not (math.isfinite(value) and math.isfinite(target)) or target <= 0 or value < 0 or current < 0:
        raise ValueError(f"no load to go by: {value:g} on each of {current} replicas, {target:g} wanted")
    ahead = _ahead(value, slope_per_s, lead_s)
    load, words = (ahead, f"{value:.4g} now, {ahead:.4g} in {lead_s:g} s") if ahead > value else (value, f"{value:.4g}")
    raw = _raw(current, load, target, bounds.tolerance)
    wanted = min(max(raw, bounds.replicas_min), bounds.replicas_max)
    why = f"{words} on each of {current}, {target:.4g} wanted: {raw}"
    if wanted != raw:
        why += f", kept within {bounds.replicas_min} to {bounds.replicas_max}"
    replicas, held = _held(current, wanted, bounds, history, now_s, changed_s)
    return Recommendation(replicas, f"{why}{held}", wanted)


def _ahead(value: float, slope_per_s: float | None, lead_s: float) -> float:
    if slope_per_s is None or not math.isfinite(slope_per_s) or slope_per_s <= 0 or lead_s <= 0:
        return value
    return value + slope_per_s * lead_s


def _raw(current: int, load: float, target: float, tolerance: float) -> int:
    # Nothing runs, so nothing measures a load each: the load is that of one.
    running = max(current, 1)
    if current and abs(load / target - 1.0) <= tolerance:
        return current
    # 3 * 20 / 60 is 1.0000000000000002 for some: a hair above a whole number isn't one more.
    return math.ceil(running * (load / target) - 1e-9)


def _held(
    current: int,
    wanted: int,
    bounds: Bounds,
    history: Sequence[tuple[float, int]],
    now_s: float,
    changed_s: float | None,
) -> tuple[int, str]:
    """What of it may be done now, and what holds back the rest. Outside min and max nothing holds it back."""
    inside = min(max(current, bounds.replicas_min), bounds.replicas_max)
    if wanted > current:
        if inside == current and (waits := _waits(changed_s, now_s, bounds.up_cooldown_s)):
            return current, f"; {waits}"
        most = wanted if bounds.step_up_max is None else max(current + bounds.step_up_max, inside)
        return (most, f"; at most {bounds.step_up_max} more at once") if most < wanted else (wanted, "")
    if wanted < current:
        if inside == current and (waits := _waits(changed_s, now_s, bounds.down_cooldown_s)):
            return current, f"; {waits}"
        lately = max((n for at_s, n in history if at_s > now_s - bounds.stabilise_down_s), default=wanted)
        floor = min(max(lately, wanted), inside)
        least = floor if bounds.step_down_max is None else max(floor, min(current - bounds.step_down_max, inside))
        if least > floor:
            return least, f"; at most {bounds.step_down_max} fewer at once"
        if least > wanted:
            return least, f"; {lately} were needed within {bounds.stabilise_down_s:g} s"
        return least, ""
    return current, ""


def _waits(changed_s: float | None, now_s: float, cooldown_s: float) -> str:
    """Why it is too soon after the last change; empty where it isn't."""
    if changed_s is None or now_s >= changed_s + cooldown_s:
        return ""
    return f"changed {now_s - changed_s:.0f} s ago, waits {cooldown_s:g} s"
