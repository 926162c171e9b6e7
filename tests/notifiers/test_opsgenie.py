"""Opsgenie and JSM: which requests each thing that happens leads to, limits, and a 202 that comes to nothing."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from alerting.alert import Notification
from alerting.notifiers.base import Handle
from alerting.notifiers.opsgenie import DETAILS_CHARS_MAX, Opsgenie
from alerting.notifiers.wire import group_hash
from schemas.calls import HttpCall, Refused, Reply, Retry
from tests.doubles.opsgenie import OpsgenieDouble
from tests.notifiers.notes import alert, note, resolved, told
from tests.notifiers.talk import answered, context, notifier, talk

CRITICAL, WARNING = alert(), alert(level="warning")
CHANGED = ["POST", "PUT priority", "POST notes"]
P1, P3 = {"priority": "P1"}, {"priority": "P3"}


def opsgenie(url: str, **settings: Any) -> Opsgenie:
    made = notifier("opsgenie", **{"api_key": "og-key", "api_url": url, **settings})
    assert isinstance(made, Opsgenie)
    return made


def requests_of(double: OpsgenieDouble) -> list[str]:
    """`POST`, `PUT priority`, `POST close`: the verb after the alias."""
    paths = [(r.method, r.path.partition("?")[0].split("/v2/alerts")[1].split("/")) for r in double.requests]
    return [f"{method} {path[-1]}".strip() for method, path in paths]


@pytest.mark.parametrize(
    ("handle", "one", "expected", "after"),
    [
        ({}, note(told(WARNING)), ["POST"], P3),
        ({}, note(told(CRITICAL), reason="new_alerts"), ["POST"], P1),
        (P3, note(told(WARNING, "same"), reason="repeat_interval"), ["POST"], P3),
        (P3, note(told(CRITICAL), told(WARNING, "same"), reason="new_alerts"), CHANGED, P1),
        (P3, note(told(CRITICAL, "raised", "warning"), reason="level_raised"), CHANGED, P1),
        (P1, note(told(WARNING, "lowered", "critical"), reason="level_lowered"), CHANGED, P3),
        (P1, note(told(CRITICAL, "same"), resolved(WARNING), reason="some_resolved"), ["POST", "POST notes"], P1),
        (P1, note(resolved(), reason="all_resolved"), ["POST close"], {}),
        (P1, note(told(CRITICAL, "departed"), reason="all_resolved"), ["POST close"], {}),
        ({}, note(resolved(), reason="all_resolved"), ["POST close"], {}),
    ],
)  # fmt: skip
def test_each_thing_that_happens_is_told_of_the_groups_alert(
    handle: Handle, one: Notification, expected: list[str], after: Handle
) -> None:
    with OpsgenieDouble() as double:
        made = opsgenie(double.url)
        if handle:
            talk(made.deliver(note(), {}, context()))
        asked = len(double.requests)
        assert talk(made.deliver(one, dict(handle), context())) == after
        assert requests_of(double)[asked:] == expected
        assert len(double.open) == (expected != ["POST close"])
        assert len(double.alerts) <= 1
        for request in double.requests:
            assert group_hash(one.group) in request.path or request.json["alias"] == group_hash(one.group)


def test_an_alert_that_somebody_closed_by_hand_opens_again_while_it_fires() -> None:
    with OpsgenieDouble() as double:
        made = opsgenie(double.url)
        handle = talk(made.deliver(note(), {}, context()))
        double.alerts[0].state = "closed"
        talk(made.deliver(note(told(what="same"), reason="repeat_interval", number=2), handle, context()))
        assert len(double.open) == 1


def test_title_and_text_of_an_open_alert_are_renewed_where_that_is_asked_for() -> None:
    with OpsgenieDouble() as double:
        talk(opsgenie(double.url, update_alerts=True, message="new title").deliver(note(), P1, context()))
        assert requests_of(double) == ["POST", "PUT message", "PUT description"]
        assert double.alerts[0].made["message"] == "new title"


def test_an_acknowledgement_says_who() -> None:
    with OpsgenieDouble() as double:
        made = opsgenie(double.url)
        talk(made.deliver(note(), {}, context()))
        talk(made.acknowledge(note().group, "ann", "looking", {}, context()))
        assert double.alerts[0].state == "acknowledged"
        assert double.requests[-1].json["user"] == "ann"


def test_settings_have_alertmanagers_meaning() -> None:
    with OpsgenieDouble() as double:
        made = opsgenie(
            double.url, message="m", description="d", source="s", details={"service": "mine", "x": "1"}, entity="e",
            tags="a, b,,c", actions="restart", note="n", priority="p2",
            responders=[
                {"name": "ops", "type": "team"},
                {"name": "a,b", "type": "teams"},
                {"username": "ann@x", "type": "user"},
            ],
        )  # fmt: skip
        talk(made.deliver(note(), {}, context()))
        made_of = double.alerts[0].made
    assert {name: made_of[name] for name in ("message", "description", "source", "entity", "note", "priority")} == {
        "message": "m", "description": "d", "source": "s", "entity": "e", "note": "n", "priority": "P2"
    }  # fmt: skip
    assert (made_of["tags"], made_of["actions"]) == (["a", "b", "c"], ["restart"])
    assert made_of["details"]["service"] == "mine"
    assert made_of["details"]["region"] == "eu-1"
    assert [(one.get("name"), one["type"]) for one in made_of["responders"]] == [
        ("ops", "team"), ("a", "team"), ("b", "team"), (None, "user")
    ]  # fmt: skip


def test_everything_has_a_limit_and_is_cut_to_it() -> None:
    long = "é," * 20_000
    with OpsgenieDouble() as double:
        made = opsgenie(
            double.url, message=long, description=long, source=long, entity=long, note=long, tags=long, actions=long,
            priority="urgent", details={f"d{i}": long for i in range(50)}, update_alerts=True,
        )  # fmt: skip
        talk(made.deliver(note(), P3, context()))
        made_of = double.alerts[0].made
    assert made_of["priority"] == "P1"
    assert made_of["description"].endswith("…")
    assert sum(len(k) + len(v) for k, v in made_of["details"].items()) <= DETAILS_CHARS_MAX
    assert made_of["details"]["more"] == "…"


@pytest.mark.parametrize(("kind", "base"), [("opsgenie", ""), ("jsm", "/jsm/ops/integration")])
def test_jsm_is_the_same_at_another_address(kind: str, base: str) -> None:
    with OpsgenieDouble(base=base) as double:
        made = notifier(kind, api_key="og-key", api_url=f"{double.url}{base}/")
        handle = talk(made.deliver(note(), {}, context()))
        assert len(double.open) == 1
        talk(made.deliver(note(resolved(), reason="all_resolved"), handle, context()))
        assert double.open == []
    (call,), _ = answered(notifier(kind, api_key="k").deliver(note(), {}, context()), [])
    assert isinstance(call, HttpCall)
    host = "api.opsgenie.com" if kind == "opsgenie" else "api.atlassian.com/jsm/ops/integration"
    assert call.url == f"https://{host}/v2/alerts"
    assert call.headers["Authorization"] == "GenieKey k"


def test_what_was_accepted_is_asked_for_until_it_is_done() -> None:
    with OpsgenieDouble(later=2) as double:
        talk(opsgenie(double.url, confirm=True).deliver(note(), {}, context()))
        assert requests_of(double) == ["POST"] + ["GET request-0"] * 3
        double.later = 9
        with pytest.raises(Retry, match="hasn't looked at it yet"):
            talk(opsgenie(double.url, confirm=True).deliver(note(), {}, context()))
        double.later, double.fails_later = 0, "Team ops does not exist"
        with pytest.raises(Refused, match="Team ops does not exist"):
            talk(opsgenie(double.url, confirm=True).deliver(note(), {}, context()))
        assert len(double.alerts) == 1


@pytest.mark.parametrize(
    ("reply", "error", "after_s"),
    [
        (Reply(429), Retry, 2.0),
        (Reply(429, {"x-ratelimit-period-in-sec": "60"}), Retry, 60.0),
        (Reply(429, {"retry-after": "7", "x-ratelimit-period-in-sec": "60"}), Retry, 7.0),
        (Reply(502), Retry, None),
        (Reply(401, {}, b"bad key og-key"), Refused, None),
        (Reply(422, {}, json.dumps({"message": "no"}).encode()), Refused, None),
    ],
)
def test_answers_mean_what_opsgenie_says_they_mean(
    reply: Reply, error: type[Retry | Refused], after_s: float | None
) -> None:
    with pytest.raises(error) as raised:
        answered(opsgenie("https://x.example").deliver(note(), {}, context()), [reply])
    assert "og-key" not in str(raised.value)
    if isinstance(raised.value, Retry):
        assert raised.value.after_s == after_s


@pytest.mark.parametrize("settings", [{}, {"api_key": "k", "api_key_file": "f"}])
def test_exactly_one_key_is_needed(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="needs either api_key or api_key_file"):
        Opsgenie.Settings.model_validate(settings)
