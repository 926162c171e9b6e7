"""Mail: one thread a group, pictures in it, and no label that becomes a header line or a tag."""

import asyncio
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from pydantic import ValidationError

from alerting.alert import Notification
from alerting.notifiers.base import Context, Notifier
from alerting.words.templates import Templates
from pipeline.desk.smtp import send
from schemas.calls import MailCall, Refused, Reply
from tests.doubles.smtp import MailServer
from tests.notifiers import hostile
from tests.notifiers.notes import NOW_S, alert, note, resolved, told
from tests.notifiers.talk import DESK, answered, notifier
from tests.notifiers.talk import context as plain_context

TEMPLATES = Templates(external_url=DESK, link=lambda kind, ref: f"{DESK}/{kind}/{ref}")


def context(now_s: float = NOW_S) -> Context:
    return plain_context(now_s, text=TEMPLATES.render)


def email(**settings: Any) -> Notifier:
    given_settings = {"to": "ops@example.com", "from": "Desk <desk@example.com>", "smarthost": "mail.example:587"}
    return notifier("email", **{**given_settings, **settings})


def call_of(
    one: Notification, handle: dict[str, str] | None = None, **settings: Any
) -> tuple[MailCall, dict[str, str]]:
    calls, kept = answered(email(**settings).deliver(one, handle or {}, context()), [Reply(200)])
    (call,) = calls
    assert isinstance(call, MailCall)
    return call, kept


def mail_of(one: Notification, handle: dict[str, str] | None = None, **settings: Any) -> EmailMessage:
    message = message_from_bytes(call_of(one, handle, **settings)[0].message, policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    return next(str(one.get_content()) for one in message.walk() if one.get_content_type() == kind)


def test_a_mail_has_text_html_and_the_picture_that_the_html_shows() -> None:
    message = mail_of(note(told(), told(alert({"alertname": "b"}, evidence_t=[], evidence_v=[]))))
    kinds = [one.get_content_type() for one in message.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]
    html, text = part(message, "text/html"), part(message, "text/plain")
    (image,) = [one for one in message.walk() if one.get_content_type() == "image/png"]
    assert f'src="cid:{str(image["Content-ID"]).strip("<>")}"' in html
    assert message["Subject"] in text
    assert "0.123, expected 0.01" in text
    assert f"{DESK}/alert/" in html
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Importance"] == "high"
    assert message["From"] == "Desk <desk@example.com>"


def test_a_groups_mails_are_one_thread_and_the_first_sent_twice_is_one() -> None:
    first, handle = call_of(note())
    assert first == call_of(note())[0]
    start = mail_of(note())["Message-Id"]
    later = mail_of(note(told(what="raised", previous="warning"), reason="level_raised", number=2), handle)
    assert later["In-Reply-To"] == later["References"] == start
    assert later["Message-Id"] != start
    end, kept = call_of(note(resolved(), reason="all_resolved", number=3), handle)
    assert kept == {}
    assert start.encode() in end.message


def test_a_mail_arrives() -> None:
    with MailServer() as server:
        (call, _) = call_of(
            note(), smarthost=f"127.0.0.1:{server.port}", require_tls=False, to="a@example.com, B <b@example.com>"
        )
        assert asyncio.run(send(call)).status == 200
        (mail,) = server.mails
        assert mail.sender == "desk@example.com"
        assert mail.recipients == ("a@example.com", "b@example.com")
        assert str(mail.message["Subject"]).startswith("CRITICAL: errors")
        server.answers.append("550 5.7.1 not here")
        reply = asyncio.run(send(call))
    with pytest.raises(Refused, match="not here"):
        answered(email().deliver(note(), {}, context()), [reply])


@pytest.mark.parametrize(
    ("settings", "security", "port"),
    [
        ({}, "starttls", 587),
        ({"require_tls": False}, "none", 587),
        ({"smarthost": "m.example:465"}, "tls", 465),
        ({"smarthost": "[::1]:465", "force_implicit_tls": False}, "starttls", 465),
        ({"smarthost": "m.example:25", "force_implicit_tls": True}, "tls", 25),
    ],
)
def test_how_a_mail_is_handed_over(settings: dict[str, Any], security: str, port: int) -> None:
    call, _ = call_of(note(), auth_username="u", auth_password="hunter2", hello="desk", **settings)
    assert (call.security, call.port) == (security, port)
    assert (call.username, call.password, call.hello) == ("u", "hunter2", "desk")
    assert "hunter2" not in repr(call)


def test_the_configs_headers_and_texts_are_templates() -> None:
    message = mail_of(
        note(),
        headers={"subject": "{{ .Status | toUpper }} é", "reply-to": "x@example.com", "X-Team": "{{ receiver }}"},
        html="<b>{{ .Title }}</b>", text="t {{ alerts[0].labels.service }}",
        to="{{ .CommonLabels.service }}@example.com",
    )  # fmt: skip
    assert message["Subject"] == "FIRING é"
    assert message["Reply-To"] == "x@example.com"
    assert message["X-Team"] == "oncall"
    assert message["To"] == "checkout@example.com"
    assert part(message, "text/html").strip() == "<b>CRITICAL: errors (errors_total) on checkout, eu-1</b>"
    assert part(message, "text/plain").strip() == "t checkout"
    assert [one.get_content_type() for one in mail_of(note(), html="").walk()] == ["text/plain"]
    assert "text/plain" not in [one.get_content_type() for one in mail_of(note(), text="").walk()]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"from": "nobody"}, "from"),
        ({"from": "a@b.c, d@e.f"}, "one address"),
        ({"to": "{{ .CommonLabels.nope }}"}, "to has no mail address"),
        ({"smarthost": ""}, "smarthost"),
    ],
)
def test_what_can_only_be_seen_when_sending_says_what_to_mend(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        answered(email(**settings).deliver(note(), {}, context()), [])


@pytest.mark.parametrize(
    "settings",
    [
        {"to": ""}, {"smarthost": "mail.example"}, {"smarthost": "m:99999"}, {"headers": {"a b": "x"}},
        {"headers": {"Bcc": "x@y"}}, {"headers": {"A": "1", "a": "2"}}, {"html": "{{ .X"}, {"text": "{% if %}"},
        {"headers": {"Subject": "{{ nofunc }} {{ .A }}"}},
    ],
)  # fmt: skip
def test_settings_that_can_not_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        email(**settings)


OWN_HEADERS = {
    "Subject": "{{ .CommonLabels.service }}{{ range .Alerts }}{{ .Labels.service }}{{ .Why }}{{ end }}",
    "X-Any": "{% for a in alerts %}{{ a.labels.service }}{{ a.rule }}{% endfor %}",
}
KNOWN = {
    "subject", "from", "to", "message-id", "date", "auto-submitted", "x-tidegauge-group", "importance", "content-type",
    "mime-version", "content-transfer-encoding", "x-any", "in-reply-to", "references",
}  # fmt: skip


class Tags(HTMLParser):
    """Collects what a mail program would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


OUR_TAGS = {"html", "head", "meta", "title", "body", "table", "tr", "td", "strong", "br", "img", "a"}
OUR_ATTRIBUTES = {
    "lang", "charset", "name", "content", "style", "role", "width", "height", "cellpadding", "cellspacing", "align",
    "src", "alt", "href",
}  # fmt: skip


@hypothesis_settings(max_examples=60)
@given(hostile.notes())
@pytest.mark.parametrize("settings", [{}, {"headers": OWN_HEADERS}], ids=["ours", "templates"])
def test_no_label_becomes_a_header_or_a_tag(settings: dict[str, Any], one: Notification) -> None:
    call, _ = call_of(one, **settings)
    assert all(len(row) <= 998 for row in call.message.split(b"\r\n"))
    assert b"\n" not in call.message.replace(b"\r\n", b"")
    message = message_from_bytes(call.message, policy=SMTP)
    assert isinstance(message, EmailMessage)
    assert {name.lower() for name in message} <= KNOWN
    assert all(len(message.get_all(name, [])) == 1 for name in message)
    kinds = [one.get_content_type() for one in message.walk()]
    assert kinds[:3] == ["multipart/alternative", "text/plain", "multipart/related"][
        : 3 if "image/png" in kinds else 2
    ] + ([] if "image/png" in kinds else ["text/html"])
    tags = Tags()
    tags.feed(part(message, "text/html"))
    for tag, attributes in tags.seen:
        assert tag in OUR_TAGS
        assert set(attributes) <= OUR_ATTRIBUTES
        for name in ("href", "src"):
            assert re.match(r"https?://|cid:[0-9a-f]{16}\Z", attributes.get(name) or "http://")


def test_ten_thousand_alerts_are_one_mail() -> None:
    call, _ = call_of(hostile.many(10_000))
    assert len(call.message) < 1_000_000
    assert b"10000 alerts" in call.message
