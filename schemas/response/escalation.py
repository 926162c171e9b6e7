"""Whom to tell next when nobody moves: `escalation:` of the config."""

from dataclasses import dataclass, field
from typing import Literal

TargetKind = Literal["person", "schedule", "team", "receiver"]


@dataclass(frozen=True)
class Target:
    """`schedule:devops` -> whoever is on call in it at that moment."""

    kind: TargetKind
    name: str


@dataclass(frozen=True)
class Step:
    """after_s: since the step before, or the start of the policy."""

    after_s: float
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Policy:
    """repeat: how often its steps begin again after the last. ack_expires_s: pages again then, None: never."""

    name: str
    steps: tuple[Step, ...]
    repeat: int = 0
    ack_expires_s: float | None = None


@dataclass(frozen=True)
class EscalationPlan:
    """Policies by name."""

    policies: dict[str, Policy] = field(default_factory=dict)
