"""PagerDuty: which event each thing that happens leads to, what is in it, and that it is always within its limits."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from alerting.alert import Notification
from alerting.notifiers.pagerduty import BODY_BYTES_MAX, V1_URL, ChangeEvent, PagerDuty, PagerDutySettings
from alerting.notifiers.wire import group_hash
from schemas.calls import HttpCall, Refused, Reply, Retry
from tests.doubles.pagerduty import PagerDutyDouble
from tests.notifiers.notes import NOW_S, alert, note, resolved, told
from tests.notifiers.talk import answered, context, notifier, talk

KEY = "e93facc04764012d7bfb002500d5d1a6"


def event_of(one: Notification, **settings: Any) -> dict[str, Any]:
    made = notifier("pagerduty", **{"routing_key": KEY, **settings})
    (call,), _ = answered(made.deliver(one, {}, context()), [])
    assert isinstance(call, HttpCall)
    found: dict[str, Any] = json.loads(call.body)
    return found


def pagerduty(url: str) -> PagerDuty:
    made = notifier("pagerduty", routing_key=KEY, url=f"{url}/v2/enqueue")
    assert isinstance(made, PagerDuty)
    return made


CRITICAL, WARNING = alert(), alert(level="warning")


@pytest.mark.parametrize("before", ["nothing", "triggered", "acknowledged", "resolved"])
@pytest.mark.parametrize(
    ("one", "action", "severity"),
    [
        (note(told(WARNING)), "trigger", "warning"),
        (note(told(CRITICAL, "raised", "warning"), reason="level_raised", number=2), "trigger", "critical"),
        (note(told(WARNING, "lowered", "critical"), reason="level_lowered", number=2), "trigger", "warning"),
        (note(told(CRITICAL, "same"), reason="repeat_interval", number=3), "trigger", "critical"),
        (note(told(CRITICAL, "same"), resolved(WARNING), reason="some_resolved", number=2), "trigger", "critical"),
        (note(told(CRITICAL, "flapping"), reason="flapping_started", number=2), "trigger", "critical"),
        (note(resolved(), reason="all_resolved", number=2), "resolve", None),
        (note(told(CRITICAL, "departed"), reason="all_resolved", number=2), "resolve", None),
        (note(resolved(), reason="all_resolved", number=2, muted=3), "resolve", None),
    ],
)
def test_each_thing_that_happens_is_one_event_of_the_groups_incident(
    before: str, one: Notification, action: str, severity: str | None
) -> None:
    with PagerDutyDouble() as double:
        made = pagerduty(double.url)
        if before != "nothing":
            talk(made.deliver(note(), {}, context()))
        if before == "acknowledged":
            talk(made.acknowledge(note().group, "ann", "looking", {}, context()))
        if before == "resolved":
            talk(made.deliver(note(resolved(), reason="all_resolved"), {}, context()))
        told_before = len(double.requests)
        talk(made.deliver(one, {}, context()))
        (request,) = double.requests[told_before:]
        assert request.json["event_action"] == action
        assert request.json["dedup_key"] == group_hash(one.group)
        if severity:
            assert request.json["payload"]["severity"] == severity
        assert len(double.open) == (action == "trigger")
        assert len(double.incidents) <= (2 if before == "resolved" else 1)


def test_the_key_is_the_one_that_alertmanager_makes() -> None:
    """From a capture of Alertmanager 0.25, group key `{}:{alertname="UF"}`."""
    one = note(labels={"alertname": "UF"})
    assert one.group.key == '{}:{alertname="UF"}'
    assert event_of(one)["dedup_key"] == "d95c769638078ed9337dfdf145d999790f16d3c4099617c354b8dca5ab7573b8"


def test_a_storm_or_digest_never_ends_a_groups_incident() -> None:
    assert len({event_of(note(kind=kind))["dedup_key"] for kind in ("group", "storm", "digest")}) == 3


def test_the_event_says_what_where_and_how_much() -> None:
    event = event_of(note())
    payload = event["payload"]
    assert payload["summary"].startswith("CRITICAL: errors")
    fields = {name: payload[name] for name in ("source", "component", "group", "class")}
    assert fields == {"source": "checkout", "component": "errors_total", "group": "checkout", "class": "errors"}
    assert "9.4 sigmas" in payload["custom_details"]["alerts"]
    assert event["client_url"].startswith("https://desk.example/")
    assert event["links"][0]["text"] == "Open"


def test_settings_have_alertmanagers_meaning() -> None:
    event = event_of(
        note(),
        description="title", severity="error", **{"class": "kind", "component": "part", "group": "all", "source": "db"},
        client="us", client_url="https://us.example", details={"num_firing": "many", "more": "x"},
        images=[{"src": "https://x.example/a.png", "alt": "a"}, {"src": "", "alt": "none"}, {"src": "http://x.example/b"}],
        links=[{"href": "https://runbook.example", "text": "how"}, {"href": "javascript:alert(1)", "text": "no"}],
    )  # fmt: skip
    payload = event["payload"]
    assert (payload["summary"], payload["severity"], payload["class"]) == ("title", "error", "kind")
    assert (payload["component"], payload["group"], payload["source"]) == ("part", "all", "db")
    assert (event["client"], event["client_url"]) == ("us", "https://us.example")
    details = payload["custom_details"]
    assert (details["num_firing"], details["more"], details["num_resolved"]) == ("many", "x", "0")
    assert event["images"] == [{"src": "https://x.example/a.png", "alt": "a"}]
    assert [link["text"] for link in event["links"]] == ["how", "Open"]


@pytest.mark.parametrize(
    ("severity", "labels", "expected"),
    [
        ("error", {}, "error"),
        (" Critical\n", {}, "critical"),
        ("sev1", {}, "warning"),
        ("", {}, "warning"),
        (None, {"severity": "error"}, "error"),
        (None, {"severity": "page"}, "warning"),
    ],
)
def test_a_severity_that_pagerduty_does_not_know_loses_no_page(
    severity: str | None, labels: dict[str, str], expected: str
) -> None:
    one = note(told(alert(labels, level="warning")))
    assert event_of(one, severity=severity)["payload"]["severity"] == expected


@pytest.mark.parametrize("size", [1_000, 200_000, 600_000, 2_000_000])
@pytest.mark.parametrize("count", [1, 200])
def test_details_are_cut_until_the_event_fits(size: int, count: int) -> None:
    details = {f"detail {i}": "é\n" * (size // count // 2) for i in range(count)}
    with PagerDutyDouble() as double:
        made = notifier("pagerduty", routing_key=KEY, url=f"{double.url}/v2/enqueue", details=details)
        talk(made.deliver(note(), {}, context()))
        (request,) = double.requests
        assert len(request.body) <= BODY_BYTES_MAX
        assert ("…" in request.body.decode()) is (size > 200_000)
        assert len(double.open) == 1


@pytest.mark.parametrize(
    ("reply", "error", "after_s"),
    [
        (Reply(429), Retry, 30.0),
        (Reply(429, {"retry-after": "12"}), Retry, 12.0),
        (Reply(500), Retry, None),
        (Reply(503, {"retry-after": "5"}), Retry, 5.0),
        (Reply(400, {}, b'{"errors":["routing_key e93facc04764012d7bfb002500d5d1a6 is bad"]}'), Refused, None),
        (Reply(403), Refused, None),
        (Reply(302), Refused, None),
    ],
)
def test_answers_mean_what_pagerduty_says_they_mean(
    reply: Reply, error: type[Retry | Refused], after_s: float | None
) -> None:
    with pytest.raises(error) as raised:
        answered(notifier("pagerduty", routing_key=KEY).deliver(note(), {}, context()), [reply])
    assert KEY not in str(raised.value)
    assert str(reply.status) in str(raised.value)
    if isinstance(raised.value, Retry):
        assert raised.value.after_s == after_s


def test_a_prometheus_integration_is_told_in_the_words_of_v1() -> None:
    made = notifier("pagerduty", service_key=KEY)
    for one, action in ((note(), "trigger"), (note(resolved()), "resolve")):
        (call,), _ = answered(made.deliver(one, {}, context()), [Reply(200)])
        assert isinstance(call, HttpCall)
        event = json.loads(call.body)
        assert call.url == V1_URL
        assert (event["service_key"], event["event_type"]) == (KEY, action)
        assert event["incident_key"] == group_hash(one.group)
    with pytest.raises(Retry):
        answered(made.deliver(note(), {}, context()), [Reply(403)])


def test_a_change_event_pages_nobody() -> None:
    change = ChangeEvent("checkout 1.4 rolled back " + "x" * 2000, "checkout", NOW_S, {"by": "tidegauge"})
    with PagerDutyDouble() as double:
        talk(pagerduty(double.url).change(change, {}, context()))
        assert double.incidents == []
        assert double.changes[0]["payload"]["source"] == "checkout"
    v1 = notifier("pagerduty", service_key=KEY)
    assert isinstance(v1, PagerDuty)
    assert answered(v1.change(change, {}, context()), []) == ([], {})


@pytest.mark.parametrize(
    "settings", [{}, {"routing_key": KEY, "service_key": KEY}, {"routing_key": KEY, "routing_key_file": "x"}]
)
def test_exactly_one_key_is_needed(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="needs one of routing_key, routing_key_file, service_key"):
        PagerDutySettings.model_validate(settings)


def test_the_key_is_read_from_its_file() -> None:
    event = event_of(note(), routing_key=None, routing_key_file="secrets/pd")
    assert event["routing_key"] == "secrets/pd"  # `reveal` of these tests gives the source back
