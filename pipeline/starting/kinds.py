"""Which preset fits a metric, by its name and the values seen. One table; the first line that fits counts.

A name alone deceives: what calls itself a percentage and reads 4,000 is none. So each line says which values it takes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

_INF = float("inf")


@dataclass(frozen=True)
class Seen:
    """What a sample shows of a metric, over all its series."""

    metric: str
    series: int
    labels: frozenset[str]  # names that all its series have
    values: int
    low: float
    high: float
    rises: bool  # in no series a value fell, and in some it rose
    steps: int  # rises in the series that has the most


@dataclass(frozen=True)
class Kind:
    """keys: of the rule beside name and match, as in the file. why: for the comment above the rule."""

    name: str
    shape: re.Pattern[str]
    keys: Mapping[str, object]
    why: str
    but: re.Pattern[str] = field(default_factory=lambda: re.compile(r"(?!)"))
    low: float = -_INF
    high: float = _INF

    def takes(self, seen: Seen) -> bool:
        name = seen.metric.lower()
        return bool(
            self.low <= seen.low and seen.high <= self.high and self.shape.search(name) and not self.but.search(name)
        )


def _of(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_PERCENT = r"(percent|pct|util|usage)"
KINDS: tuple[Kind, ...] = (
    Kind(
        "cpu-idle",
        _of(r"cpu.*idle"),
        {
            "detector": "baseline",
            "params": {"direction": "below", "min_change": 10},
            "levels": {
                "warning": 1.0,
                "critical": {"detector": "threshold", "at": "< 5", "clear": "> 10", "for": "15m"},
            },
            "for": "5m",
        },
        "Idle time of CPUs in percent: 10 points less than usual for 5 minutes, or nearly none for 15.",
        low=0,
        high=100,
    ),
    Kind(
        "cpu",
        _of(rf"cpu.*({_PERCENT}|busy|active)|^cpu$"),
        {"preset": "cpu"},
        "CPU in percent: well above its usual for 5 minutes, or full for 15.",
        low=0,
        high=100,
    ),
    Kind(
        "memory",
        _of(rf"(mem|memory|swap|heap).*{_PERCENT}"),
        {"preset": "memory"},
        "Memory in percent: told hours before it runs out.",
        but=_of("avail|free"),
        low=0,
        high=100,
    ),
    Kind(
        "disk",
        _of(rf"(disk|filesystem|(^|_)fs|volume|inodes?)_.*used.*{_PERCENT}|(disk|filesystem|volume)_{_PERCENT}"),
        {"preset": "disk"},
        "Disks in percent: told half a day before they are full.",
        but=_of("avail|free"),
        low=0,
        high=100,
    ),
    Kind(
        "error-ratio",
        _of(r"(error|fail|5xx).*(ratio|share|rate|fraction)"),
        {"preset": "error_ratio"},
        "Failed requests, 0 to 1: 1 % more than usual for a minute.",
        low=0,
        high=1,
    ),
    Kind(
        "latency",
        _of(r"latency|duration|response_time|await|(^|_)rtt"),
        {"preset": "latency"},
        "Times: slower than usual, by a fifth at least, for 2 minutes.",
        but=_of(r"count|sum$|stddev|bucket"),
        low=0,
    ),
    Kind(
        "queue",
        _of(r"queue|(^|_)lag($|_)|backlog|pending"),
        {"preset": "queue"},
        "Queues: longer than usual, by half at least, for 5 minutes.",
        low=0,
    ),
    Kind(
        "business",
        _of(r"orders|sign_?ups|revenue|sales|payments"),
        {"preset": "business"},
        "Business: a third less than usual for a quarter of an hour.",
        but=_of("error|fail"),
        low=0,
    ),
    Kind(
        "traffic",
        _of(r"requests|(^|_)[rq]ps($|_)|throughput|_per_second|traffic"),
        {"preset": "traffic"},
        "Traffic: a drop is as bad as a flood; a fifth at least, for 3 minutes.",
        but=_of("error|fail"),
        low=0,
    ),
)
OTHERS = Kind(
    "unusual",
    _of(""),
    {"detector": "default", "levels": {"warning": 1.0, "critical": 2.0}, "for": "1m", "budget": "10/day"},
    "Whatever else moves: learned for each series. 1.0 is the border of its usual, 2.0 twice as far.",
)

_TOTAL_NAME = _of(
    r"_total$|_count$|_sum$|bytes_(recv|sent)|packets_(recv|sent)|(err|drop)_(in|out)|uptime|"
    r"diskio_.*(reads|writes|bytes|time)$"
)
_TOTAL_STEPS = 30  # rises without one fall; a gauge that does so is rare, a shorter climb is not
_SIZE_NAME = _of(r"(_|^)(total|limit|size|max|speed|capacity|n_(physical_)?cpus)$")
LeftOut = Literal["running totals", "sizes that never changed", "idle time of CPUs"]
WHY_LEFT_OUT: dict[LeftOut, str] = {
    "running totals": "rules judge values, so publish their rate (kind `delta`, or a rate in the collector)",
    "idle time of CPUs": "the rule cpu watches what is not idle",
    "sizes that never changed": "nothing to learn from; write a threshold where a change would matter",
}


def left_out(seen: Seen) -> LeftOut | None:
    """Why no rule watches it, if none should."""
    name = seen.metric.lower()
    if seen.rises and (_TOTAL_NAME.search(name) or seen.steps >= _TOTAL_STEPS):
        return "running totals"
    if seen.low == seen.high and seen.values > 1:
        # A count of errors that stays at nought is a total that waits.
        if _TOTAL_NAME.search(name) and not _SIZE_NAME.search(name):
            return "running totals"
        if _SIZE_NAME.search(name):
            return "sizes that never changed"
    return None


def kind_of(seen: Seen) -> Kind:
    return next((kind for kind in KINDS if kind.takes(seen)), OTHERS)
