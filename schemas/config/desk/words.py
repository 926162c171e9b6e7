"""Alertmanager's own small spellings: label names, conditions, and the spans of time intervals."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from schemas.config.errors import shown, suggestion
from schemas.desk import Span
from schemas.matchers import Matchers
from schemas.selector import compile_regex

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
ALL_LABELS = "..."
LOCAL = "Local"  # Go's word for the zone of the machine
_CLASSIC_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TIME = re.compile(r"(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)")


def minute_of_day(text: str) -> int:
    """
    >>> minute_of_day("09:30"), minute_of_day("24:00")
    (570, 1440)
    """
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(f"not a time of day: {shown(text)}; write for example 09:00, or 24:00 for the end of the day")
    return int(found[1]) * 60 + int(found[2]) if found[1] else 1440


def weekday_span(text: str) -> Span:
    """
    >>> weekday_span("monday:friday"), weekday_span("sunday")
    (Span(first=1, last=5), Span(first=0, last=0))
    """
    return _in_order(_span(text, lambda word: _named(word, WEEKDAYS, "weekday", 0)), text)


def month_span(text: str) -> Span:
    """
    >>> month_span("january:march"), month_span("12")
    (Span(first=1, last=3), Span(first=12, last=12))
    """
    return _in_order(_span(text, lambda word: _numbered(word, 1, 12) or _named(word, MONTHS, "month", 1)), text)


def year_span(text: str) -> Span:
    """
    >>> year_span("2026:2027")
    Span(first=2026, last=2027)
    """
    return _in_order(_span(text, lambda word: _needed(_numbered(word, 1, 9999), word, "a year such as 2026")), text)


def day_of_month_span(text: str) -> Span:
    """From the month's end where negative.

    >>> day_of_month_span("1:7"), day_of_month_span("-1"), day_of_month_span("25:-1")
    (Span(first=1, last=7), Span(first=-1, last=-1), Span(first=25, last=-1))
    """
    found = _span(text, lambda word: _needed(_numbered(word, -31, 31), word, "a day of the month, 1..31 or -31..-1"))
    if found.first < 0 < found.last:
        raise ValueError(f"{shown(text)} begins counting from the month's end, so its last day must be negative too")
    # As in a month of 28 days: what is upside down even there never holds.
    first, last = (day if day > 0 else 28 + day for day in (found.first, found.last))
    if first > last:
        raise ValueError(f"{shown(text)} ends before it begins; the earlier day comes first")
    return found


def _span(text: str, number: Callable[[str], int]) -> Span:
    first, colon, last = text.lower().partition(":")
    return Span(number(first), number(last if colon else first))


def _in_order(span: Span, text: str) -> Span:
    if span.first > span.last:
        raise ValueError(f"{shown(text)} ends before it begins; write two spans, one on each side of the turn")
    return span


def _named(word: str, names: tuple[str, ...], kind: str, base: int) -> int:
    if word not in names:
        raise ValueError(f"no {kind} {shown(word)}; {suggestion(word, names)}")
    return names.index(word) + base


def _numbered(word: str, low: int, high: int) -> int:
    """0 where it isn't one of these numbers; 0 itself never is."""
    number = int(word) if re.fullmatch(r"[+-]?\d{1,4}", word) else 0
    return number if low <= number <= high else 0


def _needed(number: int, word: str, what: str) -> int:
    if not number:
        raise ValueError(f"not {what}: {shown(word)}")
    return number


def time_zone(text: str) -> str:
    """An IANA name that this machine knows; `Local` is left to the shell."""
    if text in ("", LOCAL):
        return text or "UTC"
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone {shown(text)}; write its IANA name, for example Europe/Berlin") from None


def condition(written: object) -> Matchers:
    if not isinstance(written, str):
        raise ValueError(f"must be a condition such as 'team=\"db\"', got {shown(written)}")
    return Matchers.parse(written)


def classic_pairs(pairs: Mapping[str, str]) -> Mapping[str, str]:
    """Alertmanager takes only plain names in `match` and the like."""
    for name in pairs:
        if not _CLASSIC_NAME.fullmatch(name):
            raise ValueError(f"not a label name: {shown(name)}; write the condition under matchers instead")
    return pairs


def classic_regexes(pairs: Mapping[str, str]) -> Mapping[str, str]:
    for name, pattern in classic_pairs(pairs).items():
        try:
            compile_regex(pattern)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return pairs


def label_name(text: str) -> str:
    if not text:
        raise ValueError("a label name must not be empty")
    return text


Pairs = Annotated[dict[str, str], AfterValidator(classic_pairs)]
Regexes = Annotated[dict[str, str], AfterValidator(classic_regexes)]
Condition = Annotated[Matchers, PlainValidator(condition), WithJsonSchema({"type": "string"})]
LabelName = Annotated[str, AfterValidator(label_name)]
TimeZone = Annotated[str, AfterValidator(time_zone)]


def _spans(read: Callable[[str], Span]) -> PlainValidator:
    return PlainValidator(lambda written: read(written if isinstance(written, str) else shown(written)))


_TEXT = WithJsonSchema({"type": "string"})
WeekdaySpan = Annotated[Span, _spans(weekday_span), _TEXT]
MonthSpan = Annotated[Span, _spans(month_span), _TEXT]
DaySpan = Annotated[Span, _spans(day_of_month_span), _TEXT]
YearSpan = Annotated[Span, _spans(year_span), _TEXT]
MinuteOfDay = Annotated[
    int, PlainValidator(lambda written: minute_of_day(written if isinstance(written, str) else shown(written))), _TEXT
]
