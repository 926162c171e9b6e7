"""A schedule's spans: turns of people in layers, a later layer over earlier ones, and overrides over all."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from incidents.oncall.clock import first_s, shown_at
from incidents.oncall.overrides import Override, changed
from incidents.oncall.spans import Span, between, clipped, over
from schemas.response.oncall import Ahead, Layer, Restriction, Schedule

_DAY = timedelta(days=1)
_YEAR_S = 366 * 86_400.0
_ANY_S = 1.0  # of looking at one moment


def on_call(schedule: Schedule, overrides: Sequence[Override], at_s: float) -> list[str]:
    """Who it is at that moment; nobody in a gap."""
    return [span.person for span in spans(schedule, overrides, at_s, at_s + _ANY_S) if span.start_s <= at_s]


def spans(schedule: Schedule, overrides: Sequence[Override], from_s: float, to_s: float) -> list[Span]:
    """Everybody's in [from, to), cut there. overrides: those of other schedules don't count."""
    found: list[Span] = []
    for position, layer in enumerate(schedule.layers):
        found = over(found, list(_layer(layer, position, from_s, to_s)))
    own = [one for one in overrides if one.schedule == schedule.name]
    return changed(found, own, from_s, to_s)


def turn_at(schedule: Schedule, overrides: Sequence[Override], at_s: float) -> Span | None:
    """The whole turn of whoever is on call at that moment, also where others take parts of it; None in a gap."""
    found = [span for span in spans(schedule, overrides, at_s, at_s + _ANY_S) if span.start_s <= at_s]
    if not found:
        return None
    span = found[0]
    if span.layer is None:
        own = next(one for one in overrides if one.id == span.override)
        return replace(span, start_s=own.start_s, end_s=own.end_s)
    layer = schedule.layers[span.layer]
    number = _turn_at(layer, at_s)
    return replace(span, start_s=_begins_s(layer, number), end_s=_begins_s(layer, number + 1))


def gaps(schedule: Schedule, overrides: Sequence[Override], from_s: float, to_s: float) -> list[tuple[float, float]]:
    """When nobody is on call in [from, to)."""
    return between(spans(schedule, overrides, from_s, to_s), from_s, to_s)


def ahead(schedule: Schedule, now_s: float) -> Ahead:
    """The gaps of a year and a day from now on, or from the start of a layer that is to come.

    The people in turn change nothing in it, so whatever comes later is like this: both changes of the clock are in it.
    """
    starts_s = [_begins_s(layer, 0) for layer in schedule.layers]
    from_s, until_s = max(now_s, min(starts_s)), max(now_s, *starts_s) + _YEAR_S
    found = gaps(schedule, (), from_s, until_s)
    return Ahead(tuple(found), min(starts_s) if min(starts_s) > now_s else None, until_s)


def _layer(layer: Layer, position: int, from_s: float, to_s: float) -> Iterator[Span]:
    windows = _windows(layer, from_s, to_s)
    for start_s, end_s, person in _turns(layer, from_s, to_s):
        if not layer.restrictions:
            yield from clipped([Span(start_s, end_s, person, position)], from_s, to_s)
            continue
        while windows and windows[0][1] <= start_s:
            windows.pop(0)
        for opens_s, closes_s in windows:
            if opens_s >= end_s:
                break
            whole = Span(max(start_s, opens_s), min(end_s, closes_s), person, position)
            yield from clipped([whole], from_s, to_s)


def _turns(layer: Layer, from_s: float, to_s: float) -> Iterator[tuple[float, float, str]]:
    """Those that have a part in [from, to), whole."""
    number = _turn_at(layer, from_s)
    start_s = _begins_s(layer, number)
    while start_s < to_s:
        end_s = _begins_s(layer, number + 1)
        # A turn that the wall clock skipped as a whole is nobody's.
        if end_s > start_s:
            yield start_s, end_s, layer.people[number % len(layer.people)]
        number, start_s = number + 1, end_s


def _turn_at(layer: Layer, at_s: float) -> int:
    """The one of that moment, the first one before it has begun."""
    since = shown_at(at_s, layer.time_zone) - layer.first
    number = max(0, since // timedelta(hours=layer.turn_h))
    # Around a change of the clock what it shows may be a turn that isn't yet, or has been already.
    while number and _begins_s(layer, number) > at_s:
        number -= 1
    while _begins_s(layer, number + 1) <= at_s:
        number += 1
    return number


def _begins_s(layer: Layer, number: int) -> float:
    return first_s(layer.first + number * timedelta(hours=layer.turn_h), layer.time_zone)


def _windows(layer: Layer, from_s: float, to_s: float) -> list[tuple[float, float]]:
    """When its restrictions let somebody be on call, in order and without overlaps."""
    if not layer.restrictions:
        return []
    # A day more at each end for windows across midnight, and one for zones that skipped or repeated a day.
    day = _midnight(shown_at(from_s, layer.time_zone)) - 2 * _DAY
    last = _midnight(shown_at(to_s, layer.time_zone)) + _DAY
    found: list[tuple[float, float]] = []
    while day <= last:
        for each in layer.restrictions:
            if day.weekday() in each.days:
                start_s, end_s = (first_s(moment, layer.time_zone) for moment in _ends(each, day))
                found.append((start_s, end_s))
        day += _DAY
    return _united(found)


def _ends(restriction: Restriction, day: datetime) -> tuple[datetime, datetime]:
    minutes = restriction.to_minute + (1440 if restriction.to_minute <= restriction.from_minute else 0)
    return day + timedelta(minutes=restriction.from_minute), day + timedelta(minutes=minutes)


def _midnight(shown: datetime) -> datetime:
    return shown.replace(hour=0, minute=0, second=0, microsecond=0)


def _united(windows: list[tuple[float, float]]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start_s, end_s in sorted(windows):
        if found and start_s <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        elif start_s < end_s:
            found.append((start_s, end_s))
    return found
