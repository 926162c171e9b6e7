"""How turns are written: `weekly`, `monday 09:00`, `monday:friday`, `2026-01-05`. Monday is 0."""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from schemas.config.desk.words import minute_of_day
from schemas.config.errors import shown, suggestion
from schemas.duration import parse_duration_s

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ROTATIONS_H = {"daily": 24, "weekly": 168}
_TURN_H_MAX = 8784
_HOUR_S = 3600.0


def checked(read: Callable[[str], object]) -> Callable[[str], str]:
    """Says only what is wrong with a text: so defaults stand on the page as they are written in a file."""

    def check(text: str) -> str:
        read(text)
        return text

    return check


def day_of(text: str) -> int:
    """
    >>> day_of("Monday"), day_of("sunday")
    (0, 6)
    """
    if text.lower() not in DAYS:
        raise ValueError(f"no weekday {shown(text)}; {suggestion(text.lower(), DAYS)}")
    return DAYS.index(text.lower())


def days_of(text: str) -> frozenset[int]:
    """
    >>> sorted(days_of("friday:monday")), sorted(days_of("sunday"))
    ([0, 4, 5, 6], [6])
    """
    first, colon, last = text.partition(":")
    start = day_of(first)
    length = (day_of(last) - start) % 7 if colon else 0
    return frozenset((start + offset) % 7 for offset in range(length + 1))


def hand_over_of(text: str) -> tuple[int | None, int]:
    """Weekday, where one is given, and minute of the day.

    >>> hand_over_of("monday 09:00"), hand_over_of("18:30")
    ((0, 540), (None, 1110))
    """
    day, space, time = text.strip().rpartition(" ")
    minute = minute_of_day(time)
    if minute == 1440:
        raise ValueError("24:00 is the next day's 00:00; write that")
    return (day_of(day.strip()) if space else None), minute


def turn_h_of(text: str) -> int:
    """
    >>> turn_h_of("weekly"), turn_h_of("12h"), turn_h_of("2w")
    (168, 12, 336)
    """
    if text in _ROTATIONS_H:
        return _ROTATIONS_H[text]
    would_do = "write daily, weekly, or whole hours such as 12h or 2w"
    try:
        hours = parse_duration_s(text) / _HOUR_S if len(text) <= 32 else 0.0
    except ValueError:
        raise ValueError(f"no rotation {shown(text)}; {would_do}") from None
    if hours < 1.0 or hours > _TURN_H_MAX or hours != int(hours):
        raise ValueError(f"a turn can't be {shown(text)} long; {would_do}, at most a year")
    return int(hours)


def date_of(text: str) -> date:
    """Raises ValueError also for years in which nobody was on call, or will be.

    >>> date_of("2026-01-05")
    datetime.date(2026, 1, 5)
    """
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        found = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"not a date: {shown(text)}; write for example 2026-01-05") from None
    if not 1970 <= found.year <= 2200:
        raise ValueError(f"{text} is too far away; choose a day from 1970 to 2200")
    return found


def first_of(starts: date, weekday: int | None, minute: int) -> datetime:
    """The first hand-over on that day or after it.

    >>> first_of(date(2026, 1, 7), 0, 540)
    datetime.datetime(2026, 1, 12, 9, 0)
    """
    wait = 0 if weekday is None else (weekday - starts.weekday()) % 7
    return datetime.combine(starts + timedelta(days=wait), time(minute // 60, minute % 60))
