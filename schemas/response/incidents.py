"""How alerts become incidents: `incidents:` of the config."""

from dataclasses import dataclass, field

from schemas.levels import LevelName
from schemas.matchers import Matchers
from schemas.response.triage import TriagePlan


@dataclass(frozen=True)
class IncidentRule:
    """Opens an incident from alerts that somebody was told of: `alerts_min` that match, at `level` or above.

    by: labels in which alerts of one incident agree. title: `{label}` stands for its value. severity: fixed, None: by
    triage. policy, team: names, or empty.
    """

    name: str
    matchers: Matchers
    level: LevelName = "critical"
    alerts_min: int = 1
    by: tuple[str, ...] = ("service",)
    title: str = ""
    severity: int | None = None
    policy: str = ""
    team: str = ""
    runbook_url: str = ""


@dataclass(frozen=True)
class IncidentPlan:
    """resolve_after_s: how long all alerts must be over before an incident resolves by itself, None: only by hand.

    reopen_within_s: an alert that comes back sooner after that reopens it. close_after_s: of a resolved one.
    """

    rules: tuple[IncidentRule, ...] = ()
    resolve_after_s: float | None = 600.0
    reopen_within_s: float = 3600.0
    close_after_s: float | None = None
    triage: TriagePlan = field(default_factory=TriagePlan)
