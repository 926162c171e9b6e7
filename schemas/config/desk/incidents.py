"""`incidents:` of the config, as it is written, and as `IncidentPlan`."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from schemas.config.checking import Checking
from schemas.config.desk import triage
from schemas.config.desk.names import Names, check_name
from schemas.config.desk.routes import joined
from schemas.config.desk.triage import FileTriage, triage_of
from schemas.config.desk.words import Condition, LabelName
from schemas.config.errors import Path, shown
from schemas.config.section import Section
from schemas.config.values import Duration, WebAddress
from schemas.levels import LEVELS, LevelName
from schemas.matchers import Matchers
from schemas.response.incidents import IncidentPlan, IncidentRule

_FIELD = re.compile(r"\{[a-zA-Z_][a-zA-Z0-9_]*\}")


def _title(text: str) -> str:
    if {"{", "}"} & set(_FIELD.sub("", text)):
        raise ValueError(f"braces hold the name of a label, such as {{service}}; got {shown(text)}")
    return text


class FileIncidentRule(Section):
    """Opens an incident from alerts that somebody was told of, and takes in those that agree with it."""

    name: str = Field(min_length=1, max_length=100, description="As the timeline calls it; once in the file.")
    matchers: tuple[Condition, ...] = Field(
        default=(), description="Which alerts; conditions as in a route. Left out: all at `level`."
    )
    level: LevelName = Field(default="critical", description="The least that matters: `info`, `warning`, `critical`.")
    alerts_min: int = Field(default=1, ge=1, le=10_000, description="So many alerts at once; they fire and were told.")
    by: tuple[LabelName, ...] = Field(
        default=("service",),
        max_length=16,
        description="Labels in which alerts of one incident agree; `[]`: one for all.",
    )
    title: Annotated[str, AfterValidator(_title)] = Field(
        default="",
        max_length=200,
        description="`{label}` stands for its value where all alerts agree in it. Left out: the alert's name and `by`.",
    )
    severity: int | None = Field(
        default=None, ge=1, le=5, description="Fixed, 1 is the worst. Left out: triage judges it."
    )
    policy: str = Field(default="", description="Escalation policy. Left out: the team's.")
    team: str = Field(default="", description="Team that it belongs to.")
    runbook_url: Annotated[WebAddress, AfterValidator(_title)] | None = Field(
        default=None, description="What to do; shown with the incident. `{label}` stands for a label of `by`."
    )


class FileIncidents(FileTriage):
    """How alerts become incidents. Without rules there are only those that people open."""

    rules: tuple[FileIncidentRule, ...] = Field(
        default=(), max_length=1_000, description="The first that matches and has enough alerts opens an incident."
    )
    resolve_after_s: Duration = Field(
        default=600.0,
        ge=0,
        validation_alias="resolve_after",
        description="An incident resolves by itself when all its alerts have been over for so long.",
    )
    resolve_by_itself: bool = Field(default=True, description="`false`: only a person resolves.")
    reopen_within_s: Duration = Field(
        default=3600.0,
        ge=0,
        validation_alias="reopen_within",
        description="An alert that comes back so soon after the end opens the same incident again.",
    )
    close_after_s: Duration | None = Field(
        default=None,
        gt=0,
        validation_alias="close_after",
        description="A resolved incident is closed, which is final, after so long. Left out: a person closes it.",
    )


def incidents_of(written: FileIncidents, names: Names, checking: Checking) -> IncidentPlan:
    """Reports what is wrong in it; what it returns counts only where nothing was."""
    first: dict[str, int] = {}
    rules = []
    for position, each in enumerate(written.rules):
        at: Path = ("incidents", "rules", position)
        if each.name in first and not checking.broken((*at, "name")):
            line = checking.written.line(("incidents", "rules", first[each.name], "name"))
            checking.report((*at, "name"), f"{shown(each.name)} is on line {line} already; give each its own name")
        first.setdefault(each.name, position)
        if each.policy:
            check_name(each.policy, names.policies, "escalation policy", (*at, "policy"), checking)
        if each.team:
            check_name(each.team, names.teams, "team", (*at, "team"), checking)
        matchers = joined(each.matchers, {}, {}, (*at, "matchers"), checking)
        _warn_of_never(each, matchers, at, checking)
        rules.append(
            IncidentRule(
                name=each.name,
                matchers=matchers,
                level=each.level,
                alerts_min=each.alerts_min,
                by=each.by,
                title=each.title,
                severity=each.severity,
                policy=each.policy,
                team=each.team,
                runbook_url=each.runbook_url or "",
            )
        )
    _warn_of_hidden(rules, checking)
    return IncidentPlan(
        rules=tuple(rules),
        resolve_after_s=written.resolve_after_s if written.resolve_by_itself else None,
        reopen_within_s=written.reopen_within_s,
        close_after_s=written.close_after_s,
        triage=triage_of(written, names, checking),
    )


def _warn_of_never(rule: FileIncidentRule, matchers: Matchers, at: Path, checking: Checking) -> None:
    """A rule whose own conditions exclude each other at every level it takes."""
    levels = LEVELS[LEVELS.index(rule.level) :]
    about = [m for m in matchers.matchers if m.name == "level"]
    if about and not any(Matchers(tuple(about)).matches({"level": level}) for level in levels):
        said = ", ".join(str(Matchers((m,)))[1:-1] for m in about)
        checking.warn((*at, "matchers"), f"never matches: {said} leaves no level from {rule.level} on")
    equal: dict[str, str] = {}
    for m in matchers.matchers:
        if m.op == "=" and equal.setdefault(m.name, m.value) != m.value:
            text = f"never matches: {m.name} can't be {shown(equal[m.name])} and {shown(m.value)}"
            checking.warn((*at, "matchers"), text)


def _warn_of_hidden(rules: list[IncidentRule], checking: Checking) -> None:
    """A rule that never has its turn, as one before it takes all its alerts."""
    for position, rule in enumerate(rules):
        for before in rules[:position]:
            takes_all = set(before.matchers.matchers) <= set(rule.matchers.matchers) and before.alerts_min == 1
            if takes_all and LEVELS.index(before.level) <= LEVELS.index(rule.level):
                text = f"never has its turn: rule {shown(before.name)} before it takes all that it matches"
                checking.warn(("incidents", "rules", position, "name"), text)
                break


SECTIONS: dict[str, type[BaseModel]] = {
    "incidents": FileIncidents,
    "incidents.rules[]": FileIncidentRule,
    **triage.SECTIONS,
}
"""Where a mapping stands -> its model, for the page of all keys."""
