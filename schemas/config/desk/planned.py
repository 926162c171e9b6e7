"""Planned work and dependencies: what no single key can tell."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from dateutil.rrule import rrulestr

from schemas.config.checking import Checking
from schemas.config.desk.own import FileMaintenance
from schemas.config.desk.routes import joined
from schemas.config.errors import Path, shown
from schemas.desk import Dependency, Maintenance

_TOO_OFTEN = re.compile(r"FREQ=(SECONDLY|MINUTELY)", re.IGNORECASE)
_EXAMPLE = "FREQ=WEEKLY;BYDAY=SU"


def maintenance_of(written: Sequence[FileMaintenance], checking: Checking) -> tuple[Maintenance, ...]:
    found: list[Maintenance] = []
    first: dict[str, int] = {}
    for position, each in enumerate(written):
        at: Path = ("maintenance", position)
        if each.name in first and not checking.broken((*at, "name")):
            line = checking.written.line(("maintenance", first[each.name], "name"))
            checking.report((*at, "name"), f"the one on line {line} has this name too; give each its own")
        first.setdefault(each.name, position)
        for key, problem in (("starts_at", _start_problem(each.starts_at)), ("rrule", _rule_problem(each.rrule))):
            if problem and not checking.broken((*at, key)):
                checking.report((*at, key), problem)
        matchers = joined(each.matchers, {}, {}, (*at, "matchers"), checking)
        found.append(Maintenance(each.name, matchers, each.starts_at, each.duration_s, each.rrule, each.time_zone))
    return tuple(found)


def _start_problem(text: str) -> str | None:
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        return f"not a date and time: {shown(text)}; write for example 2026-12-01T22:00"
    return "a wall clock has no offset; leave it out, time_zone says which clock it is" if start.tzinfo else None


def _rule_problem(text: str | None) -> str | None:
    """
    >>> print(_rule_problem("FREQ=WEEKLY;BYDAY=SU"), _rule_problem("FREQ=MINUTELY"))
    None FREQ=MINUTELY is no maintenance; HOURLY is the most often that works
    """
    if text is None:
        return None
    if often := _TOO_OFTEN.search(text):
        return f"FREQ={often[1]} is no maintenance; HOURLY is the most often that works"
    if "DTSTART" in text.upper():
        return "the start is said by starts_at; leave DTSTART out"
    try:
        # UNTIL may be in UTC, which the library takes only where the start is in UTC too.
        rrulestr(re.sub(r"(?i)(UNTIL=\d{8}T\d{6})Z", r"\1", text), dtstart=datetime.fromisoformat("2026-01-01"))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        return f"not an RFC 5545 rule: {shown(text)} ({error}); write for example {_EXAMPLE}"
    return None


def dependencies_of(written: Mapping[str, Sequence[str]], checking: Checking) -> tuple[Dependency, ...]:
    reported: set[str] = set()
    for service in written:
        circle = _circle(service, written)
        if circle and not reported & set(circle):
            reported |= set(circle)
            checking.report(("dependencies", service), f"depends on itself: {' -> '.join((*circle, service))}")
    return tuple(Dependency(service, tuple(dict.fromkeys(others))) for service, others in written.items())


def _circle(service: str, graph: Mapping[str, Sequence[str]]) -> list[str]:
    """The way from `service` back to itself; empty if there is none."""
    came_from: dict[str, str] = {}
    todo = [service]
    while todo:
        current = todo.pop()
        for other in graph.get(current, ()):
            if other == service:
                way = [current]
                while way[-1] != service:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if other not in came_from:
                came_from[other] = current
                todo.append(other)
    return []
