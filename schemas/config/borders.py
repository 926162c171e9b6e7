"""Borders as sets of numbers: whether two meet, and whether one lies inside the other."""

import math
from dataclasses import dataclass

from schemas.levels import Border, Op


@dataclass(frozen=True)
class _Interval:
    low: float
    high: float
    has_low: bool = False  # whether `low` itself belongs to it
    has_high: bool = False


def _intervals(border: Border) -> tuple[_Interval, ...]:
    inf = math.inf
    match border.op:
        case Op.ABOVE:
            return (_Interval(border.low, inf),)
        case Op.AT_LEAST:
            return (_Interval(border.low, inf, has_low=True),)
        case Op.BELOW:
            return (_Interval(-inf, border.low),)
        case Op.AT_MOST:
            return (_Interval(-inf, border.low, has_high=True),)
        case Op.OUTSIDE:
            return (_Interval(-inf, border.low), _Interval(border.high, inf))
        case Op.INSIDE:
            return (_Interval(border.low, border.high, True, True),)


def common_value(a: Border, b: Border) -> float | None:
    """A number over both borders, or None.

    >>> [common_value(Border.parse("> 80"), Border.parse(clear)) for clear in ("< 85", "< 75")]
    [82.5, None]
    """
    for one in _intervals(a):
        for two in _intervals(b):
            low, high = max(one.low, two.low), min(one.high, two.high)
            closed = all(i.has_low or i.low < low for i in (one, two)) and all(
                i.has_high or i.high > high for i in (one, two)
            )
            if low < high:
                return _between(low, high)
            if low == high and closed:
                return low
    return None


def _between(low: float, high: float) -> float:
    if math.isinf(low) and math.isinf(high):
        return 0.0
    if math.isinf(high):
        return max(low + 1.0, math.nextafter(low, high))
    if math.isinf(low):
        return min(high - 1.0, math.nextafter(high, low))
    middle = low / 2 + high / 2
    return middle if low < middle < high else high


def within(inner: Border, outer: Border) -> bool:
    """Whether every number over `inner` is over `outer`.

    >>> within(Border.parse("> 95"), Border.parse("> 80")), within(Border.parse(">= 80"), Border.parse("> 80"))
    (True, False)
    """
    return all(any(_inside(i, o) for o in _intervals(outer)) for i in _intervals(inner))


def _inside(i: _Interval, o: _Interval) -> bool:
    low = i.low > o.low or (i.low == o.low and (o.has_low or not i.has_low))
    high = i.high < o.high or (i.high == o.high and (o.has_high or not i.has_high))
    return low and high


def same_direction(a: Border, b: Border) -> bool:
    """Whether one of the two is the stricter one: both above, both below, both outside, or both inside."""
    directions = {Op.AT_LEAST: Op.ABOVE, Op.AT_MOST: Op.BELOW}
    return directions.get(a.op, a.op) == directions.get(b.op, b.op)


_OPPOSITE = {
    Op.ABOVE: Op.AT_MOST,
    Op.AT_LEAST: Op.BELOW,
    Op.BELOW: Op.AT_LEAST,
    Op.AT_MOST: Op.ABOVE,
    Op.OUTSIDE: Op.INSIDE,
    Op.INSIDE: Op.OUTSIDE,
}


def opposite(border: Border) -> Border:
    """Over it is exactly what is not over `border`.

    >>> str(opposite(Border.parse("> 80")))
    '<= 80'
    """
    return Border(_OPPOSITE[border.op], border.low, border.high)
