"""Triage in the desk: severity as it goes, roles and their tasks, and what is written of it."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.lifecycle import Refused
from incidents.model import Incident
from incidents.roles import MOVES, move, wanted
from incidents.timeline import broken_at
from pipeline.desk.database import Database
from schemas.alert import AlertEvent, Evidence
from schemas.levels import LevelName
from schemas.response.escalation import Target
from schemas.response.triage import DEFAULT_ROLES
from tests.triage.scene import START_S, Triage, critical, desk_of, event, role, rule

SHOP = Target("team", "shop")


@pytest.fixture
def scene(db: Database) -> Triage:
    return Triage(db, desk_of())


def failing(seq: int, share: float, level: LevelName | None = "critical", name: str = "a") -> AlertEvent:
    made = event(
        name, seq=seq, level=level, previous="critical" if seq else None, service="checkout", metric="http_error_ratio"
    )
    return msgspec.structs.replace(made, value=share, evidence=Evidence(made.evidence.t, [share]))


def test_it_is_judged_at_its_first_look_and_gets_worse_with_its_alerts(scene: Triage) -> None:
    scene.take(event("a", service="checkout"))
    scene.wait()
    assert (scene.only.severity, scene.only.severity_reason) == (4, "SEV4: level warning")
    scene.take(failing(0, 0.12, name="b"))
    scene.wait()
    assert scene.only.severity == 2
    scene.take(failing(1, 0.6, name="b"))
    scene.wait()
    assert scene.texts("severity") == [
        "SEV4: level warning (worst level warning, 1 series of checkout, an unknown share of traffic fails)",
        "SEV2: level critical, 12% of traffic fails (was SEV4) (worst level critical, 2 series of checkout, 12% of "
        "traffic fails, 0.004 min of full outage, 0.00926% of the budget burned)",
        "SEV1: level critical, 60% of traffic fails (was SEV2) (worst level critical, 2 series of checkout, 60% of "
        "traffic fails, 0.03 min of full outage, 0.0694% of the budget burned)",
    ]
    assert "not triaged" not in " ".join(scene.told())


def test_time_alone_makes_it_worse_and_its_end_never_better(scene: Triage) -> None:
    scene.take(failing(0, 0.04))
    scene.wait()
    assert scene.only.severity == 3
    for _ in range(130):
        scene.wait(60.0)
    assert (scene.only.severity, scene.only.severity_reason) == (
        2,
        "SEV2: 10% of the error budget is burned (was SEV3)",
    )
    scene.take(failing(1, 0.001, level=None))
    scene.wait()
    assert (scene.state, scene.only.severity) == ("mitigated", 2)


def test_a_rule_may_fix_it(db: Database) -> None:
    of = desk_of()
    plan = replace(of.response.incidents, rules=(rule(severity=5),))
    scene = Triage(db, replace(of, response=replace(of.response, incidents=plan)))
    scene.take(failing(0, 0.9))
    scene.wait(60.0)
    assert (scene.only.severity, scene.only.severity_reason) == (5, "SEV5: rule shop says so")


def test_a_person_overrules_with_a_note_and_gives_it_back(scene: Triage) -> None:
    scene.take(failing(0, 0.12))
    scene.wait()
    with pytest.raises(Refused, match="takes a note"):
        scene.says("severity", 4)
    with pytest.raises(Refused, match="the rules' already"):
        scene.says("severity", None)
    with pytest.raises(Refused, match="SEV6 is none"):
        scene.says("severity", 6, note="x")
    made = scene.says("severity", 4, note="a load test")
    assert (made.severity, made.severity_by, made.severity_reason) == (4, "ann", "SEV4, says ann: a load test")
    scene.take(failing(1, 0.9))
    scene.wait(60.0)
    assert scene.only.severity == 4
    made = scene.says("severity", None, by="bob", note="no test")
    assert (made.severity, made.severity_by) == (1, "")
    assert scene.texts("severity")[1:] == [
        "SEV4, says ann (was SEV2): a load test",
        "SEV4 of ann is given back to the rules, now SEV1: level critical, 90% of traffic fails (no test)",
    ]
    scene.wait()
    assert len(scene.texts("severity")) == 3
    assert broken_at(scene.entries()) is None


def test_given_back_it_may_fall_and_is_judged_though_it_is_over(scene: Triage) -> None:
    scene.take(critical())
    scene.wait()
    scene.says("severity", 1, note="the boss calls")
    scene.do("resolve", 1)
    assert scene.says("severity", None).severity == 3


def test_one_that_people_opened_waits_for_an_alert_to_judge_by(scene: Triage) -> None:
    scene.do("open_by_hand", 0, title="slow")
    scene.wait()
    assert (scene.only.severity, scene.only.severity_reason) == (3, "")
    scene.do("open_by_hand", 0, title="bad", severity=1)
    scene.wait()
    assert (scene.incidents[1].severity_by, scene.incidents[1].severity_reason) == ("ann", "SEV1, says ann")


# Roles


@given(
    has=st.dictionaries(st.sampled_from(["commander", "scribe"]), st.sampled_from(["", "ann", "bob"])),
    role_=st.sampled_from(["commander", "scribe"]),
    person=st.sampled_from(["", "ann", "bob"]),
)
def test_every_move_is_one_of_the_table_and_concerns_one_role(has: dict[str, str], role_: str, person: str) -> None:
    one = Incident(number=1, title="x", severity=2, opened_s=0, detected_s=0, updated_s=0, roles=has)
    moved = move(one, role_, person)
    before = has.get(role_, "")
    assert moved.what == ("same" if before == person else MOVES[bool(before), bool(person)])
    assert {name: who for name, who in moved.roles.items() if name != role_} == {
        name: who for name, who in has.items() if name != role_
    }
    assert moved.roles.get(role_, "") == person
    assert moved.is_first is (role_ not in has and bool(person))


def test_what_was_given_back_or_is_mild_or_over_isnt_filled_by_itself() -> None:
    plan = [role("commander", assign=SHOP, severity=2), role("scribe")]
    one = Incident(number=1, title="x", severity=2, opened_s=0, detected_s=0, updated_s=0)
    assert [each.name for each in wanted(one, plan)] == ["commander"]
    for fields in ({"severity": 3}, {"state": "resolved"}, {"roles": {"commander": ""}}, {"roles": {"commander": "x"}}):
        assert wanted(msgspec.structs.replace(one, **fields), plan) == []


def test_whoever_is_on_call_gets_it_with_its_checklist_and_is_told(db: Database) -> None:
    commander = role("commander", assign=SHOP, severity=2, runbook_url="https://runbooks.example/lead")
    scene = Triage(db, desk_of(commander))
    scene.take(event("a", service="checkout"))
    scene.wait()
    assert scene.only.roles == {}
    scene.take(failing(0, 0.12, name="b"))
    scene.wait()
    assert scene.only.roles == {"commander": "ann"}
    assert scene.texts("role") == ["commander: taken by ann (team:shop)"]
    checks = scene.tasks()
    assert [(one.text, one.owner, one.link) for one in checks] == [
        (text, "ann", "https://runbooks.example/lead") for text in DEFAULT_ROLES[0].checklist
    ]
    assert scene.heard("ann") == ["INC-1: commander is yours: Latency with service=checkout"]
    scene.says("role", "commander", "bob", note="lunch")
    assert scene.texts("role")[1:] == ["commander: handed over from ann to bob (by ann, lunch)"]
    assert {one.owner for one in scene.tasks()} == {"bob"}
    assert len(scene.tasks()) == len(checks)
    assert scene.heard("bob") == ["INC-1: commander is yours: Latency with service=checkout"]
    scene.says("role", "commander", "", by="bob")
    scene.wait(60.0)
    assert scene.only.roles == {"commander": ""}
    assert scene.texts("role")[2:] == ["commander: given back by bob; nobody has it now (by bob)"]


def test_where_nobody_is_on_call_it_is_said_once_and_asked_again(db: Database) -> None:
    scene = Triage(db, desk_of(role("commander", assign=Target("schedule", "nights"), severity=5)))
    scene.take(critical())
    for _ in range(4):
        scene.wait(60.0)
    said = "commander: nobody is on call in schedule:nights; `incident role` gives it to somebody"
    assert scene.texts("role") == [said]
    scene.desk = desk_of(role("commander", assign=SHOP, severity=5))
    scene.wait(60.0)
    assert scene.only.roles == {"commander": "ann"}


def test_own_roles_and_people_whom_the_config_doesnt_know(db: Database) -> None:
    scene = Triage(db, desk_of(role("liaison", checklist=("Call the bank",))))
    scene.take(critical())
    scene.wait()
    scene.says("role", "liaison", "eve")
    assert [(one.role, one.owner, one.text) for one in scene.tasks()] == [("liaison", "eve", "Call the bank")]
    with pytest.raises(LookupError, match=r"no role liason; did you mean .liaison"):
        scene.says("role", "liason", "eve")
    with pytest.raises(Refused, match="eve has the role liaison already"):
        scene.says("role", "liaison", "eve")
    with pytest.raises(Refused, match="nobody has the role scribe already"):
        scene.says("role", "scribe", "")


def test_tasks_are_ticked_off_and_may_be_open_again(scene: Triage) -> None:
    scene.take(critical())
    scene.wait()
    scene.says("role", "scribe", "ann")
    first = scene.tasks()[0].id
    done = scene.says("done", first, note="see the wiki")
    assert (done.done_by, done.done_s, done.note) == ("ann", scene.now_s, "see the wiki")
    with pytest.raises(Refused, match="is done already"):
        scene.says("done", first)
    scene.says("role", "scribe", "bob")
    assert [one.owner for one in scene.tasks()] == ["ann", "bob"]
    assert not scene.says("done", first, is_done=False).is_done
    with pytest.raises(LookupError, match="INC-1 has no task 999"):
        scene.says("done", 999)
    assert [text.split(":")[0] for text in scene.texts("task")] == ["done", "open again"]
    assert scene.now_s > START_S
