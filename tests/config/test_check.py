"""`tidegauge check`: what a file holds, what is wrong in it, and what is seldom meant."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli import app

ROOT = Path(__file__).parents[2]
DESK = "route: {receiver: x, routes: [{matchers: ['team=\"db\"'], repeat_interval: 1m}]}\nreceivers: [{name: x}]\n"


def check(path: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["check", str(path), *options])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(DESK)
    return path


@pytest.mark.parametrize("name", ["tidegauge.yaml", "desk.yaml"])
def test_the_examples_are_clean(name: str) -> None:
    done = check(ROOT / "examples" / name, "--strict")
    assert done.exit_code == 0, done.output
    assert "right: 6 rules with 12 levels" in done.output


def test_a_file_for_the_desk_alone_needs_no_rules_and_any_other_does(file: Path) -> None:
    assert f"{file}: desk: 2 routes, 1 receivers (no way to tell them)" in check(file).stdout
    file.write_text("kafka: {}")
    done = check(file)
    assert (done.exit_code, done.stderr.strip()) == (2, f"{file}:1: rules: missing; it has no default")


def test_warnings_are_said_and_count_only_where_asked(file: Path) -> None:
    said = f"{file}:1: route.routes[0].repeat_interval: warning: repeat_interval (1 min) is shorter"
    assert said in check(file).stderr
    assert [check(file).exit_code, check(file, "--strict").exit_code] == [0, 1]


def test_as_json_each_line_says_how_bad_it_is(file: Path) -> None:
    (warning,) = json.loads(check(file, "--json").stdout)
    assert (warning["severity"], warning["line"], warning["file"]) == ("warning", 1, str(file))
    file.write_text(DESK + "storm: 3")
    (error,) = json.loads(check(file, "--json").stdout)
    assert (error["severity"], error["path"]) == ("error", "storm")


def test_the_tree_of_routes_can_be_seen(file: Path) -> None:
    assert check(file, "--routes").stdout.splitlines()[-2:] == [
        "every alert -> x (by nothing; 30 s/5 min/4 h)",
        '  {team="db"} -> x (by nothing; 30 s/5 min/1 min)',
    ]
