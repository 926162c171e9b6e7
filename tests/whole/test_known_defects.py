"""Two things that Alertmanager does wrong, beside what we do: the same alerts, at the same time, to it and to us."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tests.doubles.http import Double, Response
from tests.doubles.pagerduty import PagerDutyDouble
from tests.notifiers.real_alertmanager import RealAlertmanager, alertmanager, needs_alertmanager
from tests.whole.bed import bed, firing, over, post, receivers, wait

pytestmark = [pytest.mark.kafka, needs_alertmanager, pytest.mark.timeout(120)]
GROUP_WAIT_S, GROUP_INTERVAL_S = 3.0, 0.5
HOUR_S = 3600.0


@dataclass
class Side:
    """One of the two, and whom it alone tells. amtool speaks to either."""

    api: RealAlertmanager
    hook: Double
    pagerduty: PagerDutyDouble

    def told(self, alertname: str) -> bool:
        return any(one["labels"]["alertname"] == alertname for r in self.hook.requests for one in r.json["alerts"])

    def pages(self, alertname: str) -> bool:
        return self.open == [alertname]

    @property
    def open(self) -> list[str]:
        return [one.events[0]["payload"]["class"] for one in self.pagerduty.open]


def config(side: tuple[Double, PagerDutyDouble]) -> dict[str, Any]:
    """An alertmanager.yml."""
    hook, pagerduty = side
    times = {
        "group_wait": f"{GROUP_WAIT_S:.0f}s",
        "group_interval": f"{1000 * GROUP_INTERVAL_S:.0f}ms",
        "repeat_interval": "1h",
    }
    return {
        "route": {
            "receiver": "hook", "group_by": ["alertname"], **times,
            "routes": [{"matchers": ['team="db"'], "receiver": "pager", "group_wait": "100ms"}],
        },
        "receivers": receivers(
            hook=[{"webhook_configs": [{"url": hook.url}]}],
            pager=[{"pagerduty_configs": [{
                "routing_key": "r" * 32, "url": f"{pagerduty.url}/v2/enqueue", "class": "{{ .GroupLabels.alertname }}",
            }]}],
        ),
        "inhibit_rules": [
            {
                "source_matchers": ['severity="critical"'],
                "target_matchers": ['severity="warning"'],
                "equal": ["service"],
            }
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def sides(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """(Alertmanager, ours)"""
    with ExitStack() as stack:
        doubles = [
            (stack.enter_context(Double(lambda _: Response(200))), stack.enter_context(PagerDutyDouble()))
            for _ in range(2)
        ]
        real = stack.enter_context(alertmanager(config(doubles[0])))
        folder = tmp_path_factory.mktemp("desk")
        desk = stack.enter_context(bed(folder, kafka, f"defects-{uuid4().hex[:8]}", config(doubles[1])))
        yield Side(real, *doubles[0]), Side(RealAlertmanager(desk.url), *doubles[1])


def test_an_old_alert_waits_for_its_inhibitor_as_a_fresh_one_does(sides: tuple[Side, Side]) -> None:
    theirs, ours = sides
    warning = firing({"alertname": "Slow", "service": "shop", "severity": "warning"}, time.time() - HOUR_S)
    critical = firing({"alertname": "Down", "service": "shop", "severity": "critical"})
    for side in sides:
        post(side.api.url, warning)
    time.sleep(1.0)
    for side in sides:
        post(side.api.url, critical)
    wait("we tell of what is critical", lambda: ours.told("Down"), GROUP_WAIT_S + 5.0)
    time.sleep(2 * GROUP_INTERVAL_S)
    assert not ours.told("Slow")
    assert theirs.told("Slow"), "Alertmanager waits too: what we say about it is no longer so"


def test_the_end_of_a_silenced_alert_closes_its_incident(sides: tuple[Side, Side]) -> None:
    theirs, ours = sides
    alert = firing({"alertname": "DiskFull", "team": "db", "severity": "critical"})
    for side in sides:
        post(side.api.url, alert)
        wait("it is paged", partial(side.pages, "DiskFull"))
    for side in sides:
        side.api.amtool("silence", "add", "alertname=DiskFull", "-c", "being cleaned up", "-a", "ann", "-d", "1h")
        assert [one["labels"]["alertname"] for one in side.api.alerts("--silenced", "team=db")] == ["DiskFull"]
    for side in sides:
        post(side.api.url, over(alert))
    wait("our incident is closed", lambda: not ours.open)
    time.sleep(6 * GROUP_INTERVAL_S)
    assert [one.state for one in ours.pagerduty.incidents] == ["resolved"]
    assert theirs.open == ["DiskFull"], "Alertmanager closes it too: what we say about it is no longer so"
