"""Timestamps of events: numbers whose unit is told by their size, and RFC 3339."""

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

S_MAX, MS_MAX, US_MAX = 10**11, 10**14, 10**17  # below: seconds, milliseconds, microseconds; from there on: nanoseconds
_EXACT_MAX = 2.0**53  # every integer below is a float
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))?\Z", re.ASCII
)
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def unix_s(number: int | float) -> float:
    """Unix seconds of a number in s, ms, us or ns; integers are converted exactly rounded.

    >>> unix_s(1795412000.5), unix_s(1795412000500), unix_s(1795412000500000), unix_s(1795412000500000000)
    (1795412000.5, 1795412000.5, 1795412000.5, 1795412000.5)

    Integers beyond the range of a float give an infinity.
    """
    size = abs(number)
    try:
        # Integer divisors: int / int rounds once, where 1e9 would first round the int to a float.
        if size < S_MAX:
            return float(number)
        if size < MS_MAX:
            return number / 1_000
        if size < US_MAX:
            return number / 1_000_000
        return number / 1_000_000_000
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def unix_s_column(numbers: Sequence[int | float]) -> NDArray[np.float64]:
    """`unix_s` of every number, bit for bit."""
    try:
        t = np.array(numbers, np.float64)
    except OverflowError:
        return np.array([unix_s(number) for number in numbers], np.float64)
    size = np.abs(t)
    if not size.size or float(size.max()) < S_MAX:
        return t + 0.0
    scaled = np.where(size < S_MAX, t, np.where(size < MS_MAX, t / 1e3, t / 1e6))
    for k in np.flatnonzero(~(size < _EXACT_MAX)).tolist():
        scaled[k] = unix_s(numbers[k])
    return scaled + 0.0


def rfc3339_s(text: str, naive_is_utc: bool = False) -> float:
    """Unix seconds of an RFC 3339 time with up to nine fractional digits, rounded once.

    >>> rfc3339_s("2026-11-23T05:33:20.123Z"), rfc3339_s("2026-11-23t07:33:20.123456789+02:00")
    (1795412000.123, 1795412000.1234567)

    A leap second (:60) is read as the second after it. Raises ValueError, also without an offset unless `naive_is_utc`.
    """
    match = _RFC3339.match(text)
    if not match:
        raise ValueError("not RFC 3339, such as 2026-11-23T05:33:20.123Z")
    day, hour, minute, second, fraction, zulu, sign, offset_hour, offset_minute = match.groups()
    if not zulu and not sign and not naive_is_utc:
        raise ValueError("no offset: write Z or +02:00 at its end")
    if hour > "23" or minute > "59" or second > "60":
        raise ValueError("there is no such time of day")
    whole_s = _midnight_s(day) + int(hour) * 3600 + int(minute) * 60 + int(second)
    if sign:
        if offset_hour > "23" or offset_minute > "59":
            raise ValueError("its offset is out of range")
        offset_s = int(offset_hour) * 3600 + int(offset_minute) * 60
        whole_s += -offset_s if sign == "+" else offset_s
    if not fraction:
        return float(whole_s)
    return (whole_s * 1_000_000_000 + int(fraction.ljust(9, "0"))) / 1_000_000_000


@lru_cache(maxsize=256)
def _midnight_s(day: str) -> int:
    return (date.fromisoformat(day).toordinal() - _EPOCH_DAY) * 86_400


@lru_cache(maxsize=4096)
def rfc3339_s_or_nan(text: str) -> float:
    """Remembered, since many series are measured at the same moment; NaN where `rfc3339_s` raises."""
    try:
        return rfc3339_s(text)
    except ValueError:
        return float("nan")
