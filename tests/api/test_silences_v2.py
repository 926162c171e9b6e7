"""Silences by Alertmanager's API: its rules, its statuses, and what of them is ours."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import shapes
from tests.api.scene import Api, event

MATCHER = {"name": "series", "value": "a", "isRegex": False, "isEqual": True}
GOOD: dict[str, Any] = {
    "matchers": [MATCHER],
    "startsAt": "2027-01-15T08:00:00Z",
    "endsAt": "2027-01-15T10:00:00Z",
    "createdBy": "ann",
    "comment": "moving racks",
}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path) as made:
        yield made


def put(api: Api, **changes: Any) -> str:
    answer = api.ask("POST", "/api/v2/silences", json={**GOOD, **changes})
    assert answer.status_code == 200, answer.text
    made: str = answer.json()["silenceID"]
    return made


def state(api: Api, id_: str) -> str:
    found: str = api.get(f"/api/v2/silence/{id_}")["status"]["state"]
    return found


REFUSED: dict[str, tuple[dict[str, Any], int, int | None]] = {
    "no matchers": ({"matchers": []}, 422, 612),
    "matchers missing": ({"matchers": None}, 422, 602),
    "a matcher that matches nothing said": ({"matchers": [{**MATCHER, "value": ".*", "isRegex": True}]}, 400, None),
    "an empty value": ({"matchers": [{**MATCHER, "value": ""}]}, 400, None),
    "an end in the past": ({"startsAt": "2027-01-15T06:00:00Z", "endsAt": "2027-01-15T07:00:00Z"}, 400, None),
    "an end before the start": ({"startsAt": "2027-01-15T11:00:00Z"}, 400, None),
    "no end": ({"endsAt": None}, 422, 602),
    "no start": ({"startsAt": None}, 422, 602),
    "Go's zero time as end": ({"endsAt": "0001-01-01T00:00:00Z"}, 400, None),
    "no comment": ({"comment": None}, 422, 602),
    "an empty comment": ({"comment": " "}, 400, None),
    "no author": ({"createdBy": None}, 422, 602),
    "a bad expression": ({"matchers": [{**MATCHER, "value": "(", "isRegex": True}]}, 400, None),
    "look-ahead, which RE2 has not": ({"matchers": [{**MATCHER, "value": "(?=a)b", "isRegex": True}]}, 400, None),
    "a matcher without a name": ({"matchers": [{**MATCHER, "name": ""}]}, 400, None),
    "a matcher without isRegex": ({"matchers": [{"name": "a", "value": "b"}]}, 422, 602),
    "an id that nobody has": ({"id": UNKNOWN}, 404, None),
    "a bad time": ({"endsAt": "tomorrow"}, 400, None),
    "a book as comment": ({"comment": "x" * 20_000}, 400, None),
    "a number as comment": ({"comment": 3}, 400, None),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_with_alertmanagers_status(case: str, api: Api) -> None:
    changes, status, code = REFUSED[case]
    answer = api.ask("POST", "/api/v2/silences", json={**GOOD, **changes})
    assert answer.status_code == status, answer.text
    if code is not None:
        assert answer.json()["code"] == code
    assert api.get("/api/v2/silences") == []


def test_a_silence_hides_and_its_end_shows(api: Api) -> None:
    api.take(event("a"), event("b"))
    id_ = put(api)
    by_series = {one["labels"]["series"]: one["status"] for one in api.get("/api/v2/alerts")}
    assert by_series["a"] == {"state": "suppressed", "silencedBy": [id_], "inhibitedBy": [], "mutedBy": []}
    assert by_series["b"]["state"] == "active"
    assert len(api.get("/api/v2/alerts", silenced="false")) == 1
    assert api.ask("DELETE", f"/api/v2/silence/{id_}").status_code == 200
    assert {one["status"]["state"] for one in api.get("/api/v2/alerts")} == {"active"}


def test_a_start_in_the_past_becomes_now_and_missing_isequal_means_equal(api: Api) -> None:
    matcher = {name: value for name, value in MATCHER.items() if name != "isEqual"}
    id_ = put(api, startsAt="2020-01-01T00:00:00Z", matchers=[matcher])
    found = api.get(f"/api/v2/silence/{id_}")
    shapes.check(shapes.SILENCE, found)
    assert found["startsAt"] == "2027-01-15T08:00:00.000Z"
    assert found["matchers"] == [MATCHER]


def test_deleting_is_200_also_twice_404_for_what_isnt_there_and_422_for_what_is_no_id(api: Api) -> None:
    id_ = put(api)
    assert [api.ask("DELETE", f"/api/v2/silence/{id_}").status_code for _ in range(2)] == [200, 200]
    assert state(api, id_) == "expired"
    assert api.ask("DELETE", f"/api/v2/silence/{UNKNOWN}").status_code == 404
    assert api.ask("GET", f"/api/v2/silence/{UNKNOWN}").status_code == 404
    assert api.ask("DELETE", "/api/v2/silence/no-uuid").status_code == 422


def test_changing_only_the_end_keeps_the_id_and_changing_the_matchers_makes_a_new_one(api: Api) -> None:
    api.now.at_s += 0.123456  # a start between two milliseconds survives the way to a client and back
    id_ = put(api, startsAt="2020-01-01T00:00:00Z")
    api.wait(60)
    longer = {**api.get(f"/api/v2/silence/{id_}"), "endsAt": "2027-01-16T00:00:00Z"}
    assert put(api, **longer) == id_
    assert api.get(f"/api/v2/silence/{id_}")["endsAt"] == "2027-01-16T00:00:00.000Z"
    other = put(api, id=id_, matchers=[{**MATCHER, "value": "b"}])
    assert other != id_
    assert (state(api, id_), state(api, other)) == ("expired", "active")


def test_silences_are_listed_by_what_ends_first_and_filtered(api: Api) -> None:
    late = put(api, endsAt="2027-01-15T12:00:00Z")
    early = put(api, endsAt="2027-01-15T09:00:00Z", matchers=[{**MATCHER, "value": "b"}])
    pending = put(api, startsAt="2027-01-15T09:00:00Z")
    over = put(api)
    api.ask("DELETE", f"/api/v2/silence/{over}")
    found = api.get("/api/v2/silences")
    shapes.check(shapes.array(shapes.SILENCE), found)
    assert [one["id"] for one in found] == [early, late, pending, over]
    assert [one["id"] for one in api.get("/api/v2/silences", expired="false")] == [early, late, pending]
    assert [one["id"] for one in api.get("/api/v2/silences", filter='series="b"')] == [early]


def test_a_preview_counts_what_would_be_hidden_and_changes_nothing(api: Api) -> None:
    api.take(event("a"), event("b"), event("c"))
    put(api)
    matchers = [{**MATCHER, "value": "a|b", "isRegex": True}]
    found = api.ask("POST", "/api/desk/silences/preview", json={"matchers": matchers}).json()
    assert (found["count"], found["already_suppressed"]) == (2, 1)
    assert {one["id"] for one in found["alerts"]} == {event("a").id, event("b").id}
    assert len(api.get("/api/v2/silences")) == 1
    assert api.ask("POST", "/api/desk/silences/preview", json={"matchers": []}).status_code == 422


def test_what_a_silence_hid_is_known_after_its_end(api: Api) -> None:
    api.take(event("a"), event("b"))
    id_ = put(api)
    api.wait(15)
    api.look()
    api.ask("DELETE", f"/api/v2/silence/{id_}")
    found = api.get(f"/api/desk/silences/{id_}/hid")
    assert found["count"] == 1
    assert [one["labels"]["series"] for one in found["alerts"]] == ["a"]
    assert api.ask("GET", f"/api/desk/silences/{UNKNOWN}/hid").status_code == 404
