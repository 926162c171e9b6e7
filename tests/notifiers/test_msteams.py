"""Teams: a card that always fits and is never markup, and what each answer means."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from pydantic import ValidationError

from alerting.alert import Notification
from alerting.notifiers.base import Context, Notifier
from alerting.notifiers.msteams import BODY_BYTES_MAX
from alerting.words.templates import Templates
from schemas.calls import HttpCall, Refused, Reply, Retry
from tests.doubles.http import Fault, Request, Response
from tests.doubles.teams import Teams, links, read, refusal
from tests.notifiers import hostile
from tests.notifiers.notes import alert, note, resolved, told
from tests.notifiers.talk import DESK, answered, notifier, talk
from tests.notifiers.talk import context as plain_context

TEMPLATES = Templates(external_url=DESK, link=lambda kind, ref: f"{DESK}/{kind}/{ref}")
URL = "https://prod.example/workflows/x?sig=hunter2"


def context() -> Context:
    return plain_context(text=TEMPLATES.render)


def teams(**settings: Any) -> Notifier:
    return notifier("msteamsv2", **{"webhook_url": URL, **settings})


def body_of(one: Notification, **settings: Any) -> dict[str, Any]:
    (call,), _ = answered(teams(**settings).deliver(one, {}, context()), [])
    assert isinstance(call, HttpCall)
    assert len(call.body) <= BODY_BYTES_MAX
    assert refusal(Request("POST", "/", {"content-type": "application/json"}, call.body)) is None
    body: dict[str, Any] = json.loads(call.body)
    return body


def test_a_card_says_what_where_and_how_bad_with_links_to_act_on() -> None:
    with Teams() as double:
        talk(teams(webhook_url=double.url).deliver(note(told(), told(alert(level="warning")), muted=2), {}, context()))
        (card,) = double.cards
    markdown, letters = read(card)
    assert markdown == []
    assert letters[0] == "🔴 CRITICAL: errors (errors_total) on checkout, eu-1, 2 alerts (1 critical, 1 warning)"
    assert letters[1] == "first message: 2 new; 2 held back"
    assert "0.123, expected 0.01 (0.002 to 0.02), 9.4 sigmas above" in letters
    assert card["attachments"][0]["content"]["version"] == "1.4"
    assert [link.rpartition("/")[0] for link in links(card)] == [f"{DESK}/group", f"{DESK}/silence"]


def test_an_end_is_told_in_green() -> None:
    card = body_of(note(resolved(), reason="all_resolved"))
    heading = card["attachments"][0]["content"]["body"][0]
    assert heading["style"] == "good"
    assert read(card)[1][0].startswith("🟢 RESOLVED: errors")
    assert not any("silence" in link for link in links(card))


@pytest.mark.parametrize("first", [Reply(413), Reply(400, {}, b"bad card"), Reply(200, {}, b"... HTTP error 413 ...")])
def test_what_is_too_large_is_said_shorter_once(first: Reply) -> None:
    calls, _ = answered(teams().deliver(note(), {}, context()), [first, Reply(202)])
    rich, short = calls
    assert isinstance(rich, HttpCall)
    assert isinstance(short, HttpCall)
    assert len(short.body) < len(rich.body) / 2
    assert "CRITICAL: errors" in short.body.decode()
    with pytest.raises(Refused, match="neither"):
        answered(teams().deliver(note(), {}, context()), [first, first])


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(429, {"retry-after": "3"}), Retry), (Reply(500), Retry), (Reply(504), Retry), (Reply(404), Refused),
        (Reply(401), Refused), (Reply(200, {}, b"Webhook message delivery failed with ... HTTP error 429"), Retry),
        (Reply(200, {}, b"HTTP error 502"), Retry), (Reply(200, {}, b"HTTP error 403"), Refused),
    ],
)  # fmt: skip
def test_an_answer_that_is_a_failure_is_one(reply: Reply, outcome: type[Exception]) -> None:
    with pytest.raises(outcome) as seen:
        answered(teams().deliver(note(), {}, context()), [reply])
    assert "hunter2" not in str(seen.value)


@pytest.mark.parametrize("reply", [Reply(200), Reply(200, {}, b"1"), Reply(202), Reply(204)])
def test_any_2xx_is_success(reply: Reply) -> None:
    answered(teams().deliver(note(), {}, context()), [reply])


def test_a_lost_reply_is_a_retry() -> None:
    with Teams() as double:
        double.http.fail(Fault(is_reply_lost=True))
        with pytest.raises(Retry):
            talk(teams(webhook_url=double.url).deliver(note(), {}, context()))


def test_the_configs_own_texts_are_markdown_and_labels_in_them_are_not() -> None:
    one = alert({"alertname": "a", "service": "[x](https://evil.example) *b*"})
    body = body_of(
        note(told(one)), title="**{{ .Status }}**", text="{% for a in alerts %}* {{ a.labels.service }}{% endfor %}"
    )
    markdown, _ = read(body)
    assert markdown == ["**firing**", r"* \[x\]\(https\:\/\/evil\.example\) \*b\*".replace(r"\/", "/")]
    assert not any("evil" in link for link in links(body))


OWN = {
    "title": "{{ .Title }}",
    "text": "{{ range .Alerts }}{{ .Labels.service }}{{ .Summary }}{{ end }}",
    "summary": "{{ .Title }}",
}


@hypothesis_settings(max_examples=60)
@given(hostile.notes())
@pytest.mark.parametrize("settings", [{}, OWN], ids=["ours", "templates"])
def test_no_label_becomes_markup_and_every_card_fits(settings: dict[str, str], one: Notification) -> None:
    body = body_of(one, **settings)
    markdown, letters = read(body)
    assert bool(markdown) is bool(settings) or not any(markdown)
    for text in markdown:
        assert "](" not in text.replace("\\](", "").replace("\\]\\(", "")
    assert all("{{" not in text for text in letters)
    buttons = body["attachments"][0]["content"].get("actions", [])
    assert {button["title"] for button in buttons} <= {"Open", "Runbook", "Dashboard", "Source", "Silence"}


@pytest.mark.parametrize("settings", [{}, OWN], ids=["ours", "templates"])
def test_ten_thousand_alerts_are_one_card(settings: dict[str, str]) -> None:
    assert "10000 alerts" in json.dumps(body_of(hostile.many(10_000), **settings))


@pytest.mark.parametrize("letter", ["x", "漢", "😀", '"', "\\"])
def test_a_dozen_long_alerts_are_as_many_as_fit(letter: str) -> None:
    long = [
        told(
            alert(
                {"alertname": f"a{i}", "x": letter * 600}, why=letter * 400, annotations={"description": letter * 600}
            )
        )
        for i in range(12)
    ]
    _, letters = read(body_of(note(*long)))
    shown = [text for text in letters if text.startswith("Critical: a")]
    assert len(shown) >= 2
    assert f"and {12 - len(shown)} more" in letters or len(shown) == 12


@pytest.mark.parametrize(
    "settings",
    [{"webhook_url": None}, {"webhook_url_file": "x"}, {"text": "{{ .X"}, {"title": "{% x %}"}, {"colour": "red"}],
)
def test_settings_that_can_not_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        teams(**settings)


def spoilt(part: str, value: object) -> bytes:
    body = body_of(note())
    content = body["attachments"][0]["content"]
    {"type": body, "version": content, "body": content, "actions": content, "inlines": content["body"][1]}[part][
        part
    ] = value
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"{}", 400),
        (spoilt("type", "MessageCard"), 400),
        (spoilt("version", "9"), 400),
        (spoilt("body", []), 400),
        (spoilt("inlines", [{"type": "TextRun"}]), 400),
        (spoilt("actions", [{"type": "Action.Submit", "title": "ack"}]), 400),
        (spoilt("actions", [{"type": "Action.OpenUrl", "title": "x", "url": "javascript:x"}]), 400),
        (json.dumps({"x": "y" * 24_400}).encode(), 413),
    ],
)
def test_the_double_refuses_what_teams_refuses(body: bytes, status: int) -> None:
    refused = refusal(Request("POST", "/", {"content-type": "application/json"}, body))
    assert isinstance(refused, Response)
    assert refused.status == status


def test_the_double_knows_its_own_address() -> None:
    with Teams() as double, pytest.raises(Refused, match="404"):
        talk(teams(webhook_url=f"{double.http.url}/other").deliver(note(), {}, context()))
