"""How well `forecast` foretells a limit, and how often `trend` and `forecast` speak for nothing. On made series.

Months of a value a minute or every five: random walks, days and weeks, cron bursts, sawtooth. The limit lies above all
that the series does by itself, by a tenth of its range to all of it, so that near misses are among them. Into copies of
the same series comes a ramp that reaches the limit: straight, quickening or with steps, within two hours to a day.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import KINDS
from detectors.base import VERDICT

Floats = NDArray[np.float64]
Rng = np.random.Generator
DAY_S = 86_400.0
DAYS = 30
START_S = 1.7e9
AHEAD_S = 1_800.0  # an alert must come so long before the limit
LATE_S = 1.5  # horizons: a limit that is reached so long after the alert was foretold, if early
HORIZON_S = 14_400.0
CLEAR = 3.0  # |deviation| below which an alert clears
HEADROOM = (0.1, 1.0)  # of the range that a series has by itself, between its highest value and the limit
SERIES_EACH = 6  # of each shape: half with a value a minute, half with one every five


def walk(rng: Rng, t: Floats) -> Floats:
    """A random walk of 1 an hour that is drawn back within four days, as queues and sizes of caches do."""
    step = t[1] - t[0]
    noise = rng.normal(0.0, np.sqrt(step / 3600.0), len(t))
    x = np.empty(len(t))
    keep, level = np.exp(-step / (4 * DAY_S)), 0.0
    for i, e in enumerate(noise):
        level = keep * level + e
        x[i] = level
    return 50.0 + x


def free_walk(rng: Rng, t: Floats) -> Floats:
    """A random walk of 1 an hour that nothing holds."""
    return 50.0 + np.cumsum(rng.normal(0.0, np.sqrt((t[1] - t[0]) / 3600.0), len(t)))


def season(rng: Rng, t: Floats) -> Floats:
    """Days, with a second peak and quiet week ends, and noise that lasts for minutes."""
    day = 2.0 * np.pi * t / DAY_S + rng.uniform(0.0, 6.28)
    wave = np.sin(day) + rng.uniform(0.0, 0.5) * np.sin(2.0 * day + rng.uniform(0.0, 6.28))
    wave *= np.where(t // DAY_S % 7 >= 5, rng.uniform(0.5, 1.0), 1.0)
    return 50.0 + 20.0 * wave + rng.normal(0.0, rng.uniform(0.2, 3.0), len(t))


def bursts(rng: Rng, t: Floats) -> Floats:
    """A quiet level; every hour or every night a job that climbs for 10 to 60 minutes and ends."""
    every, climb = rng.choice([3600.0, 6 * 3600.0, DAY_S]), rng.uniform(600.0, 3600.0)
    late = (t + rng.normal(0.0, 60.0)) % every
    job = np.where(late < min(climb, every / 2), late / climb, 0.0)
    return 40.0 + rng.uniform(10.0, 40.0) * job + rng.normal(0.0, rng.uniform(0.2, 2.0), len(t))


def saw(rng: Rng, t: Floats) -> Floats:
    """A log that grows and is rotated, a heap that is collected: every one to 36 hours, not quite on time."""
    every, x, level = rng.uniform(3600.0, 1.5 * DAY_S), np.empty(len(t)), rng.random()
    step = t[1] - t[0]
    end = 1.0
    for i in range(len(t)):
        level += step / every
        if level >= end:
            level, end = 0.0, rng.normal(1.0, 0.03)
        x[i] = level
    return 30.0 + 40.0 * x + rng.normal(0.0, 0.5, len(t))


def quiet(rng: Rng, t: Floats) -> Floats:
    """A level with noise."""
    return 50.0 + rng.normal(0.0, rng.uniform(0.1, 3.0), len(t))


SHAPES: dict[str, Callable[[Rng, Floats], Floats]] = {
    "quiet": quiet,
    "walk": walk,
    "free walk": free_walk,
    "season": season,
    "bursts": bursts,
    "saw": saw,
}


@dataclass(frozen=True)
class Alerts:
    """Rows where alerts open, and rows where they clear."""

    opened: list[int]
    cleared: list[int]


def alerts(kind: str, params: dict[str, Any], t: Floats, x: Floats) -> Alerts:
    """What a rule with the level 1.0 opens on one series."""
    cls = KINDS[kind]
    detector = cls(cls.Params(**params), ())
    detector.grow(1)
    out = np.zeros(len(x), VERDICT)
    detector.update(np.zeros(len(x), np.int64), np.zeros(len(x), np.bool_), t, x, out)
    opened: list[int] = []
    cleared: list[int] = []
    score, held = out["score"], np.abs(out["deviation"]) >= CLEAR
    for i in np.flatnonzero((score >= 1.0) | ~held):
        if score[i] >= 1.0 and len(opened) == len(cleared):
            opened.append(int(i))
        elif score[i] < 1.0 and not held[i] and len(opened) > len(cleared):
            cleared.append(int(i))
    return Alerts(opened, cleared)


def ramp(rng: Rng, t: Floats, x: Floats, limit: float) -> tuple[Floats, float]:
    """`x` with a rise that brings it to the limit, and when that begins, Unix s; it stays there for two hours."""
    begin = START_S + rng.uniform(5.0, DAYS - 3.0) * DAY_S
    length = 3600.0 * np.exp(rng.uniform(np.log(2.0), np.log(24.0)))
    share = np.clip((t - begin) / length, 0.0, (length + 7200.0) / length)
    at = int(np.searchsorted(t, begin))
    shape = rng.choice(["straight", "quickening", "steps"])
    if shape == "quickening":
        share = share**1.5
    elif shape == "steps":
        size = rng.uniform(600.0, 1200.0) / length
        share = np.floor(share / size) * size
    height = 1.15 * (limit - float(np.median(x[max(at - 30, 0) : at + 1])))
    return x + height * share * (t < begin + length + 7200.0), begin


def one(rng: Rng, shape: str, step_s: float, **params: Any) -> dict[str, float]:
    """Counts of one series: false alerts in the month without a ramp, and whether the ramp's limit was foretold."""
    t = START_S + np.arange(0.0, DAYS * DAY_S, step_s)
    x = SHAPES[shape](rng, t)
    limit = float(x.max() + rng.uniform(*HEADROOM) * (x.max() - x.min()))
    settings = {"limit": f"> {limit!r}", "horizon": HORIZON_S, **params}
    false = len(alerts("forecast", settings, t, x).opened)
    false_trends = len(alerts("trend", {}, t, x).opened)
    risen, begin = ramp(rng, t, x, limit)
    over = np.flatnonzero((risen > limit) & (t >= begin))
    found = alerts("forecast", settings, t, risen)
    counted = {"false": float(false), "false_trends": float(false_trends), "limits": 0.0, "foretold": 0.0}
    if len(over) == 0:
        return counted
    crossed = t[over[0]]
    before = [t[i] for i in found.opened if max(begin, crossed - LATE_S * HORIZON_S) <= t[i] <= crossed - AHEAD_S]
    return counted | {"limits": 1.0, "foretold": float(bool(before)), "ahead_s": crossed - before[0] if before else 0.0}


def measure(seed: int, series_each: int = SERIES_EACH, **params: Any) -> dict[str, Any]:
    """By shape and over all: share of limits foretold 30 minutes ahead, median lead, false alerts a series and month.

    params: settings of `forecast` other than the default's.
    """
    rows: dict[str, dict[str, float]] = {}
    leads: list[float] = []
    for number, shape in enumerate(SHAPES):
        rng = np.random.default_rng([seed, number])
        each = [one(rng, shape, 60.0 if k % 2 else 300.0, **params) for k in range(series_each)]
        limits = sum(row["limits"] for row in each)
        leads += [row["ahead_s"] for row in each if row["foretold"]]
        rows[shape] = {
            "foretold": sum(row["foretold"] for row in each) / max(limits, 1.0),
            "limits": limits,
            "false_per_month": sum(row["false"] for row in each) / len(each),
            "false_trends_per_month": sum(row["false_trends"] for row in each) / len(each),
        }
    limits = sum(row["limits"] for row in rows.values())
    return {
        "shapes": rows,
        "foretold": sum(row["foretold"] * row["limits"] for row in rows.values()) / limits,
        "lead_min_median": float(np.median(leads)) / 60.0 if leads else 0.0,
        "false_per_month": float(np.mean([row["false_per_month"] for row in rows.values()])),
        "false_trends_per_month": float(np.mean([row["false_trends_per_month"] for row in rows.values()])),
    }
