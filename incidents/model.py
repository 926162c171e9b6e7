"""An incident, the alerts in it, and one entry of its timeline.

Plain data between the rules in this folder and the shell that stores and acts. Times are Unix seconds, of the desk's
clock unless a field says event time.
"""

from typing import Any, Literal, get_args

import msgspec

from schemas.levels import LevelName

State = Literal["open", "acknowledged", "mitigated", "resolved", "closed"]
STATES: tuple[State, ...] = get_args(State)
OVER: tuple[State, ...] = ("resolved", "closed")
Verdict = Literal["", "true_positive", "false_positive"]
SEVERITIES = (1, 2, 3, 4, 5)  # 1 is the worst


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of it now. `version` grows by one with each change.

    rule: name of the config's rule that opened it, empty where a person did. detected_s: event time at which its first
    alert started. *_s of a state: when it was first reached in this life of the incident, None: not yet; re-opening
    clears those that hold no more. acknowledged_s: the newest acknowledgement, while it holds; responded_s: the first
    of this life, whether it holds or not. severity_by: the person who overruled it, empty: the rules. labels: those by
    which alerts join it. quiet_since_s: since when all its alerts are over.
    """

    number: int
    title: str
    state: State = "open"
    severity: int
    severity_reason: str = ""
    severity_by: str = ""
    service: str = ""
    labels: dict[str, str] = {}
    rule: str = ""
    policy: str = ""
    team: str = ""
    summary: str = ""
    opened_by: str = ""
    opened_s: float
    detected_s: float
    updated_s: float
    acknowledged_s: float | None = None
    acknowledged_by: str = ""
    responded_s: float | None = None
    mitigated_s: float | None = None
    resolved_s: float | None = None
    closed_s: float | None = None
    quiet_since_s: float | None = None
    reopened_s: float | None = None
    roles: dict[str, str] = {}
    verdict: Verdict = ""
    merged_into: int | None = None
    version: int = 0

    @property
    def id(self) -> str:
        """As people call it.

        >>> Incident(number=12, title="x", severity=2, opened_s=0, detected_s=0, updated_s=0).id
        'INC-12'
        """
        return f"INC-{self.number}"

    @property
    def is_over(self) -> bool:
        return self.state in OVER


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One episode of an alert in an incident, as the desk last saw it. worst: the highest level it had.

    seq: of the transition seen last. value: the newest, which at the end says nothing of impact; highest: the highest
    that transitions and their evidence had since it started. starts_at_s, ends_at_s: event time. left_s: when it was
    split off or merged away; it counts no more then.
    """

    incident: int
    episode: str
    seq: int = 0
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    level: LevelName
    worst: LevelName
    is_firing: bool
    starts_at_s: float
    ends_at_s: float | None = None
    first_seen_s: float
    joined_s: float
    updated_s: float
    left_s: float | None = None
    rule: str = ""
    value: float | None = None
    highest: float | None = None
    expected: float | None = None
    why: str = ""

    @property
    def name(self) -> str:
        return self.labels.get("alertname", self.rule)

    def matchable(self) -> dict[str, str]:
        """What matchers see: the labels, `level`, and `severity` where it has none."""
        return {"severity": self.level, **self.labels, "level": self.level}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be written into a timeline.

    what: a key of `incidents.timeline.KINDS`. by: a person, or which part of us. source: whence it is known (`desk`,
    `kafka`, `api`, `slack`, `pagerduty`, `opsgenie`, `changes`). at_s: when it was, where that isn't the moment of
    writing. details: JSON.
    """

    what: str
    text: str
    by: str = "tidegauge"
    source: str = "desk"
    at_s: float | None = None
    details: dict[str, Any] = {}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line as it was written: the `seq`-th of its incident, chained to the one before by its hash (hex, SHA-256)."""

    incident: int
    seq: int
    at_s: float
    written_s: float
    what: str
    text: str
    by: str
    source: str
    details: dict[str, Any]
    previous: str
    hash: str
