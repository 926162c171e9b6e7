"""Whoever was told of an alert is told that somebody is on it, and explain says how that went."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerting.notifiers import KINDS
from alerting.notifiers.base import Call, Context, Handle
from pipeline.desk import acks, duties, intake, log, outbox
from pipeline.desk.acks import Ack
from pipeline.desk.database import Database
from pipeline.desk.taken import Taken
from schemas.calls import HttpCall, Reply, Retry
from schemas.desk import Desk, Integration
from tests.desk.scene import START_S, desk, event

NOW_S = START_S + 5.0
SETTINGS: dict[str, dict[str, Any]] = {
    "pagerduty": {"routing_key": "k" * 32},
    "opsgenie": {"api_key": "key-of-opsgenie"},
    "jsm": {"api_key": "key-of-jsm"},
    "slack": {"bot_token": "xoxb-1", "channel": "#alerts"},
    "webhook": {"url": "http://hook.example/"},
}
THREAD = {"channel": "C1", "ts": "7.1"}


class Service:
    """Everybody's. answers: of the calls in their order, the last one of all that follow."""

    def __init__(self, *answers: Reply | Exception) -> None:
        self.answers = list(answers) or [Reply(202, {}, b'{"ok":true}')]
        self.heard: list[tuple[str, str, dict[str, Any]]] = []
        self.waited_s: list[float] = []

    async def make(self, integration: Integration, call: Call) -> Reply:
        assert isinstance(call, HttpCall)
        self.heard.append((integration.kind, call.url, msgspec.json.decode(call.body)))
        answer = self.answers[min(len(self.heard), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.waited_s.append(seconds)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path}/desk.db")
    yield database
    database.close()


def desk_of(*kinds: str) -> Desk:
    on = desk()
    made = tuple(
        Integration("ops", kind, place, KINDS[kind].Settings.model_validate(SETTINGS[kind]), True)
        for place, kind in enumerate(kinds)
    )
    return replace(on, receivers={**on.receivers, "ops": replace(on.receivers["ops"], integrations=made)})


def told(db: Database, on: Desk, *names: str, handle: Handle | None = None, is_sent: bool = True) -> None:
    """A group with these alerts; its message has arrived."""
    db.write(lambda conn: intake.take(conn, [event(name) for name in names], {}, on, NOW_S))
    duties.step(db, on, NOW_S + 10)
    for one in on.receivers["ops"].integrations if is_sent else ():
        for line in db.write(
            partial(outbox.claim, integration=one.name, owner="me", now_s=NOW_S + 10, lease_s=9.0, limit=9)
        ):
            db.write(partial(outbox.sent, id=line.id, handle=handle or {}, now_s=NOW_S + 11))


def acknowledge(db: Database, on: Desk, service: Service, name: str = "a") -> list[tuple[str, str]]:
    """What explain says of it afterwards: what and text of the lines that name an integration."""
    put: Callable[..., Ack] = acks.acknowledge
    ack = db.write(partial(put, episode=event(name).id, by="ann", comment="on <it>", until_s=None, now_s=NOW_S + 20))

    def context(integration: Integration, now_s: float) -> Context:
        return Context(lambda secret: secret.source, lambda text, note: text, lambda kind, ref: "", now_s)

    taken = Taken(db, on, service, lambda: NOW_S + 20, sleep=service.sleep, context=context)
    asyncio.run(taken.tell(ack))
    lines = db.read(lambda conn: log.of(conn, episode=event(name).id))
    return [(line.what, line.text) for line in lines if line.integration is not None]


def test_an_acknowledgement_reaches_whoever_keeps_an_incident_and_the_thread(db: Database) -> None:
    on, service = desk_of("pagerduty", "opsgenie", "jsm", "slack", "webhook"), Service()
    told(db, on, "a", handle=THREAD)
    found = acknowledge(db, on, service)
    said = {kind: (url, body) for kind, url, body in service.heard}
    assert said["pagerduty"][1]["event_action"] == "acknowledge"
    for kind in ("opsgenie", "jsm"):
        url, body = said[kind]
        assert "/acknowledge?identifierType=alias" in url
        assert (body["user"], body["note"]) == ("ann", "on <it>")
    assert said["slack"][1] == {
        "text": "acknowledged by ann: on &lt;it&gt;", "channel": "C1", "thread_ts": "7.1",
    }  # fmt: skip
    assert "webhook" not in said
    assert [what for what, _ in found] == ["sent"] * 4
    assert ("sent", "ops/pagerduty[0] was told that it is acknowledged by ann") in found


def test_the_key_is_the_incidents_own(db: Database) -> None:
    on, service = desk_of("pagerduty"), Service()
    told(db, on, "a")
    acknowledge(db, on, service)
    db.write(lambda conn: intake.take(conn, [event(seq=1, level=None)], {}, on, NOW_S + 30))
    duties.step(db, on, NOW_S + 80)
    (end,) = db.write(lambda conn: outbox.claim(conn, "ops/pagerduty[0]", "me", NOW_S + 80, 9.0, 9))
    one = on.receivers["ops"].integrations[0]
    context = Context(lambda secret: secret.source, lambda text, note: text, lambda kind, ref: "", NOW_S)
    call = next(KINDS["pagerduty"](one.settings).deliver(end.notification, {}, context))
    assert isinstance(call, HttpCall)
    assert msgspec.json.decode(call.body)["dedup_key"] == service.heard[0][2]["dedup_key"]


def test_an_incident_stays_open_until_all_its_alerts_are_acknowledged(db: Database) -> None:
    on, service = desk_of("pagerduty"), Service()
    told(db, on, "a", "b")
    ((what, text),) = acknowledge(db, on, service)
    assert (what, service.heard) == ("skipped", [])
    assert "1 more of the group" in text
    assert [what for what, _ in acknowledge(db, on, service, "b")] == ["sent"]


def test_it_is_tried_three_times_and_the_reason_is_kept(db: Database) -> None:
    on, service = desk_of("pagerduty"), Service(Retry("cut off"), Reply(429, {"retry-after": "900"}), Reply(503))
    told(db, on, "a")
    ((what, text),) = acknowledge(db, on, service)
    assert (what, len(service.heard), len(service.waited_s)) == ("failed", 3, 2)
    assert service.waited_s[1] == 30.0  # no longer, though it asked for more
    assert "503" in text


def test_what_is_refused_is_not_tried_again_and_what_passes_at_last_is_told(db: Database) -> None:
    on = desk_of("pagerduty")
    told(db, on, "a")
    refusing = Service(Reply(400, {}, b"no"))
    assert [what for what, _ in acknowledge(db, on, refusing)] == ["failed"]
    assert len(refusing.heard) == 1
    passing = Service(Reply(500), Reply(202))
    assert [what for what, _ in acknowledge(db, on, passing)] == ["failed", "sent"]


def test_nobody_is_told_of_an_alert_that_hasnt_arrived(db: Database) -> None:
    on, service = desk_of("pagerduty"), Service()
    told(db, on, "a", is_sent=False)
    ((what, text),) = acknowledge(db, on, service)
    assert (what, service.heard) == ("skipped", [])
    assert "hasn't arrived" in text


def test_without_a_thread_slack_is_told_nothing(db: Database) -> None:
    on, service = desk_of("slack"), Service()
    told(db, on, "a")
    assert (acknowledge(db, on, service), service.heard) == ([], [])
