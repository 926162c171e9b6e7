"""`incidents:` of the config: what it becomes, every mistake on its line, and rules that can't do anything."""

import pytest

from schemas.matchers import Matchers
from schemas.response.incidents import IncidentPlan, IncidentRule
from tests.config.standins import desk_errors, load_desk, warnings

WHOLE = """
incidents:
  rules:
    - name: checkout
      matchers: ['service="checkout"']
      level: warning
      alerts_min: 2
      by: [service, zone]
      title: "{alertname} in {service}"
      severity: 1
      runbook_url: https://runbooks.example/checkout
    - {name: rest}
  resolve_after: 5m
  reopen_within: 2h
  close_after: 7d
"""
RULE = "incidents:\n  rules:\n    - name: a\n      "  # what follows is on line 4

ERRORS = [
    ("incidents: {rules: [{}]}", ["1: incidents.rules[0].name: missing; it has no default"]),
    (RULE + "levle: info", ['4: incidents.rules[0].levle: unknown key; did you mean "level"?']),
    (RULE + "level: page", ['4: incidents.rules[0].level: can\'t be "page"; known here: critical, info, warning']),
    (RULE + "matchers: [a]", [
        "4: incidents.rules[0].matchers[0]: at character 2: expected =, !=, =~ or !~ after the label name; write for "
        'example team="db"; seen: the end']),
    (RULE + "alerts_min: 0", ["4: incidents.rules[0].alerts_min: must be >= 1, got 0"]),
    (RULE + "severity: 6", ["4: incidents.rules[0].severity: must be <= 5, got 6"]),
    (RULE + 'title: "{a b}"', [
        '4: incidents.rules[0].title: braces hold the name of a label, such as {service}; got "{a b}"']),
    (RULE + 'title: "x }"', [
        '4: incidents.rules[0].title: braces hold the name of a label, such as {service}; got "x }"']),
    ("incidents:\n  rules:\n    - name: a\n    - name: a", [
        '4: incidents.rules[1].name: "a" is on line 3 already; give each its own name']),
    ("incidents: {resolve_after: 5}", [
        '1: incidents.resolve_after: a duration needs a unit, got 5; write for example 5s']),
]  # fmt: skip

WARNINGS = [
    (RULE + "matchers: ['level=\"info\"']",
     '4: incidents.rules[0].matchers: never matches: level="info" leaves no level from critical on'),
    (RULE + "matchers: [a=b, a=c]", '4: incidents.rules[0].matchers: never matches: a can\'t be "b" and "c"'),
    ("incidents:\n  rules:\n    - name: a\n      matchers: [x=y]\n    - name: b\n      matchers: [x=y, z=w]",
     '5: incidents.rules[1].name: never has its turn: rule "a" before it takes all that it matches'),
]  # fmt: skip


def test_rules_are_what_they_say() -> None:
    plan = load_desk(WHOLE).desk.response.incidents
    assert plan == IncidentPlan(
        rules=(
            IncidentRule(
                name="checkout",
                matchers=Matchers.parse('service="checkout"'),
                level="warning",
                alerts_min=2,
                by=("service", "zone"),
                title="{alertname} in {service}",
                severity=1,
                runbook_url="https://runbooks.example/checkout",
            ),
            IncidentRule("rest", Matchers()),
        ),
        resolve_after_s=300.0,
        reopen_within_s=7200.0,
        close_after_s=604_800.0,
    )


def test_left_out_there_are_none_and_only_people_may_be_asked_to_resolve() -> None:
    assert load_desk("incidents: {}").desk.response.incidents == IncidentPlan()
    manual = load_desk("incidents: {resolve_by_itself: false}").desk.response.incidents
    assert manual.resolve_after_s is None


@pytest.mark.parametrize(("text", "found"), ERRORS)
def test_a_mistake_is_told_on_its_line(text: str, found: list[str]) -> None:
    assert desk_errors(text) == found


@pytest.mark.parametrize(("text", "found"), WARNINGS)
def test_a_rule_that_can_do_nothing_is_told(text: str, found: str) -> None:
    assert found in warnings(text)
