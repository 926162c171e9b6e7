"""The desk's words: an alert as it stands now, groups and their members, what is told to whom, and why not.

Plain data between the rules in this folder and the shell that stores and sends. Times are Unix seconds; `*_s` of the
desk's own clock unless a field says event time.
"""

from typing import Literal

import msgspec

from schemas.levels import LevelName

Status = Literal["firing", "resolved"]
Origin = Literal["kafka", "api", "self"]
Mute = Literal[
    "snooze", "maintenance", "silence", "inhibition", "dependency", "time_interval", "flapping", "acknowledged"
]
Reason = Literal[
    "first_notification",
    "new_alerts",
    "level_raised",
    "level_lowered",
    "some_resolved",
    "all_resolved",
    "repeat_interval",
    "flapping_started",
    "flapping_stopped",
    "escalation",
    "taken_back",
]
What = Literal["new", "raised", "lowered", "same", "flapping", "resolved", "departed"]
GroupKind = Literal["group", "digest", "storm", "incident"]
Says = Literal["tell", "acknowledge", "unacknowledge"]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, keyed by `fingerprint` (of its labels); `episode` is the alert event's `id`, new with each start.

    level: the last one it had where it is resolved. starts_at_s, ends_at_s: event time.
    first_seen_s: when the desk first saw this episode; all of people's timers start there, never at `starts_at_s`.
    """

    fingerprint: str
    episode: str
    seq: int
    status: Status
    level: LevelName
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at_s: float
    ends_at_s: float | None
    first_seen_s: float
    updated_s: float
    origin: Origin = "kafka"
    generator_url: str = ""
    rule: str = ""
    detector: str = ""
    value: float | None = None
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    score: float | None = None
    deviation: float | None = None
    direction: Literal["above", "below"] | None = None
    why: str = ""
    evidence_t: list[float] = []
    evidence_v: list[float] = []

    @property
    def is_firing(self) -> bool:
        return self.status == "firing"

    def matchable(self) -> dict[str, str]:
        """What matchers and label-based receivers see: the labels, `level`, and `severity` where it has none."""
        return {"severity": self.level, **self.labels, "level": self.level}


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that are told together. `id` is 32 hex of kind, receiver, route key and labels: the same on every desk.

    key: Alertmanager's groupKey text. next_flush_s: when it is looked at next. told_count: messages so far.
    """

    id: str
    kind: GroupKind
    key: str
    receiver: str
    route: str  # Route.path
    labels: dict[str, str]
    first_seen_s: float
    next_flush_s: float
    last_told_s: float | None = None
    told_count: int = 0


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An alert's place in a group, and what the group's receiver was last told of it (None: nothing yet).

    departed: its routes lead elsewhere now (its level changed, or the config); to this receiver it has ended.
    muted: the reason that stood last, as logged; None where nothing held it back.
    told_s: None with a `told_status` where it was held back and the newest message left it out: its end is still owed.
    """

    fingerprint: str
    episode: str
    joined_s: float
    told_status: Status | None = None
    told_level: LevelName | None = None
    told_s: float | None = None
    departed: bool = False
    muted: str | None = None


class Muted(msgspec.Struct, frozen=True):
    """Why an alert isn't told now: which rule, which one of its kind, and a sentence."""

    by: Mute
    ref: str  # id of the silence, name of the window, the inhibiting alert's fingerprint, ...
    text: str

    def __str__(self) -> str:
        """
        >>> str(Muted("silence", "7f3c", "silenced by ann until 04:00: moving racks"))
        'silence 7f3c: silenced by ann until 04:00: moving racks'
        """
        return f"{self.by} {self.ref}: {self.text}"


class Told(msgspec.Struct, frozen=True):
    """One alert of a notification, and what is new about it for this receiver."""

    alert: Alert
    what: What
    previous_level: LevelName | None = None


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver is told of a group at one moment: every alert of it that isn't held back, firing ones first.

    id: 32 hex of group id and number, so that telling it twice can be noticed. `number` counts from 1.
    repeats: the level is as it was; nothing new but time. says: `acknowledge` tells where the group was told that
    somebody (`by`) is on it, `unacknowledge` that nobody is any more.
    """

    id: str
    number: int
    group: Group
    reason: Reason
    alerts: list[Told]
    at_s: float
    repeat_interval_s: float
    muted: int = 0  # alerts of the group that are held back
    says: Says = "tell"
    by: str = ""
    comment: str = ""

    @property
    def firing(self) -> list[Told]:
        return [told for told in self.alerts if told.what not in ("resolved", "departed")]

    @property
    def resolved(self) -> list[Told]:
        return [told for told in self.alerts if told.what in ("resolved", "departed")]

    @property
    def status(self) -> Status:
        return "firing" if self.firing else "resolved"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the answer to "why was this sent, or not": kept for `explain`."""

    at_s: float
    what: str  # received, duplicate, routed, muted, unmuted, told, moved, bundled, sent, failed, retried, replaced, ...
    text: str
    episode: str | None = None
    fingerprint: str | None = None
    group: str | None = None
    receiver: str | None = None
    integration: str | None = None
    by: str | None = None
    ref: str | None = None
