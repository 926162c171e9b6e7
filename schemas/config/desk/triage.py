"""Severity, impact, roles, updates and suspects under `incidents:`, as written, and as `TriagePlan`."""

import re
from dataclasses import replace
from itertools import pairwise
from typing import Annotated

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import AfterValidator, BaseModel, Field

from schemas.config.checking import Checking
from schemas.config.desk.names import Names, check_name
from schemas.config.desk.words import Condition, LabelName
from schemas.config.errors import Path, shown, suggestion
from schemas.config.section import Section
from schemas.config.values import Duration, WebAddress
from schemas.levels import LevelName
from schemas.matchers import Matchers
from schemas.response.escalation import Target
from schemas.response.triage import (
    DEFAULT_ROLES,
    DEFAULT_TABLE,
    DEFAULT_TEMPLATES,
    TEMPLATE_NAMES,
    ImpactPlan,
    Role,
    SeverityRow,
    TriagePlan,
    UpdatePlan,
    UpdateRow,
)

_TARGET = re.compile(r"(person|schedule|team):(.+)", re.DOTALL)
_EVERY_S_MIN = 60.0
SeverityNumber = Annotated[int, Field(ge=1, le=5)]


def _target(text: str) -> str:
    if not _TARGET.fullmatch(text):
        raise ValueError(f"must be person:NAME, schedule:NAME or team:NAME, got {shown(text)}")
    return text


def _template(text: str) -> str:
    try:
        tree: nodes.Template = ImmutableSandboxedEnvironment().parse(text)
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno} of the template: {error.message}") from None
    except TemplateError as error:
        raise ValueError(f"not a template: {error}") from None
    for name in sorted(meta.find_undeclared_variables(tree) - set(TEMPLATE_NAMES)):
        raise ValueError(f"a template has no {shown(name)}; {suggestion(name, TEMPLATE_NAMES)}")
    return text


class FileSeverityRow(Section):
    """One row of the table: it holds where everything in it does; the first that holds decides."""

    severity: SeverityNumber = Field(description="1 is the worst; no row may be more severe than one above it.")
    level: LevelName | None = Field(default=None, description="The worst level of its alerts is at least this.")
    matchers: tuple[Condition, ...] = Field(
        default=(), description="Conditions that one of its alerts fulfils; as in a route."
    )
    series: int = Field(default=0, ge=0, description="At least so many series.")
    services: int = Field(default=0, ge=0, description="At least so many services (`desk.service_label`).")
    customers: int = Field(default=0, ge=0, description="At least so many customers (`incidents.impact`).")
    share: float = Field(default=0.0, ge=0, le=1, description="At least this share of traffic fails, 0 to 1.")
    outage_s: Duration = Field(
        default=0.0,
        validation_alias="outage",
        description="Duration times share of traffic: as bad as so long a full outage.",
    )
    budget: float = Field(
        default=0.0, ge=0, description="At least this share of the error budget is burned; 1 is all of it."
    )


class FileImpact(Section):
    """Where it is read how much an incident does to others."""

    customer_labels: tuple[LabelName, ...] = Field(
        default=ImpactPlan().customer_labels, max_length=20, description="Each value of these labels is a customer."
    )
    ratios: tuple[Condition, ...] | None = Field(
        default=None,
        max_length=100,
        description="An alert that matches one of these has the share of traffic that fails as its value, 0 to 1; left "
        "out: metrics named like `error_ratio`.",
    )
    objective: float = Field(
        default=99.9, gt=0, le=99.999999, description="Percent of traffic that must succeed; the rest is the error budget."
    )
    period_s: Duration = Field(
        default=2_592_000.0, gt=0, validation_alias="period", description="Time that the objective is for."
    )


class FileRole(Section):
    """A role: one of commander, communication, troubleshooting, investigation, scribe, or one of your own."""

    name: str = Field(min_length=1, max_length=100, description="As it is called; once in the list.")
    description: str | None = Field(default=None, max_length=2_000, description="What it is there for.")
    assign: Annotated[str, AfterValidator(_target)] | None = Field(
        default=None,
        description="Who gets it by itself: `schedule:NAME`, `team:NAME` or `person:NAME`; left out: by hand.",
    )
    severity: SeverityNumber = Field(default=2, description="It is filled by itself from this severity on.")
    checklist: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] | None = Field(
        default=None, max_length=100, description="What is to be done in it; becomes tasks when it is taken."
    )
    runbook_url: WebAddress | None = Field(default=None, description="Where it says how.")


class FileUpdateRow(Section):
    """Who hears of incidents that are so bad, and how often."""

    severity: SeverityNumber = Field(description="For incidents at this severity or worse; the first row that fits.")
    every_s: Duration = Field(
        ge=_EVERY_S_MIN, validation_alias="every", description="How often stakeholders are to hear of it."
    )
    receivers: tuple[str, ...] = Field(min_length=1, max_length=100, description="Names of receivers: the audience.")
    first_s: Duration | None = Field(
        default=None, validation_alias="first", description="When the first is due after opening; left out: `every`."
    )


class FileUpdates(Section):
    """What stakeholders are told while an incident lasts, and when somebody is reminded to."""

    schedule: tuple[FileUpdateRow, ...] = Field(
        default=(), max_length=20, description="By severity, the worst first; empty: nobody is reminded."
    )
    templates: dict[str, Annotated[str, AfterValidator(_template)]] = Field(
        default_factory=dict,
        max_length=100,
        description="Texts by name, in Jinja2; `update` and `resolved` are the ones that are taken by themselves.",
    )


class FileSuspects(Section):
    """Which changes may have caused an incident."""

    within_s: Duration = Field(
        default=21_600.0, gt=0, validation_alias="within", description="So long before the start, at most."
    )


class FileTriage(Section):
    """How bad an incident is, who does what, who hears of it."""

    severity: tuple[FileSeverityRow, ...] | None = Field(
        default=None, min_length=1, max_length=100, description="The table of severities; left out: see docs/triage.md."
    )
    impact: FileImpact = Field(default_factory=FileImpact, description="Where impact is read from.")
    roles: tuple[FileRole, ...] = Field(
        default=(), max_length=50, description="Own roles, and what differs of the five that there are."
    )
    updates: FileUpdates = Field(default_factory=FileUpdates, description="Updates to stakeholders.")
    suspects: FileSuspects = Field(default_factory=FileSuspects, description="Changes that may be the cause.")


def triage_of(written: FileTriage, names: Names, checking: Checking) -> TriagePlan:
    """Reports what is wrong in it; what it returns counts only where nothing was."""
    return TriagePlan(
        table=_table_of(written.severity, checking),
        impact=ImpactPlan(
            written.impact.customer_labels,
            ImpactPlan().ratios if written.impact.ratios is None else written.impact.ratios,
            round(written.impact.objective / 100.0, 12),
            written.impact.period_s,
        ),
        roles=_roles_of(written.roles, names, checking),
        updates=_updates_of(written.updates, names, checking),
        within_s=written.suspects.within_s,
    )


def _table_of(written: tuple[FileSeverityRow, ...] | None, checking: Checking) -> tuple[SeverityRow, ...]:
    if written is None:
        return DEFAULT_TABLE
    at: Path = ("incidents", "severity")
    _check_order([row.severity for row in written], at, checking)
    return tuple(
        SeverityRow(
            row.severity,
            row.level,
            Matchers(tuple(matcher for one in row.matchers for matcher in one.matchers)),
            row.series,
            row.services,
            row.customers,
            row.share,
            row.outage_s,
            row.budget,
        )
        for row in written
    )


def _check_order(severities: list[int], at: Path, checking: Checking) -> None:
    """The first row that holds decides: one below a milder row would never get its turn, or make worse look milder."""
    for position, (above, here) in enumerate(pairwise(severities), 1):
        path = (*at, position, "severity")
        if here < above and not checking.broken(path):
            checking.report(path, f"is more severe than the row above it ({above}); put the most severe rows first")


def _roles_of(written: tuple[FileRole, ...], names: Names, checking: Checking) -> tuple[Role, ...]:
    roles = {role.name: role for role in DEFAULT_ROLES}
    first: dict[str, int] = {}
    for position, each in enumerate(written):
        at: Path = ("incidents", "roles", position)
        if each.name in first and not checking.broken((*at, "name")):
            line = checking.written.line(("incidents", "roles", first[each.name], "name"))
            checking.report((*at, "name"), f"{shown(each.name)} is on line {line} already; give each its own name")
        first.setdefault(each.name, position)
        assign = None if each.assign is None else target_of(each.assign, (*at, "assign"), names, checking)
        known = roles.get(each.name, Role(each.name))
        roles[each.name] = replace(
            known,
            description=known.description if each.description is None else each.description,
            assign=assign,
            severity=each.severity,
            checklist=known.checklist if each.checklist is None else each.checklist,
            runbook_url=each.runbook_url or "",
        )
    return tuple(roles.values())


def target_of(written: str, at: Path, names: Names, checking: Checking) -> Target:
    """`schedule:devops`. Reports a name that nothing has."""
    kind, _, name = written.partition(":")
    known = {"person": names.people, "schedule": names.schedules, "team": names.teams}
    check_name(name, known.get(kind), kind, at, checking)
    match kind:
        case "person" | "schedule" | "team":
            return Target(kind, name)
    return Target("person", name)


def _updates_of(written: FileUpdates, names: Names, checking: Checking) -> UpdatePlan:
    at: Path = ("incidents", "updates", "schedule")
    _check_order([row.severity for row in written.schedule], at, checking)
    for position, row in enumerate(written.schedule):
        for index, receiver in enumerate(row.receivers):
            check_name(receiver, names.receivers, "receiver", (*at, position, "receivers", index), checking)
    return UpdatePlan(
        tuple(
            UpdateRow(row.severity, row.every_s, row.receivers, row.every_s if row.first_s is None else row.first_s)
            for row in written.schedule
        ),
        {**DEFAULT_TEMPLATES, **written.templates},
    )


SECTIONS: dict[str, type[BaseModel]] = {
    "incidents.severity[]": FileSeverityRow,
    "incidents.impact": FileImpact,
    "incidents.roles[]": FileRole,
    "incidents.updates": FileUpdates,
    "incidents.updates.schedule[]": FileUpdateRow,
    "incidents.suspects": FileSuspects,
}
"""Where a mapping stands -> its model, for the page of all keys."""
