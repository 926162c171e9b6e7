"""Faults put into real series: what was done to which rows is known, because we did it.

The unit of an amplitude is the *local sigma*: the robust sigma of the differences of neighbouring rows around the
place, over sqrt(2), so what the series does there anyway. A place has no label near, and some noise. Which fault stands
where follows from a seed and the series' name alone.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.quality.data import Labelled
from detectors.base import Flags, Floats, Rows

AMPLITUDES = (5.0, 8.0, 12.0, 20.0)
HOST_ROWS_MAX = (
    40_000  # the newest rows of a longer series: four weeks of minutes, so that each series counts about the same
)
AROUND = 120  # rows on each side that a place's noise is measured on
CLEAR = 60  # rows on each side without a label
APART = 1_000  # rows between two faults
HOUR_S = 3600.0
SIGMA_OF_MAD = 1.4826
GRACE_ROWS = 5  # behind a fault's last row, in which it may still be found
Random = np.random.Generator


@dataclass(frozen=True)
class Fault:
    """first, last: rows of the series with faults in it; for missing data the first row after, twice."""

    kind: str
    first: int
    last: int


@dataclass(frozen=True)
class Place:
    """Where a fault goes: its first row, the local sigma there, and rows an hour."""

    first: int
    sigma: float
    hour: int


Shape = Callable[[Floats, Place, float, Random], tuple[Floats, int]]
"""Values from the place on, to be changed in place or replaced; returns them with the number of rows of the fault."""


def local_sigma(x: Floats, first: int) -> float:
    """Robust sigma of one row's noise around `first`; 0 where most neighbours are equal, NaN where there are none."""
    near = x[max(first - AROUND, 0) : first + AROUND]
    steps = np.abs(np.diff(near[np.isfinite(near)]))
    return SIGMA_OF_MAD * float(np.median(steps)) / np.sqrt(2.0) if len(steps) >= AROUND else float("nan")


def _block(low: int, high: int, sign: int = 0) -> Shape:
    """`low`..`high` rows moved by the amplitude; sign 0: up or down."""

    def shape(x: Floats, place: Place, size: float, random: Random) -> tuple[Floats, int]:
        rows = int(random.integers(low, high + 1))
        x[:rows] += (sign or random.choice((-1, 1))) * size
        return x, rows

    return shape


def _shift(x: Floats, place: Place, size: float, random: Random) -> tuple[Floats, int]:
    return x + random.choice((-1, 1)) * size, place.hour


def _variance(x: Floats, place: Place, size: float, random: Random) -> tuple[Floats, int]:
    """60 rows whose noise is so much larger that three sigmas of it are the amplitude."""
    rows = 60
    x[:rows] += random.normal(0.0, size / 3.0, len(x[:rows]))
    return x, rows


def _ramp(x: Floats, place: Place, size: float, random: Random) -> tuple[Floats, int]:
    """An hour up or down to the amplitude, an hour there, an hour back, which isn't asked for."""
    up = np.arange(1, place.hour + 1) / place.hour
    whole = np.concatenate([up, np.ones(place.hour), up[::-1]])[: len(x)]
    x[: len(whole)] += random.choice((-1, 1)) * size * whole
    return x, place.hour


def _stuck(x: Floats, place: Place, size: float, random: Random) -> tuple[Floats, int]:
    rows = int(random.integers(30, 121))
    x[:rows] = x[0]
    return x, rows


KINDS: dict[str, Shape] = {
    "spike": _block(1, 2, +1),
    "dip": _block(1, 2, -1),
    "burst": _block(3, 7),
    "plateau": _block(8, 59),
    "shift": _shift,
    "variance": _variance,
    "ramp": _ramp,
    "stuck": _stuck,
}
"""`missing` is not among them: it takes rows away."""
MISSING = "missing"
DENSE = "dense"  # short faults all along, `dense`
MISSING_S = 3 * HOUR_S


def host(series: Labelled) -> Labelled:
    """The newest rows of a series."""
    k = slice(-HOST_ROWS_MAX, None)
    return Labelled(series.name, series.t[k], series.x[k], series.label[k])


def places(series: Labelled, random: Random, wanted: int, apart: int = APART, start: int | None = None) -> list[Place]:
    """Up to `wanted` places in the second half (or from row `start` on), in order, at no chosen hour of the day."""
    first_row = len(series.x) // 2 if start is None else start
    near = np.convolve(series.label, np.ones(2 * CLEAR + 1), "same") > 0.5
    slot = max((len(series.x) - first_row - AROUND) // max(wanted, 1), apart)
    found = []
    for at in range(first_row, len(series.x) - apart, slot):
        row = at + int(random.integers(0, slot - apart + 1))
        sigma = local_sigma(series.x, row)
        hour = max(int(HOUR_S / series.period_s), 1)
        if sigma > 0.0 and np.isfinite(series.x[row : row + 8]).all() and not near[row : row + 2 * CLEAR].any():
            found.append(Place(row, sigma, hour))
    return found[:wanted]


def inject(series: Labelled, amplitude: float, seed: int) -> tuple[Labelled, list[Fault]]:
    """The series with one fault of each kind, where it has room, far from each other, in an order of chance."""
    random = _random(series, seed)
    kinds = [*KINDS, MISSING]
    random.shuffle(kinds)
    x = series.x.copy()
    keep = np.ones(len(x), np.bool_)
    faults = []
    for kind, place in zip(kinds, places(series, random, len(kinds)), strict=False):
        if kind == MISSING:
            rows = int(MISSING_S / series.period_s)
            keep[place.first : place.first + rows] = False
            faults.append(Fault(kind, place.first + rows, place.first + rows))
            continue
        x[place.first :], rows = KINDS[kind](x[place.first :].copy(), place, amplitude * place.sigma, random)
        faults.append(Fault(kind, place.first, place.first + rows - 1))
    return _without(Labelled(series.name, series.t, x, series.label), keep, faults)


def dense(series: Labelled, amplitude: float, every: int, seed: int) -> tuple[Labelled, list[Fault]]:
    """The series with a fault of 1..8 rows in every `every` rows, from its start."""
    random = _random(series, seed)
    x = series.x.copy()
    faults = []
    shape = _block(1, 8)
    for place in places(series, random, len(x) // every, apart=every * 3 // 4, start=every):
        x[place.first :], rows = shape(x[place.first :], place, amplitude * place.sigma, random)
        faults.append(Fault(DENSE, place.first, place.first + rows - 1))
    return Labelled(series.name, series.t, x, series.label), faults


def found(fault: Fault, on: Flags, grace: int = GRACE_ROWS) -> bool:
    """Whether a row of the fault, or of the few behind it, is on; of missing data only the first row after."""
    last = fault.first if fault.kind == MISSING else fault.last + grace
    return bool(on[fault.first : last + 1].any())


def _without(series: Labelled, keep: Flags, faults: list[Fault]) -> tuple[Labelled, list[Fault]]:
    now: Rows = np.cumsum(keep) - 1  # row by row as it was
    now = np.where(keep, now, now + 1)
    moved = [Fault(fault.kind, int(now[fault.first]), int(now[min(fault.last, len(now) - 1)])) for fault in faults]
    return Labelled(series.name, series.t[keep], series.x[keep], series.label[keep]), moved


def _random(series: Labelled, seed: int) -> Random:
    return np.random.default_rng([seed, zlib.crc32(series.name.encode())])
