"""Webhook v4: the fields as Alertmanager sends them, our headers, and what the answers mean."""

import hashlib
import hmac
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alerting.alert import Notification
from alerting.notifiers.webhook import NEVER, SIGNATURE, Webhook
from schemas.alert import fingerprint
from schemas.calls import HttpCall, Refused, Reply, Retry
from tests.notifiers.notes import NOW_S, alert, note, resolved, told
from tests.notifiers.talk import answered, context, notifier

URL = "https://hook.example/path?token=canary"


def call_of(one: Notification, now_s: float = NOW_S, **settings: Any) -> HttpCall:
    made = notifier("webhook", **{"url": URL, **settings})
    (call,), _ = answered(made.deliver(one, {}, context(now_s)), [Reply(200)])
    assert isinstance(call, HttpCall)
    return call


def message_of(one: Notification, **settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call_of(one, **settings).body)
    return found


OTHER = alert({"alertname": "errors", "service": "cart"}, level="warning")


def test_the_message_has_alertmanagers_fields_in_its_shape() -> None:
    message = message_of(note(told(), told(OTHER)))
    assert list(message) == [
        "receiver", "status", "alerts", "groupLabels", "commonLabels", "commonAnnotations", "externalURL", "version",
        "groupKey", "truncatedAlerts",
    ]  # fmt: skip
    assert (message["version"], message["status"], message["truncatedAlerts"]) == ("4", "firing", 0)
    assert message["commonLabels"] == {"alertname": "errors"}
    assert message["externalURL"] == "https://desk.example"
    for one in message["alerts"]:
        assert list(one) == ["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"]
        assert one["endsAt"] == NEVER
        assert one["fingerprint"] == fingerprint(one["labels"])


def test_a_change_of_level_ends_the_old_labels_in_the_same_message() -> None:
    message = message_of(note(told(alert(), "raised", "warning")))
    assert [(one["labels"]["level"], one["status"]) for one in message["alerts"]] == [
        ("critical", "firing"),
        ("warning", "resolved"),
    ]
    assert message["status"] == "firing"


def test_an_end_has_its_time() -> None:
    message = message_of(note(resolved(), reason="all_resolved"))
    assert message["status"] == "resolved"
    assert message["alerts"][0]["endsAt"] == "2026-11-23T05:33:20.000Z"


@given(st.text())
def test_the_receiver_is_quoted_as_go_quotes_it(name: str) -> None:
    quoted = message_of(note(receiver=name))["receiver"]
    assert re.fullmatch(quoted, name) is not None
    assert re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) == name
    assert message_of(note(receiver="on-call #1 (eu)"))["receiver"] == r"on-call #1 \(eu\)"


@pytest.mark.parametrize(("limit", "shown", "cut"), [(0, 3, 0), (1, 1, 2), (2, 2, 1), (3, 3, 0), (9, 3, 0)])
def test_what_max_alerts_cuts_is_counted_and_what_fires_stays_longest(limit: int, shown: int, cut: int) -> None:
    one = note(told(OTHER), resolved(), told(alert({"alertname": "errors"})))
    message = message_of(one, max_alerts=limit)
    assert (len(message["alerts"]), message["truncatedAlerts"]) == (shown, cut)
    assert [a["status"] for a in message["alerts"]] == ["firing", "firing", "resolved"][:shown]
    assert message["alerts"][0]["labels"]["level"] == "critical"


def test_the_signature_is_over_time_and_body_and_the_key_names_the_message() -> None:
    call = call_of(note(), secret="hush")
    found = re.fullmatch(r"t=([0-9]+),v1=([0-9a-f]{64})", call.headers[SIGNATURE])
    assert found is not None
    expected = hmac.new(b"hush", found[1].encode() + b"." + call.body, hashlib.sha256).hexdigest()
    assert found[2] == expected
    assert int(found[1]) == int(NOW_S)
    assert SIGNATURE not in call_of(note()).headers
    later = call_of(note(), NOW_S + 60.0, secret="hush")
    assert later.headers["Idempotency-Key"] == call.headers["Idempotency-Key"] == note().id
    assert later.headers[SIGNATURE] != call.headers[SIGNATURE]
    assert call_of(note(number=2)).headers["Idempotency-Key"] != note().id


@pytest.mark.parametrize(
    ("status", "error"),
    [(200, None), (204, None), (408, Retry), (429, Retry), (500, Retry), (503, Retry),
     (301, Refused), (400, Refused), (401, Refused), (404, Refused), (410, Refused)],
)  # fmt: skip
def test_an_overloaded_receiver_is_told_again_and_a_wrong_address_is_not(
    status: int, error: type[Retry | Refused] | None
) -> None:
    conversation = notifier("webhook", url=URL, secret="hush").deliver(note(), {}, context())
    reply = Reply(status, {"retry-after": "3"}, f"what is {URL} or hush?".encode())
    if error is None:
        assert answered(conversation, [reply])[1] == {}
        return
    with pytest.raises(error) as raised:
        answered(conversation, [reply])
    assert "canary" not in str(raised.value)
    assert "hush" not in str(raised.value)
    assert getattr(raised.value, "after_s", None) == (3.0 if error is Retry else None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "either url or url_file"),
        ({"url": "https://u", "url_file": "f"}, "either url or url_file"),
        ({"url": "https://u", "secret": "s", "secret_file": "f"}, "both secret and secret_file"),
        ({"url": "https://u", "payload": {}}, "Extra inputs"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Webhook.Settings.model_validate(settings)
