"""What a test proves: it passes where the worker would tell just this, and fails where it would not."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.replay import Replay
from pipeline.rule_tests.run import Outcome, run_test
from pipeline.rule_tests.trial import START_S, Trial
from schemas.alert import encode_alert
from schemas.config import Config
from schemas.rule_tests import load_tests
from tests.engine.streams import config

HERE = Path(__file__).parent
RULES = """
limits: {stale_after: 10m}
rules:
  - name: high
    match: 'cpu'
    detector: threshold
    levels: {warning: "> 80", critical: "> 95"}
    for: 1m
    labels: {team: a}
    annotations: {runbook_url: "https://r.example"}
  - {name: silent, match: '{__name__=~"cpu|up"}', detector: absent, params: {after: 5m}}
  - {name: spread, match: 'row', group_by: [host], detector: multivariate}
"""
INPUT = "series: 'cpu{host=\"a\"}', values: '50x4 90x4 99x4 50x4'"


def run(checks: str, input: str = INPUT, rules: Config | None = None, folder: Path = HERE) -> Outcome:
    text = f"tests:\n  - input_series: [{{{input}}}]\n    alert_rule_test:\n" + "".join(
        f"      - {{{line}}}\n" for line in checks.splitlines() if line.strip()
    )
    return run_test(load_tests(text, "t.yaml").tests[0], rules or config(RULES), folder)


# Values come each minute: 90 from minute 5, 99 from 10, 50 from 15, the last at 19; `for` is a minute.
HOLDS = [
    "eval_time: 5m, alertname: high",
    "eval_time: 6m, alertname: high, exp_alerts: [{level: warning}]",
    "eval_time: 5m59s, alertname: high",
    "eval_time: 10m, alertname: high, exp_alerts: [{level: warning}]",
    "eval_time: 11m, alertname: high, exp_alerts: [{level: critical, exp_labels: {host: a, team: a}}]",
    "eval_time: 11m, alertname: high, exp_alerts: [{exp_labels: {host: a, team: a, metric: cpu, alertname: high}}]",
    'eval_time: 11m, alertname: high, exp_alerts: [{exp_annotations: {runbook_url: "https://r.example"}}]',
    "eval_time: 11m, exp_alerts: [{level: critical}]",
    'eval_time: "2026-01-05T00:11:00Z", alertname: high, exp_alerts: [{level: critical}]',
    "eval_time: 15m, alertname: high",
    "eval_time: 0, until: 5m59s, alertname: high",
    "eval_time: 6m, until: 14m, alertname: high, exp_alerts: [{}]",
    "eval_time: 11m, until: 14m, alertname: high, exp_alerts: [{level: critical}]",
    "eval_time: 23m59s, alertname: silent",
    "eval_time: 24m, alertname: silent, exp_alerts: [{level: warning}]",
]
# And the same moments with one thing wrong in each: the minute it is told for, and what it differs in.
FAILS = [
    ("eval_time: 6m, alertname: high", 6, ""),
    ("eval_time: 5m, alertname: high, exp_alerts: [{level: warning}]", 5, ""),
    ("eval_time: 11m, alertname: high, exp_alerts: [{level: warning}]", 11, "level"),
    ("eval_time: 11m, alertname: high, exp_alerts: [{exp_labels: {host: b, team: a}}]", 11, "label host"),
    ("eval_time: 11m, alertname: high, exp_alerts: [{exp_labels: {host: a}}]", 11, "label team"),
    ("eval_time: 11m, alertname: high, exp_alerts: [{exp_labels: {host: a, team: a, x: y}}]", 11, "label x"),
    ("eval_time: 11m, alertname: high, exp_alerts: [{exp_annotations: {dash: x}}]", 11, "annotation dash"),
    ("eval_time: 11m, alertname: high, exp_alerts: [{}, {}]", 11, ""),
    ("eval_time: 0, until: 30m, alertname: high", 6, ""),
    ("eval_time: 6m, until: 14m, alertname: high, exp_alerts: [{level: warning}]", 11, "level"),
    ("eval_time: 6m, until: 20m, alertname: high, exp_alerts: [{}]", 15, ""),
    ("eval_time: 19m, until: 40m, alertname: silent", 24, ""),
]


@pytest.mark.parametrize("check", HOLDS)
def test_what_holds_passes(check: str) -> None:
    assert run(check).failures == ()


@pytest.mark.parametrize(("check", "minute", "what"), FAILS)
def test_what_does_not_hold_fails_at_its_time_and_says_in_what(check: str, minute: int, what: str) -> None:
    (failure,) = run(check).failures
    assert failure.after_s == minute * 60
    assert [d.what for m in failure.mismatches for d in m.differences] == ([what] if what else [])


def test_all_that_hold_hold_together_in_any_order() -> None:
    assert run("\n".join(HOLDS)).failures == run("\n".join(reversed(HOLDS))).failures == ()
    told = run("\n".join(check for check, _, _ in FAILS)).failures
    assert [failure.after_s for failure in told] == [minute * 60 for _, minute, _ in FAILS]


def test_expectations_find_the_alerts_that_they_fit() -> None:
    """`{}` takes any, so it must leave the only one that fits the other."""
    two = "series: 'cpu{host=\"a\"}', values: '90x9'}, {series: 'cpu{host=\"b\"}', values: '99x9'"
    for alerts in ("{}, {level: critical}", "{level: critical}, {}", "{exp_labels: {host: a, team: a}}, {}"):
        assert run(f"eval_time: 5m, alertname: high, exp_alerts: [{alerts}]", two).failures == ()


def test_a_failure_shows_values_and_alerts_of_its_own_time_only() -> None:
    (failure,) = run("eval_time: 0, until: 30m, alertname: high").failures
    assert failure.newest == {'cpu{host="a"}': [50, 50, 50, 50, 50, 90, 90]}
    assert [event.level for event in failure.story] == ["warning"]


def test_none_expected_of_a_rule_that_had_nothing_to_judge_is_said_and_passes() -> None:
    outcome = run("eval_time: 5m, alertname: spread\neval_time: 5m, alertname: high")
    assert outcome.failures == ()
    assert [line for line, _ in outcome.notes] == [4]
    assert "spread matches no series" in outcome.notes[0][1]


def test_an_end_by_silence_is_seen_without_a_later_value() -> None:
    input = "series: 'cpu{host=\"a\"}', values: '90x4 stale'"
    checks = "eval_time: 13m, alertname: high, exp_alerts: [{}]\neval_time: 14m1s, alertname: high"
    assert run(checks, input).failures == ()


def test_files_are_inputs_and_the_test_starts_at_their_first_event(tmp_path: Path) -> None:
    rows = [f"{1795412000 + 60 * k},{90 if k > 4 else 50},a" for k in range(10)]
    (tmp_path / "cpu.csv").write_text("\n".join(["timestamp,value,host", *rows, "1795412000,50,a", "x,1,a"]))
    text = """
tests:
  - input_files: [cpu.csv]
    alert_rule_test:
      - {eval_time: 5m, alertname: high}
      - {eval_time: 6m, until: 9m, alertname: high, exp_alerts: [{exp_labels: {host: a, team: a}}]}
"""
    outcome = run_test(load_tests(text, "t.yaml").tests[0], config(RULES), tmp_path)
    assert outcome.failures == ()
    assert outcome.start_s == 1795412000
    assert outcome.left_out == {"late": 1, "timestamp_invalid": 1}


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(0, 2**32 - 1))
def test_wherever_a_test_stops_the_same_alerts_are_told_as_by_replay(stops: list[int], seed: int) -> None:
    """The tests' promise: what they see is what a worker would tell, byte for byte."""
    draw = random.Random(seed)
    words = [draw.choice(["_", "50", "90", "99", "_x7", "stale", "50x3", "90x3"]) for _ in range(20)]
    lines = [f"      - {{eval_time: {stop}m}}" for stop in sorted({*stops, 60})]
    text = (
        f"tests:\n  - input_series: [{{series: cpu, values: '50 {' '.join(words)}'}}]\n    alert_rule_test:\n"
        + "\n".join(lines)
    )
    test = load_tests(text, "t.yaml").tests[0]
    trial = Trial(test, config(RULES), HERE)
    for check in test.checks:
        trial.go_to(check.at.unix_s(START_S))
    whole = Trial(test, config(RULES), HERE)
    whole.go_to(START_S + 3600)
    assert sorted(map(encode_alert, trial.history)) == sorted(map(encode_alert, whole.history))


def test_a_file_gives_the_alerts_of_replay(tmp_path: Path) -> None:
    rows = [f"{1795412000 + 60 * k},{50 + 49 * (k % 30 > 20)},{h}" for h in "ab" for k in range(200)]
    (tmp_path / "cpu.csv").write_text("\n".join(["timestamp,value,host", *rows]))
    replay = Replay(config(RULES))
    replay.add_file(tmp_path / "cpu.csv")
    text = "tests: [{input_files: [cpu.csv], alert_rule_test: [{eval_time: 2h}, {eval_time: 199m}]}]"
    trial = Trial(load_tests(text, "t.yaml").tests[0], config(RULES), tmp_path)
    trial.go_to(1795412000 + 7200)
    trial.go_to(1795412000 + 199 * 60)
    told = replay.report().alerts
    assert len(told) > 20
    assert sorted(map(encode_alert, trial.history)) == sorted(map(encode_alert, told))
