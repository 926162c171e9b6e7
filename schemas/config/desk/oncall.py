"""`oncall:` of the config, as it is written, and as `OnCallPlan`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema

from schemas.config.checking import Checking
from schemas.config.desk.names import Names, check_name
from schemas.config.desk.rotations import checked, date_of, days_of, first_of, hand_over_of, turn_h_of
from schemas.config.desk.words import LOCAL, TimeZone, minute_of_day
from schemas.config.errors import Path, shown
from schemas.config.machine import Machine
from schemas.config.section import Section
from schemas.response.oncall import Gaps, Layer, OnCallPlan, Person, Restriction, Schedule, Team

Name = Annotated[str, Field(min_length=1, max_length=100)]
_NAMED = "As others refer to it; once in its list."
_GAPS_SHOWN = 3


def _days(written: object) -> object:
    """One text for a list of one. What comes out of here is no JSON any more, and a list no tuple."""
    if isinstance(written, str):
        return (written,)
    return tuple(written) if isinstance(written, list) else written


Days = Annotated[
    tuple[Annotated[str, AfterValidator(checked(days_of))], ...],
    BeforeValidator(_days),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class FileHandles(Section):
    """Who a person is elsewhere: what they do there counts as theirs here."""

    slack: str | None = Field(default=None, min_length=1, description="Member ID, such as `U0123ABCD`.")
    pagerduty: str | None = Field(default=None, min_length=1, description="User ID, or the mail address there.")
    opsgenie: str | None = Field(default=None, min_length=1, description="User name there: a mail address.")
    email: str | None = Field(default=None, min_length=1, description="Mail address.")


class FilePerson(Section):
    """Somebody who can be on call."""

    name: Name = Field(description=_NAMED)
    receivers: tuple[str, ...] = Field(default=(), description="Receivers by which this person is told; all of them.")
    time_zone: TimeZone = Field(default="UTC", description="Where this person lives: tells pages at night from others.")
    handles: FileHandles | None = Field(default=None, description="Who it is elsewhere.")


class FileTeam(Section):
    """People who answer for something together."""

    name: Name = Field(description=_NAMED)
    members: tuple[str, ...] = Field(default=(), description="Names of people.")
    schedule: str | None = Field(
        default=None, description="Who of it is told: whoever is on call there. Left out: all members."
    )
    policy: str | None = Field(default=None, description="Policy by which its incidents escalate.")


class FileRestriction(Section):
    """When a layer counts: hours of the wall clock on some days; several are added up."""

    days: Days = Field(
        default=(), description="Days on which it begins: `monday:friday`, or a list of such. Left out: every day."
    )
    from_: Annotated[str, AfterValidator(checked(minute_of_day))] = Field(
        default="00:00", validation_alias="from", description="When it begins, such as `18:00`."
    )
    to: Annotated[str, AfterValidator(checked(minute_of_day))] = Field(
        default="24:00", description="When it ends; on the day after where that isn't later than `from`."
    )


class FileLayer(Section):
    """People who take turns. Where layers overlap, the later one in the list is asked."""

    people: tuple[str, ...] = Field(min_length=1, max_length=1000, description="Names, in the order of their turns.")
    rotate: Annotated[str, AfterValidator(checked(turn_h_of))] = Field(
        default="weekly", description="How long a turn is: `daily`, `weekly`, or whole hours, such as `12h` or `2w`."
    )
    hand_over: Annotated[str, AfterValidator(checked(hand_over_of))] = Field(
        default="09:00", description="When turns end, such as `monday 09:00` (without a day, weekly: on Monday)."
    )
    starts: Annotated[str, AfterValidator(checked(date_of))] = Field(
        default="2024-01-01", description="The first turn begins at the first hand-over on this day or after it."
    )
    time_zone: TimeZone | None = Field(
        default=None, description="Whose wall clock it goes by. Left out: the schedule's."
    )
    restrictions: tuple[FileRestriction, ...] = Field(
        default=(), max_length=100, description="It counts only then. Left out: always."
    )


class FileSchedule(Section):
    """Who is on call when."""

    name: Name = Field(description=_NAMED)
    layers: tuple[FileLayer, ...] = Field(min_length=1, max_length=100, description="Later ones win over earlier ones.")
    time_zone: TimeZone = Field(default="UTC", description="IANA name, such as `Europe/Berlin`.")
    gaps: Gaps = Field(
        default="refuse",
        description="What a time without anybody is, within a year from now: an error, a `warn`ing, or `allow`ed.",
    )


class FileOnCall(Section):
    """Who can be told, and who is on call when."""

    people: tuple[FilePerson, ...] = Field(default=(), max_length=10_000, description="Who can be on call.")
    teams: tuple[FileTeam, ...] = Field(default=(), max_length=1000, description="Who answers for what.")
    schedules: tuple[FileSchedule, ...] = Field(default=(), max_length=1000, description="Who is on call when.")


def oncall_of(written: FileOnCall, names: Names, checking: Checking, machine: Machine) -> OnCallPlan:
    """Reports what is wrong in it; what it returns counts only where nothing was."""
    resolving = _Resolving(names, checking, machine)
    for key in ("people", "teams", "schedules"):
        resolving.check_doubles([each.name for each in getattr(written, key)], key)
    return OnCallPlan(
        people={each.name: resolving.person(each, position) for position, each in enumerate(written.people)},
        teams={each.name: resolving.team(each, position) for position, each in enumerate(written.teams)},
        schedules={each.name: resolving.schedule(each, position) for position, each in enumerate(written.schedules)},
    )


class _Resolving:
    def __init__(self, names: Names, checking: Checking, machine: Machine) -> None:
        self._names, self._checking, self._machine = names, checking, machine

    def check_doubles(self, found: Sequence[str], key: str) -> None:
        for position, name in enumerate(found):
            at: Path = ("oncall", key, position, "name")
            if found.index(name) < position and not self._checking.broken(at):
                line = self._checking.written.line(("oncall", key, found.index(name), "name"))
                self._checking.report(at, f"{shown(name)} is on line {line} already; give each its own name")

    def person(self, written: FilePerson, position: int) -> Person:
        at: Path = ("oncall", "people", position)
        for index, name in enumerate(written.receivers):
            check_name(name, self._names.receivers, "receiver", (*at, "receivers", index), self._checking)
        if not written.receivers and not self._checking.broken(at):
            self._checking.warn(at, f"{shown(written.name)} can't be told of anything: it has no receivers")
        handles = {key: value for key, value in written.handles or () if value is not None}
        return Person(written.name, written.receivers, self._zone(written.time_zone), handles)

    def team(self, written: FileTeam, position: int) -> Team:
        at: Path = ("oncall", "teams", position)
        for index, name in enumerate(written.members):
            check_name(name, self._names.people, "person", (*at, "members", index), self._checking)
        if written.schedule is not None:
            check_name(written.schedule, self._names.schedules, "schedule", (*at, "schedule"), self._checking)
        if written.policy is not None:
            check_name(written.policy, self._names.policies, "policy", (*at, "policy"), self._checking)
        if not written.members and written.schedule is None and not self._checking.broken(at):
            self._checking.report(at, "nobody is in it; give it members or a schedule")
        return Team(written.name, written.members, written.schedule or "", written.policy or "")

    def schedule(self, written: FileSchedule, position: int) -> Schedule:
        at: Path = ("oncall", "schedules", position)
        zone = self._zone(written.time_zone)
        layers = [
            self._layer(each, zone, (*at, "layers", number))
            for number, each in enumerate(written.layers)
            if not self._checking.broken((*at, "layers", number))
        ]
        made = Schedule(written.name, tuple(layers), zone, written.gaps)
        if not self._checking.broken(at):
            self._check_gaps(made, at)
        return made

    def _layer(self, written: FileLayer, zone: str, at: Path) -> Layer:
        for index, name in enumerate(written.people):
            check_name(name, self._names.people, "person", (*at, "people", index), self._checking)
        zone = zone if written.time_zone is None else self._zone(written.time_zone)
        weekday, minute = hand_over_of(written.hand_over)
        if weekday is not None and turn_h_of(written.rotate) % 24:
            self._checking.report(
                (*at, "hand_over"), f"turns of {written.rotate} end on no one day of the week; leave the day out"
            )
        if weekday is not None and written.rotate == "daily":
            self._checking.report((*at, "hand_over"), "daily turns end on every day; leave the day of the week out")
        if weekday is None and written.rotate == "weekly":
            weekday = 0
        return Layer(
            people=written.people,
            first=first_of(date_of(written.starts), weekday, minute),
            turn_h=turn_h_of(written.rotate),
            time_zone=zone,
            restrictions=tuple(
                self._restriction(each, (*at, "restrictions", number))
                for number, each in enumerate(written.restrictions)
            ),
        )

    def _restriction(self, written: FileRestriction, at: Path) -> Restriction:
        starts, ends = minute_of_day(written.from_), minute_of_day(written.to)
        if starts == ends:
            self._checking.report(
                at, f"is no time at all: from {written.from_} to {written.to}; a day is 00:00 to 24:00"
            )
        if starts == 1440:
            self._checking.report((*at, "from"), "24:00 is the next day's 00:00; write that")
        days = frozenset(day for text in written.days or ("monday:sunday",) for day in days_of(text))
        return Restriction(days, starts, ends)

    def _check_gaps(self, schedule: Schedule, at: Path) -> None:
        ahead = self._machine.look_ahead(schedule)
        if ahead.begins_s is not None:
            self._checking.warn(
                at, f"nobody is on call before {_moment(ahead.begins_s, schedule.time_zone)}: its start"
            )
        if not ahead.gaps or schedule.gaps == "allow":
            return
        spans = [
            f"from {_moment(start_s, schedule.time_zone)} to {_moment(end_s, schedule.time_zone)}"
            for start_s, end_s in ahead.gaps[:_GAPS_SHOWN]
        ]
        more = len(ahead.gaps) - len(spans)
        times = f", and {more:,} times more until {_moment(ahead.until_s, schedule.time_zone)}" if more else ""
        where = f" ({schedule.time_zone})"
        message = f"nobody is on call {', '.join(spans)}{times}{where}; add a layer for it"
        if schedule.gaps == "warn":
            self._checking.warn(at, message)
        else:
            self._checking.report(at, f"{message}, or write gaps: allow")

    def _zone(self, written: str) -> str:
        return self._machine.time_zone if written == LOCAL else written


def _moment(at_s: float, time_zone: str) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC).astimezone(ZoneInfo(time_zone)):%a %Y-%m-%d %H:%M}"


SECTIONS: dict[str, type[BaseModel]] = {
    "oncall": FileOnCall,
    "oncall.people[]": FilePerson,
    "oncall.people[].handles": FileHandles,
    "oncall.teams[]": FileTeam,
    "oncall.schedules[]": FileSchedule,
    "oncall.schedules[].layers[]": FileLayer,
    "oncall.schedules[].layers[].restrictions[]": FileRestriction,
}
"""Where a mapping stands -> its model, for the page of all keys."""
