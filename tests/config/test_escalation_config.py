"""Policies: every name is one that there is, every step can reach somebody; secrets are references."""

import pytest

from schemas.response.escalation import Policy, Step, Target
from tests.config.standins import desk_errors, load_desk, warnings

BASE = """\
route: {receiver: x}
receivers:
  - {name: x, slack_configs: [{api_url: "file:a"}]}
  - {name: empty}
time_intervals: [{name: night}]
oncall:
  people: [{name: ann, receivers: [x]}, {name: bob, receivers: [empty]}]
  teams: [{name: devops, members: [ann, bob], policy: p}]
escalation:
  """
P = BASE + "policies:\n    - name: p\n      "  # what follows is on line 12
CASES: list[tuple[str, list[str]]] = [
    (P + "steps: []", ["12: escalation.policies[0].steps: must not be empty"]),
    (P + "steps: [{notify: [person:an]}]",
     ['12: escalation.policies[0].steps[0].notify[0]: no person "an"; did you mean "ann"?']),
    (P + "steps: [{notify: [ann]}]",
     ['12: escalation.policies[0].steps[0].notify[0]: not a target: "ann"; write person:, schedule:, team: or '
      "receiver:NAME"]),
    (P + "steps: [{notify: [receiver:y]}]",
     ['12: escalation.policies[0].steps[0].notify[0]: no receiver "y"; known here: empty, x']),
    (P + "steps: [{notify: [team:devop]}]",
     ['12: escalation.policies[0].steps[0].notify[0]: no team "devop"; did you mean "devops"?']),
    (P + "steps: [{notify: [person:ann], time_intervals: [nigth]}]",
     ['12: escalation.policies[0].steps[0].time_intervals[0]: no time interval "nigth"; did you mean "night"?']),
    (P + "steps: [{notify: [person:bob]}]",
     ["12: escalation.policies[0].steps[0].notify: reaches nobody: whoever it means has no receiver that tells "
      "anything"]),
    (P + "steps: [{notify: [person:ann]}]\n    - name: p\n      steps: [{notify: [person:ann]}]",
     ['13: escalation.policies[1].name: "p" is on line 11 already; give each its own name']),
    (P + "steps: [{notify: [person:ann]}]\n  hooks: {opsgenie_secret: abc}",
     ["13: escalation.hooks.opsgenie_secret: a secret in the file itself; write ${env:NAME} or file:PATH"]),
    (P + "steps: [{notify: [person:ann]}]\n  link_key: abc",
     ["13: escalation.link_key: a secret in the file itself; write ${env:NAME} or file:PATH"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_mistake_is_told_on_its_line(text: str, expected: list[str]) -> None:
    assert desk_errors(text) == expected


def test_a_policy_that_nobody_uses_is_warned_of() -> None:
    text = P + "steps: [{notify: [person:ann]}]\n    - name: q\n      steps: [{notify: [receiver:x]}]"
    found = [line for line in warnings(text) if "escalation" in line]
    assert found == ["13: escalation.policies[1].name: no rule of incidents and no team uses it"]


def test_what_is_written_is_what_the_rules_are_told() -> None:
    text = (
        P + "repeat: 2\n      ack_expires: 30m\n      steps:\n        - notify: [person:ann]\n"
        "        - {after: 5m, notify: [team:devops, receiver:x], unless: resolved, severities: [1, 2]}\n"
    )
    found = load_desk(text).desk.response.escalation.policies["p"]
    assert found == Policy(
        "p",
        (
            Step(0.0, (Target("person", "ann"),)),
            Step(300.0, (Target("team", "devops"), Target("receiver", "x")), "resolved", (1, 2)),
        ),
        repeat=2,
        ack_expires_s=1800.0,
    )
