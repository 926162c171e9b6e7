"""Planned work that comes again: RFC 5545 rules in a wall clock, right through daylight saving time.

A window starts when the wall clock shows its time, summer and winter, and is open for `duration_s` real seconds.
A start in the hour that a spring change skips happens as far after the change as it stood after the skipped hour's
beginning (02:30 becomes 03:30); one in the hour that autumn repeats happens the first time, and only once.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, rrule, rruleset, rrulestr

from schemas.desk import Maintenance

_BLOCK_S = 3600.0
_UNTIL_UTC = re.compile(r"(?i)(?<=UNTIL=)(\d{8}T\d{6})Z")
_TOO_OFTEN = re.compile(r"(?i)FREQ=(SECONDLY|MINUTELY)")


def open_until_s(planned: Maintenance, now_s: float) -> float | None:
    """End of the window that is open now, the latest where several are; None: none is.

    Raises ValueError where the start, the rule or the zone can't be read.
    """
    # The rule is walked once an hour of time, not once a round.
    found = _windows_of_block(planned, int(now_s // _BLOCK_S))
    return max((end_s for start_s, end_s in found if start_s <= now_s < end_s), default=None)


def windows(planned: Maintenance, from_s: float, until_s: float) -> list[tuple[float, float]]:
    """Start and end (Unix seconds) of every window that is open at some moment from `from_s` until before `until_s`.

    >>> from schemas.matchers import Matchers
    >>> nightly = Maintenance("backup", Matchers(), "2026-03-28T02:30", 3600, "FREQ=DAILY", "Europe/Berlin")
    >>> [datetime.fromtimestamp(a, UTC).strftime("%d %H:%M") for a, _ in windows(nightly, 1774656000, 1774915200)]
    ['28 01:30', '29 01:30', '30 00:30']
    """
    zone = ZoneInfo(planned.time_zone)
    # No zone's clock is set by more than a day (Samoa once skipped one).
    earliest = _local(from_s - planned.duration_s, zone) - timedelta(days=1)
    latest = _local(until_s, zone) + timedelta(days=1)
    starts = _rule(planned.starts_at, planned.rrule, planned.time_zone).between(earliest, latest, inc=True)
    # fold=0: the first of two equal times; in a gap it is the offset before the change, which lands behind the gap.
    found = {start.replace(tzinfo=zone).timestamp() for start in starts}
    return [(s, s + planned.duration_s) for s in sorted(found) if s < until_s and from_s < s + planned.duration_s]


@lru_cache(maxsize=4096)
def _windows_of_block(planned: Maintenance, block: int) -> list[tuple[float, float]]:
    return windows(planned, block * _BLOCK_S, (block + 1) * _BLOCK_S)


@lru_cache(maxsize=1024)
def _rule(starts_at: str, written: str | None, time_zone: str) -> rrule | rruleset:
    start = datetime.fromisoformat(starts_at)
    if start.tzinfo is not None:
        raise ValueError(f"{starts_at}: a wall clock has no offset; leave it out, time_zone says which clock it is")
    if written is None:
        return rrule(DAILY, dtstart=start, count=1)
    if often := _TOO_OFTEN.search(written):
        raise ValueError(f"{written}: FREQ={often[1]} is no maintenance; HOURLY is the most often that works")
    local = _UNTIL_UTC.sub(lambda match: _until(match[1], ZoneInfo(time_zone)), written)
    return rrulestr(local, dtstart=start, cache=True)


def _until(utc: str, zone: ZoneInfo) -> str:
    """RFC 5545 wants UNTIL in UTC; the rule here is walked in the wall clock."""
    return datetime.strptime(utc, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).astimezone(zone).strftime("%Y%m%dT%H%M%S")


def _local(at_s: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at_s, zone).replace(tzinfo=None)
