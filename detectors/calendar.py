"""Local time: time of day across daylight saving, and days on which people rest, as tables that compiled loops look up.

Knows a time zone's rules (from the system's zone files, read once when a detector is made) and a list of dates. The
rules of 1970 - 2099 count; before and after, those of the first and last year.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from detectors.base import Floats
from schemas.compiled import compiled

DAY_S = 86400.0
_FIRST_S, _LAST_S = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1970, 2100))
_WEEK_S = 7 * 86400  # no zone changed its offset and changed it back within one
_EPOCH = date(1970, 1, 1).toordinal()
_THURSDAY, _SATURDAY = 3.0, 5.0  # 1 January 1970 was a Thursday; Monday is 0


def zone(name: str) -> ZoneInfo:
    """Raises ValueError where the name is none of the IANA time zone database."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"no time zone {name!r} on this machine: give an IANA name like Europe/Berlin (and install tzdata)"
        ) from error


@cache
def offsets(name: str) -> tuple[Floats, Floats]:
    """Unix seconds from which each offset holds, rising (the first: -inf), and the offsets to UTC in seconds.

    >>> starts, seconds = offsets("Europe/Berlin")
    >>> int(seconds[np.searchsorted(starts, 1767225600.0, side="right") - 1])  # 1 January 2026
    3600
    """
    where = zone(name)

    def offset(t: int) -> float:
        shift = datetime.fromtimestamp(t, where).utcoffset()
        return shift.total_seconds() if shift is not None else 0.0

    starts, seconds = [-np.inf], [offset(_FIRST_S)]
    for week in range(_FIRST_S, _LAST_S, _WEEK_S):
        before, after = week, week + _WEEK_S
        if offset(after) == seconds[-1]:
            continue
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (middle, after) if offset(middle) == seconds[-1] else (before, middle)
        starts.append(float(after))
        seconds.append(offset(after))
    return np.array(starts), np.array(seconds)


def day_numbers(days: Iterable[date]) -> Floats:
    """Days since 1970-01-01, rising, each once."""
    return np.array(sorted({day.toordinal() - _EPOCH for day in days}), np.float64)


@compiled
def local(t: float, starts: Floats, seconds: Floats) -> float:
    """Seconds since 1970-01-01 00:00 on the clocks of the zone at Unix second `t`."""
    if len(starts) == 1:
        return float(t + seconds[0])
    return float(t + seconds[np.searchsorted(starts, t, side="right") - 1])


@compiled
def is_rest(local_s: float, holidays: Floats) -> bool:
    """Whether that day is a Saturday, a Sunday or a holiday."""
    day = np.floor(local_s / DAY_S)
    if (day + _THURSDAY) % 7.0 >= _SATURDAY:
        return True
    i = np.searchsorted(holidays, day)
    return bool(i < len(holidays) and holidays[i] == day)
