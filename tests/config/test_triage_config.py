"""Severity, impact, roles and updates under `incidents:`: what they become, and every mistake on its line."""

import re
from pathlib import Path

import pytest

from schemas.matchers import Matchers
from schemas.response.escalation import Target
from schemas.response.triage import DEFAULT_ROLES, DEFAULT_TABLE, DEFAULT_TEMPLATES, SeverityRow, TriagePlan, UpdateRow
from tests.config.standins import desk_errors, load_desk

PAGE = Path(__file__).parents[2] / "docs/triage.md"
BASE = """\
route: {receiver: status}
receivers: [{name: status, slack_configs: [{api_url: "file:a"}]}]
oncall:
  people: [{name: ann, receivers: [status]}]
  teams: [{name: shop, members: [ann]}]
  schedules: [{name: shop, layers: [{people: [ann], rotate: weekly, hand_over: "monday 09:00", starts: 2026-01-05}]}]
"""
S = BASE + "incidents:\n  severity:\n    - "  # what follows is on line 9
R = BASE + "incidents:\n  roles:\n    - "
U = BASE + "incidents:\n  updates:\n    "

ERRORS: list[tuple[str, str]] = [
    (S + "{severity: 6}", "9: incidents.severity[0].severity: "),
    (S + "{level: critical}", "9: incidents.severity[0].severity: missing"),
    (S + "{severity: 2, shares: 0.5}", '9: incidents.severity[0].shares: unknown key; did you mean "share"?'),
    (S + "{severity: 2, share: 5}", "9: incidents.severity[0].share: "),
    (S + "{severity: 3}\n    - {severity: 2}",
     "10: incidents.severity[1].severity: is more severe than the row above it (3); put the most severe rows first"),
    (R + "{name: commander, assign: shop}",
     '9: incidents.roles[0].assign: must be person:NAME, schedule:NAME or team:NAME, got "shop"'),
    (R + "{name: commander, assign: 'team:shp'}", '9: incidents.roles[0].assign: no team "shp"; did you mean "shop"?'),
    (R + "{name: a}\n    - {name: a}",
     '10: incidents.roles[1].name: "a" is on line 9 already; give each its own name'),
    (R + "{name: a, runbook_url: 'javascript:x'}", "9: incidents.roles[0].runbook_url: "),
    (U + "schedule: [{severity: 2, every: 30s, receivers: [status]}]", "9: incidents.updates.schedule[0].every: "),
    (U + "schedule: [{severity: 2, every: 30m, receivers: [statsu]}]",
     '9: incidents.updates.schedule[0].receivers[0]: no receiver "statsu"; did you mean "status"?'),
    (U + "templates: {update: '{{ titel }}'}",
     '9: incidents.updates.templates.update: a template has no "titel"; did you mean "title"?'),
    (U + "templates: {update: '{{ title'}", "9: incidents.updates.templates.update: line 1 of the template: "),
    (BASE + "incidents:\n  impact: {objective: 100}", "8: incidents.impact.objective: "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), ERRORS)
def test_a_mistake_is_told_on_its_line(text: str, found: str) -> None:
    (error,) = desk_errors(text)
    assert error.startswith(found)


def test_left_out_everything_is_as_the_page_says() -> None:
    assert load_desk("incidents: {}").desk.response.incidents.triage == TriagePlan()


def test_the_pages_example_means_what_it_says() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    plan = load_desk(BASE + block).desk.response.incidents.triage
    assert plan.table[0] == SeverityRow(1, level="critical", share=0.5)
    assert plan.table[2] == SeverityRow(2, matchers=Matchers.parse('tier="gold"'))
    commander = next(role for role in plan.roles if role.name == "commander")
    assert (commander.assign, commander.checklist) == (Target("schedule", "shop"), DEFAULT_ROLES[0].checklist)
    assert [role.name for role in plan.roles] == [*(role.name for role in DEFAULT_ROLES), "liaison"]
    assert plan.updates.schedule == (UpdateRow(2, 1800.0, ("status",), 900.0),)
    assert plan.updates.templates["resolved"] == DEFAULT_TEMPLATES["resolved"]
    assert (plan.impact.objective, plan.impact.period_s, plan.within_s) == (0.999, 2_592_000.0, 21_600.0)


def test_no_row_of_the_default_table_is_worse_than_one_above_it() -> None:
    severities = [row.severity for row in DEFAULT_TABLE]
    assert severities == sorted(severities)
    assert set(severities) == {1, 2, 3, 4, 5}
