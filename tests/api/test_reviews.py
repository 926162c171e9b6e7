"""Reviews and figures by HTTP, as a page and by command: nothing in a text becomes markup, no version is lost."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from incidents.charts import Chart
from pipeline.commands import reviews
from pipeline.desk.http.review_page import page
from schemas.alert import AlertEvent, Evidence
from tests.api.scene import CLOSED, START_S, Api, desk, event, served

HOSTILE = (
    "<script>alert(1)</script> [x](javascript:alert(1)) ![y](https://evil.example/p.png) | `a` <img src=x onerror=y>"
)


def failing(region: str) -> AlertEvent:
    made = event("a", level="critical", service="checkout", metric="errors", region=region)
    evidence = Evidence([START_S - 60 + 10 * n for n in range(6)], [0.02 * n for n in range(6)])
    return msgspec.structs.replace(made, evidence=evidence, why=HOSTILE)


def over(api: Api, title: str = "Checkout is down", region: str = "eu") -> None:
    """INC-1, resolved by ann."""
    alert = failing(region)
    api.take(alert)
    api.look()
    sent = {"title": title, "severity": 2, "service": "checkout", "alerts": [alert.id], "summary": HOSTILE}
    assert api.ask("POST", "/api/desk/incidents", json=sent).status_code == 201
    for act in ("ack", "resolve"):
        api.wait(60)
        assert api.ask("POST", f"/api/desk/incidents/1/{act}", json={"by": "ann"}).status_code == 200
        api.look()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path) as made:
        yield made


def put(api: Api, status: int = 200, token: str | None = None, **body: object) -> Any:
    answer = api.ask("PUT", "/api/desk/incidents/INC-1/review", token, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


# --- the API


def test_a_review_is_read_changed_and_every_version_kept(api: Api) -> None:
    over(api)
    draft = api.get("/api/desk/incidents/INC-1/review")
    assert (draft["version"], draft["by"], draft["is_stale"]) == (1, "", False)
    assert put(api, text=draft["markdown"] + "more\n", by="ann", note="cause")["version"] == 2
    refused = put(api, 409, text=draft["markdown"] + "other\n", by="bob")
    assert refused["message"].startswith("INC-1: there is version 2")
    assert put(api, 409, text="other", version=1)["code"] == 409
    assert put(api, 422, text=" ")["message"] == "a review must not be empty"
    put(api, 400, txt="x")
    found = api.get("/api/desk/incidents/1/review/versions")
    assert [(one["version"], one["by"], one["note"]) for one in found] == [(1, "", ""), (2, "ann", "cause")]
    assert api.get("/api/desk/incidents/1/review", version=1)["markdown"] == draft["markdown"]
    text = api.ask("GET", "/api/desk/incidents/1/review?format=md")
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "more\n" in text.text


def test_what_is_not_there_is_said(api: Api) -> None:
    for path in ("review", "review?version=1", "review?draft=true"):
        assert api.ask("GET", f"/api/desk/incidents/7/{path}").status_code == 404
    assert api.ask("GET", "/incidents/INC-7/review").status_code == 404
    assert api.ask("GET", "/incidents/INC-x/review").status_code == 404
    put(api, 404, text="x")
    api.ask("POST", "/api/desk/incidents", json={"title": "t"})
    answer = api.ask("GET", "/api/desk/incidents/1/review")
    assert "is open and has no review yet" in answer.json()["message"]
    assert "Review of INC-1: t" in api.get("/api/desk/incidents/1/review", draft="true")["markdown"]
    for query in ("version=x", "version=99999999999", "format=pdf"):
        assert api.ask("GET", f"/api/desk/incidents/1/review?{query}").status_code == 422


def test_action_items_stand_in_the_review_as_they_are_now(api: Api) -> None:
    over(api)
    sent = {"text": "add a | limit", "owner": "ann", "due": "2027-02-01T09:00:00Z", "link": "https://t.example/1"}
    task = api.ask("POST", "/api/desk/incidents/1/actions", json=sent).json()
    row = f"| {task['id']} | add a \\| limit (https://t.example/1) | ann | 2027-02-01 |  |"
    assert row in api.get("/api/desk/incidents/1/review")["markdown"]
    put(api, text=api.get("/api/desk/incidents/1/review")["markdown"], by="ann")
    assert api.get("/api/desk/incidents/1/review")["markdown"].count("add a") == 1
    for wrong in ({"text": " "}, {"text": "x", "due": "soon"}, {"text": "x" * 2000}):
        assert api.ask("POST", "/api/desk/incidents/1/actions", json=wrong).status_code == 422


def test_a_viewer_reads_and_a_responder_writes(tmp_path: Path) -> None:
    with Api(tmp_path, desk(), CLOSED) as api:
        sent = {"title": "t"}
        assert api.ask("POST", "/api/desk/incidents", "responder-token", json=sent).status_code == 201
        reads = ["/api/desk/incidents/1/review?draft=true", "/api/desk/figures", "/incidents/1/review?draft=true"]
        for path in reads:
            assert api.ask("GET", path).status_code == 401
            assert api.ask("GET", path, "viewer-token").status_code == 200
        put(api, 403, "viewer-token", text="x")
        item = {"text": "x"}
        assert api.ask("POST", "/api/desk/incidents/1/actions", "viewer-token", json=item).status_code == 403
        assert put(api, 200, "responder-token", text="x", by="somebody else")["by"] == "responder-name"


def test_figures_of_a_time(api: Api) -> None:
    over(api)
    found = api.get("/api/desk/figures", since="1d")
    assert found["all"]["incidents"] == 1
    assert found["all"]["acknowledge"] == {"count": 1, "median_s": 60.0, "p90_s": 60.0}
    assert api.get("/api/desk/figures", since="2027-01-15T08:00:01Z")["all"]["incidents"] == 0
    for wrong in ("soon", "5", "2030-01-01T00:00:00Z"):
        assert api.ask("GET", f"/api/desk/figures?since={wrong}").status_code == 422


# --- the page


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def assert_harmless(text: str) -> None:
    for tag, attributes in Tags(text).found:
        assert tag not in ("script", "img", "iframe", "object", "embed", "link", "form", "base")
        assert not any(name.startswith("on") or name in ("src", "style") for name in attributes), attributes
        assert not (attributes.get("href") or "").lower().startswith(("javascript:", "data:", "vbscript:"))


def test_the_page_shows_hostile_names_and_obeys_none(api: Api) -> None:
    over(api, title=HOSTILE, region=HOSTILE)
    answer = api.ask("GET", "/incidents/INC-1/review")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert_harmless(answer.text)
    assert "&lt;script&gt;alert(1)" in answer.text
    assert answer.text.count("<svg ") == 1
    put(api, text=f"# Mine\n\n{HOSTILE}\n\n<script>x</script>\n", by="ann")
    assert_harmless(api.ask("GET", "/incidents/INC-1/review").text)


def test_the_page_runs_nothing_loads_nothing_and_names_its_style(api: Api) -> None:
    over(api)
    answer = api.ask("GET", "/incidents/INC-1/review")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    rules = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert "script-src" not in rules
    assert "@media print" in style[1]


def test_the_page_says_whose_it_is_and_whether_it_still_holds(api: Api) -> None:
    over(api)
    assert "nobody has looked at it yet" in api.ask("GET", "/incidents/1/review").text
    put(api, text="mine", by="ann")
    shown = api.ask("GET", "/incidents/1/review").text
    assert 'banner">' not in shown
    assert "Version 2, by ann" in shown
    api.ask("POST", "/api/desk/incidents/1/reopen", json={})
    api.look()
    assert "INC-1 is open: this isn&#39;t its end." in api.ask("GET", "/incidents/1/review").text
    api.wait(60)
    api.ask("POST", "/api/desk/incidents/1/resolve", json={})
    api.look()
    assert "INC-1 was open again after this was written" in api.ask("GET", "/incidents/1/review").text
    assert api.get("/api/desk/incidents/1/review")["is_stale"] is True


def test_charts_are_served_alone_too(api: Api) -> None:
    over(api)
    answer = api.ask("GET", "/incidents/INC-1/chart-0.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.startswith("<svg ")
    assert api.ask("GET", "/incidents/INC-1/chart-1.svg").status_code == 404


CHART = Chart(title="x", t=[1.0, 2.0], v=[1.0, 2.0], from_s=1.0)
MARKDOWN = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(["![a](chart-0.svg)", "![a](chart-9.svg)", "<script>", "[a](", "javascript:x", ")", "\n", "|",
                         "```", "<svg onload=x>", "&#x3c;", "![](data:x)", "> ", "- ", "    ", "|---|\n"]),
    ),
    max_size=12,
).map("".join)  # fmt: skip


@given(MARKDOWN, st.text(max_size=20))
def test_no_text_makes_the_page_do_anything(text: str, title: str) -> None:
    assert_harmless(page(title, text, [CHART], [text], title))


# --- commands

cli = typer.Typer()
cli.callback()(lambda: None)
reviews.register(cli)


class Typed:
    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, [*arguments, "--desk", self.url], env={"COLUMNS": "200"})
        assert done.exit_code == code, done.output
        return done.output


def test_a_review_goes_to_a_file_and_comes_back(api: Api, tmp_path: Path) -> None:
    over(api)
    with served(api) as url:
        typed, file, other = Typed(url), tmp_path / "review.md", tmp_path / "page.html"
        assert "Review of INC-1" in typed("review", "INC-1")
        typed("review", "1", "-o", str(file))
        text = file.read_text()
        file.write_text(
            text.replace("_In two sentences: what happened, and whom it concerned?_", "The cache was full.")
        )
        assert "INC-1  version 2 of its review, by ann" in typed("review", "1", "--edit", str(file), "--by", "ann")
        typed("review", "1", "--edit", str(file), code=1)
        assert "The cache was full." in typed("review", "INC-1")
        assert "1 " in typed("review", "INC-1", "--versions")
        typed("review", "INC-1", "-o", str(other))
        assert other.read_text().startswith("<!doctype html>")
        assert "The cache was full." not in typed("review", "INC-1", "--draft")
        assert "for bob: add a limit" in typed("action", "1", "add a limit", "--owner", "bob", "--due", "2027-02-01")
        assert "| bob | 2027-02-01 |" in typed("review", "1", "--version", "1")
        typed("review", "x", code=2)
        typed("review", "1", "--edit", str(tmp_path / "nothing.md"), code=2)
        typed("action", "1", "x", "--due", "soon", code=2)


def test_figures_are_drawn(api: Api) -> None:
    over(api)
    with served(api) as url:
        shown = Typed(url)("figures", "--since", "7d")
        assert re.search(r"all +1 +- +1 min \(1 min\) +2 min \(2 min\) +2 min \(2 min\)", shown), shown
        assert re.search(r"SEV2 +1 ", shown)
        assert "noise: 0% of 1 that are over" in shown
        assert json.loads(Typed(url)("figures", "--json").splitlines()[-1])["noise"]["over"] == 1
