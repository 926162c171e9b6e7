"""The real Alertmanager 0.25 as our receiver, and its own notifiers as the judge of our doubles and of our keys."""

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from alerting.alert import Notification, Told
from alerting.notifiers.webhook import webhook_v4
from alerting.notifiers.wire import group_hash
from schemas.levels import LevelName
from tests.doubles.http import Double, Response
from tests.doubles.opsgenie import OpsgenieDouble
from tests.doubles.pagerduty import PagerDutyDouble
from tests.notifiers.notes import alert, note
from tests.notifiers.real_alertmanager import RealAlertmanager, alertmanager, needs_alertmanager
from tests.notifiers.talk import context, notifier, talk

pytestmark = needs_alertmanager
LABELS = {"alertname": "errors", "service": "checkout", "team": "shop.eu"}
ANNOTATIONS = {"summary": "5 % of orders fail \U0001f525 <b>"}


def labels(level: LevelName) -> dict[str, str]:
    return {**LABELS, "severity": level, "level": level}


def at(level: LevelName, what: Any = "new", previous: LevelName | None = None) -> Notification:
    """A note of one alert as it stands this moment: the real one has a real clock."""
    now_s = time.time()
    status = "resolved" if what == "resolved" else "firing"
    ends_at_s = now_s if what == "resolved" else None
    one = alert(
        LABELS, level=level, status=status, starts_at_s=now_s - 60.0, ends_at_s=ends_at_s, annotations=ANNOTATIONS
    )
    return note(Told(one, what, previous), at_s=now_s)


def tell(real: RealAlertmanager, one: Notification) -> None:
    assert talk(notifier("alertmanager", urls=(real.url,)).deliver(one, {}, context(time.time()))) == {}


@pytest.fixture
def plain() -> Iterator[RealAlertmanager]:
    with alertmanager({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}) as real:
        yield real


def test_our_alerts_are_listed_silenced_and_resolved(plain: RealAlertmanager) -> None:
    tell(plain, at("warning"))
    plain.wait_for_labels([labels("warning")])
    (listed,) = plain.alerts()
    assert listed["annotations"]["summary"] == ANNOTATIONS["summary"]
    assert listed["annotations"]["value"] == "0.123"

    plain.amtool("silence", "add", "team=shop.eu", "-c", "moving racks", "-a", "ann", "-d", "1h")
    plain.wait_for_labels([])
    assert [one["labels"] for one in plain.alerts("--silenced")] == [labels("warning")]

    tell(plain, at("warning", "resolved"))
    assert plain.alerts("--silenced") == []


@pytest.mark.parametrize("path", [("warning", "critical"), ("critical", "info"), ("warning", "critical", "warning")])
def test_a_change_of_level_leaves_exactly_one_active_alert(
    path: tuple[LevelName, ...], plain: RealAlertmanager
) -> None:
    tell(plain, at(path[0]))
    for before, level in pairwise(path):
        tell(plain, at(level, "raised", before))
        plain.wait_for_labels([labels(level)])
    tell(plain, at(path[-1], "resolved"))
    plain.wait_for_labels([])


def test_telling_it_again_changes_nothing(plain: RealAlertmanager) -> None:
    one = at("critical", "raised", "warning")
    for _ in range(3):
        tell(plain, one)
    plain.wait_for_labels([labels("critical")])
    assert len(plain.alerts()) == 1


def test_names_and_texts_of_any_kind_are_taken(plain: RealAlertmanager) -> None:
    hostile = {"metric.name": "a", "2xx": "\x00\x1b[31m\u202e", "": "empty name", "ünïcode": "é" * 10_000, "zone": ""}
    one = at("warning")
    bad = msgspec.structs.replace(
        one.alerts[0].alert, labels=hostile, annotations={"run book": "x\ny"}, generator_url="not a url"
    )
    tell(plain, note(Told(bad, "new"), at_s=one.at_s))
    (listed,) = plain.alerts()
    assert set(listed["labels"]) == {"metric_name", "_2xx", "_", "_n_code", "severity", "level"}
    assert listed["annotations"]["run_book"] == "x\ny"


def test_its_own_notifiers_find_our_doubles_right_and_our_keys_are_its_keys() -> None:
    with PagerDutyDouble() as pagerduty, OpsgenieDouble() as opsgenie, Double(lambda _: Response(200)) as hook:
        receiver: dict[str, Any] = {
            "name": "on-call (eu)",
            "pagerduty_configs": [{"routing_key": "r" * 32, "url": f"{pagerduty.url}/v2/enqueue"}],
            "opsgenie_configs": [{"api_key": "og-key", "api_url": f"{opsgenie.url}/", "update_alerts": True}],
            "webhook_configs": [{"url": f"{hook.url}/hook"}],
        }
        route = {"receiver": "on-call (eu)", "group_by": ["alertname", "service"], "group_wait": "100ms",
                 "group_interval": "1s", "repeat_interval": "1h"}  # fmt: skip
        with alertmanager({"route": route, "receivers": [receiver]}) as real:
            first = at("critical")
            tell(real, first)
            # Three to Opsgenie: create, and what `update_alerts` adds.
            fired = hook.wait_for(1), pagerduty.wait_for(1), opsgenie.wait_for(3)
            end_s = time.time()
            over = msgspec.structs.replace(first.alerts[0].alert, status="resolved", ends_at_s=end_s)
            second = note(Told(over, "resolved"), reason="all_resolved", at_s=end_s)
            tell(real, second)
            ended = hook.wait_for(2), pagerduty.wait_for(2), opsgenie.wait_for(4)

        # Accepted by the doubles: only what they took leads to incidents and alerts.
        assert [incident.state for incident in pagerduty.incidents] == ["resolved"]
        assert [one.state for one in opsgenie.alerts] == ["closed"]
        assert ended[1][-1].json["event_action"] == "resolve"

        by = {"alertname": "errors", "service": "checkout"}
        key = fired[0][0].json["groupKey"]
        group = msgspec.structs.replace(first.group, key=key, receiver="on-call (eu)", labels=by)
        assert pagerduty.incidents[0].dedup_key == opsgenie.alerts[0].alias == group_hash(group)

        for one, theirs in ((first, fired[0][0].json), (second, ended[0][1].json)):
            ours = webhook_v4(msgspec.structs.replace(one, group=group), context())
            assert comparable(ours) == comparable(theirs)
            assert fired[0][0].headers["content-type"] == "application/json"


def comparable(message: dict[str, Any]) -> dict[str, Any]:
    """Without what differs by nature: addresses, and the digits of a second that each of us keeps."""
    alerts = [
        {**one, "generatorURL": "", "startsAt": one["startsAt"][:19], "endsAt": one["endsAt"][:19]}
        for one in message["alerts"]
    ]
    return {**message, "alerts": alerts, "externalURL": ""}
