"""Incidents by HTTP and by command: what is shown, what is done, how it is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from incidents.lifecycle import BY_HAND, TABLE, No
from pipeline.commands import incident
from pipeline.desk.http.incident_acts import ACTS
from tests.api.scene import CLOSED, Api, served
from tests.incidents.scene import desk_with, event, rule

HOSTILE = "\x1b[2J[red]|<img src=x>\n# owned"
BASE = "/api/desk/incidents"
cli = typer.Typer()
cli.add_typer(incident.app, name="incident")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    of = desk_with(rule(runbook_url="https://runbooks.example/shop"), plan={"resolve_after_s": 600.0})
    with Api(tmp_path, of) as made:
        made.now.is_real = True
        start_s = made.now() - 60.0
        made.take(
            event("a", starts_s=start_s, level="critical", service="shop"),
            event("b", starts_s=start_s, level="critical", service="shop"),
            event("c", starts_s=start_s, level="critical", service="db", evil=HOSTILE),
        )
        made.look()
        made.look()
        yield made


def post(api: Api, path: str, code: int = 200, **body: Any) -> Any:
    answer = api.ask("POST", f"{BASE}{path}", json=body)
    assert answer.status_code == code, answer.text
    return answer.json()


class Typed:
    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, ["incident", *arguments, "--desk", self.url], env={"COLUMNS": "250"})
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture
def typed(api: Api) -> Iterator[Typed]:
    with served(api) as url:
        yield Typed(url)


def test_they_are_listed_newest_first_and_filtered(api: Api) -> None:
    post(api, "", 201, title="by hand", severity=1, service="shop")
    assert [one["id"] for one in api.get(BASE)] == ["INC-3", "INC-2", "INC-1"]
    post(api, "/1/resolve")
    assert [one["id"] for one in api.get(BASE, state="live")] == ["INC-3", "INC-2"]
    assert [one["id"] for one in api.get(BASE, state=["resolved", "closed"])] == ["INC-1"]
    assert [one["id"] for one in api.get(BASE, service="shop")] == ["INC-3", "INC-1"]
    assert [one["id"] for one in api.get(BASE, severity="1")] == ["INC-3"]
    assert [one["id"] for one in api.get(BASE, limit="1")] == ["INC-3"]
    for wrong in ({"state": "x"}, {"severity": "9"}, {"limit": "0"}):
        assert api.ask("GET", BASE, params=wrong).status_code == 422


def test_one_is_shown_with_all_that_belongs_to_it(api: Api) -> None:
    found = api.get(f"{BASE}/INC-1")
    assert (found["state"], found["service"], found["rule"]) == ("open", "shop", "shop")
    assert sorted(one["labels"]["series"] for one in found["alerts"]) == ["a", "b"]
    assert [entry["what"] for entry in found["timeline"]] == ["opened", "joined", "joined", "severity", "escalation"]
    assert found["severity_reason"] == "SEV3: level critical"
    assert found["next"] == ["acknowledge", "mitigate", "resolve", "merge", "split"]
    assert found["runbook_url"] == "https://runbooks.example/shop"
    assert found["durations"]["detect_s"] > 59.0
    assert found["next_by_itself"] is None


def test_every_act_of_the_table_is_done_or_refused_with_its_reason(api: Api) -> None:
    names = {"acknowledge": "ack", "unacknowledge": "unack"}
    assert set(ACTS) == {names.get(act, act) for act in BY_HAND} - {"merge", "split"}
    for act in ("acknowledge", "unacknowledge", "mitigate", "reopen", "resolve", "reopen", "resolve", "close", "close"):
        state = api.get(f"{BASE}/1")["state"]
        cell = TABLE[state][act]
        if isinstance(cell, No):
            assert cell.reason in post(api, f"/1/{names.get(act, act)}", 409)["message"]
        else:
            assert post(api, f"/1/{names.get(act, act)}", by="ann", comment="so")["state"] == cell.state
    lines = [entry["text"] for entry in api.get(f"{BASE}/1")["timeline"] if entry["what"] == "state"]
    assert lines[0] == "acknowledged by ann: so"


def test_an_alerts_acknowledgement_by_the_api_is_its_incidents(api: Api) -> None:
    (alert,) = [one for one in api.get(f"{BASE}/1")["alerts"] if one["labels"]["series"] == "a"]
    answer = api.ask("POST", f"/api/desk/alerts/{alert['id']}/ack", json={"by": "bob"})
    assert answer.status_code == 200
    assert api.get(f"{BASE}/1")["acknowledged_by"] == "bob"


def test_mistakes_are_answered_with_what_would_do(api: Api) -> None:
    assert api.ask("GET", f"{BASE}/99").status_code == 404
    assert "looks like INC-12" in api.ask("GET", f"{BASE}/x").json()["message"]
    assert api.ask("GET", f"{BASE}/{'9' * 18}").status_code == 404
    assert "title" in post(api, "", 422, title="  ")["message"]
    assert "severity" in post(api, "", 422, title="x", severity=6)["message"]
    assert "no policy" in post(api, "", 422, title="x", policy="nobody")["message"]
    assert "no alert" in post(api, "", 404, title="x", alerts=["0" * 32])["message"]
    assert "comment" in post(api, "/1/comment", 400)["message"]
    assert "longer" in post(api, "/1/ack", 400, comment="x" * 10_001)["message"]
    assert "unknown field" in post(api, "/1/ack", 400, until="x")["message"]
    assert "itself" in post(api, "/1/merge", 409, into="INC-1")["message"]
    post(api, "/1/merge", 404, into="")
    assert "format" in api.ask("GET", f"{BASE}/1/export", params={"format": "pdf"}).json()["message"]


def test_it_is_merged_split_and_edited(api: Api) -> None:
    kept = post(api, "/2/merge", into="INC-1", by="ann")
    assert (kept["id"], len(api.get(f"{BASE}/1")["alerts"])) == ("INC-1", 3)
    assert api.get(f"{BASE}/2")["merged_into"] == "INC-1"
    assert api.get(f"{BASE}/2")["alerts"][0]["left_at"]
    (alert,) = [one for one in api.get(f"{BASE}/1")["alerts"] if one["labels"]["service"] == "db"]
    made = post(api, "/1/split", 201, alerts=[alert["fingerprint"]], title="the database")
    assert (made["id"], made["title"], made["service"]) == ("INC-3", "the database", "db")
    assert post(api, "/3/edit", title="disk full", service="storage")["title"] == "disk full"
    changed = api.get(f"{BASE}/3")["timeline"][-1]
    assert changed["details"]["before"] == {"title": "the database", "service": "db"}


def test_an_export_tells_by_itself_whether_it_was_changed(api: Api, typed: Typed, tmp_path: Path) -> None:
    post(api, "/2/comment", comment=HOSTILE)
    file = tmp_path / "inc.json"
    assert "written" in typed("export", "INC-2", "--format", "json", "-o", str(file))
    assert "whole" in typed("verify", str(file))
    exported = json.loads(file.read_bytes())
    exported["timeline"][1]["text"] = "all is well"
    file.write_text(json.dumps(exported))
    assert "entry 1 isn't what was written" in typed("verify", str(file), code=1)
    del exported["timeline"][1]
    file.write_text(json.dumps(exported))
    typed("verify", str(file), code=1)
    file.write_text("{}")
    typed("verify", str(file), code=2)
    assert "INC-2  whole: 5 entries" in typed("verify", "INC-2")


def test_markdown_stays_a_table_whatever_the_labels(api: Api, typed: Typed) -> None:
    post(api, "/2/comment", comment=HOSTILE)
    text = typed("export", "INC-2")
    assert text.startswith("# INC-2: ")
    assert "\x1b" not in text
    assert "\n# owned" not in text
    assert "<img" not in text.replace("\\<img", "")
    rows = [line for line in text.splitlines() if line.startswith("| 2 |")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 6


def test_a_story_typed_by_a_person(api: Api, typed: Typed) -> None:
    assert "INC-1" in typed("list")
    assert "acknowledged" in typed("ack", "inc-1", "-m", "looking", "--by", "ann")
    shown = typed("show", "1")
    assert "acknowledged by ann after" in shown
    assert "next: tidegauge incident ack|unack|mitigate|resolve|merge|split INC-1" in shown
    assert "runbook https://runbooks.example/shop" in shown
    typed("comment", "1", "found it")
    typed("mitigate", "1")
    typed("resolve", "1")
    assert "it is resolved" in typed("resolve", "1", code=1)
    typed("close", "1")
    assert [line.split()[0] for line in typed("list").splitlines()] == ["id", "INC-2"]
    assert len(json.loads(typed("list", "--state", "all", "--json"))) == 2
    # The desk runs in this process, and its log comes out too.
    opened = json.loads(typed("open", "odd smell", "--severity", "2", "--service", "cellar", "--json").splitlines()[-1])
    assert (opened["id"], opened["severity"]) == ("INC-3", 2)
    typed("edit", "3", "--summary", "gas?")
    typed("edit", "3", code=2)
    assert "gas?" in typed("show", "3")
    typed("merge", "3", "2", "-m", "it was the database")
    assert "merged into INC-2" in typed("show", "3")
    typed("show", "../../etc", code=2)
    typed("list", "--state", "nonsense", code=2)


def test_names_are_shown_and_never_obeyed(typed: Typed) -> None:
    for text in (typed("show", "2"), typed("list")):
        assert "\x1b[2J" not in text
        assert "owned" not in [line.strip("# ") for line in text.splitlines()]
    assert "[red]" in typed("show", "2")


def test_roles_and_names_come_from_tokens(tmp_path: Path) -> None:
    with Api(tmp_path, desk_with(rule()), CLOSED) as api:
        api.take(event("a", level="critical", service="shop"))
        api.wait(1.0)
        api.look()
        assert api.ask("GET", f"{BASE}/1", token="viewer-token").status_code == 200
        assert api.ask("POST", f"{BASE}/1/ack", token="viewer-token", json={}).status_code == 403
        done = api.ask("POST", f"{BASE}/1/ack", token="responder-token", json={"by": "somebody else"})
        assert done.json()["acknowledged_by"] == "responder-name"


def test_its_numbers_are_among_the_metrics(api: Api) -> None:
    text = api.ask("GET", "/metrics").text
    assert 'tidegauge_desk_incidents{severity="3",state="open"} 2.0' in text
    assert "tidegauge_desk_incident_entries_waiting 9.0" in text
