"""Wall clocks, and the moments that they name.

A wall clock is set back and forward; a moment is named by it as the first one at which it shows that time or a later
one. So each time names one moment, a later time never an earlier moment, and turns that follow each other on the wall
clock follow each other in truth, without a gap or an overlap, whatever was done to the clock.
"""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(256)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def shown_at(at_s: float, time_zone: str) -> datetime:
    """What the wall clock shows then; without offset."""
    return datetime.fromtimestamp(at_s, zone(time_zone)).replace(tzinfo=None, fold=0)


def first_s(shown: datetime, time_zone: str) -> float:
    """The moment that is named by `shown`, a time without offset.

    On 29 March 2026 Berlin's clock went from 2:00 to 3:00, on 25 October from 3:00 to 2:00:

    >>> berlin = "Europe/Berlin"
    >>> [shown_at(first_s(datetime(2026, 3, 29, hour, 30), berlin), berlin).strftime("%H:%M") for hour in (1, 2, 3)]
    ['01:30', '03:00', '03:30']
    >>> [int(first_s(datetime(2026, 10, 25, hour), berlin)) // 3600 % 24 for hour in (2, 3)]
    [0, 2]
    """
    at_s = shown.replace(tzinfo=zone(time_zone), fold=0).timestamp()
    if shown_at(at_s, time_zone) == shown:
        return at_s
    # It was never shown: the clock was set forward across it. Before that it shows less, from then on more.
    less_s, more_s = shown.replace(tzinfo=zone(time_zone), fold=1).timestamp(), at_s
    while more_s - less_s > 1.0:
        middle_s = (less_s + more_s) // 2.0
        if shown_at(middle_s, time_zone) < shown:
            less_s = middle_s
        else:
            more_s = middle_s
    return more_s
