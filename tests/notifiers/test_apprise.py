"""Apprise: one message to all addresses of an entry."""

from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from alerting.alert import Notification
from alerting.notifiers.apprise import BODY_CHARS_MAX, TITLE_CHARS_MAX
from schemas.calls import AppriseCall, Refused, Reply
from tests.notifiers import hostile
from tests.notifiers.notes import alert, note, resolved, told
from tests.notifiers.talk import answered, context, notifier


def call_of(one: Notification, **settings: Any) -> AppriseCall:
    made = notifier("apprise", **{"urls": ["json://hunter2@localhost"], **settings})
    (call,), _ = answered(made.deliver(one, {}, context()), [Reply(200)])
    assert isinstance(call, AppriseCall)
    assert "hunter2" not in f"{call!r} {made.settings!r}"
    return call


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (note(), "failure"),
        (note(told(alert(level="warning"))), "warning"),
        (note(told(alert(level="info"))), "info"),
        (note(resolved(), reason="all_resolved"), "success"),
    ],
)
def test_the_level_is_the_kind(one: Notification, kind: str) -> None:
    call = call_of(one)
    assert call.kind == kind
    assert "errors" in call.title
    assert "0.123, expected 0.01" in call.body


def test_addresses_may_stand_in_a_file() -> None:
    made = notifier("apprise", urls_file=" # comment\njson://a\n\n json://b \n")
    (call,), _ = answered(made.deliver(note(), {}, context()), [Reply(200)])
    assert isinstance(call, AppriseCall)
    assert call.urls == ("json://a", "json://b")
    with pytest.raises(Refused, match="no address"):
        answered(notifier("apprise", urls_file="#").deliver(note(), {}, context()), [])


def test_what_is_refused_says_why_without_the_address() -> None:
    made = notifier("apprise", urls=["x://hunter2"])
    with pytest.raises(Refused, match="none that Apprise knows") as seen:
        answered(made.deliver(note(), {}, context()), [Reply(599, {}, b"x://hunter2 is none that Apprise knows")])
    assert "hunter2" not in str(seen.value)


@pytest.mark.parametrize("settings", [{"urls": []}, {"urls_file": "x"}, {"title": "{{ .A"}])
def test_settings_that_can_not_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        notifier("apprise", **{"urls": ["json://a"], **settings})


@given(hostile.notes())
def test_every_message_fits_and_its_title_is_one_line(one: Notification) -> None:
    call = call_of(one)
    assert 0 < len(call.title) <= TITLE_CHARS_MAX
    assert 0 < len(call.body) <= BODY_CHARS_MAX
    assert "\n" not in call.title
    call.body.encode()
