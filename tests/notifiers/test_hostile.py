"""Labels are anybody's text: every pager and webhook still gets JSON within its limits, and takes it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.alert import Notification, Reason, Told, What
from alerting.notifiers import KINDS
from schemas.calls import HttpCall, Reply
from tests.doubles.http import Request
from tests.doubles.opsgenie import OpsgenieDouble
from tests.doubles.pagerduty import BODY_BYTES_MAX, PagerDutyDouble
from tests.notifiers.notes import alert, note
from tests.notifiers.talk import answered, context, notifier

KEY = "canary-" + "k" * 25
SETTINGS: dict[str, dict[str, Any]] = {
    "alertmanager": {"urls": [f"http://ann:{KEY}@am.example"]},
    "opsgenie": {"api_key": KEY, "update_alerts": True},
    "jsm": {"api_key": KEY, "update_alerts": True},
    "pagerduty": {"routing_key": KEY},
    "webhook": {"url": f"https://hook.example/{KEY}", "secret": KEY},
}
# Text of any kind but halves of surrogate pairs, which JSON on the way in can't bring.
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
NASTY = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "\x00\x07\x1b[31m",
        "\u202etxt.exe",
        "{{ 7 * 7 }}",
        '"\\',
        "é" * 10_000,
        "\n" * 500,
        "",
    ]
)
LABELS = st.dictionaries(ANY | NASTY, ANY | NASTY, max_size=6)
NUMBERS = st.floats() | st.none()
WHATS: list[What] = ["new", "raised", "lowered", "same", "resolved", "departed"]
REASONS: list[Reason] = ["first_notification", "new_alerts", "repeat_interval"]


@st.composite
def notes(draw: st.DrawFn) -> Notification:
    told = []
    for _ in range(draw(st.integers(min_value=1, max_value=4))):
        what = draw(st.sampled_from(WHATS))
        one = alert(
            draw(LABELS),
            annotations=draw(LABELS),
            level=draw(st.sampled_from(["info", "warning", "critical"])),
            value=draw(NUMBERS), expected=draw(NUMBERS), why=draw(ANY), generator_url=draw(ANY),
            starts_at_s=draw(st.floats(min_value=0.0, max_value=4e9)),
            status="resolved" if what == "resolved" else "firing",
            ends_at_s=draw(st.floats(min_value=0.0, max_value=4e9)) if what == "resolved" else None,
        )  # fmt: skip
        told.append(Told(one, what, draw(st.sampled_from([None, "info", "warning", "critical"]))))
    reason = draw(st.sampled_from(REASONS))
    return note(*told, reason=reason, labels=draw(LABELS))


def bodies(kind: str, one: Notification, text: str | None = None) -> list[HttpCall]:
    """All requests, for a receiver that knows the group already."""
    made = notifier(kind, **SETTINGS[kind])
    lent = context() if text is None else context(text=lambda template, note: text)
    calls, _ = answered(made.deliver(one, {"priority": "P2"}, lent), [])
    assert all(isinstance(call, HttpCall) for call in calls)
    return [call for call in calls if isinstance(call, HttpCall)]


def no_constant(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


@settings(max_examples=60)
@given(one=notes())
@pytest.mark.parametrize("kind", sorted(SETTINGS))
def test_every_body_is_json_and_no_secret_is_printed(kind: str, one: Notification) -> None:
    for call in bodies(kind, one):
        json.loads(call.body.decode("utf-8"), parse_constant=no_constant)
        assert "canary" not in repr((call.method, call.timeout_s)) + _without_body(call)
    assert "canary" not in repr(notifier(kind, **SETTINGS[kind]).settings)


def _without_body(call: HttpCall) -> str:
    return repr(HttpCall(call.method, call.url, call.headers))


@settings(max_examples=100)
@given(one=notes(), text=st.none() | ANY | NASTY)
def test_pagerduty_takes_every_event(one: Notification, text: str | None) -> None:
    double = PagerDutyDouble()
    made = notifier(
        "pagerduty", routing_key="r" * 32, client="c", client_url="u", description="d", severity="s", source="s",
        component="c", group="g", details={"a": "b"}, images=[{"src": "s"}], links=[{"href": "h", "text": "t"}],
        **{"class": "c"},
    ) if text is not None else notifier("pagerduty", routing_key="r" * 32)  # fmt: skip
    calls, _ = answered(made.deliver(one, {}, context(text=lambda template, note: text or "")), [])
    for call in calls:
        assert isinstance(call, HttpCall)
        assert len(call.body) <= BODY_BYTES_MAX
        answer = double.answer(Request("POST", "/v2/enqueue", call.headers, call.body))
        assert answer.status == 202, answer.body


@settings(max_examples=100)
@given(one=notes(), text=st.none() | ANY | NASTY)
def test_opsgenie_takes_every_request(one: Notification, text: str | None) -> None:
    double = OpsgenieDouble(key=KEY)
    for call in bodies("opsgenie", one, text):
        path = call.url.removeprefix("https://api.opsgenie.com")
        headers = {name.lower(): value for name, value in call.headers.items()}
        answer = double.answer(Request(call.method, path, headers, call.body))
        assert answer.status == 202, answer.body


@pytest.mark.parametrize("kind", sorted(set(KINDS) & set(SETTINGS)))
def test_whatever_a_service_answers_no_secret_is_quoted(kind: str) -> None:
    for status in (400, 401, 404, 429, 500):
        reply = Reply(status, {}, f"you sent {KEY}".encode())
        with pytest.raises(Exception, match=r"answered|refused") as raised:
            answered(notifier(kind, **SETTINGS[kind]).deliver(note(), {}, context()), [reply])
        if kind != "alertmanager":  # its only secrets are in its addresses, which no answer of it quotes
            assert "canary" not in str(raised.value)
