"""Who can be told, and who is on call when: `oncall:` of the config."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Gaps = Literal["refuse", "warn", "allow"]


@dataclass(frozen=True)
class Person:
    """receivers: names of the config's receivers, by which this person is told. time_zone: IANA name."""

    name: str
    receivers: tuple[str, ...] = ()
    time_zone: str = "UTC"
    handles: dict[str, str] = field(
        default_factory=dict
    )  # `slack`, `pagerduty`, `opsgenie`, `email` -> who it is there


@dataclass(frozen=True)
class Team:
    """schedule: who of it is on call, empty: all members are told. policy: how it escalates."""

    name: str
    members: tuple[str, ...] = ()
    schedule: str = ""
    policy: str = ""


@dataclass(frozen=True)
class Restriction:
    """Minutes of the wall clock, `to_minute` excluded, on days that count from Monday, 0.

    Where `to_minute` isn't later than `from_minute` it is on the day after.
    """

    days: frozenset[int]
    from_minute: int = 0
    to_minute: int = 1440


@dataclass(frozen=True)
class Layer:
    """Its people take turns of `turn_h` hours on the wall clock of `time_zone`, for ever, from `first` on.

    first: the first hand-over, local time without offset. restrictions: when it counts; none: always.
    """

    people: tuple[str, ...]
    first: datetime
    turn_h: int
    time_zone: str = "UTC"
    restrictions: tuple[Restriction, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """Where several layers have somebody at the same time, it is the last one's. time_zone: it is shown in."""

    name: str
    layers: tuple[Layer, ...]
    time_zone: str = "UTC"
    gaps: Gaps = "refuse"


@dataclass(frozen=True)
class Ahead:
    """What the time until `until_s` brings: when nobody is on call; begins_s: the schedule's start if it is to come."""

    gaps: tuple[tuple[float, float], ...] = ()
    begins_s: float | None = None
    until_s: float = 0.0


@dataclass(frozen=True)
class OnCallPlan:
    """All by name."""

    people: dict[str, Person] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
