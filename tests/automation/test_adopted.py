"""An alert that automation saw first belongs to the incident rule that answers for it, and pages when that would."""

from dataclasses import replace

import pytest

from alerting.alert import Notification
from incidents.opening import AUTOMATION
from pipeline.desk.database import Database
from pipeline.desk.incidents.remedies import SUGGESTED
from schemas.desk import Desk
from schemas.matchers import Matchers
from schemas.response import Response
from schemas.response.automation import Mode
from schemas.response.escalation import EscalationPlan, Policy, Step, Target
from schemas.response.incidents import IncidentPlan, IncidentRule
from tests.automation.scene import World, rule
from tests.desk.scene import desk, told

WAIT_S = 10.0


def answering(alerts_min: int = 1) -> Desk:
    """Critical alerts of a service are incidents of team shop, whose policy pages at once."""
    own = IncidentRule("shop", Matchers(), "critical", alerts_min=alerts_min, by=("service",), policy="shop")
    policy = Policy("shop", (Step(after_s=0.0, targets=(Target("receiver", "pager"),)),))
    response = Response(incidents=IncidentPlan((own,)), escalation=EscalationPlan({"shop": policy}))
    return replace(desk(wait_s=WAIT_S), response=response)


def pages(db: Database) -> list[Notification]:
    return [note for note in db.read(told) if note.group.kind == "incident"]


@pytest.mark.parametrize("mode", ["suggest", "dry_run", "auto"])
def test_whoever_answers_for_the_alert_is_paged_when_its_group_is_told(db: Database, mode: Mode) -> None:
    world = World(db, rule(mode=mode), of=answering())
    world.fire()
    world.tick()
    assert [one.rule for one in world.incidents()] == [AUTOMATION]
    assert pages(db) == []
    world.tick(WAIT_S)
    world.tick()
    (incident,) = world.incidents()
    assert (incident.rule, incident.policy, incident.labels) == ("shop", "shop", {"service": "shop"})
    assert [note.group.receiver for note in pages(db)] == ["pager"]
    assert len(world.acts()) == 1


def test_a_rule_that_wants_two_alerts_takes_it_with_the_second(db: Database) -> None:
    world = World(db, rule(matchers=Matchers.parse('series="b"'), mode="suggest"), of=answering(alerts_min=2))
    world.fire("a")
    world.tick(WAIT_S)
    assert world.incidents() == []
    world.fire("b")
    world.tick()
    world.tick(60.0)
    world.tick()
    (incident,) = world.incidents()
    assert incident.rule == "shop"
    assert len(pages(db)) == 1


def test_an_alert_that_no_rule_is_for_stays_with_automation(db: Database) -> None:
    world = World(db, rule(mode="suggest"), of=answering())
    world.fire(level="warning")
    world.tick()
    world.tick(WAIT_S)
    assert [one.rule for one in world.incidents()] == [AUTOMATION]
    assert pages(db) == []


def test_a_suggestion_is_told_with_the_command_that_takes_it_up(db: Database) -> None:
    world = World(db, rule(mode="suggest"), of=answering())
    world.fire()
    world.tick()
    world.tick(WAIT_S)
    world.tick()
    (act,) = world.acts()
    said = [one.alert for note in db.read(told) for one in note.alerts]
    (suggested,) = {alert.fingerprint: alert for alert in said if alert.labels["alertname"] == SUGGESTED}.values()
    assert f"tidegauge automation approve {act.id[:8]}" in suggested.annotations["summary"]
    assert len(world.incidents()) == 1
