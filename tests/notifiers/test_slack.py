"""Slack: one message a group, whatever the labels say; nothing is lost for a word that Slack dislikes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from pydantic import ValidationError

from alerting.alert import Notification
from alerting.notifiers.base import Context, Notifier
from alerting.words.templates import Templates
from schemas.calls import HttpCall, Refused, Reply, Retry
from tests.doubles.http import Fault
from tests.doubles.slack import TOKEN, Slack, SlackError, check_message, controls, markdown_of, marked_up
from tests.notifiers import hostile
from tests.notifiers.notes import alert, note, resolved, told
from tests.notifiers.talk import DESK, answered, asked, notifier, talk
from tests.notifiers.talk import context as plain_context

TEMPLATES = Templates(external_url=DESK, link=lambda kind, ref: f"{DESK}/{kind}/{ref}")


def context() -> Context:
    return plain_context(text=TEMPLATES.render)


def by_token(slack: Slack, **settings: Any) -> Notifier:
    return notifier("slack", **{"bot_token": TOKEN, "channel": "#alerts", "app_url": slack.api_url, **settings})


def by_webhook(slack: Slack, **settings: Any) -> Notifier:
    return notifier("slack", api_url=slack.webhook_url, **settings)


def body_of(one: Notification, **settings: Any) -> dict[str, Any]:
    made = notifier("slack", **{"api_url": "https://hooks.example/x", **settings})
    calls, _ = answered(made.deliver(one, {}, context()), [Reply(200, {}, b"ok")])
    (call,) = calls
    assert isinstance(call, HttpCall)
    body: dict[str, Any] = json.loads(call.body)
    return body


def test_an_acknowledgement_is_a_line_of_the_thread_and_calls_nobody() -> None:
    with Slack() as slack:
        made = by_token(slack)
        handle = talk(made.deliver(note(), {}, context()))
        said = made.acknowledge(note().group, "ann <!channel>", "on it\n<@U1>", handle, context())
        assert said is not None
        assert talk(said) == handle
        message, line = slack.posts
        assert line.body["thread_ts"] == message.ts
        assert line.body["text"] == "acknowledged by ann &lt;!channel&gt;: on it\n&lt;@U1&gt;"
    assert made.acknowledge(note().group, "ann", "", {}, context()) is None


RAISED = note(told(what="raised", previous="warning"), reason="level_raised", number=2)
ENDED = note(resolved(), reason="all_resolved", number=3)


def test_a_group_is_one_message_that_changes_and_its_changes_are_in_its_thread() -> None:
    with Slack() as slack:
        made = by_token(slack)
        handle = talk(made.deliver(note(), {}, context()))
        assert handle == {"channel": "C1", "ts": slack.posts[0].ts}
        handle = talk(made.deliver(RAISED, handle, context()))
        handle = talk(made.deliver(ENDED, handle, context()))
        message, *replies = slack.posts
        assert handle == {}  # what fires later is another message
        assert message.body["text"].startswith("🟢 RESOLVED: errors")
        assert [version["text"][:10] for version in message.versions] == ["🔴 CRITICAL", "🔴 CRITICAL"]
        assert [reply.thread_ts for reply in replies] == [message.ts, message.ts]
        # A raise is seen in the channel too: an update rings nowhere.
        assert [reply.body.get("reply_broadcast") for reply in replies] == [True, None]
        assert len(slack.files) == 2
        assert all(image.startswith(b"\x89PNG") for image in slack.files.values())
        assert {shared["thread_ts"] for shared in slack.shared} == {message.ts}


def test_without_the_scope_for_files_the_message_stands_alone() -> None:
    with Slack() as slack:
        slack.scopes = {"chat:write"}
        handle = talk(by_token(slack).deliver(note(), {}, context()))
        assert handle["ts"]
        assert not slack.files


def test_once_the_message_stands_nothing_tells_it_again() -> None:
    """The upload fails in every way; the conversation ends well, and is not started anew."""
    for fault in (Fault(status=500), Fault(status=429, retry_after_s=30), Fault(is_reply_lost=True)):
        for at in range(1, 4):
            with Slack() as slack:
                slack.http.fail(*[None] * at, fault)
                assert talk(by_token(slack).deliver(note(), {}, context()))["ts"] == slack.posts[0].ts
                assert len(slack.posts) == 1


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message", "edit_window_closed"])
def test_a_message_that_is_gone_is_posted_anew(error: str) -> None:
    with Slack() as slack:
        made = by_token(slack)
        handle = talk(made.deliver(note(), {}, context()))
        slack.errors["chat.update"] = [error]
        again = talk(made.deliver(RAISED, handle, context()))
        assert again["ts"] != handle["ts"]
        assert "errors" in slack.posts[-1].body["text"]


def test_a_message_that_was_deleted_is_posted_anew() -> None:
    with Slack() as slack:
        made = by_token(slack)
        handle = talk(made.deliver(note(), {}, context()))
        slack.delete(slack.posts[0])
        assert talk(made.deliver(RAISED, handle, context()))["ts"] == slack.posts[0].ts


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
@pytest.mark.parametrize("error", ["msg_blocks_too_long", "invalid_blocks", "msg_too_long", "invalid_attachments"])
def test_what_is_too_rich_for_slack_is_said_plainly(method: str, error: str) -> None:
    with Slack() as slack:
        made = by_token(slack, pictures=False)
        handle = talk(made.deliver(note(), {}, context())) if method == "chat.update" else {}
        slack.errors[method] = [error]
        assert talk(made.deliver(RAISED, handle, context()))["ts"] == slack.posts[0].ts
        assert slack.posts[0].body["text"].startswith("🔴 CRITICAL (was warning)")
        assert not slack.posts[0].body.get("blocks")


FINAL = [
    "not_in_channel",
    "channel_not_found",
    "is_archived",
    "invalid_auth",
    "token_revoked",
    "missing_scope",
    "other",
]
LATER = ["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"]


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
@pytest.mark.parametrize(("errors", "outcome"), [(FINAL, Refused), (LATER, Retry)])
def test_ok_false_is_a_failure_and_says_whether_to_try_again(
    method: str, errors: list[str], outcome: type[Exception]
) -> None:
    for error in errors:
        handle = {"channel": "C1", "ts": "1.0"} if method == "chat.update" else {}
        reply = Reply(200, {"content-type": "application/json"}, json.dumps({"ok": False, "error": error}).encode())
        made = notifier("slack", bot_token=TOKEN, channel="#alerts")
        with pytest.raises(outcome, match=error):
            answered(made.deliver(note(), handle, context()), [reply])


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (400, b"invalid_token", Refused), (403, b"action_prohibited", Refused), (404, b"no_service", Refused),
        (404, b"channel_not_found", Refused), (410, b"channel_is_archived", Refused), (500, b"rollup_error", Retry),
        (429, b"", Retry), (503, b"", Retry), (200, b"something else", Refused),
    ],
)  # fmt: skip
def test_a_webhooks_answers_are_final_or_not(status: int, body: bytes, outcome: type[Exception]) -> None:
    made = notifier("slack", api_url="https://hooks.example/services/T/B/secret")
    with pytest.raises(outcome) as seen:
        answered(made.deliver(note(), {}, context()), [Reply(status, {"retry-after": "7"}, body)])
    assert "secret" not in str(seen.value)
    if status == 429:
        assert isinstance(seen.value, Retry)
        assert seen.value.after_s == 7.0


def test_a_webhook_that_dislikes_the_blocks_is_told_plainly() -> None:
    made = notifier("slack", api_url="https://hooks.example/x", channel="#other")
    calls, _ = answered(made.deliver(note(), {}, context()), [Reply(400, {}, b"invalid_blocks"), Reply(200, {}, b"ok")])
    last = calls[-1]
    assert isinstance(last, HttpCall)
    assert json.loads(last.body) == {"channel": "#other", "text": calls_text(calls[0])}


def calls_text(call: object) -> str:
    assert isinstance(call, HttpCall)
    return str(json.loads(call.body)["text"])


def test_the_double_limits_its_rate_and_we_are_told_when_to_come_back() -> None:
    with Slack() as slack:
        slack.now_s = lambda: 0.0
        made = by_token(slack, pictures=False)
        talk(made.deliver(note(), {}, context()))
        with pytest.raises(Retry) as seen:
            talk(made.deliver(note(), {}, context()))
        assert seen.value.after_s == 1.0


def test_a_lost_reply_is_a_retry() -> None:
    with Slack() as slack:
        slack.http.fail(Fault(is_reply_lost=True))
        with pytest.raises(Retry):
            talk(by_token(slack).deliver(note(), {}, context()))


def test_an_upload_address_of_another_host_is_not_trusted() -> None:
    made = notifier("slack", bot_token=TOKEN, channel="#alerts")
    posted = Reply(200, {}, b'{"ok":true,"channel":"C1","ts":"1.0"}')
    calls: list[Any] = []
    for url, trusted in (("https://slack.com/upload/x", True), ("http://169.254.169.254/x", False)):
        granted = Reply(200, {}, json.dumps({"ok": True, "upload_url": url, "file_id": "F1"}).encode())
        calls.clear()
        asked(made.deliver(note(), {}, context()), [posted, granted, Reply(200), Reply(200, {}, b'{"ok":true}')], calls)
        assert calls[2].url == url
        assert calls[2].trusted is trusted
        assert "Authorization" not in calls[2].headers


# --- words of the config


def test_the_configs_texts_become_alertmanagers_attachment() -> None:
    body = body_of(
        note(),
        channel="#{{ .CommonLabels.service }}", username="{{ .Status }}", icon_emoji=":fire:", link_names=True,
        title="{{ .Status | toUpper }}", title_link="https://x.example", pretext="p", text="{{ len .Alerts }} alerts",
        fields=[{"title": "t", "value": "{{ .Level }}"}, {"title": "u", "value": "v", "short": True}],
        actions=[{"type": "button", "text": "go", "url": "https://x.example", "name": "dropped"}],
        footer="f", color='{{ if eq .Level "critical" }}#ff0000{{ end }}', mrkdwn_in=["text"],
    )  # fmt: skip
    assert body == {
        "channel": "#checkout",
        "username": "firing",
        "icon_emoji": ":fire:",
        "link_names": True,
        "attachments": [
            {
                "title": "FIRING",
                "title_link": "https://x.example",
                "pretext": "p",
                "text": "1 alerts",
                "fallback": f"CRITICAL: errors (errors_total) on checkout, eu-1 | {DESK}/group/{note().group.id}",
                "callback_id": "",
                "footer": "f",
                "color": "#ff0000",
                "mrkdwn_in": ["text"],
                "fields": [
                    {"title": "t", "value": "critical", "short": False},
                    {"title": "u", "value": "v", "short": True},
                ],
                "actions": [{"type": "button", "text": "go", "url": "https://x.example"}],
            }
        ],
    }


def test_a_text_that_fails_does_not_cost_the_message() -> None:
    body = body_of(note(), title="{{ index .Alerts 7 }}", color="{{ index .Alerts 7 }}", text="{{ 1/0 }}")
    (attachment,) = body["attachments"]
    assert attachment["color"] == "#d92d20"
    assert attachment["title"].startswith("CRITICAL: errors")
    assert "failed" in attachment["title"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "needs an api_url"),
        ({"bot_token": "x"}, "needs a channel"),
        ({"bot_token": "x", "app_token": "y", "channel": "c"}, "keep one"),
        ({"api_url": "x", "title": "{{ .A"}, "line 1"),
        ({"api_url": "x", "text": "a\n{{ nofunc .A }}"}, "line 2: no function nofunc"),
        ({"api_url": "x", "text": "{% if %}"}, "line 1"),
        ({"api_url": "x", "fields": [{"title": "", "value": "v"}]}, "title"),
        ({"api_url": "x", "colour": "red"}, "colour"),
    ],
)
def test_settings_that_can_not_work_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        notifier("slack", **settings)


def test_secrets_are_never_shown() -> None:
    made = notifier("slack", api_url="https://hooks.slack.com/services/hunter2")
    (call,), _ = answered(made.deliver(note(), {}, context()), [Reply(200, {}, b"ok")])
    token = notifier("slack", bot_token="hunter2", channel="#a")
    with pytest.raises(Refused) as seen:
        answered(token.deliver(note(), {}, context()), [Reply(403, {}, b"bad token hunter2")])
    assert "hunter2" not in f"{made.settings!r} {made.settings} {call!r} {token.settings!r} {seen.value}"


# --- hostile labels

USERS_OWN = {
    "title": "{{ .Title }}",
    "text": "{{ range .Alerts }}{{ .Labels.service }} {{ .Summary }}{{ end }}{{ .Text }}",
}
IN_JINJA = {
    "text": "{% for a in alerts %}{{ a.labels.service }}{{ a.why ~ a.rule }}{% endfor %}",
    "pretext": "{{ title }}",
}


@hypothesis_settings(max_examples=60)
@given(hostile.notes())
@pytest.mark.parametrize("settings", [{}, USERS_OWN, IN_JINJA], ids=["ours", "go", "jinja"])
def test_no_label_becomes_markup_whatever_it_says(settings: dict[str, str], one: Notification) -> None:
    body = body_of(one, **settings)
    check_message(body)
    found = controls(body)
    assert sum(text.count("<") + text.count(">") for text in marked_up(body)) == 2 * len(found)
    for control in found:
        # Only links that we made of web addresses, with words of our own.
        address, _, words = control.partition("|")
        assert address.startswith(("http://", "https://"))
        assert words in ("Open", "Runbook", "Dashboard", "Source", "Silence", "All of them")
    assert all("evil" not in text.split("|")[-1] for text in markdown_of(body))


@hypothesis_settings(max_examples=25)
@given(hostile.notes(), hostile.notes())
def test_slack_takes_every_message_of_a_conversation(first: Notification, second: Notification) -> None:
    """Without a socket: the double's rules on each body."""
    made = notifier("slack", bot_token=TOKEN, channel="#alerts")
    ok = Reply(200, {}, b'{"ok":true,"channel":"C1","ts":"1.0"}')
    for one, handle in ((first, {}), (second, {"channel": "C1", "ts": "1.0"})):
        calls, _ = answered(
            made.deliver(one, handle, context()), [ok, Reply(503), Reply(503), Reply(503)][:1] + [ok] * 5
        )
        for call in calls:
            assert isinstance(call, HttpCall)
            if call.url.endswith(("chat.postMessage", "chat.update")):
                check_message(json.loads(call.body))


@pytest.mark.parametrize("settings", [{}, USERS_OWN, IN_JINJA], ids=["ours", "go", "jinja"])
def test_ten_thousand_alerts_are_one_message_within_limits(settings: dict[str, str]) -> None:
    body = body_of(hostile.many(10_000), **settings)
    check_message(body)
    assert "10000 alerts" in json.dumps(body)
    assert len(json.dumps(body)) < 60_000


def too_many_blocks(body: dict[str, Any]) -> None:
    body["blocks"] *= 20


def long_header(body: dict[str, Any]) -> None:
    body["blocks"][0]["text"]["text"] = "x" * 151


def markup_in_header(body: dict[str, Any]) -> None:
    body["blocks"][0]["text"]["type"] = "mrkdwn"


def long_section(body: dict[str, Any]) -> None:
    body["blocks"][2]["text"]["text"] = "x" * 3001


def too_long_in_all(body: dict[str, Any]) -> None:
    body["blocks"] += [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 5


def empty_text(body: dict[str, Any]) -> None:
    body["blocks"][1]["elements"][0]["text"] = ""


def unknown_key(body: dict[str, Any]) -> None:
    body["blocks"][0]["colour"] = "red"


def nothing_at_all(body: dict[str, Any]) -> None:
    body.clear()


@pytest.mark.parametrize(
    "spoil",
    [
        too_many_blocks,
        long_header,
        markup_in_header,
        long_section,
        too_long_in_all,
        empty_text,
        unknown_key,
        nothing_at_all,
    ],
)
def test_the_double_refuses_what_slack_refuses(spoil: Callable[[dict[str, Any]], None]) -> None:
    body = body_of(note(told(alert()), told(alert({"alertname": "b"}))))
    check_message(body)
    spoil(body)
    with pytest.raises(SlackError):
        check_message(body)
