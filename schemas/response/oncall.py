"""Who can be told, and who is on call when: `oncall:` of the config."""

from dataclasses import dataclass, field


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
class OnCallPlan:
    """All by name."""

    people: dict[str, Person] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
