"""Alertmanager's time intervals: office hours, weekends, the first of the month; and what a route makes of them."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from alerting.alert import Muted
from schemas.desk import Route, Span, TimeInterval


def contains(interval: TimeInterval, now_s: float) -> bool:
    """Whether the moment is in it, in the wall clock of its location.

    >>> nine_to_five = TimeInterval(times=(Span(9 * 60, 17 * 60),), weekdays=(Span(1, 5),), location="Europe/Berlin")
    >>> contains(nine_to_five, 1_795_420_800.0), contains(nine_to_five, 1_795_449_600.0)  # Monday, 09:00 and 17:00
    (True, False)
    """
    now = datetime.fromtimestamp(now_s, ZoneInfo(interval.location))
    minute = now.hour * 60 + now.minute
    return (
        (not interval.times or any(span.first <= minute < span.last for span in interval.times))
        and (not interval.days_of_month or any(_has_day(span, now) for span in interval.days_of_month))
        and _among(interval.months, now.month)
        and _among(interval.weekdays, now.isoweekday() % 7)
        and _among(interval.years, now.year)
    )


def why(route: Route, named: Mapping[str, Sequence[TimeInterval]], now_s: float) -> Muted | None:
    """Whether the route is silent now: in one of its mute intervals, or outside all of its active ones."""
    for name in route.mute_time_intervals:
        if any(contains(interval, now_s) for interval in named[name]):
            return Muted("time_interval", name, f"the route is silent during {name}")
    names = route.active_time_intervals
    if names and not any(contains(interval, now_s) for name in names for interval in named[name]):
        return Muted("time_interval", names[0], f"the route speaks only during {' or '.join(names)}")
    return None


def _among(spans: Sequence[Span], value: int) -> bool:
    return not spans or any(span.first <= value <= span.last for span in spans)


def _has_day(span: Span, now: datetime) -> bool:
    """Negative days count from the month's end."""
    length = monthrange(now.year, now.month)[1]
    first = span.first if span.first > 0 else length + 1 + span.first
    last = span.last if span.last > 0 else length + 1 + span.last
    return first <= now.day <= last
