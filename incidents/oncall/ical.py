"""A schedule as a calendar that others subscribe to: iCalendar, RFC 5545."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from incidents.oncall.spans import Span

MEDIA_TYPE = "text/calendar; charset=utf-8"
_LINE_BYTES_MAX = 75
_NO_TEXT = {ord(c): None for c in map(chr, range(32)) if c not in "\n\t"} | {0x7F: None}


def calendar(name: str, shifts: Iterable[Span], notes: dict[str, str], now_s: float) -> str:
    """name: the schedule's. notes: id of an override -> what to say of it. An event's UID stays while its start does.

    Names are anybody's text: they are escaped, and no line break in one begins a line of the calendar.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Tidegauge//On call//EN",
        "CALSCALE:GREGORIAN",
        f"X-WR-CALNAME:{escaped(f'On call: {name}')}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
        "X-PUBLISHED-TTL:PT15M",
    ]
    for shift in shifts:
        lines += _event(name, shift, notes.get(shift.override, ""), now_s)
    lines.append("END:VCALENDAR")
    return "".join(part + "\r\n" for line in lines for part in folded(line))


def _event(name: str, shift: Span, note: str, now_s: float) -> list[str]:
    lines = [
        "BEGIN:VEVENT",
        f"UID:{uid(name, shift.start_s)}",
        f"DTSTAMP:{_moment(now_s)}",
        f"DTSTART:{_moment(shift.start_s)}",
        f"DTEND:{_moment(shift.end_s)}",
        f"SUMMARY:{escaped(f'{shift.person} is on call: {name}')}",
        "TRANSP:TRANSPARENT",
    ]
    return [*lines, *([f"DESCRIPTION:{escaped(note)}"] if note else []), "END:VEVENT"]


def uid(name: str, start_s: float) -> str:
    """
    >>> uid("devops", 0.0) == uid("devops", 0.0) != uid("devops", 1.0)
    True
    """
    return f"{hashlib.sha256(f'{start_s!r} {name}'.encode()).hexdigest()[:32]}@tidegauge"


def escaped(text: str) -> str:
    r"""A TEXT value.

    >>> print(escaped("a,b;c\\d\r\nEND:VEVENT"))
    a\,b\;c\\d\nEND:VEVENT
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_NO_TEXT)
    for character in "\\;,":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", "\\n").encode("utf-8", "replace").decode()


def folded(line: str) -> Iterator[str]:
    """In pieces of at most 75 bytes, later ones begin with a blank; no letter is cut in two.

    >>> [len(part.encode()) for part in folded("x" * 74 + "é" * 40)]
    [74, 75, 7]
    """
    piece, size = "", 0
    for character in line:
        length = len(character.encode())
        if size + length > _LINE_BYTES_MAX:
            yield piece
            piece, size = " ", 1
        piece, size = piece + character, size + length
    yield piece


def _moment(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y%m%dT%H%M%SZ}"
