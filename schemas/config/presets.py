"""Presets: what a rule of three lines (`name`, `match`, `preset: cpu`) means, by kind of metric. One table.

Knows keys as they stand in a rule, and nothing of detectors. What a rule writes itself stands over them (`resolve.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """keys: of a rule, as in the file. why: for the page, one sentence."""

    keys: Mapping[str, object]
    why: str


# `baseline` where no person could name a limit: its direction and floors hold for all that it says, unlike `default`'s.
PRESETS: dict[str, Preset] = {
    "cpu": Preset(
        {
            "detector": "baseline",
            "params": {"direction": "above", "min_change": 10},
            "levels": {
                "warning": 1.0,
                "critical": {"detector": "threshold", "at": "> 95", "clear": "< 90", "for": "15m"},
            },
            "for": "5m",
        },
        "In percent. Short peaks are what a CPU is for, and an idle one is nobody's trouble: 10 points above the usual "
        "for 5 minutes, or full for 15.",
    ),
    "memory": Preset(
        {
            "detector": "forecast",
            "params": {"limit": "> 95", "horizon": "4h"},
            "levels": {"warning": 1.0, "critical": 4.0},
        },
        "In percent. What hurts is running out: a leak is told hours before, caches and collected heaps are not.",
    ),
    "disk": Preset(
        {
            "detector": "forecast",
            "params": {"limit": "> 95", "horizon": "12h"},
            "levels": {"warning": 1.0, "critical": 4.0},
        },
        "In percent. Making room takes people and time: half a day's notice, and critical with three hours left.",
    ),
    "latency": Preset(
        {
            "detector": "baseline",
            "params": {"direction": "above", "min_change_relative": 0.2},
            "levels": {"warning": 1.0, "critical": 3.0},
            "for": "2m",
        },
        "Any unit. Faster is never wrong, and nobody feels less than a fifth; for 2 minutes, one slow query is none.",
    ),
    "error_ratio": Preset(
        {
            "detector": "baseline",
            "params": {"direction": "above", "min_change": 0.01},
            "levels": {"warning": 1.0, "critical": 3.0},
            "for": "1m",
        },
        "0 to 1. Mostly 0, where one failed request is many sigmas: 1 % more of all requests must fail, for a minute.",
    ),
    "traffic": Preset(
        {
            "detector": "baseline",
            "params": {"direction": "both", "min_change_relative": 0.2},
            "levels": {"warning": 1.0, "critical": 3.0},
            "for": "3m",
        },
        "Requests or bytes a second. A drop is as bad as a flood; less than a fifth is the day's own weather.",
    ),
    "queue": Preset(
        {
            "detector": "baseline",
            "params": {"direction": "above", "min_change_relative": 0.5},
            "levels": {"warning": 1.0, "critical": 3.0},
            "for": "5m",
        },
        "Length, lag or age. Queues double and halve all day; what is still there after 5 minutes is not worked off.",
    ),
    "counter": Preset(
        {
            "detector": "baseline",
            "params": {"direction": "both"},
            "levels": {"warning": 1.0, "critical": 3.0},
            "for": "2m",
        },
        "Events a minute or a second (a rate, not the running total): no unit is known, so no floor; jobs that "
        "double or stop.",
    ),
    "business": Preset(
        {
            "detector": "baseline",
            "params": {"direction": "below", "min_change_relative": 0.3},
            "levels": {"warning": 1.0, "critical": 3.0},
            "for": "15m",
        },
        "Orders, sign-ups, revenue. More is good news; small numbers scatter, so a third less than usual for a "
        "quarter of an hour.",
    ),
}
