"""Go's times and durations, as texts of notifications use them: `.StartsAt.Format "15:04"`, `since .StartsAt`."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerting.words.go_values import GoObject, Missing, go_type

ZERO_TIME_S = -62_135_596_800.0  # 0001-01-01T00:00:00Z, Go's zero time


class Seconds(GoObject):
    """A `time.Duration`."""

    kind = "a duration"

    @property
    def is_true(self) -> bool:
        return self.seconds != 0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def member(self, name: str) -> object:
        methods: dict[str, Callable[..., object]] = {
            "Seconds": lambda: self.seconds,
            "Minutes": lambda: self.seconds / 60,
            "Hours": lambda: self.seconds / 3600,
            "Milliseconds": lambda: math.trunc(self.seconds * 1000),
            "String": self.go_text,
            "Abs": lambda: Seconds(abs(self.seconds)),
            "Round": lambda to: Seconds(_rounded(self.seconds, to)),
            "Truncate": lambda to: Seconds(_truncated(self.seconds, to)),
        }
        if name not in methods:
            raise Missing(f"a duration has no method {name}; it has {', '.join(methods)}")
        return methods[name]

    def go_text(self) -> str:
        """As Go writes it: the largest unit that gives a number, each smaller one after it.

        >>> [Seconds(s).go_text() for s in (5400.0, 90.5, 0.25, 0.0, -1.0)]
        ['1h30m0s', '1m30.5s', '250ms', '0s', '-1s']
        """
        nanos = round(abs(self.seconds) * 1e9)
        sign = "-" if self.seconds < 0 and nanos else ""
        for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
            if 0 < nanos < min(size * 1000, 1_000_000_000):
                return f"{sign}{_decimal(nanos, size)}{unit}"
        hours, left = divmod(nanos, 3_600_000_000_000)
        minutes, left = divmod(left, 60_000_000_000)
        text = f"{hours}h" if hours else ""
        text += f"{minutes}m" if hours or minutes else ""
        return f"{sign}{text}{_decimal(left, 1_000_000_000)}s"


class Moment(GoObject):
    """A `time.Time`."""

    kind = "a time"

    def __init__(self, unix_s: float, zone: str = "UTC") -> None:
        """Raises ValueError where there is no such zone."""
        self.unix_s, self.zone = unix_s, zone
        tz = UTC if zone == "UTC" else _zone(zone)
        micros = round(unix_s * 1e6)
        self.at = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).astimezone(tz)

    def member(self, name: str) -> object:
        methods: dict[str, Callable[..., object]] = {
            "Format": self.formatted,
            "Unix": lambda: math.floor(self.unix_s),
            "UnixMilli": lambda: math.floor(self.unix_s * 1000),
            "UnixNano": lambda: round(self.unix_s * 1e6) * 1000,
            "UTC": lambda: Moment(self.unix_s),
            "Local": lambda: Moment(self.unix_s),
            "IsZero": lambda: self.unix_s == ZERO_TIME_S,
            "Year": lambda: self.at.year,
            "Month": lambda: self.at.strftime("%B"),
            "Day": lambda: self.at.day,
            "Hour": lambda: self.at.hour,
            "Minute": lambda: self.at.minute,
            "Second": lambda: self.at.second,
            "Weekday": lambda: self.at.strftime("%A"),
            "YearDay": lambda: self.at.timetuple().tm_yday,
            "String": self.go_text,
            "Sub": lambda other: Seconds(self.unix_s - _moment(other).unix_s),
            "Add": lambda by: Moment(self.unix_s + _seconds(by), self.zone),
            "After": lambda other: self.unix_s > _moment(other).unix_s,
            "Before": lambda other: self.unix_s < _moment(other).unix_s,
            "Equal": lambda other: self.unix_s == _moment(other).unix_s,
        }
        if name not in methods:
            raise Missing(f"a time has no method {name}; it has {', '.join(methods)}")
        return methods[name]

    def formatted(self, layout: str) -> str:
        """By Go's reference time, Mon Jan 2 15:04:05 MST 2006.

        >>> Moment(1795412000.5, "Europe/Berlin").formatted("Mon 02 Jan 2006, 15:04:05.000 MST Z07:00 3:04PM")
        'Mon 23 Nov 2026, 06:33:20.500 CET +01:00 6:33AM'
        """
        return _LAYOUT.sub(lambda found: _field(self.at, found.group()), layout)

    def go_text(self) -> str:
        return self.formatted("2006-01-02 15:04:05.999999999 -0700 MST")


_LAYOUT = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|[.,]0+(?!\d)|[.,]9+(?!\d)|Z07:00:00|Z070000|Z07:00|Z0700|Z07|-07:00:00|-070000"
    r"|-07:00|-0700|-07|PM|pm|002|01|02|03|04|05|06|15|__2|_2(?!006)|1|2|3|4|5"
)
_STRFTIME = {
    "January": "%B", "Jan": "%b", "Monday": "%A", "Mon": "%a", "2006": "%Y", "06": "%y", "01": "%m", "02": "%d",
    "03": "%I", "04": "%M", "05": "%S", "15": "%H", "002": "%j", "PM": "%p",
}  # fmt: skip


def _field(at: datetime, part: str) -> str:
    if part in _STRFTIME:
        return at.strftime(_STRFTIME[part]).rjust(4, "0") if part == "2006" else at.strftime(_STRFTIME[part])
    match part:
        case "1" | "2" | "3" | "4" | "5":
            return str({"1": at.month, "2": at.day, "3": (at.hour + 11) % 12 + 1, "4": at.minute, "5": at.second}[part])
        case "_2" | "__2":
            return str(at.day).rjust(2) if part == "_2" else str(at.timetuple().tm_yday).rjust(3)
        case "pm":
            return at.strftime("%p").lower()
        case "MST":
            name = at.tzname() or ""
            return name if name[:1].isalpha() else _offset(at, "-07")
    if part[0] in ".,":
        digits = f"{at.microsecond:06d}000"[: len(part) - 1]
        shown = digits if part[1] == "0" else digits.rstrip("0")
        return part[0] + shown if shown else ""
    return "Z" if part[0] == "Z" and not at.utcoffset() else _offset(at, part)


def _offset(at: datetime, part: str) -> str:
    seconds = int((at.utcoffset() or timedelta()).total_seconds())
    hours, minutes = divmod(abs(seconds) // 60, 60)
    sign = "-" if seconds < 0 else "+"
    colon = ":" if ":" in part else ""
    text = f"{sign}{hours:02d}"
    if "00" in part:
        text += f"{colon}{minutes:02d}"
    return text + (f"{colon}{abs(seconds) % 60:02d}" if part.count("00") == 2 or "0000" in part else "")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"no time zone {name!r}; write for example Europe/Berlin") from None


def _decimal(nanos: int, size: int) -> str:
    whole, left = divmod(nanos, size)
    digits = f"{left:0{len(str(size)) - 1}d}".rstrip("0") if left else ""
    return f"{whole}.{digits}" if digits else str(whole)


def _rounded(seconds: float, to: object) -> float:
    step = _seconds(to)
    return math.copysign(math.floor(abs(seconds) / step + 0.5) * step, seconds) if step > 0 else seconds


def _truncated(seconds: float, to: object) -> float:
    step = _seconds(to)
    return math.trunc(seconds / step) * step if step > 0 else seconds


def _seconds(value: object) -> float:
    """Go's bare numbers of a duration are nanoseconds."""
    if isinstance(value, Seconds):
        return value.seconds
    if isinstance(value, int) and not isinstance(value, bool):
        return value / 1e9
    raise TypeError(f"needs a duration, got {go_type(value)}")


def _moment(value: object) -> Moment:
    if isinstance(value, Moment):
        return value
    raise TypeError(f"needs a time, got {go_type(value)}")
