"""Alertmanager's clients see Alertmanager: its answers, statuses and filters; better ones where 0.25 was wrong."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.desk import intake
from schemas.desk import InhibitRule
from schemas.matchers import Matchers
from tests.api import shapes
from tests.api.scene import START_S, Api, event
from tests.desk.scene import branch, desk

NOW = "2027-01-15T08:00:00Z"
LABELS = {"alertname": "Up", "job": "web"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path, desk(routes=(branch('team="db"'),))) as made:
        yield made


def post(api: Api, body: object, content_type: str = "application/json") -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return api.ask("POST", "/api/v2/alerts", content=text, headers={"Content-Type": content_type})


def names(api: Api, **params: Any) -> list[str]:
    found = api.get("/api/v2/alerts", **params)
    shapes.check(shapes.array(shapes.ALERT), found)
    return sorted(one["labels"].get("series", one["labels"]["alertname"]) for one in found)


# --- what is posted: the table of facts, row by row


ACCEPTED: dict[str, list[dict[str, Any]]] = {
    "one": [{"labels": LABELS}],
    "none": [],
    "an unknown field": [{"labels": LABELS, "more": {"a": 1}}],
    "a thousand": [{"labels": {**LABELS, "n": str(n)}} for n in range(1000)],
    "an empty label value": [{"labels": {**LABELS, "zone": ""}}],
    "no alertname": [{"labels": {"job": "web"}}],
    "a name in UTF-8": [{"labels": {**LABELS, "metric.name": "x", "größe": "y"}}],
    "no zone": [{"labels": LABELS, "startsAt": "2027-01-15T05:00:00"}],
    "nanoseconds": [{"labels": LABELS, "startsAt": "2027-01-15T05:00:00.123456789Z"}],
    "an offset": [{"labels": LABELS, "startsAt": "2027-01-15T05:00:00+02:00"}],
    "null": [{"labels": LABELS, "startsAt": None, "endsAt": None, "annotations": None, "generatorURL": None}],
    "Go's zero time": [{"labels": LABELS, "endsAt": "0001-01-01T00:00:00Z"}],
    "no generator": [{"labels": LABELS, "generatorURL": ""}],
}
REFUSED: dict[str, tuple[object, int, object]] = {
    "a number as label": ([{"labels": {"a": 3.2}}], 400, None),
    "a number as annotation": ([{"labels": LABELS, "annotations": {"a": 3.2}}], 400, None),
    "no labels": ([{"labels": {}}], 400, "at least one label pair required"),
    "labels that are all empty": ([{"labels": {"a": ""}}], 400, "at least one label pair required"),
    "labels null": ([{"labels": None}], 422, {"code": 602, "message": "0.labels in body is required"}),
    "labels missing": ([{"labels": LABELS}, {}], 422, {"code": 602, "message": "1.labels in body is required"}),
    "an object": ({"labels": LABELS}, 400, None),
    "a bad time": ([{"labels": LABELS, "startsAt": "2026-01-01 00:00"}], 400, None),
    "ends before it starts": (
        [{"labels": LABELS, "startsAt": NOW, "endsAt": "2027-01-15T07:00:00Z"}],
        400,
        "start time must be before end time",
    ),
    "a generator that is no address": ([{"labels": LABELS, "generatorURL": "not a url"}], 422, None),
    "no JSON": ("[{", 400, None),
    "not UTF-8": (b'[{"labels":{"a":"\xff"}}]', 400, None),
    "nested without end": ("[" * 100_000, 400, None),
    "nothing": ("", 400, None),
    "a name without letters": ([{"labels": {"": "x", **LABELS}}], 400, None),
    "a label as long as a book": ([{"labels": {**LABELS, "x": "x" * 70_000}}], 400, None),
    "more labels than anyone has": ([{"labels": {f"l{n}": "x" for n in range(200)}}], 400, None),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_alertmanager_accepts_is_accepted(case: str, api: Api) -> None:
    answer = post(api, ACCEPTED[case])
    assert (answer.status_code, answer.content) == (200, b"")
    assert len(api.get("/api/v2/alerts")) == len(ACCEPTED[case])


@pytest.mark.parametrize("case", REFUSED)
def test_what_alertmanager_refuses_is_refused_with_its_status(case: str, api: Api) -> None:
    body, status, said = REFUSED[case]
    answer = post(api, body)
    assert answer.status_code == status, answer.text
    if said is not None:
        assert answer.json() == said
    assert names(api) == []


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
def test_only_json_is_read(content_type: str, status: int, api: Api) -> None:
    assert post(api, [{"labels": LABELS}], content_type).status_code == status


def test_of_a_batch_with_one_bad_alert_the_others_are_taken_and_the_bad_one_is_named(api: Api) -> None:
    answer = post(api, [{"labels": {**LABELS, "n": "1"}}, {"labels": {}}, {"labels": {**LABELS, "n": "3"}}])
    assert answer.status_code == 400
    assert "alert 1: at least one label pair" in answer.json()
    assert names(api) == ["Up", "Up"]


def test_what_is_posted_again_and_again_is_one_alert_with_its_newest_annotations(api: Api) -> None:
    for value in ("1", "2"):
        post(api, [{"labels": LABELS, "annotations": {"value": value}}])
    (found,) = api.get("/api/v2/alerts")
    assert found["annotations"] == {"value": "2"}


def test_a_posted_alert_ends_when_it_says_so_or_isnt_seen_any_more(api: Api) -> None:
    post(api, [{"labels": LABELS}])
    (found,) = api.get("/api/v2/alerts")
    assert found["endsAt"] == "2027-01-15T08:05:00.000Z"
    post(api, [{"labels": LABELS, "startsAt": NOW, "endsAt": NOW}])
    assert names(api) == []
    post(api, [{"labels": LABELS}])
    assert names(api) == ["Up"]
    api.wait(301)
    api.look()
    assert names(api) == []


# --- what is asked


def test_every_field_that_the_newest_clients_require_is_there(api: Api) -> None:
    api.take(event("a"), event("b", level="critical", team="db"))
    api.wait(11)
    api.look()
    shapes.check(shapes.array(shapes.ALERT), api.get("/api/v2/alerts"))
    shapes.check(shapes.array(shapes.GROUP), api.get("/api/v2/alerts/groups"))
    shapes.check(shapes.STATUS, api.get("/api/v2/status"))
    shapes.check(shapes.array(shapes.RECEIVER), api.get("/api/v2/receivers"))


def test_filters_mean_what_they_mean_in_alertmanager(api: Api) -> None:
    api.take(event("a"), event("b", level="critical", team="db"), event("c", team="web"))
    assert names(api) == ["a", "b", "c"]
    assert names(api, filter='team="db"') == ["b"]
    assert names(api, filter=['series=~"a|b"', 'team=""']) == ["a"]
    assert names(api, filter='level!="critical"') == ["a", "c"]
    assert names(api, filter="severity=critical") == ["b"]
    assert names(api, receiver="pager") == ["b"]
    assert names(api, receiver="pag") == []  # the whole name
    assert names(api, receiver="ops|pager") == ["a", "b", "c"]
    assert names(api, active="false") == []
    assert api.ask("GET", "/api/v2/alerts", params={"filter": "=="}).status_code == 400
    assert api.ask("GET", "/api/v2/alerts", params={"receiver": "("}).status_code == 400
    assert api.ask("GET", "/api/v2/alerts", params={"active": "maybe"}).status_code == 422


def test_what_holds_an_alert_back_shows_at_once(tmp_path: Path) -> None:
    rule = InhibitRule(Matchers.parse("level=critical"), Matchers.parse("level=warning"), ("zone",))
    with Api(tmp_path, replace(desk(), inhibit_rules=(rule,))) as api:
        api.take(event("a", zone="x"))
        assert [one["status"]["state"] for one in api.get("/api/v2/alerts")] == ["active"]
        api.take(event("b", level="critical", zone="x"))
        by_series = {one["labels"]["series"]: one for one in api.get("/api/v2/alerts")}
        assert by_series["a"]["status"]["state"] == "suppressed"
        assert by_series["a"]["status"]["inhibitedBy"] == [by_series["b"]["fingerprint"]]
        assert names(api, inhibited="false") == ["b"]
        api.take(event("b", seq=1, level=None, previous="critical", zone="x"))
        assert [one["status"]["state"] for one in api.get("/api/v2/alerts")] == ["active"]


def test_a_snooze_shows_as_mute(api: Api) -> None:
    api.take(event("a"))
    path = f"/api/desk/alerts/{event('a').id}/snooze"
    assert api.ask("POST", path, json={"until": "2027-01-15T09:00:00Z"}).status_code == 200
    (found,) = api.get("/api/v2/alerts")
    assert found["status"] == {
        "state": "suppressed", "silencedBy": [], "inhibitedBy": [], "mutedBy": [f"snooze:{event('a').id}"],
    }  # fmt: skip


def test_groups_are_what_is_told_together(api: Api) -> None:
    api.take(event("a"), event("b"), event("c", team="db"))
    found = api.get("/api/v2/alerts/groups")
    shapes.check(shapes.array(shapes.GROUP), found)
    assert [(one["receiver"]["name"], len(one["alerts"])) for one in found] == [("ops", 2), ("pager", 1)]
    assert [one["receiver"]["name"] for one in api.get("/api/v2/alerts/groups", receiver="pager")] == ["pager"]
    assert len(api.get("/api/v2/alerts/groups", filter="series=a")[0]["alerts"]) == 1


def test_readers_see_what_kafka_brought_within_seconds_without_waiting_for_it(api: Api) -> None:
    api.take(event("a"))
    assert names(api) == ["a"]
    api.db.write(lambda conn: intake.take(conn, [event("b")], {}, api.desk, api.now()))  # nobody tells the API
    api.wait(0.5)
    assert names(api) == ["a"]
    api.wait(6)
    assert names(api) == ["a", "b"]


def test_changes_of_any_kind_reach_the_kept_view(api: Api) -> None:
    """Seen, raised, ended, another in its place: refreshes must not mix up what they kept."""
    api.take(event("a"), event("b"))
    assert names(api) == ["a", "b"]
    api.take(event("a", seq=1, level="critical", previous="warning"))
    assert names(api, filter="level=critical") == ["a"]
    api.take(event("a", seq=2, level=None, previous="critical"), event("c"))
    assert names(api) == ["b", "c"]
    api.take(event("b", seq=1, level=None, previous="warning"), event("c", seq=1, level=None, previous="warning"))
    assert names(api) == []
    api.take(event("a", starts_s=START_S + 100))
    assert names(api) == ["a"]
