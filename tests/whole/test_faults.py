"""A desk among services that fail in every way: nothing is lost, nothing opens twice, nobody waits for another."""

import os
import time
from pathlib import Path

import pytest

from tests.doubles.http import Fault
from tests.whole import scene
from tests.whole.bed import Bed, bed, firing, over
from tests.whole.scene import Services, services

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
GROUPS = ("GroupA", "GroupB", "GroupC")
EACH = 3
CALM_S = 3.0  # what a receiver without faults may take, group_wait included

long = pytest.param(
    10.0,
    30.0,
    id="as slow as documented",
    marks=pytest.mark.skipif("TIDEGAUGE_LONG" not in os.environ, reason="minutes long: TIDEGAUGE_LONG=1 runs it"),
)


def alerts(group: str) -> list[dict[str, object]]:
    return [firing({"alertname": group, "host": f"h{n}", "severity": "critical"}) for n in range(EACH)]


def settled(desk: Bed, timeout_s: float) -> None:
    desk.wait("everything is sent", lambda: desk.count("outbox") > 0 and desk.unsent() == 0, timeout_s)


@pytest.mark.parametrize(("timeout_s", "slow_s"), [pytest.param(1.0, 3.0, id="short"), long])
def test_whatever_fails_there_is_one_incident_a_group_and_one_end(
    kafka: str, topic_name: str, tmp_path: Path, timeout_s: float, slow_s: float
) -> None:
    lost = Fault(is_reply_lost=True)  # done there, and nobody says so; so is what takes longer than `timeout_s`
    patience_s = 60.0 + 4 * slow_s
    with services() as found, bed(tmp_path, kafka, topic_name, found.config(timeout_s)) as desk:
        all_alerts = {group: alerts(group) for group in GROUPS}
        found.fail(Fault(500), lost, Fault(429, retry_after_s=1), Fault(delay_s=slow_s))
        fired_s = time.monotonic()
        desk.post(*[one for group in GROUPS for one in all_alerts[group]])
        desk.wait("each service was asked", lambda: all(double.requests for double in found.faulty.values()))
        found.hook.double.wait_for(len(GROUPS))
        settled(desk, patience_s)
        are_open(found, unanswered=2)

        found.fail(Fault(delay_s=slow_s), lost, Fault(503))
        ended_s = time.monotonic()
        desk.post(*[over(one) for group in GROUPS for one in all_alerts[group]])
        found.hook.double.wait_for(2 * len(GROUPS))
        late_s = [found.hook.late_s(group, since_s) for group in GROUPS for since_s in (fired_s, ended_s)]
        print(f"a receiver without faults is told after {max(late_s):.2f} s")  # pytest -rP
        assert max(late_s) < CALM_S
        desk.kill()
        desk.start("/-/healthy")
        settled(desk, patience_s)
        are_over(found, unanswered=2 + len(GROUPS))  # also what was on its way when the desk died
        assert not desk.rows("SELECT integration, note FROM outbox WHERE status = 'failed'")
        log = desk.running.log.read_text()
        assert [secret for secret in scene.SECRETS if secret in log] == []


def are_open(found: Services, unanswered: int) -> None:
    assert scene.incidents(found.pagerduty) == [(group, "triggered") for group in GROUPS]
    assert scene.tickets(found.opsgenie) == scene.tickets(found.jsm) == [(group, "open") for group in GROUPS]
    for posted in (scene.posted(found.slack), scene.cards(found.teams)):
        assert posted.keys() == {(group, "firing") for group in GROUPS}
        assert posted.total() <= len(GROUPS) + unanswered
    assert {group for group, _ in scene.threads(found.bot)} == set(GROUPS)


def are_over(found: Services, unanswered: int) -> None:
    assert scene.incidents(found.pagerduty) == [(group, "resolved") for group in GROUPS]
    assert scene.tickets(found.opsgenie) == scene.tickets(found.jsm) == [(group, "closed") for group in GROUPS]
    for posted in (scene.posted(found.slack), scene.cards(found.teams)):
        ends = {key: count for key, count in posted.items() if key[1] == "resolved"}
        assert ends.keys() == {(group, "resolved") for group in GROUPS}
        assert sum(ends.values()) <= len(GROUPS) + unanswered
    for group in GROUPS:
        assert "resolved" in {state for name, state in scene.threads(found.bot) if name == group}
