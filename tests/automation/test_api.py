"""Automation by HTTP and by command, and in the config."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from incidents.remedies.lifecycle import picture
from pipeline.cli import app as cli
from pipeline.config import remedies
from pipeline.desk.database import Database
from pipeline.desk.http import app
from schemas.config import ConfigErrors, load_config
from schemas.desk import DeskServer
from tests.api.scene import CLOSED, Api, served
from tests.automation.conftest import Paged
from tests.automation.scene import World, rule

ROOT = Path(__file__).parents[2]


class Asked(Api):
    """The API of a world's desk."""

    def __init__(self, world: World, server: DeskServer | None = None) -> None:
        self.world, self.db, self.desk = world, world.db, world.desk
        if server is not None:
            self.desk = replace(self.desk, server=server)
        self.app = app(self.db, self.desk, lambda: world.now_s, runner=world.runner)


@pytest.fixture
def world(db: Database, paged: Paged) -> World:
    made = World(db, rule(mode="suggest"))
    made.fire()
    made.tick()
    return made


def test_it_tells_what_waits_and_what_was_done(world: World) -> None:
    found = Asked(world).get("/api/desk/automation")
    assert found["mode"] == "auto"
    assert [(one["name"], one["acts"]) for one in found["remedies"]] == [("mend", {"suggested": 1})]
    (act,) = found["waiting"]
    assert (act["incident"], act["target"], act["state"]) == ("INC-1", "shop", "suggested")
    assert Asked(world).get(f"/api/desk/automation/acts/{act['id'][:8]}")["id"] == act["id"]
    assert len(Asked(world).get("/api/desk/automation/acts", state="suggested", remedy="mend")) == 1


def test_of_two_who_approve_one_is_told_that_it_is_approved(world: World) -> None:
    path = f"/api/desk/automation/acts/{world.acts()[0].id}/approve"
    assert Asked(world).ask("POST", path, json={"by": "ann"}).status_code == 200
    second = Asked(world).ask("POST", path, json={"by": "bob"})
    assert second.status_code == 409
    assert "it is approved" in second.text
    world.tick()
    world.tick()
    assert len(world.hands.changes) == 1


def test_who_may(world: World) -> None:
    closed, act = Asked(world, CLOSED), world.acts()[0].id
    for path in (f"acts/{act}/approve", f"acts/{act}/reject", "pause", "resume"):
        asked = {"json": {}, "headers": {"host": "desk.example"}}
        assert closed.ask("POST", f"/api/desk/automation/{path}", "viewer-token", **asked).status_code == 403
    assert world.states() == ["suggested"]
    assert closed.ask("GET", f"/api/desk/automation/acts/{act}/approve", "admin-token").status_code == 405


def test_a_dry_run_says_what_it_would_do_and_who_would_refuse(world: World) -> None:
    alert = world.acts()[0].episode
    asked = {"remedy": "mend", "alert": alert}
    found = Asked(world).ask("POST", "/api/desk/automation/dry-run", json=asked).json()
    assert found == {"remedy": "mend", "target": "shop", "would": "would do it", "refused": []}
    assert world.hands.calls == ["GET /"]
    assert Asked(world).ask("POST", "/api/desk/automation/dry-run", json={**asked, "remedy": "x"}).status_code == 404


def test_commands(world: World) -> None:
    def run(*args: str) -> str:
        done = CliRunner().invoke(cli, ["automation", *args, "--desk", url])
        assert done.exit_code == 0, done.output
        return done.output

    act = world.acts()[0].id
    with served(Asked(world)) as url:
        assert "mend on shop  suggested" in run("list")
        assert json.loads(run("show", act, "--json"))["state"] == "suggested"
        assert "paused by ann" in run("pause", "--by", "ann")
        assert "paused by ann" in run("list")
        assert "resumed" in run("resume")
        assert "approved" in run("approve", act[:8], "--by", "ann")
        assert json.loads(run("list", "--state", "approved", "--json"))[0]["approved_by"] == "ann"


WHOLE = """
oncall: {people: [{name: ann, receivers: [chat]}], teams: [{name: devops, members: [ann]}]}
receivers: [{name: chat}]
route: {receiver: chat}
automation:
  mode: auto
  remedies:
    - name: scale-web
      matchers: [alertname="cpu-high"]
      mode: auto
      kubernetes_scale: {namespace: "{namespace}", deployment: "{service}", step: 2, max: 10}
      limit: {count: 3, window: 1h}
      verify_within: 10m
      escalate_to: team:devops
"""


def errors(text: str) -> list[str]:
    try:
        load_config(text, "t.yaml", {}, {}, need_rules=False, remedies=remedies())
    except ConfigErrors as found:
        return [str(error) for error in found.errors]
    return []


def test_a_remedy_of_the_config() -> None:
    config = load_config(WHOLE, "t.yaml", {}, {}, need_rules=False, remedies=remedies())
    plan = config.desk.response.automation
    (one,) = plan.remedies
    assert (one.kind, one.escalate_to, one.verify_within_s, plan.mode_of(one)) == (
        "kubernetes_scale",
        "team:devops",
        600.0,
        "auto",
    )


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("team:devops", "team:devop", 't.yaml:14: automation.remedies[0].escalate_to: no team "devop"; did you mean'),
        ("kubernetes_scale: {", "kubernetes_scal: {", 'unknown key; did you mean "kubernetes_scale"'),
        ("max: 10", "max: 10, min: 11", "t.yaml:11: automation.remedies[0].kubernetes_scale: "),
        ("max: 10", "max: ten", "t.yaml:11: automation.remedies[0].kubernetes_scale.max: must be a whole number"),
        ("10m", "10m\n      target: '{service'", "not a name made of labels"),
        ("10m", "10m\n      active_time_intervals: [office]", 'no time interval "office"'),
        ("10m", "10m\n      helped: 75", "automation.remedies[0].helped"),
        ("10m", "10m\n      webhook: {url: 'https://h.example/x'}", "has kubernetes_scale and webhook; keep one"),
    ],
)
def test_mistakes_are_told_with_their_line(written: str, instead: str, said: str) -> None:
    assert written in WHOLE
    found = errors(WHOLE.replace(written, instead, 1))
    assert any(said in error for error in found), found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("      limit: {count: 3, window: 1h}\n", "without a limit of its own"),
        ("      escalate_to: team:devops\n", "names nobody in escalate_to"),
    ],
)
def test_check_warns_of_what_is_seldom_meant(written: str, said: str) -> None:
    def warned(text: str) -> list[Any]:
        config = load_config(text, "t.yaml", {}, {}, need_rules=False, remedies=remedies())
        return [warning for warning in map(str, config.warnings) if "automation" in warning]

    assert warned(WHOLE) == []
    assert [said in warning for warning in warned(WHOLE.replace(written, ""))] == [True]


def test_the_page_has_the_picture_of_the_table() -> None:
    assert f"```mermaid\n{picture()}\n```" in (ROOT / "docs/automation.md").read_text()
