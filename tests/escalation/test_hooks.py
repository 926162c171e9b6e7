"""What people do in PagerDuty, Opsgenie and Slack happens here, once, and only where it is surely theirs."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.notifiers import KINDS
from alerting.notifiers.base import Call
from alerting.notifiers.wire import group_hash
from pipeline.desk import acks, outbox
from pipeline.desk.contexts import contexts
from pipeline.desk.conversation import Sent, converse
from pipeline.desk.hooks import wishes
from pipeline.desk.http import app
from pipeline.desk.incidents import pages, people
from schemas.calls import HttpCall, Reply
from schemas.desk import Desk, Integration
from schemas.response.escalation import Hooks
from schemas.secret import Secret
from tests.api.scene import CLOSED, Api
from tests.desk.scene import event
from tests.doubles.http import Double, Request
from tests.doubles.pagerduty import PagerDutyDouble
from tests.doubles.slack import Slack, pressed
from tests.escalation import webhooks
from tests.escalation.scene import START_S, Story, desk_of, integration

T = TypeVar("T")
WORDS = (
    "event",
    "id",
    "event_type",
    "data",
    "agent",
    "incident",
    "action",
    "alert",
    "alias",
    "source",
    "type",
    "user",
    "actions",
)
PD, SIGNING, OURS = "pd-secret-1", "slack-signing-secret", "ours-for-opsgenie"
HOOKS = Hooks(
    pagerduty_secret=Secret("text", f"old-secret {PD}"),
    slack_signing_secret=Secret("text", SIGNING),
    opsgenie_secret=Secret("text", OURS),
)


def open_desk(**fields: Any) -> Desk:
    return desk_of(hooks=HOOKS, server=CLOSED, **fields)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path, open_desk()) as made:
        yield made


@pytest.fixture
def story(api: Api) -> Story:
    """An incident whose first step was taken and sent."""
    made = Story(api.db, api.desk)
    made.at(0)
    made.sends()
    made.now_s = api.now.at_s = START_S + 5
    return made


def key_of(story: Story) -> str:
    return group_hash(pages.group_of(story.incident, "ann", START_S, 0))


def from_pagerduty(api: Api, body: bytes, *secrets: str) -> httpx.Response:
    headers = webhooks.pagerduty_signature(body, *(secrets or (PD,)))
    return api.ask("POST", "/hooks/pagerduty", content=body, headers=headers)


def from_opsgenie(api: Api, body: bytes, secret: str = OURS) -> httpx.Response:
    return api.ask("POST", "/hooks/opsgenie", content=body, headers={**webhooks.JSON, "x-tidegauge-secret": secret})


def test_acknowledged_in_pagerduty_it_is_acknowledged_here_once(api: Api, story: Story) -> None:
    body = webhooks.pagerduty("incident.acknowledged", key_of(story))
    assert from_pagerduty(api, body).json() == {"done": True, "text": "INC-1 is acknowledged"}
    assert (story.incident.state, story.incident.acknowledged_by) == ("acknowledged", "Ann at PD (PagerDuty)")
    before = story.told()
    assert from_pagerduty(api, body).json() == {"done": False, "text": "was heard already"}
    assert story.told() == before


def test_what_happens_there_happens_here(api: Api, story: Story) -> None:
    key = key_of(story)
    for number, (what, state) in enumerate(
        [
            ("incident.acknowledged", "acknowledged"),
            ("incident.unacknowledged", "open"),
            ("incident.resolved", "resolved"),
        ]
    ):
        assert from_pagerduty(api, webhooks.pagerduty(what, key, id=f"{number}")).json()["done"]
        assert story.incident.state == state
    assert from_pagerduty(api, webhooks.pagerduty("incident.annotated", id="9", content="it is the cache")).json()[
        "done"
    ]
    assert story.told("comment") == ["it is the cache"]
    from_pagerduty(api, webhooks.pagerduty("incident.escalated", key, id="10"))
    assert story.told("message") == ["PagerDuty: escalated, now with Ann at PD"]


@pytest.mark.parametrize(
    ("what", "agent"),
    [
        ("incident.acknowledged", "inbound_integration_reference"),
        ("incident.resolved", "inbound_integration_reference"),
        ("incident.resolved", "service_reference"),
        ("incident.resolved", None),
        ("incident.triggered", "user_reference"),
        ("service.updated", None),
    ],
)
def test_echoes_and_what_nobody_asked_for_change_nothing(api: Api, story: Story, what: str, agent: str | None) -> None:
    found = from_pagerduty(api, webhooks.pagerduty(what, key_of(story), agent=agent))
    assert (found.status_code, found.json()["done"], story.incident.state) == (200, False, "open")


def test_what_can_not_be_done_is_heard_all_the_same(api: Api, story: Story) -> None:
    story.does(people.resolve, "bob")
    found = from_pagerduty(api, webhooks.pagerduty("incident.acknowledged", key_of(story)))
    assert found.status_code == 200
    assert found.json()["text"] == "INC-1 is resolved: it is resolved; reopen it first"
    unknown = from_pagerduty(api, webhooks.pagerduty("incident.acknowledged", "0" * 64, id="2", ref="PX"))
    assert (unknown.status_code, unknown.json()["text"]) == (200, "it isn't about anything that is open here")


def test_what_was_done_before_it_was_opened_again_counts_no_more(api: Api, story: Story) -> None:
    story.does(people.resolve, "bob")
    story.now_s += 1000
    story.does(people.reopen, "bob")
    found = from_pagerduty(api, webhooks.pagerduty("incident.acknowledged", key_of(story)))
    assert found.json()["text"] == "it was done before INC-1 was opened again"


@pytest.mark.parametrize("secrets", [("another",), ("another", "third")])
def test_a_webhook_that_pagerduty_did_not_sign_is_refused(api: Api, story: Story, secrets: tuple[str, ...]) -> None:
    body = webhooks.pagerduty("incident.acknowledged", key_of(story))
    assert from_pagerduty(api, body, *secrets).status_code == 401
    assert api.ask("POST", "/hooks/pagerduty", content=body, headers=webhooks.JSON).status_code == 401
    signed = webhooks.pagerduty_signature(body, PD)
    assert api.ask("POST", "/hooks/pagerduty", content=body + b" ", headers=signed).status_code == 401
    assert story.incident.state == "open"


def test_while_its_secret_is_changed_either_is_right(api: Api, story: Story) -> None:
    body = webhooks.pagerduty("incident.acknowledged", key_of(story))
    assert from_pagerduty(api, body, "newer-than-ours", PD).status_code == 200
    assert from_pagerduty(api, webhooks.pagerduty("incident.resolved", key_of(story), id="2"), "old-secret").is_success


@pytest.mark.parametrize("path", ["/hooks/pagerduty", "/hooks/slack", "/hooks/opsgenie"])
def test_without_a_secret_there_is_no_such_address(tmp_path: Path, path: str) -> None:
    with Api(tmp_path, desk_of(server=CLOSED)) as closed:
        assert closed.ask("POST", path, content=b"{}", headers=webhooks.JSON).status_code == 404


def test_a_secret_that_can_not_be_read_now_asks_to_be_sent_again(tmp_path: Path) -> None:
    hooks = Hooks(pagerduty_secret=Secret("file", str(tmp_path / "absent")))
    with Api(tmp_path, desk_of(hooks=hooks, server=CLOSED)) as broken:
        assert from_pagerduty(broken, webhooks.pagerduty("incident.resolved")).status_code == 503


def test_a_database_that_is_away_asks_to_be_sent_again(api: Api, story: Story) -> None:
    api.db.write(lambda conn: conn.exec_driver_sql("ALTER TABLE heard RENAME TO away"))
    found = from_pagerduty(api, webhooks.pagerduty("incident.acknowledged", key_of(story)))
    assert found.status_code == 503


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"event": 1}', b"\xff", b'{"event":{"id":1}}'])
def test_what_can_not_be_read_is_refused_for_good(api: Api, body: bytes) -> None:
    assert from_pagerduty(api, body).status_code == 400
    assert from_opsgenie(api, body).status_code == 400


def test_a_large_body_is_refused(api: Api) -> None:
    assert from_pagerduty(api, b" " * 1_000_001).status_code == 413


def test_other_addresses_still_need_a_token(api: Api) -> None:
    assert api.ask("GET", "/api/v2/alerts").status_code == 401
    assert api.ask("GET", "/hooks/../api/v2/alerts").status_code in (401, 404)


def test_opsgenie_acknowledges_takes_back_notes_and_closes(api: Api, story: Story) -> None:
    key = key_of(story)
    assert from_opsgenie(api, webhooks.opsgenie("Acknowledge", key)).json()["done"]
    assert story.incident.acknowledged_by == "ann"  # her address there is in oncall.people
    assert not from_opsgenie(api, webhooks.opsgenie("Acknowledge", key)).json()["done"]
    assert from_opsgenie(api, webhooks.opsgenie("AddNote", key, note="it is the cache")).json()["done"]
    assert from_opsgenie(api, webhooks.opsgenie("UnAcknowledge", key, "eve@example.org")).json()["done"]
    echo = from_opsgenie(api, webhooks.opsgenie("Close", key, source="api"))
    assert (echo.json()["done"], story.incident.state) == (False, "open")
    done = from_opsgenie(api, webhooks.opsgenie("Close", key))
    assert (done.json()["done"], story.incident.state) == (True, "resolved")


def test_opsgenies_secret_may_be_in_the_address_and_must_be_right(api: Api, story: Story) -> None:
    body = webhooks.opsgenie("Acknowledge", key_of(story))
    assert from_opsgenie(api, body, "wrong").status_code == 401
    assert api.ask("POST", "/hooks/opsgenie", content=body, headers=webhooks.JSON).status_code == 401
    assert api.ask("POST", f"/hooks/opsgenie?secret={OURS}", content=body, headers=webhooks.JSON).is_success


def test_an_alert_group_that_a_route_told_a_pager_is_acknowledged_too(tmp_path: Path) -> None:
    on = open_desk()
    on = replace(
        on,
        receivers={
            **on.receivers,
            "ops": replace(on.receivers["ops"], integrations=(integration("ops", "pagerduty"),)),
        },
    )
    with Api(tmp_path, on) as api:
        api.take(event())
        api.wait(15)
        api.look()
        (line,) = api.db.read(outbox.listed)
        note = api.db.read(lambda conn: outbox.notification(conn, line.id))
        assert note is not None
        found = from_pagerduty(api, webhooks.pagerduty("incident.acknowledged", group_hash(note.group)))
        assert found.json() == {"done": True, "text": "1 alerts are acknowledged"}
        assert api.db.read(lambda conn: acks.acknowledged(conn, api.now())) == {event().id}


class Answers:
    """Slack's response_url, and everything else that the desk calls."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    async def make(self, integration: Integration, call: Call) -> Reply:
        assert isinstance(call, HttpCall)
        assert not call.trusted
        self.heard.append((call.url, msgspec.json.decode(call.body)))
        return Reply(200)


def told(one: Integration, delivery: outbox.Delivery, double: Double, on: Desk, now_s: float) -> Sent:
    """As a lane does it, without sockets."""

    async def make(call: Call) -> Reply:
        assert isinstance(call, HttpCall)
        headers = {name.lower(): value for name, value in call.headers.items()}
        found = double.answer(Request(call.method, urlsplit(call.url).path, headers, call.body))
        return Reply(found.status, {name.lower(): value for name, value in found.headers.items()}, found.body)

    async def no_pace() -> None: ...

    class Aside:
        async def __call__(self, do: Callable[[], T]) -> T:
            return do()

    context = contexts(on)(one, now_s)
    notifier = KINDS[one.kind](one.settings)
    note, handle = delivery.notification, delivery.handle
    outcome = asyncio.run(converse(notifier, note, handle, context, make=make, pace=no_pace, aside=Aside()))
    assert isinstance(outcome, Sent), outcome
    return outcome


class Chat:
    """A desk whose pages go to a Slack with buttons, and what people press there."""

    def __init__(self, folder: Path, slack: Slack, **hooks: Any) -> None:
        settings = {"slack": {"app_url": slack.api_url}}
        on = desk_of(hooks=replace(HOOKS, **hooks), receivers={"ann": ("slack",)}, settings=settings, server=CLOSED)
        self.slack, self.api, self.answers = slack, Api(folder, on), Answers()
        self.api.app = app(self.api.db, on, self.api.now, sender=self.answers)
        self.story = Story(self.api.db, on)
        self.look(0)

    def look(self, seconds: float) -> None:
        self.api.now.at_s = START_S + seconds
        self.story.at(seconds)
        one = self.api.desk.receivers["ann"].integrations[0]
        for delivery in self.story.claimed(one.name):
            outcome = told(one, delivery, self.slack.http, self.api.desk, self.api.now())
            self.api.db.write(partial(outbox.sent, id=delivery.id, handle=outcome.handle, now_s=self.api.now()))

    def press(
        self,
        action: str,
        user: str = "UANN",
        *,
        secret: str = SIGNING,
        age_s: float = 0.0,
        number: int = 1,
        form: dict[str, str] | None = None,
    ) -> httpx.Response:
        form = form or pressed(self.slack.posts[0], action, user, number=number)
        body, headers = webhooks.slack(form, secret, self.api.now() - age_s)
        return self.api.ask("POST", "/hooks/slack", content=body, headers=headers)


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Chat]:
    with Slack() as slack:
        yield Chat(tmp_path, slack)


def test_a_button_in_slack_acknowledges_and_the_thread_says_so(chat: Chat) -> None:
    assert chat.press("acknowledge").status_code == 200
    assert (chat.story.incident.state, chat.story.incident.acknowledged_by) == ("acknowledged", "ann")
    assert chat.answers.heard[-1][1]["text"] == "INC-1 is acknowledged"
    chat.look(2)
    assert [post.body["text"] for post in chat.slack.posts if post.thread_ts] == ["acknowledged by ann: INC-1"]
    before = chat.story.told()
    chat.press("acknowledge")
    assert chat.story.told() == before
    assert chat.answers.heard[-1][1]["text"] == "was heard already"


def test_a_button_in_slack_takes_the_lead_and_resolves(chat: Chat) -> None:
    chat.press("role")
    assert chat.story.incident.roles == {"commander": "ann"}
    chat.press("resolve", number=2)
    assert chat.story.incident.state == "resolved"
    chat.press("acknowledge", number=3)
    assert chat.answers.heard[-1][1]["text"] == "INC-1 is resolved: it is resolved; reopen it first"
    chat.look(2)
    assert not [block for block in chat.slack.posts[0].body["blocks"] if block["type"] == "actions"]


def test_a_stranger_is_told_what_would_do(chat: Chat) -> None:
    chat.press("acknowledge", "UEVE")
    assert chat.story.incident.state == "open"
    text = chat.answers.heard[-1][1]["text"]
    assert text == "nobody in oncall.people has the Slack ID UEVE; add it to handles.slack of a person"
    assert chat.story.told("message")[-1].startswith("refused: ueve wanted to acknowledge")


def test_strangers_may_act_by_their_name_there_where_the_config_says_so(tmp_path: Path) -> None:
    with Slack() as slack:
        chat = Chat(tmp_path, slack, slack_strangers="by_name")
        chat.press("acknowledge", "UEVE")
        assert chat.story.incident.acknowledged_by == "ueve (Slack)"


@pytest.mark.parametrize(("secret", "age_s"), [("another", 0.0), (SIGNING, 301.0), (SIGNING, -301.0)])
def test_what_slack_did_not_sign_just_now_is_refused(chat: Chat, secret: str, age_s: float) -> None:
    assert chat.press("acknowledge", secret=secret, age_s=age_s).status_code == 401
    assert chat.story.incident.state == "open"


def test_a_button_of_another_desk_or_of_something_else_does_nothing(chat: Chat) -> None:
    form = pressed(chat.slack.posts[0], "acknowledge", "UANN")
    other = {"payload": form["payload"].replace(pages.group_id(chat.story.incident), "f" * 32)}
    assert chat.press("", form=other).status_code == 200
    assert chat.answers.heard[-1][1]["text"] == "it isn't about anything that is open here"
    foreign = {"payload": form["payload"].replace("tidegauge:acknowledge", "their:button")}
    assert chat.press("", form=foreign).status_code == 200
    for bad in ({"payload": "{"}, {"other": "x"}, {"payload": "[]"}):
        assert chat.press("", form=bad).status_code == 400
    assert chat.story.incident.state == "open"


def test_only_slacks_own_host_is_answered(chat: Chat) -> None:
    form = pressed(chat.slack.posts[0], "acknowledge", "UANN")
    for url in (
        "http://hooks.slack.com/x",
        "https://hooks.slack.com.evil.example/x",
        "https://evil.example@hooks.slack.com/",
    ):
        chat.press("", form={"payload": form["payload"].replace("https://hooks.slack.com/actions/T1/1/abc", url)})
    assert chat.answers.heard == []


def test_pagerduty_is_paged_anew_after_an_acknowledgement_was_taken_back(tmp_path: Path) -> None:
    on = open_desk(receivers={"ann": ("pagerduty",)})
    with Api(tmp_path, on) as api:
        story, pager = Story(api.db, on), PagerDutyDouble()
        one = on.receivers["ann"].integrations[0]

        def tell(seconds: float) -> None:
            story.at(seconds)
            for delivery in story.claimed(one.name):
                told(one, delivery, pager, on, story.now_s)
                api.db.write(partial(outbox.sent, id=delivery.id, handle={}, now_s=story.now_s))

        tell(0)
        story.does(people.acknowledge, "ann")
        tell(1)
        assert [one.state for one in pager.incidents] == ["acknowledged"]
        story.does(people.unacknowledge, "ann")
        tell(2)
        assert [one.state for one in pager.incidents] == ["resolved", "triggered"]
        story.does(people.resolve, "ann")
        tell(3)
        assert [one.state for one in pager.incidents] == ["resolved", "resolved"]
        assert len({one.dedup_key for one in pager.incidents}) == 1


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
        max_leaves=12,
    ).map(msgspec.json.encode)
)
def test_no_body_makes_a_reader_fail_otherwise_than_by_saying_so(body: bytes) -> None:
    for read in (wishes.of_pagerduty, wishes.of_opsgenie, wishes.of_slack):
        for given_ in (body, urlencode({"payload": body}).encode()):
            with contextlib.suppress(msgspec.DecodeError, ValueError):
                assert read(given_).act in get_args(wishes.Act)
