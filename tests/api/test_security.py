"""Who may ask what: every address, every role, every origin; and no answer tells what it shouldn't."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from pipeline.desk.http.app import ROUTES
from pipeline.desk.http.guard import BODY_BYTES_MAX, Guard
from schemas.desk import ApiToken, DeskServer
from tests.api.scene import CLOSED, Api, desk, event

ROLES = ("viewer", "responder", "admin")
# Every address of the API: what it needs. A new one isn't done before it has a line here.
LEAST = {
    ("GET", "/-/healthy"): None,
    ("GET", "/-/ready"): None,
    ("GET", "/metrics"): "viewer",
    ("GET", "/api/v2/alerts"): "viewer",
    ("POST", "/api/v2/alerts"): "responder",
    ("GET", "/api/v2/alerts/groups"): "viewer",
    ("GET", "/api/v2/silences"): "viewer",
    ("POST", "/api/v2/silences"): "responder",
    ("GET", "/api/v2/silence/{id}"): "viewer",
    ("DELETE", "/api/v2/silence/{id}"): "responder",
    ("GET", "/api/v2/status"): "viewer",
    ("GET", "/api/v2/receivers"): "viewer",
    ("POST", "/api/v1/webhook"): "responder",
    ("GET", "/api/desk/alerts/{id}/explain"): "viewer",
    ("POST", "/api/desk/alerts/{id}/ack"): "responder",
    ("POST", "/api/desk/alerts/{id}/snooze"): "responder",
    ("POST", "/api/desk/alerts/{id}/unack"): "responder",
    ("POST", "/api/desk/silences/preview"): "viewer",
    ("GET", "/api/desk/silences/{id}/hid"): "viewer",
    ("GET", "/api/desk/outbox"): "viewer",
    ("POST", "/api/desk/outbox/{id:int}/retry"): "admin",
    ("GET", "/api/desk/incidents"): "viewer",
    ("POST", "/api/desk/incidents"): "responder",
    ("GET", "/api/desk/incidents/{id}"): "viewer",
    ("GET", "/api/desk/incidents/{id}/export"): "viewer",
    ("GET", "/api/desk/incidents/{id}/verify"): "viewer",
    ("POST", "/api/desk/incidents/{id}/ack"): "responder",
    ("POST", "/api/desk/incidents/{id}/unack"): "responder",
    ("POST", "/api/desk/incidents/{id}/mitigate"): "responder",
    ("POST", "/api/desk/incidents/{id}/resolve"): "responder",
    ("POST", "/api/desk/incidents/{id}/reopen"): "responder",
    ("POST", "/api/desk/incidents/{id}/close"): "responder",
    ("POST", "/api/desk/incidents/{id}/comment"): "responder",
    ("POST", "/api/desk/incidents/{id}/edit"): "responder",
    ("POST", "/api/desk/incidents/{id}/merge"): "responder",
    ("POST", "/api/desk/incidents/{id}/split"): "responder",
    ("GET", "/api/desk/incidents/{id}/review"): "viewer",
    ("PUT", "/api/desk/incidents/{id}/review"): "responder",
    ("GET", "/api/desk/incidents/{id}/review/versions"): "viewer",
    ("POST", "/api/desk/incidents/{id}/actions"): "responder",
    ("GET", "/incidents/{id}/review"): "viewer",
    ("GET", "/incidents/{id}/chart-{chart:int}.svg"): "viewer",
    ("GET", "/api/desk/figures"): "viewer",
    ("GET", "/api/desk/oncall"): "viewer",
    ("GET", "/api/desk/oncall/spans"): "viewer",
    ("GET", "/api/desk/oncall/{name:path}.ics"): "viewer",
    ("GET", "/api/desk/oncall/overrides"): "viewer",
    ("POST", "/api/desk/oncall/overrides"): "responder",
    ("DELETE", "/api/desk/oncall/overrides/{id}"): "responder",
    ("POST", "/api/desk/oncall/swap"): "responder",
    ("GET", "/api/desk/incidents/{id}/triage"): "viewer",
    ("POST", "/api/desk/incidents/{id}/severity"): "responder",
    ("POST", "/api/desk/incidents/{id}/roles"): "responder",
    ("GET", "/api/desk/incidents/{id}/tasks"): "viewer",
    ("POST", "/api/desk/incidents/{id}/tasks/{task:int}"): "responder",
    ("GET", "/api/desk/incidents/{id}/suspects"): "viewer",
    ("POST", "/api/desk/incidents/{id}/updates"): "responder",
    ("POST", "/api/desk/incidents/{id}/verdict"): "responder",
    ("POST", "/api/desk/alerts/{id}/feedback"): "responder",
    ("POST", "/api/desk/feedback"): "responder",
    ("GET", "/api/desk/feedback"): "viewer",
    ("POST", "/api/desk/changes"): "responder",
    ("GET", "/api/desk/changes"): "viewer",
    ("GET", "/api/desk/automation"): "viewer",
    ("POST", "/api/desk/automation/pause"): "responder",
    ("POST", "/api/desk/automation/resume"): "responder",
    ("POST", "/api/desk/automation/dry-run"): "responder",
    ("GET", "/api/desk/automation/acts"): "viewer",
    ("GET", "/api/desk/automation/acts/{id}"): "viewer",
    ("POST", "/api/desk/automation/acts/{id}/approve"): "responder",
    ("POST", "/api/desk/automation/acts/{id}/reject"): "responder",
    ("GET", "/api/desk/scaling/{name}"): "viewer",
}
PROVEN = {
    ("POST", "/hooks/pagerduty"),
    ("POST", "/hooks/opsgenie"),
    ("POST", "/hooks/slack"),
    ("GET", "/links/{link}"),
    ("POST", "/links/{link}"),
}
"""By a signature, or by the address itself; `tests/escalation` has what they take."""
SAME = {"host": "desk.example", "origin": "https://desk.example", "sec-fetch-site": "same-origin"}
# What a browser says of where a request comes from -> whether it may change something.
ORIGINS: dict[str, tuple[dict[str, str], bool]] = {
    "no browser": ({}, True),
    "our page": (SAME, True),
    "typed by hand": ({"sec-fetch-site": "none"}, True),
    "another site": ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, False),
    "another host of the site": ({"origin": "https://blog.desk.example", "sec-fetch-site": "same-site"}, False),
    "an old browser, another site": ({"origin": "https://evil.example"}, False),
    "a file or a sandbox": ({"origin": "null"}, False),
    "our host by another scheme's port": ({"host": "desk.example", "origin": "https://desk.example:444"}, False),
}


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path, server=CLOSED) as api:
        yield api


def asked(api: Api, method: str, path: str, **options: Any) -> int:
    """The status; bodies are empty, so what is let through is refused for that at the earliest."""
    stand_ins = {"{id:int}": "7", "{task:int}": "7", "{chart:int}": "0", "{name:path}": "team", "{name}": "web"}
    stand_ins["{id}"] = "00000000-0000-4000-8000-000000000000"
    for place, value in stand_ins.items():
        path = path.replace(place, value)
    return api.ask(method, path, **options).status_code


def test_the_table_has_every_address() -> None:
    there = {(method, route.path) for route in ROUTES for method in route.methods or () if method != "HEAD"}
    assert there == set(LEAST) | PROVEN


@pytest.mark.parametrize(("method", "path"), sorted(PROVEN))
def test_what_proves_itself_is_given_nothing_by_a_token(method: str, path: str, closed: Api) -> None:
    for token in (None, "admin-token"):
        assert closed.ask(method, path.replace("{link}", "x"), token=token).status_code == 404


@pytest.mark.parametrize(("method", "path"), LEAST)
def test_a_role_is_enough_or_it_isnt(method: str, path: str, closed: Api) -> None:
    least = LEAST[method, path]
    assert (asked(closed, method, path) == 401) is (least is not None)
    assert (asked(closed, method, path, token="wrong-token") == 401) is (least is not None)
    for role in ROLES:
        status = asked(closed, method, path, token=f"{role}-token")
        is_allowed = least is None or ROLES.index(role) >= ROLES.index(least)
        assert (status not in (401, 403)) is is_allowed, (role, status)


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize(("method", "path"), LEAST)
def test_a_page_of_another_site_changes_nothing(method: str, path: str, origin: str, closed: Api) -> None:
    headers, may_change = ORIGINS[origin]
    status = asked(closed, method, path, token="admin-token", headers=headers)
    assert (status == 403) is (method != "GET" and not may_change)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8470", True), ("localhost:8470", True), ("[::1]:8470", True), ("LOCALHOST", True),
        ("desk.example", True), ("desk.example:80", True),
        ("evil.example", False), ("127.0.0.1.evil.example", False), ("localhost.evil.example:8470", False), ("", False),
        ("a@localhost", False), ("192.168.1.5:8470", False),
    ],
)  # fmt: skip
def test_without_tokens_only_our_own_names_are_answered(host: str, is_ours: bool, tmp_path: Path) -> None:
    """A page whose name an attacker's DNS points at loopback (DNS rebinding) asks by that name."""
    with Api(tmp_path, server=DeskServer(external_url="http://desk.example")) as api:
        assert (api.ask("GET", "/api/v2/alerts", headers={"host": host}).status_code == 200) is is_ours


def test_an_open_address_without_tokens_doesnt_start(tmp_path: Path) -> None:
    server = replace(CLOSED, tokens=())

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(ValueError, match=r"desk\.host: 192\.0\.2\.1 is open to others and desk\.tokens is empty"):
        Guard(app, server)


def test_a_token_is_compared_by_its_digest_alone(closed: Api) -> None:
    (token,) = [token for token in CLOSED.tokens if token.role == "admin"]
    assert asked(closed, "GET", "/api/v2/alerts", token=token.digest) == 401
    assert asked(closed, "GET", "/api/v2/alerts", headers={"Authorization": "Basic admin-token"}) == 401
    upper = ApiToken(token.name, token.role, token.digest.upper())
    Guard(closed.app, replace(CLOSED, tokens=(upper,)))


def test_who_holds_a_token_cant_sign_as_somebody_else(closed: Api) -> None:
    closed.take(event("a"))
    path = f"/api/desk/alerts/{event('a').id}/ack"
    answer = closed.ask("POST", path, token="responder-token", json={"by": "the boss", "comment": "x"})
    assert answer.json()["by"] == "responder-name"


def test_a_body_beyond_the_cap_is_refused_whether_it_says_its_size_or_not(closed: Api) -> None:
    async def without_size() -> Any:
        for _ in range(BODY_BYTES_MAX // 1_000_000 + 1):
            yield b" " * 1_000_000

    headers = {"Content-Type": "application/json"}
    for content in (b" " * (BODY_BYTES_MAX + 1), without_size()):
        answer = closed.ask("POST", "/api/v2/alerts", token="admin-token", content=content, headers=headers)
        assert answer.status_code == 413
        assert "10,000,000" in answer.json()["message"]


def test_a_body_that_never_ends_is_given_up() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass

    answers: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(0.03)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/v2/alerts", "headers": [(b"host", b"localhost")]}
    asyncio.run(Guard(app, DeskServer(), body_timeout_s=0.2)(scope, receive, send))
    assert answers[0]["status"] == 408


def test_every_answer_has_the_headers_that_browsers_obey(closed: Api) -> None:
    for path, token in (("/api/v2/alerts", "admin-token"), ("/api/v2/alerts", None), ("/nothing", "admin-token")):
        headers = closed.ask("GET", path, token=token).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
        assert headers["content-type"].startswith("application/json")


def test_what_fails_inside_isnt_told_outside(closed: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = "SELECT secret FROM desk WHERE path = '/srv/desk.db'"
    for raised, status in ((RuntimeError(inner), 500), (OperationalError(inner, {}, Exception(inner)), 503)):

        def fails(do: object, error: Exception = raised) -> object:
            raise error

        monkeypatch.setattr(closed.db, "read", fails)
        monkeypatch.setattr(closed.db, "write", fails)
        for method, path, body in (
            ("GET", "/api/v2/silences", None),
            ("POST", "/api/v2/alerts", [{"labels": {"a": "b"}}]),
            ("POST", "/api/v1/webhook", {"version": "4", "alerts": [{"status": "firing", "labels": {"a": "b"}}]}),
        ):
            answer = closed.ask(method, path, token="admin-token", json=body)
            assert answer.status_code == status
            assert "secret" not in answer.text
            assert "desk.db" not in answer.text


def test_no_answer_shows_a_token_its_digest_or_a_setting_of_a_receiver(closed: Api) -> None:
    closed.take(event("a"))
    closed.wait(15)
    closed.look()
    shown = ""
    for method, path in LEAST:
        path = path.replace("{id:int}", "1").replace("{id}", event("a").id)
        shown += closed.ask(method, path, token="admin-token").text
    for token in CLOSED.tokens:
        assert token.digest not in shown
    assert "-token" not in shown
    assert "postgres" not in shown
    assert "sqlite" not in shown


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\x1b[2J", "\u202e", "a\nb", "\x00", "\ud800", '"}'])
def test_labels_are_told_as_they_are_and_never_break_an_answer(text: str, tmp_path: Path) -> None:
    with Api(tmp_path, desk()) as api:
        body = json.dumps([{"labels": {"alertname": "x", "evil": text}, "annotations": {"evil": text}}])
        status = api.ask(
            "POST", "/api/v2/alerts", content=body, headers={"Content-Type": "application/json"}
        ).status_code
        assert status in (200, 400)
        for path in ("/api/v2/alerts", "/api/v2/alerts/groups", "/metrics", "/api/desk/outbox"):
            answer = api.ask("GET", path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(("application/json", "text/plain"))
