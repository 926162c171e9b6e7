"""Whom to tell next when nobody moves: `escalation:` of the config."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from schemas.secret import Secret

TargetKind = Literal["person", "schedule", "team", "receiver"]
TARGET_KINDS: tuple[TargetKind, ...] = get_args(TargetKind)


@dataclass(frozen=True)
class Target:
    """`schedule:devops` -> whoever is on call in it at that moment."""

    kind: TargetKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> "Target":
        """
        >>> Target.parse("schedule:devops")
        Target(kind='schedule', name='devops')

        Raises ValueError for a text that isn't one.
        """
        kind, colon, name = text.partition(":")
        for known in TARGET_KINDS:
            if known == kind.strip() and colon and name.strip():
                return cls(known, name.strip())
        raise ValueError(f"not a target: {text!r}; write {':NAME, '.join(TARGET_KINDS)}:NAME")


@dataclass(frozen=True)
class Step:
    """after_s: since the step before, or the start of the policy.

    unless: `acknowledged` pages only while nobody has it, `resolved` also who should know although somebody has.
    severities, time_intervals: only of these, only in one of these; empty: always.
    """

    after_s: float
    targets: tuple[Target, ...]
    unless: Literal["acknowledged", "resolved"] = "acknowledged"
    severities: tuple[int, ...] = ()
    time_intervals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """repeat: how often its steps begin again. ack_expires_s: pages again then, None: never.

    repeat_after_s: how long after its last step the first comes again, or it is said that the policy is at its end.
    hands_over: its receivers (PagerDuty, Opsgenie) have policies of their own, which go on from there.
    """

    name: str
    steps: tuple[Step, ...]
    repeat: int = 0
    ack_expires_s: float | None = None
    repeat_after_s: float = 300.0
    hands_over: bool = False


@dataclass(frozen=True)
class Hooks:
    """What others need to speak to `/hooks/...`; each is off without its secret.

    slack_strangers: whether a Slack user who is nobody of `oncall.people` may act, under the name that Slack gives.
    """

    pagerduty_secret: Secret | None = None
    slack_signing_secret: Secret | None = None
    slack_strangers: Literal["refuse", "by_name"] = "refuse"
    opsgenie_secret: Secret | None = None


@dataclass(frozen=True)
class EscalationPlan:
    """Policies by name. link_key: signs links to acknowledge, None: one that the desk makes for itself."""

    policies: dict[str, Policy] = field(default_factory=dict)
    hooks: Hooks = field(default_factory=Hooks)
    link_key: Secret | None = None
    links_last_s: float = 86_400.0
