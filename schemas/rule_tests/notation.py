"""promtool's notation of a series: its name with labels, and its values with repeats. Knows no time and no rule."""

import math
import re

from schemas.config.errors import shown
from schemas.formats import Bad
from schemas.formats.base import check_labels, check_metric
from schemas.metric import Series
from schemas.selector import METRIC_LABEL, Selector

VALUES_MAX = 1_000_000  # a series; a year of minutes is half of it
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_ITEM = re.compile(
    rf"(?:(?P<word>_|stale)|(?P<first>[+-]?{_NUMBER})(?P<step>[+-]{_NUMBER})?)(?:x(?P<times>\d{{1,9}}))?\Z"
)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf)", re.IGNORECASE)


def values_of(text: str) -> tuple[float, ...]:
    """One value each interval; NaN where there is none.

    `a+bxn` is a, a+b ... a+n*b; `axn` is a and n times a again; `_` is no value and `_xn` n of them; `stale` ends the
    series, which here is no value either: a worker sees only that nothing comes.

    >>> values_of("1+2x3 5x1 _ 0-1x1")
    (1.0, 3.0, 5.0, 7.0, 5.0, 5.0, nan, 0.0, -1.0)

    Raises ValueError with what would do.
    """
    values: list[float] = []
    for position, item in enumerate(text.split()):
        try:
            values += _expanded(item, VALUES_MAX - len(values))
        except ValueError as error:
            raise ValueError(f"value {position + 1}, {shown(item)}: {error}") from None
    if not values:
        raise ValueError('no values; write for example "50x10 99x5"')
    return tuple(values)


def _expanded(item: str, room: int) -> list[float]:
    found = _ITEM.match(item)
    if not found:
        raise ValueError(_why(item))
    times = int(found["times"]) if found["times"] is not None else None
    is_gap = found["word"] is not None
    if found["word"] == "stale" and times is not None:
        raise ValueError("a series ends once; write stale alone")
    count = (1 if times is None else times) if is_gap else 1 + (times or 0)
    if count > room:
        raise ValueError(f"more than {VALUES_MAX:,} values in one series; take a longer interval")
    if is_gap:
        return [math.nan] * count
    if found["step"] is not None and times is None:
        raise ValueError(f"a step without a count; write {item}x10 for 10 steps")
    first, step = float(found["first"]), float(found["step"] or 0)
    values = [first + k * step for k in range(count)]
    if not (math.isfinite(values[0]) and math.isfinite(values[-1])):
        raise ValueError("a number beyond 1.8e308, which no event can hold")
    return values


def _why(item: str) -> str:
    if _NOT_FINITE.match(item):
        return "a worker rejects what is not finite (value_not_finite); write _ for a value that is missing"
    if item.startswith("{{"):
        return "a native histogram, which no rule watches; write the number that your rule is about"
    if item in ("x", "+", "-") or item.startswith("x"):
        return "spaces part values, so none may stand inside one; write 0+1x10"
    return "not a value; write 5, 0+1x10, 5x10, _, _x3 or stale"


def series_of(text: str) -> Series:
    """
    >>> series_of('up{job="web"}')
    Series(metric='up', labels=(('job', 'web'),))

    Raises ValueError with what would do.
    """
    matchers = Selector.parse(text).matchers
    if other := next((m for m in matchers if m.op != "="), None):
        raise ValueError(f"{other}: an input is one series, so each label has one value; write {other.name}=...")
    names = [m.name for m in matchers]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"the label {shown(twice)} is there twice; keep one of them")
    found = {m.name: m.value for m in matchers}
    metric = found.pop(METRIC_LABEL, "")
    if not metric:
        raise ValueError(f'no metric name in {shown(text)}; write for example up{{job="web"}}')
    if empty := next((name for name, value in found.items() if not value), None):
        raise ValueError(f"the label {shown(empty)} is empty, which is as if it weren't there; leave it out")
    try:
        check_metric(metric)
        check_labels(found)
    except Bad as bad:
        raise ValueError(bad.detail) from None
    return Series.of(metric, found)
