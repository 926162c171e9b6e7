"""Why an alert was told or wasn't, who is on it, and what waits to be sent."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from alerting.alert import Told
from alerting.notifiers.base import Call
from pipeline.desk import acks, outbox
from pipeline.desk.http.service import Service
from pipeline.desk.taken import Taken
from schemas.calls import Reply
from schemas.desk import Integration
from tests.api import shapes
from tests.api.scene import Api, event
from tests.desk.scene import told as all_told

A, B = event("a"), event("b")


class Nobody:
    async def make(self, integration: Integration, call: Call) -> Reply:
        raise AssertionError


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path) as made:
        made.take(A, B)
        yield made


def explained(api: Api, id_: str) -> Any:
    found = api.get(f"/api/desk/alerts/{id_}/explain")
    shapes.check(shapes.EXPLAINED, found)
    return found


def told(api: Api, *, is_sent: bool = True) -> None:
    """What is due is looked at, and sent or given up."""
    api.wait(61)
    api.look()
    for delivery in api.db.write(lambda conn: outbox.claim(conn, "ops/webhook[0]", "me", api.now(), 60.0, 10)):
        if is_sent:
            api.db.write(partial(outbox.sent, id=delivery.id, handle={}, now_s=api.now()))
        else:
            api.db.write(partial(outbox.failed, id=delivery.id, reason="answered 400", now_s=api.now()))


def test_the_chain_of_decisions_leads_from_the_event_to_the_message(api: Api) -> None:
    told(api)
    found = explained(api, A.id)
    assert [step["what"] for step in found["decisions"]] == ["received", "routed", "told", "sent"]
    assert found["state"] == "active"
    assert [(line["number"], line["status"]) for line in found["deliveries"]] == [(1, "sent")]


def test_a_silenced_alert_is_explained_by_its_silence_and_not_by_messages_about_others(api: Api) -> None:
    body = {
        "matchers": [{"name": "series", "value": "a", "isRegex": False}],
        "startsAt": "2027-01-15T08:00:00Z", "endsAt": "2027-01-16T08:00:00Z", "createdBy": "ann", "comment": "racks",
    }  # fmt: skip
    id_ = api.ask("POST", "/api/v2/silences", json=body).json()["silenceID"]
    told(api)
    found = explained(api, A.id)
    assert found["state"] == "suppressed"
    assert found["held_back_by"][0].startswith(f"silence {id_}: silenced by ann until")
    assert [step["what"] for step in found["decisions"]] == ["received", "routed", "muted"]
    assert found["deliveries"] == []
    assert [step["what"] for step in explained(api, B.id)["decisions"]] == ["received", "routed", "told", "sent"]


def test_an_alert_is_found_by_its_fingerprint_too_and_after_its_end(api: Api) -> None:
    told(api)
    api.take(event("a", seq=1, level=None, previous="warning"))
    told(api)
    found = explained(api, A.fingerprint)
    assert (found["id"], found["status"], found["state"]) == (A.id, "resolved", "resolved")
    assert [line["number"] for line in found["deliveries"]] == [1, 2]
    assert api.ask("GET", "/api/desk/alerts/nobody/explain").status_code == 404


def test_an_acknowledgement_stops_repeats_until_it_is_taken_back(api: Api) -> None:
    for alert in (A, B):
        path = f"/api/desk/alerts/{alert.id}/ack"
        answer = api.ask("POST", path, json={"comment": "on it", "by": "ann"})
        assert answer.json() == {
            "kind": "acknowledged", "id": alert.id, "by": "ann", "comment": "on it", "until": None,
            "at": "2027-01-15T08:00:00.000Z",
        }  # fmt: skip
    told(api)
    api.wait(3700)  # the repeat interval of the scene's desk is an hour
    told(api)
    assert [line["number"] for line in explained(api, A.id)["deliveries"]] == [1]
    assert "acknowledged by ann: on it" in [step["text"] for step in explained(api, A.id)["decisions"]]
    unack = f"/api/desk/alerts/{A.id}/unack"
    assert api.ask("POST", unack, json={}).json() == {"withdrawn": ["acknowledged"]}
    assert api.ask("POST", unack, json={}).status_code == 404
    told(api)
    assert [line["number"] for line in explained(api, A.id)["deliveries"]] == [1, 2]


def test_whoever_was_told_hears_of_an_acknowledgement(tmp_path: Path) -> None:
    heard: list[acks.Ack] = []

    class Listens(Taken):
        async def tell(self, ack: acks.Ack) -> None:
            heard.append(ack)

    with Api(tmp_path) as api:
        service: Service = api.app.state.service
        api.app.state.service = replace(service, taken=Listens(api.db, api.desk, Nobody(), api.now))
        api.take(A)
        answer = api.ask("POST", f"/api/desk/alerts/{A.id}/ack", json={"comment": "on it", "by": "ann"})
        assert answer.json()["by"] == "ann"
        assert [(ack.episode, ack.by, ack.comment) for ack in heard] == [(A.id, "ann", "on it")]
        assert api.ask("POST", "/api/desk/alerts/nobody/ack", json={}).status_code == 404
        assert len(heard) == 1


@pytest.mark.parametrize("act", ["delete", "replace"])
def test_what_a_silence_held_back_is_told_within_a_second_of_its_early_end(act: str, api: Api) -> None:
    body = {
        "matchers": [{"name": "series", "value": "[ab]", "isRegex": True}],
        "startsAt": "2027-01-15T08:00:00Z", "endsAt": "2027-01-16T08:00:00Z", "createdBy": "ann", "comment": "racks",
    }  # fmt: skip
    id_ = api.ask("POST", "/api/v2/silences", json=body).json()["silenceID"]
    told(api)
    api.wait(1)
    if act == "delete":
        assert api.ask("DELETE", f"/api/v2/silence/{id_}").status_code == 200
    else:
        changed = {**body, "id": id_, "matchers": [{"name": "series", "value": "b", "isRegex": False}]}
        assert api.ask("POST", "/api/v2/silences", json=changed).status_code == 200
    api.wait(1)
    api.look()
    (note,) = api.db.read(all_told)
    assert {one.alert.labels["series"] for one in note.alerts} == ({"a", "b"} if act == "delete" else {"a"})


@pytest.mark.parametrize(
    ("act", "body", "status"),
    [
        ("ack", {}, 200),
        ("ack", {"until": "2027-01-15T09:00:00Z"}, 200),
        ("ack", {"until": "2027-01-15T07:00:00Z"}, 400),
        ("ack", {"until": "later"}, 400),
        ("ack", {"comments": "misspelt"}, 400),
        ("ack", {"comment": "x" * 20_000}, 400),
        ("snooze", {"until": "2027-01-15T09:00:00Z"}, 200),
        ("snooze", {}, 400),
    ],
)
def test_what_a_person_says_is_checked(act: str, body: object, status: int, api: Api) -> None:
    assert api.ask("POST", f"/api/desk/alerts/{A.id}/{act}", json=body).status_code == status
    assert api.ask("POST", f"/api/desk/alerts/nobody/{act}", json=body).status_code in (404, status)


def test_dead_letters_are_listed_and_sent_again_when_asked(api: Api) -> None:
    told(api, is_sent=False)
    found = api.get("/api/desk/outbox", status="failed")
    (line,) = found["lines"]
    shapes.check(shapes.LINE, line)
    assert line["note"] == "answered 400"
    assert found["counts"]["ops/webhook[0]"] == {"due": 0, "sent": 0, "failed": 1, "replaced": 0, "skipped": 0}
    assert api.ask("POST", f"/api/desk/outbox/{line['id']}/retry").json() == {"id": line["id"], "status": "due"}
    (delivery,) = api.db.write(lambda conn: outbox.claim(conn, "ops/webhook[0]", "me", api.now(), 60.0, 10))
    assert all(isinstance(one, Told) for one in delivery.notification.alerts)
    assert api.ask("POST", "/api/desk/outbox/999/retry").status_code == 404


def test_an_old_dead_letter_isnt_sent_after_something_newer(api: Api) -> None:
    told(api, is_sent=False)
    (line,) = api.get("/api/desk/outbox", status="failed")["lines"]
    api.take(event("a", seq=1, level="critical", previous="warning"))
    told(api)
    assert api.ask("POST", f"/api/desk/outbox/{line['id']}/retry").status_code == 409


@pytest.mark.parametrize("query", [{"status": "lost"}, {"limit": "0"}, {"limit": "many"}, {"limit": "5000"}])
def test_the_outbox_is_asked_in_words_it_knows(query: dict[str, str], api: Api) -> None:
    assert api.ask("GET", "/api/desk/outbox", params=query).status_code == 422


def test_health_and_metrics(api: Api) -> None:
    assert api.ask("GET", "/-/healthy").text == "OK"
    assert api.ask("GET", "/-/ready").text == "OK"
    told(api, is_sent=False)
    text = api.ask("GET", "/metrics").text
    assert 'tidegauge_desk_firing_alerts{state="active"} 2.0' in text
    assert 'tidegauge_desk_alerts{level="warning",status="firing"} 2.0' in text
    assert 'tidegauge_desk_dead_messages{integration="ops/webhook[0]"} 1.0' in text
