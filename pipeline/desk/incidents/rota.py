"""Schedules as they are shown: by the API, and by the commands from the config alone where no desk runs."""

from collections.abc import Sequence
from typing import Any

import msgspec

from incidents.oncall import ical
from incidents.oncall.overrides import Override
from incidents.oncall.schedule import spans
from incidents.oncall.spans import Span, between, joined
from schemas.alert import rfc3339
from schemas.response.oncall import OnCallPlan, Schedule

DAY_S = 86_400.0
SPANS_DAYS_MAX = 400
_NEXT_S = 60 * DAY_S  # who comes next is looked for so far ahead
_CALENDAR_PAST_S, _CALENDAR_AHEAD_S = 35 * DAY_S, 180 * DAY_S


class Turn(msgspec.Struct, frozen=True):
    """Times are RFC 3339, empty where they are further away than we look. layer: its position; override: its id."""

    person: str
    start: str
    end: str
    layer: int | None = None
    override: str = ""


class Standing(msgspec.Struct, frozen=True):
    """Who it is at a moment, and who comes then; None: nobody."""

    schedule: str
    time_zone: str
    at: str
    on_call: Turn | None
    next: Turn | None
    receivers: list[str]


class Rota(msgspec.Struct, frozen=True):
    """turns: in [start, end), cut there. gaps: pairs of times when nobody is on call."""

    schedule: str
    time_zone: str
    start: str
    end: str
    turns: list[Turn]
    gaps: list[tuple[str, str]]
    overrides: list[dict[str, Any]]


def standing(plan: OnCallPlan, schedule: Schedule, overrides: Sequence[Override], at_s: float) -> Standing:
    found = joined(spans(schedule, overrides, at_s, at_s + _NEXT_S))
    current = found[0] if found and found[0].start_s <= at_s else None
    after = found[1:] if current else found
    if current is not None:
        # When they began, and under which override they are at this moment.
        began = joined(spans(schedule, overrides, at_s - _NEXT_S, at_s + 1.0))[-1]
        (exact,) = spans(schedule, overrides, at_s, at_s + 1.0)[:1]
        current = Span(began.start_s, current.end_s, current.person, exact.layer, exact.override)
    person = plan.people.get(current.person) if current else None
    return Standing(
        schedule=schedule.name,
        time_zone=schedule.time_zone,
        at=rfc3339(at_s),
        on_call=_turn(current, at_s - _NEXT_S, at_s + _NEXT_S) if current else None,
        next=_turn(after[0], None, at_s + _NEXT_S) if after else None,
        receivers=list(person.receivers) if person else [],
    )


def rota(schedule: Schedule, overrides: Sequence[Override], from_s: float, to_s: float) -> Rota:
    found = spans(schedule, overrides, from_s, to_s)
    own = [one for one in overrides if one.schedule == schedule.name and one.start_s < to_s and one.end_s > from_s]
    return Rota(
        schedule=schedule.name,
        time_zone=schedule.time_zone,
        start=rfc3339(from_s),
        end=rfc3339(to_s),
        turns=[_turn(span) for span in found],
        gaps=[(rfc3339(start_s), rfc3339(end_s)) for start_s, end_s in between(found, from_s, to_s)],
        overrides=[override_row(one) for one in own],
    )


def calendar(schedule: Schedule, overrides: Sequence[Override], person: str | None, now_s: float) -> str:
    """iCalendar of five weeks that were and half a year to come; of one person where one is asked for."""
    # From so far back that a turn that began before isn't in it: its start would move with the time of asking.
    longest_s = max(layer.turn_h for layer in schedule.layers) * 3600.0 + DAY_S
    from_s = now_s - _CALENDAR_PAST_S - longest_s
    found = spans(schedule, overrides, from_s, now_s + _CALENDAR_AHEAD_S + longest_s)
    shifts = [
        span
        for span in found
        if span.end_s > now_s - _CALENDAR_PAST_S
        and from_s < span.start_s < now_s + _CALENDAR_AHEAD_S
        and person in (None, span.person)
    ]
    notes = {one.id: f"made by {one.by}{f': {one.note}' if one.note else ''}" for one in overrides}
    return ical.calendar(schedule.name, shifts, notes, now_s)


def override_row(one: Override) -> dict[str, Any]:
    row = msgspec.to_builtins(one)
    for key in ("start_s", "end_s", "made_s"):
        row[key.removesuffix("_s")] = rfc3339(row.pop(key))
    found: dict[str, Any] = row
    return found


def _turn(span: Span, from_s: float | None = None, to_s: float | None = None) -> Turn:
    start = "" if from_s is not None and span.start_s <= from_s else rfc3339(span.start_s)
    end = "" if to_s is not None and span.end_s >= to_s else rfc3339(span.end_s)
    return Turn(span.person, start, end, span.layer, span.override)
