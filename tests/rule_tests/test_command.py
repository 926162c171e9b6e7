"""`tidegauge test` as a person and a build server meet it."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli import app

ROOT = Path(__file__).parents[2]
CONFIG = "rules:\n  - {name: high, match: cpu, detector: threshold, levels: {warning: '> 80'}}\n"
TESTS = """
tests:
  - name: over the border
    input_series: [{series: 'cpu{host="a"}', values: '50x4 90x4'}]
    alert_rule_test: [{eval_time: 5m, alertname: high, exp_alerts: [{level: warning, exp_labels: {host: HOST}}]}]
  - name: under it
    input_series: [{series: cpu, values: '50x9'}]
    alert_rule_test: [{eval_time: 5m, alertname: high, exp_alerts: }]
"""


def run(folder: Path, *more: str, tests: str = TESTS, host: str = "a") -> Result:
    (folder / "tidegauge.yaml").write_text(CONFIG)
    (folder / "rules_test.yaml").write_text(tests.replace("HOST", host))
    return CliRunner().invoke(app, ["test", str(folder / "rules_test.yaml"), *more])


def test_the_example_passes() -> None:
    done = CliRunner().invoke(app, ["test", str(ROOT / "examples/rules_test.yaml")])
    assert done.exit_code == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("3 passed, 0 failed")
    assert "note" not in done.stdout


def test_the_tests_in_the_page_pass(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/rule-tests.md").read_text(), re.S)
    assert blocks
    for block in blocks:
        (tmp_path / "rules_test.yaml").write_text(block)
        done = CliRunner().invoke(
            app, ["test", str(tmp_path / "rules_test.yaml"), "-c", str(ROOT / "examples/tidegauge.yaml")]
        )
        assert done.exit_code == 0, done.output


def test_the_exit_code_says_whether_all_passed(tmp_path: Path) -> None:
    assert run(tmp_path).exit_code == 0
    assert run(tmp_path, host="b").exit_code == 1
    assert run(tmp_path, "--only", "under", host="b").exit_code == 0
    assert run(tmp_path, "--only", "nothing called so").exit_code == 2
    assert run(tmp_path, "--junit", str(tmp_path / "no/such.xml")).exit_code == 2


def test_a_failure_is_shown_as_a_difference_with_what_led_to_it(tmp_path: Path) -> None:
    done = run(tmp_path, host="b")
    told = done.stdout
    assert f"{tmp_path}/rules_test.yaml:5: alerts of high at 5m (2026-01-05T00:05:00.000Z)" in told
    assert 'label host  - "b"  + "a"' in told
    assert "value 90 is above 80" in told
    assert "its levels: warning: threshold > 80" in told
    assert 'newest values: cpu{host="a"}  50 50 50 50 50 90' in told
    assert "1 passed, 1 failed" in told


def test_a_program_is_told_the_same(tmp_path: Path) -> None:
    told = json.loads(run(tmp_path, "--json", host="b").stdout)
    assert (told["passed"], told["failed"]) == (1, 1)
    (failure,) = told["tests"][0]["failures"]
    assert (failure["line"], failure["at"], failure["rule"]) == (5, "2026-01-05T00:05:00.000Z", "high")
    assert failure["mismatches"][0]["differences"] == [{"what": "label host", "expected": "b", "got": "a"}]
    assert told["tests"][1]["failures"] == []


def test_a_build_server_is_told_the_same(tmp_path: Path) -> None:
    run(tmp_path, "--junit", str(tmp_path / "junit.xml"), host='"\\u0000<&\\e[2J"')
    suites = Xml.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - our own
    assert (suites.tag, suites.get("tests"), suites.get("failures")) == ("testsuites", "2", "1")
    cases = suites.findall("testsuite/testcase")
    assert [(case.get("name"), case.get("line"), case.find("failure") is not None) for case in cases] == [
        ("over the border", "3", True),
        ("under it", "6", False),
    ]
    text = cases[0].findtext("failure") or ""
    assert r'- "\x00<&\x1b[2J"' in text


def test_hostile_names_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    tests = TESTS.replace("over the border", '"[red]x\\e[2J\\n PASS "').replace("host: HOST", 'host: "\\e]0;x[/]"')
    done = run(tmp_path, tests=tests)
    assert "[red]x\\x1b[2J\\n PASS" in done.stdout
    assert '"\\x1b]0;x[/]"' in done.stdout
    assert "\x1b" not in done.stdout


# Each mistake with where it is and what is said of it.
WRONG = [
    ("tests: []", 1, "tests: must not be empty"),
    ("", 1, "it needs at least tests"),
    ("tests: [{}]", 1, "tests[0].alert_rule_test: missing"),
    ("tests:\n- alert_rule_test: [{eval_time: 1m}]", 2, "tests[0]: nothing to judge"),
    ("rule_files: [a]\n" + TESTS, 1, "rule_files: Tidegauge's rules stand in its config"),
    ("evaluation_interval: 1m\n" + TESTS, 1, "evaluation_interval: leave it out"),
    ("include: [a.yaml]\n" + TESTS, 1, "include"),
    (TESTS.replace("values: '50x9'", "values: '50x9 what'"), 7, 'input_series[0].values: value 2, "what"'),
    (TESTS.replace("series: cpu,", "series: 'cpu{',"), 7, "input_series[0].series: at character 5"),
    (TESTS.replace("eval_time: 5m, alertname: high, exp_alerts: }", "eval_time: soon}"), 8, "neither a duration"),
    (TESTS.replace("exp_alerts: }", "until: 1m}"), 8, "alert_rule_test[0].until: is before eval_time"),
    (TESTS.replace("name: under it", "nam: under it"), 6, 'tests[1].nam: unknown key; did you mean "name"?'),
    (TESTS.replace("level: warning", "level: warn"), 5, 'level: can\'t be "warn"; did you mean "warning"?'),
    (TESTS.replace("alertname: high, exp_alerts: }", "alertname: hihg}"), 8, 'no rule "hihg" in'),
    (TESTS.replace("level: warning", "level: critical"), 5, "high has no level critical in"),
    (TESTS.replace("under it\n", "under it\n    start: yesterday\n"), 7, 'tests[1].start: not a time: "yesterday"'),
    (TESTS.replace("values: '50x9'}]", "values: '5'}, {series: 'cpu', values: 5}]"), 7, "the same as input_series[0]"),
    (TESTS.replace("name: under it", "input_files: [none.csv]"), 6, "No such file"),
    ("config: none.yaml\n" + TESTS, 1, "no such file"),
    ("tests: [", 1, "not YAML"),
]


@pytest.mark.parametrize(("text", "line", "told"), WRONG, ids=[told for _, _, told in WRONG])
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, line: int, told: str) -> None:
    done = run(tmp_path, tests=text, host="a")
    assert done.exit_code == 2
    assert told in done.stderr
    named = [one for one in done.stderr.splitlines() if told in one]
    assert f".yaml:{line}: " in named[0]


def test_every_mistake_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("tests: [{}]")
    done = run(tmp_path, str(tmp_path / "other.yaml"), tests=TESTS.replace("name:", "nam:"))
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 2 + 2 + 1  # names and alertnames, and the other file
    (tmp_path / "bad.yaml").write_text(CONFIG.replace("'> 80'", "80x"))
    done = run(tmp_path, "-c", str(tmp_path / "bad.yaml"))
    assert done.exit_code == 2
    assert f"{tmp_path}/bad.yaml:2: rules[0].levels.warning" in done.stderr
