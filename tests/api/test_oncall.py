"""Who is on call, by HTTP and by command: overrides and swaps count at once; without a desk the config is asked."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.commands import oncall
from pipeline.config import read_config
from schemas.alert import rfc3339
from tests.api.scene import CLOSED, START_S, Api, desk, served

DAY_S = 86_400.0
ONCALL: dict[str, Any] = {
    "people": [{"name": name, "receivers": [name]} for name in ("ann", "bob", "cid")],
    "schedules": [
        {
            "name": "ops",
            "layers": [{"people": ["ann", "bob"], "rotate": "daily", "hand_over": "08:00", "starts": "2024-01-01"}],
        },
        {
            "name": "a b/c",
            "gaps": "allow",
            "layers": [{"people": ["ann"], "restrictions": [{"days": "sunday", "from": "10:00", "to": "11:00"}]}],
        },
    ],
}
NAMES = ["ann", "bob", "cid"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tidegauge.yaml"
    receivers = [{"name": name} for name in NAMES]
    body = {"receivers": receivers, "route": {"receiver": "ann"}, "oncall": ONCALL, "desk": {"port": 1}}
    path.write_text(yaml.safe_dump(body))
    return path


@pytest.fixture
def api(tmp_path: Path, config: Path) -> Iterator[Api]:
    response = read_config(config, need_rules=False).desk.response
    with Api(tmp_path, replace(desk(), response=response)) as made:
        yield made


def now(api: Api, at_s: float) -> str | None:
    (ops, _) = api.get("/api/desk/oncall", at=rfc3339(at_s))
    return ops["on_call"] and str(ops["on_call"]["person"])


def made(api: Api, path: str, status: int = 201, **body: object) -> Any:
    answer = api.ask("POST", f"/api/desk/oncall/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_now_says_who_until_when_and_who_then(api: Api) -> None:
    """START_S is 2027-01-15 08:00 UTC: a hand-over."""
    ops, other = api.get("/api/desk/oncall")
    assert (ops["on_call"]["person"], ops["on_call"]["start"], ops["next"]["person"]) == (
        "ann",
        rfc3339(START_S),
        "bob",
    )
    assert ops["on_call"]["end"] == rfc3339(START_S + DAY_S)
    assert ops["receivers"] == ["ann"]
    assert other["on_call"] is None
    assert other["next"]["start"] == "2027-01-17T10:00:00.000Z"


def test_an_override_counts_in_its_span_and_says_who_made_it(api: Api) -> None:
    start_s, end_s = START_S + 3600, START_S + 7200
    (one,) = made(api, "overrides", schedule="ops", person="cid", start=rfc3339(start_s), end=rfc3339(end_s), by="dee")
    assert [now(api, at_s) for at_s in (start_s - 1, start_s, end_s - 1, end_s)] == ["ann", "cid", "cid", "ann"]
    (listed,) = api.get("/api/desk/oncall/overrides")
    assert (listed["id"], listed["by"], listed["is_void"]) == (one["id"], "dee", False)
    found = api.get("/api/desk/oncall/spans", schedule="ops", **{"from": rfc3339(START_S), "to": rfc3339(end_s + 60)})
    assert [turn["person"] for turn in found["turns"]] == ["ann", "cid", "ann"]
    assert [one["override"] for one in found["turns"]] == ["", one["id"], ""]
    gone = api.ask("DELETE", f"/api/desk/oncall/overrides/{one['id']}")
    assert gone.status_code == 200
    assert now(api, start_s) == "ann"
    assert api.ask("DELETE", f"/api/desk/oncall/overrides/{one['id']}").status_code == 404


def test_a_swap_gives_each_the_others_turn(api: Api) -> None:
    halves = made(api, "swap", schedule="ops", first=rfc3339(START_S + 60), second=rfc3339(START_S + 3 * DAY_S + 60))
    assert [(one["person"], one["instead_of"]) for one in halves] == [("bob", "ann"), ("ann", "bob")]
    assert [now(api, START_S + day * DAY_S) for day in range(5)] == ["bob", "bob", "ann", "ann", "ann"]
    api.ask("DELETE", f"/api/desk/oncall/overrides/{halves[1]['id']}")
    assert [now(api, START_S + day * DAY_S) for day in range(5)] == ["ann", "bob", "ann", "bob", "ann"]


TOMORROW = rfc3339(START_S + DAY_S)


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("overrides", {"schedule": "opps", "person": "cid", "end": TOMORROW}, 422, "no schedule 'opps'"),
        ("overrides", {"schedule": "ops", "person": "dee", "end": TOMORROW}, 422, "no person 'dee' in the config"),
        ("overrides", {"schedule": "ops", "person": "", "end": TOMORROW}, 422, "name a person"),
        (
            "overrides",
            {"schedule": "ops", "person": "cid", "instead_of": "cid", "end": TOMORROW},
            422,
            "instead of cid",
        ),
        ("overrides", {"schedule": "ops", "person": "cid", "end": rfc3339(START_S - 9)}, 422, "is over already"),
        ("overrides", {"schedule": "ops", "person": "cid", "end": rfc3339(START_S + 500 * DAY_S)}, 422, "400 days"),
        ("overrides", {"schedule": "ops", "person": "cid", "end": "tomorrow"}, 422, "end: not a time"),
        ("overrides", {"schedule": "ops", "person": "cid", "end": "9000-01-01T00:00:00Z"}, 422, "too far away"),
        ("overrides", {"schedule": "ops", "person": "cid", "end": TOMORROW, "note": "x" * 2000}, 422, "longer than"),
        ("overrides", {"schedule": "ops", "persn": "cid", "end": TOMORROW}, 400, "persn"),
        ("swap", {"schedule": "ops", "first": TOMORROW, "second": TOMORROW}, 422, "both turns are bob's"),
        ("swap", {"schedule": "gone", "first": TOMORROW, "second": TOMORROW}, 404, "no schedule 'gone'"),
        ("swap", {"schedule": "a b/c", "first": TOMORROW, "second": TOMORROW}, 422, "nobody is on call"),
    ],
)
def test_what_makes_no_sense_is_refused(api: Api, path: str, body: dict[str, str], status: int, told: str) -> None:
    assert told in made(api, path, status, **body)["message"]
    assert api.get("/api/desk/oncall/overrides", all="true") == []


def test_what_was_is_not_changed(api: Api) -> None:
    (one,) = made(api, "overrides", schedule="ops", person="cid", start=rfc3339(START_S - DAY_S), end=TOMORROW)
    assert one["start"] == rfc3339(START_S)
    api.wait(600)
    api.ask("DELETE", f"/api/desk/oncall/overrides/{one['id']}")
    assert [now(api, START_S + after_s) for after_s in (0, 599, 600)] == ["cid", "cid", "ann"]


def test_a_calendar_can_be_subscribed_to_whatever_its_schedule_is_called(api: Api) -> None:
    for path, name in (("ops", "ops"), ("a%20b/c", "a b/c"), ("a%20b%2Fc", "a b/c")):
        answer = api.ask("GET", f"/api/desk/oncall/{path}.ics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/calendar")
        assert f"X-WR-CALNAME:On call: {name}\r\n" in answer.text
    assert "ann is on call" not in api.ask("GET", "/api/desk/oncall/ops.ics?person=bob").text
    assert api.ask("GET", "/api/desk/oncall/nothing.ics").status_code == 404


def test_a_viewer_looks_and_a_responder_changes(tmp_path: Path, config: Path) -> None:
    whole = replace(desk(), response=read_config(config, need_rules=False).desk.response)
    body = {"schedule": "ops", "person": "cid", "end": TOMORROW, "by": "somebody else"}
    with Api(tmp_path, whole, CLOSED) as api:
        assert api.ask("GET", "/api/desk/oncall").status_code == 401
        assert api.ask("GET", "/api/desk/oncall", "viewer-token").status_code == 200
        refused = [
            api.ask("POST", "/api/desk/oncall/overrides", "viewer-token", json=body),
            api.ask("POST", "/api/desk/oncall/swap", "viewer-token", json={}),
            api.ask("DELETE", "/api/desk/oncall/overrides/x", "viewer-token"),
        ]
        assert [answer.status_code for answer in refused] == [403, 403, 403]
        answer = api.ask("POST", "/api/desk/oncall/overrides", "responder-token", json=body)
        assert answer.json()[0]["by"] == "responder-name"


# --- commands


class Typed:
    def __init__(self, config: Path, url: str | None) -> None:
        self._options = ["-c", str(config), *(["--desk", url] if url else [])]

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(oncall.app, [*arguments, *self._options], env={"COLUMNS": "200"})
        assert done.exit_code == code, done.output
        return done.output


def test_commands_show_what_the_desk_knows(api: Api, config: Path) -> None:
    api.now.is_real = True
    with served(api) as url:
        typed = Typed(config, url)
        shown = typed("override", "ops", "cid", "--for", "2h", "-m", "a talk", "--json")
        made_ = json.loads(shown.splitlines()[-1])
        assert "cid until" in typed("now", "--schedule", "ops")
        assert "(override)" in typed("now", code=1), "exit 1: nobody is on call in the other"
        assert "▏cid" in typed("week", "--schedule", "ops")
        assert "a talk" in typed("list-overrides")
        assert "a talk" in typed("ical", "ops")
        assert f"removed  {made_[0]['id']}" in typed("remove", made_[0]["id"])
        assert "no overrides" in typed("list-overrides")
        tomorrow, after = (rfc3339(api.now() + days * DAY_S) for days in (1, 2))
        assert typed("swap", "ops", tomorrow, after).count("(swap)") == 2
        typed("override", "ops", "cid", code=2)
        typed("override", "ops", "cid", "--for", "soon", code=2)
        typed("override", "ops", "nobody", "--for", "2h", code=2)
        typed("now", "--schedule", "opps", code=2)
        typed("now", "--at", "soon", code=2)
        typed("remove", "../silences", code=2)


def test_without_a_desk_the_config_is_asked_and_it_says_so(config: Path) -> None:
    typed = Typed(config, None)
    shown = typed("now", "--schedule", "ops", "--at", rfc3339(START_S))
    assert "no desk runs" in shown
    assert "ann until Sat 16 Jan 08:00 (in 1 d), then bob  told by ann" in shown
    typed("override", "ops", "cid", "--for", "2h", code=1)


def test_a_week_is_drawn_day_by_day(config: Path) -> None:
    typed = Typed(config, None)
    shown = typed("week", "--schedule", "a b/c", "--at", "2027-01-17T10:30:00Z")
    sunday = next(line for line in shown.splitlines() if line.startswith("▸"))
    assert sunday.startswith("▸ Sun 17 Jan ▏nobody                       ▏an▏nobody")
    assert "■ ann 1 h" in shown
    assert "■ nobody 6 d 23 h" in shown
    (found,) = json.loads(
        CliRunner().invoke(oncall.app, ["week", "--schedule", "ops", "--json", "-c", str(config)]).stdout
    )
    start, end = (datetime.fromisoformat(found[key]) for key in ("start", "end"))
    assert (start.weekday(), start.tzinfo, (end - start).days) == (0, UTC, 7)
