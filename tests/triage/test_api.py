"""Triage by HTTP and by command."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from schemas.alert import rfc3339
from schemas.response.triage import DEFAULT_TEMPLATES, UpdatePlan, UpdateRow
from tests.api.scene import Api, served
from tests.triage.scene import critical, desk_of
from tests.triage.test_verdicts import of_a_series

BASE = "/api/desk/incidents/INC-1"
HOSTILE = "\x1b[2J[red]|<img src=x>\n# owned"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    plan = UpdatePlan((UpdateRow(3, 1800.0, ("status",), 900.0),), DEFAULT_TEMPLATES)
    with Api(tmp_path, desk_of(updates=plan)) as made:
        made.take(critical(starts_s=made.now() - 60.0))
        made.look()
        yield made


def post(api: Api, path: str, code: int = 200, **body: Any) -> Any:
    answer = api.ask("POST", path, json=body)
    assert answer.status_code == code, answer.text
    return answer.json()


class Typed:
    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*arguments, "--desk", self.url], env={"COLUMNS": "250"})
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture
def typed(api: Api) -> Iterator[Typed]:
    with served(api) as url:
        yield Typed(url)


def test_one_answer_has_all_of_triage(api: Api) -> None:
    post(api, "/api/desk/changes", id="d-1", service="checkout", at=rfc3339(api.now() - 300.0))
    api.look()
    found = api.get(f"{BASE}/triage")
    assert (found["severity"], found["severity_reason"], found["rules_say"]) == (3, *["SEV3: level critical"] * 2)
    assert found["impact"]["services"] == ["checkout"]
    assert [one["role"] for one in found["roles"]][:2] == ["commander", "communication"]
    assert [one["reason"] for one in found["suspects"]] == [
        "deployment of checkout, 4 min before the start: the same service"
    ]
    assert found["tasks"][0]["kind"] == "update"


def test_what_doesnt_fit_is_answered_with_its_reason(api: Api) -> None:
    post(api, f"{BASE}/severity", 400)
    post(api, f"{BASE}/severity", 400, severity=2, auto=True)
    assert "takes a note" in post(api, f"{BASE}/severity", 409, severity=2)["message"]
    assert "no role x" in post(api, f"{BASE}/roles", 404, role="x", person="ann")["message"]
    assert "has no task 99" in post(api, f"{BASE}/tasks/99", 404)["message"]
    assert "an update is done by writing it" in post(api, f"{BASE}/tasks/1", 409)["message"]
    assert "no template" in post(api, f"{BASE}/updates", 404, text="x", template="x")["message"]
    post(api, f"{BASE}/verdict", 400, verdict="perhaps")
    post(api, "/api/desk/incidents/INC-9/roles", 404, role="scribe", person="ann")
    post(api, "/api/desk/incidents/x/roles", 404, role="scribe", person="ann")
    for text in ("x" * 10_001,):
        post(api, f"{BASE}/updates", 400, text=text)


def test_changes_come_in_both_spellings_and_once(api: Api) -> None:
    made = post(api, "/api/desk/changes", service="checkout", summary="v12")
    assert made["new"] is True
    assert post(api, "/api/desk/changes", service="checkout", summary="v12") == {"id": made["id"], "new": False}
    event = {"type": "dev.cdevents.service.deployed.0.2.0", "id": "1", "source": "/ci", "time": rfc3339(api.now())}
    data = {"context": {}, "subject": {"id": "cart", "content": {}}}
    binary = {f"ce-{name}": value for name, value in event.items()}
    assert api.ask("POST", "/api/desk/changes", json=data, headers=binary).json() == {"id": "/ci#1", "new": True}
    structured = json.dumps({"specversion": "1.0", **event, "data": data}).encode()
    as_events = {"content-type": "application/cloudevents+json"}
    again = api.ask("POST", "/api/desk/changes", content=structured, headers=as_events)
    assert again.json() == {"id": "/ci#1", "new": False}
    assert [one["service"] for one in api.get("/api/desk/changes", limit="1")] in (["cart"], ["checkout"])
    assert [one["id"] for one in api.get("/api/desk/changes", service="cart")] == ["/ci#1"]
    assert api.ask("POST", "/api/desk/changes", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert "no change" in post(api, "/api/desk/changes", 400, service="x", at="today")["message"]
    assert api.ask("GET", "/api/desk/changes", params={"limit": "0"}).status_code == 422


def test_what_is_said_of_an_alert_is_kept_until_kafka_has_it(api: Api) -> None:
    alert = of_a_series("a")
    api.take(alert)
    made = post(api, "/api/desk/feedback", 202, alert=alert.id, verdict="noise", by="ann")
    assert made["feedback"][0].endswith('noise: Latency on latency{host="a"}')
    post(api, f"/api/desk/alerts/{alert.fingerprint}/feedback", 202, undo=True)
    post(api, "/api/desk/feedback", 404, alert=alert.id, undo=True)
    post(api, "/api/desk/feedback", 404, alert="nothing", verdict="noise")
    post(api, "/api/desk/feedback", 400, alert=alert.id)
    found = api.get("/api/desk/feedback")
    assert {(one["verdict"], one["sent"]) for one in found} == {("noise", False), ("undo", False)}


def test_every_command_does_what_it_says(api: Api, typed: Typed) -> None:
    assert "SEV3: level critical" in typed("incident", "severity", "INC-1")
    assert "SEV2, says" in typed("incident", "severity", "INC-1", "2", "-m", "a customer calls")
    assert "SEV3: level critical" in typed("incident", "severity", "INC-1", "--auto")
    assert "scribe: ann" in typed("incident", "role", "1", "scribe", "ann")
    listed = typed("incident", "tasks", "INC-1")
    number = next(line.split()[0] for line in listed.splitlines() if "Write decisions" in line)
    assert "[x] Write decisions" in typed("incident", "done", "INC-1", number)
    assert "[ ] Write decisions" in typed("incident", "done", "INC-1", number, "--undo")
    assert "no roles are held" in typed("incident", "role", "INC-1", "scribe", "--give-back")
    assert "Next" not in typed("incident", "update", "INC-1", "We know.", "--preview")
    assert "status, chief will hear it" in typed("incident", "update", "INC-1", "We know.", "--to", "chief")
    assert "no change that is known" in typed("incident", "suspects", "INC-1")
    at = rfc3339(api.now() - 300.0)
    added = typed("change", "add", "checkout", "--version", "v12", "--at", at, "--id", "d-1", "-m", HOSTILE)
    assert added == "d-1  is known now\n"
    assert "was known already" in typed("change", "add", "checkout", "--at", at, "--id", "d-1")
    assert "1. deployment of checkout, 4 min before the start" in typed("incident", "suspects", "INC-1")
    shown = typed("change", "list", "--service", "checkout")
    assert "checkout v12" in shown
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 1
    assert "false positive" in typed("incident", "verdict", "INC-1", "false", "-m", "a test")
    shown = typed("incident", "show", "INC-1")
    assert "SEV3: level critical" in shown
    assert "not triaged" not in shown


@pytest.mark.parametrize(
    "wrong",
    [
        ("incident", "severity", "INC-1", "2", "--auto"),
        ("incident", "severity", "x"),
        ("incident", "role", "INC-1", "scribe"),
        ("incident", "role", "INC-1", "scribe", "ann", "--give-back"),
        ("incident", "verdict", "INC-1", "perhaps"),
        ("change", "add", "x", "--kind", "party"),
        ("change", "add", "x", "--at", "today"),
    ],
)
def test_wrong_use_is_told_before_anybody_is_asked(wrong: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*wrong, "--desk", "http://127.0.0.1:1"])
    assert done.exit_code == 2, done.output
