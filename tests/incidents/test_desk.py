"""Incidents in the desk's database: alerts come, time passes, people act, and each is in one place at a time."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection, func, select

from incidents.timeline import broken_at
from pipeline.desk import acks, keep, log, tables
from pipeline.desk.database import Database
from pipeline.desk.incidents import people
from schemas.alert import AlertEvent
from schemas.desk import Dependency, Desk
from schemas.levels import LevelName
from schemas.response.escalation import EscalationPlan, Policy
from schemas.response.oncall import OnCallPlan, Team
from tests.incidents.scene import START_S, Scene, desk_with, event, rule

SHOP = desk_with(rule(by=("service",)), plan={"resolve_after_s": 60.0, "reopen_within_s": 600.0})


@pytest.fixture
def scene(db: Database) -> Scene:
    return Scene(db, SHOP)


def critical(name: str, seq: int = 0, service: str = "checkout", **fields: Any) -> AlertEvent:
    return event(name, seq=seq, level="critical", service=service, **fields)


def over(name: str, seq: int = 1, service: str = "checkout", starts_s: float = START_S) -> AlertEvent:
    return event(name, seq=seq, level=None, previous="critical", service=service, starts_s=starts_s)


def test_an_incident_from_the_first_alert_to_its_end_and_back(scene: Scene) -> None:
    scene.take(critical("a"))
    scene.wait()
    assert (scene.state, scene.only.service, scene.only.rule) == ("open", "checkout", "shop")
    scene.take(critical("b"))
    scene.wait(2.0)
    assert [part.labels["series"] for part in scene.parts()] == ["a", "b"]
    scene.do("acknowledge", 1, comment="looking")
    scene.take(over("a"))
    scene.wait()
    assert scene.state == "acknowledged"
    scene.take(over("b"))
    scene.wait()
    assert scene.state == "mitigated"
    scene.wait(60.0)
    assert scene.state == "resolved"
    scene.take(critical("a", starts_s=START_S + 65.0))
    scene.wait()
    assert (scene.state, scene.only.reopened_s) == ("open", scene.now_s)
    told = [entry.what for entry in scene.entries() if entry.what in ("opened", "joined", "state", "alert")]
    assert told == ["opened", "joined", "joined", "state", "alert", "alert", "state", "state", "joined", "state"]
    assert broken_at(scene.entries()) is None


def test_without_rules_there_are_no_incidents(db: Database) -> None:
    scene = Scene(db, desk_with())
    scene.take(critical("a"))
    scene.wait(5.0)
    assert scene.incidents == []


def test_an_alert_that_nobody_is_told_of_opens_none(scene: Scene) -> None:
    scene.take(critical("a"), over("a"))
    scene.wait(5.0)
    assert scene.incidents == []


def test_a_rise_to_the_rules_level_opens_one(scene: Scene) -> None:
    scene.take(event("a", service="checkout"))
    scene.wait()
    assert scene.incidents == []
    scene.take(critical("a", seq=1))
    scene.wait()
    assert scene.only.detected_s == START_S


def test_every_transition_between_two_looks_stands_in_the_timeline(scene: Scene) -> None:
    scene.take(critical("a"))
    scene.wait()
    falls = event("a", seq=1, level="warning", previous="critical", service="checkout")
    rises = critical("a", seq=2, previous="warning")
    scene.take(falls, rises, event("a", seq=3, level="info", previous="critical", service="checkout"))
    scene.wait()
    texts = [line for line in scene.told() if line.startswith("alert")]
    assert [text.split("} ")[1].split(":")[0] for text in texts] == [
        "fell from critical to warning", "rose from warning to critical", "fell from critical to info"
    ]  # fmt: skip
    (part,) = scene.parts()
    assert (part.level, part.worst, part.value, part.is_firing) == ("info", "critical", 3.0, True)


def test_an_alert_that_gets_worse_than_ever_opens_what_a_person_had_resolved(db: Database) -> None:
    scene = Scene(db, desk_with(rule(level="warning")))
    scene.take(event("a", service="checkout"))
    scene.wait()
    scene.do("resolve", 1)
    scene.take(critical("a", seq=1, previous="warning"))
    scene.wait()
    assert scene.state == "open"


def test_a_repeat_a_replay_and_a_restart_open_no_second_one(tmp_path: Path) -> None:
    story = [critical("a"), critical("b"), over("a"), over("b")]
    scene = Scene.on_file(tmp_path, SHOP)
    for step in story:
        scene.take(step)
        scene.wait()
    scene.wait(100.0)
    assert scene.state == "resolved"
    before = (scene.only, scene.entries())
    scene.db.close()
    again = Scene.on_file(tmp_path, SHOP)
    again.now_s = scene.now_s + 1.0
    again.take(*story)
    again.wait(3600.0)
    assert (again.only, again.entries()) == before
    again.take(critical("c"))
    again.wait(1.0)
    again.wait(5000.0)  # repeats
    again.wait(5000.0)
    assert len(again.incidents) == 2
    assert len(again.parts(2)) == 1
    again.db.close()


def test_a_dependent_services_alert_joins_and_a_later_cause_is_named(db: Database) -> None:
    of = desk_with(rule(level="warning"), dependencies=[Dependency("checkout", ("database",))])
    scene = Scene(db, of)
    scene.take(event("db", service="database"))
    scene.wait()
    scene.take(event("a", service="checkout"))
    scene.wait()
    assert len(scene.parts(1)) == 2
    assert "checkout -> database" in scene.told()[-1]
    assert len(scene.incidents) == 1


def test_several_alerts_are_waited_for_and_explain_says_so(db: Database) -> None:
    scene = Scene(db, desk_with(rule(alerts_min=3, by=())))
    first = critical("a")
    scene.take(first, critical("b", service="search"))
    scene.wait()
    assert scene.incidents == []
    said = [one.text for one in db.read(lambda conn: log.of(conn, episode=first.id)) if one.what == "incident"]
    assert said == ["no incident yet: 1 of the 3 alerts that rule shop wants"]
    scene.take(critical("c"))
    scene.wait()
    assert len(scene.parts()) == 3
    said = [one.text for one in db.read(lambda conn: log.of(conn, episode=first.id)) if one.what == "incident"]
    assert said[-1].startswith("INC-1 opened by rule shop: 3 alerts at critical or above")


def test_the_teams_policy_is_the_incidents(db: Database) -> None:
    of = desk_with(rule(team="devops"))
    teams = OnCallPlan(teams={"devops": Team("devops", policy="pager")})
    policies = EscalationPlan({"pager": Policy("pager", ())})
    scene = Scene(db, _responding(of, oncall=teams, escalation=policies))
    scene.take(critical("a"))
    scene.wait()
    assert (scene.only.team, scene.only.policy) == ("devops", "pager")
    with pytest.raises(ValueError, match='no policy "pagre"; did you mean "pager"'):
        scene.do("edit", 1, policy="pagre")


def test_an_acknowledged_incident_acknowledges_its_alerts_and_those_that_join(scene: Scene) -> None:
    first, second = critical("a"), critical("b")
    scene.take(first)
    scene.wait()
    scene.do("acknowledge", 1)
    assert _acked(scene) == {first.id}
    scene.take(second)
    scene.wait()
    assert _acked(scene) == {first.id, second.id}
    scene.do("unacknowledge", 1)
    assert _acked(scene) == set()
    assert scene.state == "open"


def test_whoever_acknowledges_an_alert_has_its_incident(scene: Scene) -> None:
    first, second = critical("a"), critical("b")
    scene.take(first, second)
    scene.wait()
    until_s = scene.now_s + 50.0

    def acknowledge(conn: Connection) -> acks.Ack:
        return people.acknowledge_alert(conn, SHOP, first.id, "bob", scene.now_s, until_s=until_s)

    scene.db.write(acknowledge)
    assert (scene.state, scene.only.acknowledged_by) == ("acknowledged", "bob")
    assert _acked(scene) == {first.id, second.id}


def test_merging_moves_all_alerts_and_closes_the_first(scene: Scene) -> None:
    scene.take(critical("a"), critical("b", service="search"))
    scene.wait()
    one, two = scene.incidents
    scene.do("acknowledge", two.number)
    kept = scene.do("merge", one.number, into=two.number, comment="the same")
    assert (kept.number, kept.state, kept.detected_s) == (two.number, "acknowledged", START_S)
    assert scene.parts(one.number) == []
    assert len(scene.parts(two.number)) == 2
    gone = scene.incidents[0]
    assert (gone.state, gone.merged_into) == ("closed", two.number)
    assert len(_acked(scene)) == 2
    with pytest.raises(people.Refused, match=f"INC-{one.number} is closed, merged into INC-{two.number}"):
        scene.do("reopen", one.number)
    with pytest.raises(people.Refused, match="into itself"):
        scene.do("merge", two.number, into=two.number)
    scene.take(over("a"), over("b", service="search"))
    scene.wait()
    assert [one.state for one in scene.incidents] == ["closed", "mitigated"]
    scene.take(critical("a", service=gone.service, starts_s=START_S + 50.0))
    scene.wait()
    assert len(scene.incidents) == 2
    assert [one.state for one in scene.incidents] == ["closed", "acknowledged"]


def test_splitting_gives_alerts_an_incident_of_their_own_and_merging_brings_them_back(scene: Scene) -> None:
    second = critical("b")
    scene.take(critical("a"), second)
    scene.wait()
    made = scene.do("split", 1, alert_ids=[second.id])
    assert [part.labels["series"] for part in scene.parts(made.number)] == ["b"]
    assert [part.labels["series"] for part in scene.parts(1)] == ["a"]
    assert scene.told(made.number)[0].startswith("split: split off INC-1")
    with pytest.raises(people.Refused, match="not all"):
        scene.do("split", 1, alert_ids=[scene.parts(1)[0].episode])
    with pytest.raises(LookupError, match="INC-1 has no alert"):
        scene.do("split", 1, alert_ids=[second.id])
    scene.do("merge", made.number, into=1)
    assert len(scene.parts(1)) == 2


def test_one_opened_by_hand_waits_for_people(scene: Scene) -> None:
    scene.take(event("x", service="other"))
    scene.wait()
    made = scene.do("open_by_hand", 0, title=" odd ", alert_ids=[event("x", service="other").id])
    assert (made.title, made.service, made.opened_by, made.rule) == ("odd", "other", "ann", "")
    with pytest.raises(people.Refused, match="is in INC-1"):
        scene.do("open_by_hand", 0, title="again", alert_ids=[event("x", service="other").id])
    empty = scene.do("open_by_hand", 0, title="nothing measured")
    scene.wait(100_000.0)
    assert [one.state for one in scene.incidents] == ["open", "open"]
    assert empty.id == "INC-2"


def test_acts_are_refused_with_the_tables_reason_and_change_nothing(scene: Scene) -> None:
    scene.take(critical("a"))
    scene.wait()
    before = (scene.only, scene.entries())
    with pytest.raises(people.Refused, match="INC-1 is open: it isn't resolved; resolve it first"):
        scene.do("close", 1)
    with pytest.raises(LookupError, match="no incident INC-9"):
        scene.do("acknowledge", 9)
    assert (scene.only, scene.entries()) == before


def test_only_the_config_closes_by_itself(db: Database) -> None:
    scene = Scene(db, desk_with(rule(), plan={"resolve_after_s": 10.0, "close_after_s": 100.0}))
    scene.take(critical("a"), over("a", seq=5))
    scene.take(critical("b"))
    scene.wait()
    scene.take(over("b"))
    for seconds, state in (
        (1.0, "mitigated"),
        (9.0, "mitigated"),
        (1.0, "resolved"),
        (99.0, "resolved"),
        (1.0, "closed"),
    ):
        scene.wait(seconds)
        assert scene.state == state


def test_what_is_over_goes_with_everything_of_its_own_and_what_isnt_stays(scene: Scene) -> None:
    scene.take(critical("a"), critical("b", service="search"))
    scene.wait()
    scene.do("resolve", 1)
    later_s = scene.now_s + 91 * 86_400.0
    keep.forget(scene.db, 90.0, later_s)
    assert [one.number for one in scene.incidents] == [2]

    def rows(conn: Connection) -> list[int]:
        counted = (tables.parts, tables.timeline)
        return [conn.execute(select(func.count()).where(t.c.incident == 1)).scalar_one() for t in counted]

    assert scene.db.read(rows) == [0, 0]
    assert scene.parts(2)


def test_a_changed_entry_is_found(scene: Scene) -> None:
    scene.take(critical("a"))
    scene.wait()
    scene.do("comment", 1, comment="all well")
    changed = scene.entries()
    changed[-1] = replace(changed[-1], text="all bad")
    assert broken_at(changed) == len(changed) - 1
    assert broken_at(scene.entries()) is None


@settings(max_examples=10)
@given(
    steps=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["critical", "warning", None])), max_size=12),
    cuts=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_the_same_stream_cut_otherwise_gives_the_same_incidents(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, LevelName | None]], cuts: list[bool]
) -> None:
    stream, seqs = [], dict.fromkeys("abc", -1)
    for name, level in steps:
        if level is None and seqs[name] < 0:
            continue
        seqs[name] += 1
        stream.append(event(name, seq=seqs[name], level=level, service="checkout"))
    found = []
    for is_cut in (False, True):
        scene = Scene.on_file(tmp_path_factory.mktemp("cut"), desk_with(rule(level="warning")))
        batch: list[AlertEvent] = []
        for one, cut in zip(stream, cuts, strict=False):
            batch.append(one)
            if cut and is_cut:
                scene.take(*batch)
                batch = []
        scene.take(*batch)
        scene.wait(1.0)
        scene.wait(1.0)
        found.append(
            ([replace(one, version=0) for one in scene.incidents], [scene.told(i.number) for i in scene.incidents])
        )
        scene.db.close()
    assert found[0] == found[1]


def _acked(scene: Scene) -> set[str]:
    return set(scene.db.read(lambda conn: acks.acknowledged(conn, scene.now_s)))


def _responding(of: Desk, **parts: Any) -> Desk:
    return dataclasses.replace(of, response=dataclasses.replace(of.response, **parts))
