"""How bad an incident is, who does what about it, and who hears of it: parts of `incidents:` of the config.

Without a word in the config these are the defaults. Severities are 1 (the worst) to 5; shares are 0 to 1.
"""

from dataclasses import dataclass, field

from schemas.levels import LevelName
from schemas.matchers import Matchers
from schemas.response.escalation import Target


@dataclass(frozen=True)
class SeverityRow:
    """Holds where everything in it does: each number is the least that is enough. None, 0: not asked for.

    matchers: of at least one alert. share: of traffic that fails. outage_s: as long as if all of it had failed.
    budget: of the error budget that is burned; may be above 1.
    """

    severity: int
    level: LevelName | None = None
    matchers: Matchers = field(default_factory=Matchers)
    series: int = 0
    services: int = 0
    customers: int = 0
    share: float = 0.0
    outage_s: float = 0.0
    budget: float = 0.0


DEFAULT_TABLE: tuple[SeverityRow, ...] = (
    SeverityRow(1, level="critical", services=5),
    SeverityRow(1, level="critical", customers=100),
    SeverityRow(1, level="critical", share=0.5),
    SeverityRow(1, outage_s=1800.0),
    SeverityRow(1, budget=0.5),
    SeverityRow(2, level="critical", services=2),
    SeverityRow(2, level="critical", customers=10),
    SeverityRow(2, level="critical", share=0.05),
    SeverityRow(2, outage_s=300.0),
    SeverityRow(2, budget=0.1),
    SeverityRow(3, level="critical"),
    SeverityRow(3, level="warning", services=3),
    SeverityRow(4, level="warning"),
    SeverityRow(5),
)
"""The first row that holds decides; none is more severe than one above it."""

RATIOS = '{metric=~".*(error|errors|failure|failures|failed)_?(ratio|share|fraction)"}'


@dataclass(frozen=True)
class ImpactPlan:
    """Where impact is read from. ratios: alerts whose value is the share of traffic that fails, 0 to 1.

    customer_labels: each value of one of these is a customer. objective: the share that must succeed within `period_s`.
    """

    customer_labels: tuple[str, ...] = ("customer", "tenant")
    ratios: tuple[Matchers, ...] = field(default_factory=lambda: (Matchers.parse(RATIOS),))
    objective: float = 0.999
    period_s: float = 2_592_000.0


@dataclass(frozen=True)
class Role:
    """assign: who gets it by itself, once the incident is at `severity` or worse; None: only by hand."""

    name: str
    description: str = ""
    assign: Target | None = None
    severity: int = 2
    checklist: tuple[str, ...] = ()
    runbook_url: str = ""


DEFAULT_ROLES: tuple[Role, ...] = (
    Role(
        "commander",
        "Decides, hands out work, keeps the whole in view; repairs nothing.",
        checklist=(
            "Say that you command, and where to talk",
            "Check the severity; overrule it if it is wrong",
            "Fill the roles that are needed",
            "Ask for findings at fixed times, and decide what is next",
            "Say when it is mitigated, and when it is over",
        ),
    ),
    Role(
        "communication",
        "Tells stakeholders and customers what is known, in time.",
        checklist=(
            "Write the first update: what is affected, since when, when the next update comes",
            "Write each update when it is due, also when nothing is new",
            "Say that it is over, and what was done",
        ),
    ),
    Role(
        "troubleshooting",
        "Stops the damage: mitigation first, the cause later.",
        checklist=(
            "Follow the runbooks of the alerts",
            "Look at the suspects; undo a change where that is safe",
            "Say each step before it is taken, and its result",
        ),
    ),
    Role(
        "investigation",
        "Finds the cause, beside those who stop the damage.",
        checklist=(
            "Write down what changed before the start",
            "Note what was ruled out, and by what",
            "Keep graphs and logs that will be gone later",
        ),
    ),
    Role(
        "scribe",
        "Writes down decisions and findings as they come.",
        checklist=("Write decisions, with who and why, into the timeline", "Note what the review should look at"),
    ),
)


@dataclass(frozen=True)
class UpdateRow:
    """Incidents at `severity` or worse: who hears of them, and how often. first_s: after it was opened."""

    severity: int
    every_s: float
    receivers: tuple[str, ...]
    first_s: float


DEFAULT_TEMPLATES: dict[str, str] = {
    "update": "{{ id }}, {{ severity }}, {{ state }}: {{ title }}\n{{ text }}"
    "{% if next %}\nNext update by {{ next }}.{% endif %}",
    "resolved": "{{ id }} is over: {{ title }}\n{{ text or 'It lasted ' ~ duration ~ '.' }}",
}
TEMPLATE_NAMES = (
    "id", "title", "severity", "state", "service", "summary", "text", "by", "since", "duration", "next", "labels",
    "customers", "share",
)  # fmt: skip
"""What a template may name."""


@dataclass(frozen=True)
class UpdatePlan:
    """schedule: the first row that an incident is severe enough for holds. templates: by name, in Jinja2."""

    schedule: tuple[UpdateRow, ...] = ()
    templates: dict[str, str] = field(default_factory=lambda: dict(DEFAULT_TEMPLATES))


@dataclass(frozen=True)
class TriagePlan:
    """within_s: a change so long before the start may be its cause."""

    table: tuple[SeverityRow, ...] = DEFAULT_TABLE
    impact: ImpactPlan = field(default_factory=ImpactPlan)
    roles: tuple[Role, ...] = DEFAULT_ROLES
    updates: UpdatePlan = field(default_factory=UpdatePlan)
    within_s: float = 21_600.0
