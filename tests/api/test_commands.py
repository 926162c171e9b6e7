"""The commands that ask the desk: what a person types, what comes back, and how they fail."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.commands import alerts, explain, silence
from tests.api.scene import CLOSED, Api, event, served

cli = typer.Typer()
cli.add_typer(silence.app, name="silence")
cli.command()(explain.explain)
cli.command()(alerts.alerts)
cli.command()(alerts.ack)
cli.command()(alerts.snooze)
cli.command()(alerts.unack)
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Typed:
    """One desk, asked by commands."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, code: int = 0, token: str | None = None) -> str:
        env = {"TIDEGAUGE_TOKEN": token, "COLUMNS": "200"}
        done = CliRunner().invoke(cli, [*arguments, "--desk", self.url], env=env)
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path) as made:
        made.now.is_real = True
        start_s = made.now() - 60
        made.take(event("a", starts_s=start_s), event("b", starts_s=start_s, level="critical"))
        yield made


@pytest.fixture
def typed(api: Api) -> Iterator[Typed]:
    with served(api) as url:
        yield Typed(url)


def test_a_silence_is_previewed_added_listed_and_ended(api: Api, typed: Typed) -> None:
    assert "would hide 1 firing alerts" in typed("silence", "preview", "series=a")
    added = typed("silence", "add", "series=a", "-m", "racks", "-d", "90m")
    assert "for 1 h 30 min, hides 1 now" in added
    found = re.search(_UUID, added)
    assert found is not None
    listed = typed("silence", "list")
    assert found[0] in listed
    assert 'series="a"' in listed
    assert "racks" in listed
    assert "1 of them held back already" in typed("silence", "preview", "alertname=Latency")
    assert f"{found[0]}  ended" in typed("silence", "expire", found[0])
    assert "no silences" in typed("silence", "list")
    assert json.loads(typed("silence", "list", "--expired", "--json"))[0]["status"]["state"] == "expired"
    assert "has held back 0 alerts" in typed("silence", "hid", found[0])


def test_matchers_without_a_sense_are_refused_before_or_by_the_desk(typed: Typed) -> None:
    typed("silence", "add", "series~a", "-m", "x", code=2)
    assert "nearly all" in typed("silence", "add", "series=~.*", "-m", "x", code=2)
    typed("silence", "add", "series=a", "-m", "x", "-d", "soon", code=2)
    typed("silence", "add", "series=a", "-m", "x", "--start", "soon", code=2)
    typed("silence", "expire", "not-an-id!", code=1)
    typed("silence", "expire", "00000000-0000-4000-8000-000000000000", code=1)


def test_explain_reads_as_a_chain(api: Api, typed: Typed) -> None:
    (alert,) = [one for one in api.get("/api/v2/alerts") if one["labels"]["series"] == "a"]
    text = typed("explain", alert["fingerprint"])
    lines = text.splitlines()
    assert any(line.strip() == "WARNING  Latency {series=a}" for line in lines)
    assert any("received" in line and "new, firing warning" in line for line in lines)
    assert any("routed" in line and "[ops]" in line for line in lines)
    assert json.loads(typed("explain", alert["fingerprint"], "--json"))["state"] == "active"
    assert "no alert" in typed("explain", "0" * 32, code=1)
    typed("explain", "../../etc", code=2)
    assert typed("explain", alert["fingerprint"][:6]) == text
    assert "2 firing alerts are called or begin with 'Latency'" in typed("explain", "Latency", code=1)
    assert "no firing alert is called" in typed("explain", "Nothing", code=1)


def test_what_fires_is_listed_with_ids_worst_first(api: Api, typed: Typed) -> None:
    lines = typed("alerts").splitlines()
    assert [line.split()[0] for line in lines] == ["CRITICAL", "WARNING", "2"]
    ids = {one["fingerprint"] for one in api.get("/api/v2/alerts")}
    assert {line.split()[1] for line in lines[:2]} == ids
    assert len(json.loads(typed("alerts", "series=a", "--json"))) == 1


def test_an_alert_is_acknowledged_snoozed_and_taken_back(api: Api, typed: Typed) -> None:
    (alert,) = [one for one in api.get("/api/v2/alerts") if one["labels"]["series"] == "a"]
    id_ = alert["fingerprint"]
    assert "acknowledged" in typed("ack", id_, "-m", "on it", "--by", "ann")
    assert "acknowledged by ann: on it" in typed("explain", id_)
    assert "snoozed until" in typed("snooze", id_, "-d", "30m")
    assert "held back by snooze" in typed("explain", id_)
    assert "taken back" in typed("unack", id_)
    assert "neither acknowledged nor snoozed" in typed("unack", id_, code=1)
    typed("snooze", id_, "-d", "soon", code=2)


def test_labels_are_shown_and_never_obeyed(api: Api, typed: Typed) -> None:
    hostile = event("x", starts_s=api.now() - 60, evil="\x1b[2J[red]\nowned")
    api.take(hostile)
    for text in (typed("explain", hostile.id), typed("silence", "preview", "series=x")):
        assert "\x1b[2J" not in text
        assert "[red]" in text
        assert "owned" not in text.splitlines()


def test_without_a_desk_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    nowhere = Typed("http://127.0.0.1:1")
    assert "start one with `tidegauge desk`" in nowhere("silence", "list", code=1)
    Typed("nowhere at all")("silence", "list", code=2)


def test_a_token_is_taken_from_the_environment_and_its_lack_is_explained(tmp_path: Path) -> None:
    with Api(tmp_path, server=CLOSED) as api, served(api) as url:
        typed = Typed(url)
        assert "TIDEGAUGE_TOKEN" in typed("silence", "list", code=1)
        assert "no silences" in typed("silence", "list", token="viewer-token")
        refused = typed("silence", "add", "a=b", "-m", "x", token="viewer-token", code=1)
        assert "needs the role responder" in refused
        assert "viewer-token" not in refused
