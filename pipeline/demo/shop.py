"""A small shop, second by second: its series, their noise, and the faults of the script. The same in every run.

Values follow from the second alone: `second` counts from the start of the history, `script_s` from the start of the
script (negative: before it, or where none runs).
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from schemas.levels import LevelName
from schemas.metric import Series

HISTORY_S = 3600
SCRIPT_S = 60  # all faults have begun and shown within
CYCLE_S = 240  # without a duration the script runs again after so long
NEW_EVERY_S, NEW_UNTIL_S = 2, 560  # the new feature's series: it ends before the 300 points of its rule's warm-up


@dataclass(frozen=True)
class Fault:
    """One scripted fault on one series, and what is expected to be said of it.

    Seconds of the script. `value(s)`: the series' value `s` seconds into the fault, given its normal value. levels: to
    be read back in this order.
    """

    title: str
    series: Series
    begins_s: int
    ends_s: int
    value: Callable[[int, float], float]
    rule: str
    levels: tuple[LevelName, ...]


@dataclass(frozen=True)
class Normal:
    """What a series is like without faults: its level, and the shares of that which a wave and noise add."""

    series: Series
    level: float
    wave: float
    noise: float
    unit: str = ""
    highest: float = math.inf


def _s(metric: str, **labels: str) -> Series:
    return Series.of(metric, labels)


NEW = _s("shop_requests_new_feature", service="checkout")
_CHECKOUT, _CATALOG, _PAYMENTS = {"service": "checkout"}, {"service": "catalog"}, {"service": "payments"}

NORMALS: tuple[Normal, ...] = (
    Normal(_s("shop_http_requests_per_s", **_CATALOG), 240.0, 0.15, 0.03, "1/s"),
    Normal(_s("shop_http_requests_per_s", **_CHECKOUT), 40.0, 0.15, 0.05, "1/s"),
    Normal(_s("shop_http_requests_per_s", **_PAYMENTS), 22.0, 0.15, 0.05, "1/s"),
    Normal(_s("shop_error_ratio", **_CATALOG), 0.002, 0.0, 0.15),
    Normal(_s("shop_error_ratio", **_CHECKOUT), 0.003, 0.0, 0.15),
    Normal(_s("shop_error_ratio", **_PAYMENTS), 0.004, 0.0, 0.15),
    Normal(_s("shop_latency_ms", quantile="0.95", **_CHECKOUT), 180.0, 0.05, 0.04, "ms"),
    Normal(_s("shop_latency_ms", quantile="0.95", **_PAYMENTS), 120.0, 0.03, 0.05, "ms"),
    Normal(_s("shop_queue_depth", queue="emails"), 60.0, 0.03, 0.06),
    Normal(_s("shop_orders_per_min", region="eu"), 90.0, 0.04, 0.05, "1/min"),
    Normal(_s("shop_orders_per_min", region="us"), 60.0, 0.2, 0.03, "1/min"),
    Normal(_s("cpu_usage", host="web-1"), 38.0, 0.1, 0.05, "%", 100.0),
    Normal(_s("cpu_usage", host="web-2"), 41.0, 0.1, 0.05, "%", 100.0),
)

FAULTS: tuple[Fault, ...] = (
    Fault(
        "checkout answers more and more with errors",
        _s("shop_error_ratio", **_CHECKOUT),
        6,
        50,
        lambda s, x: x + (0.012 if s < 18 else 0.07),
        "errors",
        ("warning", "critical"),
    ),
    Fault(
        "payments get slow",
        _s("shop_latency_ms", quantile="0.95", **_PAYMENTS),
        14,
        40,
        lambda s, x: 5.0 * x,
        "unusual",
        ("critical",),
    ),
    Fault(
        "web-2 is short of processor time",
        _s("cpu_usage", host="web-2"),
        20,
        55,
        lambda s, x: x + (47.0 if s < 12 else 56.5),
        "high-cpu",
        ("warning", "critical"),
    ),
    Fault(
        "e-mails pile up",
        _s("shop_queue_depth", queue="emails"),
        28,
        62,
        lambda s, x: x + 3.0 * s * s,
        "unusual",
        ("critical",),
    ),
    Fault(
        "orders from the EU stop",
        _s("shop_orders_per_min", region="eu"),
        36,
        64,
        lambda s, x: 0.1 * x,
        "unusual",
        ("critical",),
    ),
)


class Shop:
    """Told the seconds one after another, since noise goes on from where it was."""

    def __init__(self, seed: int = 1) -> None:
        self._noises = [np.random.default_rng([seed, zlib.crc32(str(n.series).encode())]) for n in NORMALS]
        self._new = np.random.default_rng(seed)

    def second(self, second: int, script_s: int = -1) -> list[tuple[Series, float, str]]:
        """(series, value, unit) of all series at this second."""
        told = []
        for normal, noise in zip(NORMALS, self._noises, strict=True):
            wave = 1.0 + normal.wave * math.sin(2.0 * math.pi * second / 1800.0)
            x = normal.level * wave * (1.0 + normal.noise * float(np.clip(noise.standard_normal(), -3.0, 3.0)))
            for fault in FAULTS:
                if fault.series == normal.series and fault.begins_s <= script_s < fault.ends_s:
                    x = fault.value(script_s - fault.begins_s, x)
            told.append((normal.series, round(min(x, normal.highest), 6), normal.unit))
        return told

    def new_feature(self) -> float:
        """A value of the series that only warms up: anything between silence and a rush."""
        return round(float(self._new.exponential(20.0)) * float(self._new.choice([0.0, 1.0, 1.0, 8.0])), 3)
