"""What is right and can hardly be meant is said with its line; what may be meant is left alone."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from tests.engine.streams import config

ROOT = Path(__file__).parents[2]
HIGH = 'detector: threshold, levels: {warning: "> 80"}'


def warnings(*rules: str, rest: str = "") -> list[str]:
    lines = "\n".join(f"  - {{name: r{number}, {rule}}}" for number, rule in enumerate(rules))
    return [str(one).removeprefix("test.yaml:") for one in config(f"rules:\n{lines}\n{rest}").warnings]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ((f"match: cpu, {HIGH}", f"match: cpu, {HIGH}"), '3: rules[1].match: rule "r0" tells all'),
        ((f"match: 'cpu{{a=\"b\"}}', {HIGH}", f"match: cpu, {HIGH}"), '2: rules[0].match: rule "r1" tells all'),
        (
            (f"match: cpu, {HIGH}", 'match: cpu, detector: threshold, levels: {info: "> 90"}'),
            '3: rules[1].match: rule "r0"',
        ),
        (
            (f"match: cpu, {HIGH}", 'match: cpu, detector: threshold, levels: {warning: "> 70"}'),
            '2: rules[0].match: rule "r1"',
        ),
        ((f"match: '{{}}', {HIGH}, for: 1m", f"match: cpu, {HIGH}, for: 5m"), '3: rules[1].match: rule "r0"'),
        ((f'match: \'cpu{{a="b", a!="b"}}\', {HIGH}',), '2: rules[0].match: no series can match: a!="b" and a="b"'),
        ((f'match: \'cpu{{a="b", a=~"c.*"}}\', {HIGH}',), "2: rules[0].match: no series can match"),
        (("match: cpu, detector: baseline, levels: {critical: 80}",), "2: rules[0].levels.critical: a score of 80 is"),
    ],
)
def test_what_can_not_be_meant_is_said(rules: tuple[str, ...], said: str) -> None:
    (found,) = [line for line in warnings(*rules) if line.startswith(said[:2])]
    assert said.replace('a!="b" and a="b"', 'a="b" and a!="b"') in found


@pytest.mark.parametrize(
    "rules",
    [
        (f"match: cpu, {HIGH}", f"match: mem, {HIGH}"),
        (f"match: cpu, {HIGH}", f"match: cpu, {HIGH}, labels: {{team: db}}"),  # told to others
        (f"match: cpu, {HIGH}", 'match: cpu, detector: threshold, levels: {critical: "> 90"}'),  # a worse level
        (f"match: 'cpu{{a=~\"b.*\"}}', {HIGH}", f"match: 'cpu{{a=~\"bc.*\"}}', {HIGH}"),  # nobody compares these
        ("match: '{}', detector: baseline, budget: 1/day", "match: cpu, detector: baseline, budget: 1/day"),
        ("match: cpu, detector: absent, params: {after: 1m}, levels: {warning: 60}",),  # an hour
        ("match: cpu, detector: threshold, levels: {warning: '> 1e9'}",),
        (f'match: \'cpu{{a="b", a=~"b|c"}}\', {HIGH}',),
    ],
)
def test_what_may_be_meant_is_left_alone(rules: tuple[str, ...]) -> None:
    assert warnings(*rules) == []


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ("matchers: ['level=\"page\"']", ['route.routes[0]: no alert comes here: level="page" is none of the levels']),
        ("matchers: ['level=~\"warn.*|critical\"']", []),
        ("matchers: ['level!=\"info\"']", []),
        ("matchers: ['a=\"1\"'], routes: [{matchers: ['a=\"2\"']}]", ["route.routes[0].routes[0]: no alert comes"]),
        ("matchers: ['a=\"1\"'], routes: [{matchers: ['a=~\"1|2\"']}]", []),
        ("matchers: ['a=\"1\"'], routes: [{matchers: ['b=\"2\"']}]", []),
    ],
)
def test_a_route_that_no_alert_can_reach_is_said(route: str, said: list[str]) -> None:
    rest = f"route: {{receiver: x, routes: [{{{route}}}]}}\nreceivers: [{{name: x}}]"
    found = warnings(f"match: cpu, {HIGH}", rest=rest)
    assert len(found) == len(said)
    assert all(words in line for words, line in zip(said, found, strict=True))


def sampled(folder: Path, rules: str, sample: str) -> tuple[int, str]:
    file, events = folder / "c.yaml", folder / "cpu.csv"
    file.write_text(f"rules:\n{rules}")
    events.write_text(sample)
    done = CliRunner().invoke(app, ["check", str(file), "--strict", "--sample", str(events)])
    return done.exit_code, done.stderr


SAMPLE = "timestamp,metric,host,value\n1795412000,cpu,a,1\n1795412000,cpu,b,1\n"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (f"match: cpus, {HIGH}", 'which has no metric "cpus"; did you mean "cpu"?'),
        (f"match: 'cpu{{host=\"c\"}}', {HIGH}", "though its metric is there: compare the labels"),
        (f"match: '{{host=\"c\"}}', {HIGH}", "compare its conditions with their names and labels"),
        (
            "match: cpu, detector: multivariate, group_by: [hosts]",
            'has the label "hosts" of group_by; did you',
        ),
    ],
)
def test_a_rule_that_a_sample_has_nothing_for_is_said_with_its_line(tmp_path: Path, rule: str, said: str) -> None:
    code, told = sampled(tmp_path, f"  - {{name: a, {rule}}}\n", SAMPLE)
    assert code == 1
    assert f"{tmp_path / 'c.yaml'}:2: rules[0].match: warning: " in told
    assert said in told


def test_rules_that_the_sample_has_series_for_are_left_alone(tmp_path: Path) -> None:
    rules = (
        f"  - {{name: a, match: cpu, {HIGH}}}\n  - {{name: b, match: cpu, detector: multivariate, group_by: [host]}}\n"
    )
    code, told = sampled(tmp_path, rules, SAMPLE)
    assert (code, "warning: matches" in told) == (0, False)


def test_a_sample_without_an_event_is_no_sample(tmp_path: Path) -> None:
    code, told = sampled(tmp_path, f"  - {{name: a, match: cpu, {HIGH}}}\n", "timestamp,value\n")
    assert code == 1
    assert "no event of" in told


@pytest.mark.parametrize("name", ["tidegauge.yaml", "desk.yaml"])
def test_the_examples_give_no_false_alarm(name: str) -> None:
    assert CliRunner().invoke(app, ["check", str(ROOT / "examples" / name), "--strict"]).exit_code == 0
