"""From an alert to an act to what came of it, through the desk's own rounds."""

from dataclasses import replace

import pytest

from alerting.noise.silences import Silence
from pipeline.desk import silences
from pipeline.desk.automation import people
from pipeline.desk.automation.people import NotNow
from pipeline.desk.database import Database
from schemas.calls import Refused, Retry
from schemas.matchers import Matchers
from tests.automation.conftest import Paged
from tests.automation.scene import ASK, CHANGE, READ, UNDO, Means, World, rule


def test_it_is_done_once_verified_and_told(db: Database, paged: Paged) -> None:
    world = World(db)
    world.fire()
    world.tick()
    assert world.states() == ["verifying"]
    assert [incident.opened_by for incident in world.incidents()] == ["automation"]
    world.now_s += 60
    world.change("a", None)
    world.tick()
    assert world.states() == ["verified"]
    assert world.hands.calls == [READ, READ, CHANGE]
    assert len(world.hands.changes) == 1
    assert paged == []
    assert world.lines()[0].startswith("mend on shop: will be done")
    assert world.lines()[-1] == "mend on shop: it helped: the alert has ended"


def test_what_does_not_help_is_tried_again_then_taken_back_and_people_are_paged(db: Database, paged: Paged) -> None:
    world = World(db, rule(attempts=2, settings=Means(can_undo=True), cooldown_s=0.0, verify_within_s=100.0))
    world.fire()
    world.tick()
    world.tick(101)
    assert world.states() == ["retried", "held"]
    world.tick(60)
    assert world.states() == ["retried", "verifying"]
    world.tick(101)
    world.tick()
    assert world.states() == ["retried", "escalated"]
    assert [act for act, _ in world.hands.changes] == world.hands.undone[::-1]
    ((number, whom, why),) = paged
    assert (number, whom) == (1, "team:devops")
    assert "attempt 1: did it; " in why
    assert "attempt 2: did it; took it back; took it back" in why


def test_a_level_that_fell_is_not_taken_back(db: Database, paged: Paged) -> None:
    world = World(db, rule(settings=Means(can_undo=True), verify_within_s=100.0))
    world.fire()
    world.tick()
    world.change("a", "warning")
    world.tick(101)
    assert world.states() == ["escalated"]
    assert world.hands.undone == []
    assert len(paged) == 1


def test_a_refusal_by_the_other_side_pages_at_once_and_is_not_tried_again(db: Database, paged: Paged) -> None:
    world = World(db, rule(attempts=3))
    world.hands.raises[READ] = Refused("403: may not")
    world.fire()
    world.tick()
    assert world.states() == ["escalated"]
    assert world.hands.changes == []
    assert "403: may not" in paged[0][2]


def test_a_lost_reply_is_asked_about_and_not_done_again(db: Database, paged: Paged) -> None:
    world = World(db)
    world.hands.lost[CHANGE] = Retry("no reply")
    world.fire()
    world.tick()
    world.tick()
    assert world.states() == ["verifying"]
    assert world.hands.calls == [READ, READ, CHANGE, ASK]
    assert len(world.hands.changes) == 1


def test_what_surely_was_not_done_may_be_tried_again(db: Database, paged: Paged) -> None:
    world = World(db, rule(attempts=2, cooldown_s=0.0, back_off_s=10.0))
    world.hands.raises[CHANGE] = Retry("no reply")
    world.fire()
    world.tick()
    world.tick()
    assert world.states() == ["retried", "held"]
    del world.hands.raises[CHANGE]
    world.tick(11)
    assert world.states() == ["retried", "verifying"]
    assert len(world.hands.changes) == 1


def test_where_nobody_can_ask_the_metric_tells_and_it_is_never_tried_again(db: Database, paged: Paged) -> None:
    world = World(db, rule(attempts=3, settings=Means(can_ask=False), verify_within_s=100.0))
    world.hands.lost[CHANGE] = Retry("no reply")
    world.fire()
    world.tick()
    world.tick()
    assert world.states() == ["verifying"]
    world.tick(101)
    assert world.states() == ["escalated"]
    assert len(world.hands.changes) == 1
    assert len(paged) == 1


def test_a_person_says_yes_once(db: Database, paged: Paged) -> None:
    world = World(db, rule(mode="suggest"))
    world.fire()
    world.tick()
    (act,) = world.acts()
    assert act.state == "suggested"
    assert world.hands.calls == []
    db.write(lambda conn: people.approve(conn, act.id[:8], "ann", world.now_s))
    with pytest.raises(NotNow, match="it is approved"):
        db.write(lambda conn: people.approve(conn, act.id, "bob", world.now_s))
    world.tick()
    world.tick()
    assert world.states() == ["verifying"]
    assert len(world.hands.changes) == 1
    assert "mend on shop: approved by ann" in world.lines()


def test_a_suggestion_that_nobody_takes_up_expires_and_is_not_made_again(db: Database) -> None:
    world = World(db, rule(mode="suggest", approve_within_s=60.0))
    world.fire()
    world.tick()
    world.tick(61)
    world.tick(61)
    assert world.states() == ["expired"]
    (act,) = world.acts()
    with pytest.raises(NotNow):
        db.write(lambda conn: people.approve(conn, act.id, "ann", world.now_s))


def test_a_no_is_a_no(db: Database) -> None:
    world = World(db, rule(mode="suggest"))
    world.fire()
    world.tick()
    db.write(lambda conn: people.reject(conn, world.acts()[0].id, "ann", world.now_s, comment="it is us"))
    world.tick(100)
    assert world.states() == ["rejected"]
    assert world.hands.calls == []


def test_a_dry_run_only_reads(db: Database, paged: Paged) -> None:
    world = World(db, rule(mode="dry_run"))
    world.fire()
    world.tick()
    assert world.states() == ["dry_run"]
    assert world.hands.calls == [READ]
    assert world.lines()[-1] == "mend on shop: dry run: would do it"
    world.tick(1000)
    assert world.hands.calls == [READ]
    assert paged == []


def test_the_plan_holds_a_remedy_to_less(db: Database) -> None:
    world = World(db, rule(mode="auto"), mode="suggest")
    world.fire()
    world.tick()
    assert world.states() == ["suggested"]


def test_off_does_nothing_and_opens_nothing(db: Database) -> None:
    world = World(db, rule(mode="auto"), mode="off")
    world.fire()
    world.tick()
    assert world.acts() == []
    assert world.incidents() == []


def test_paused_nothing_is_done_until_somebody_resumes(db: Database) -> None:
    world = World(db)
    db.write(lambda conn: people.pause(conn, "ann", world.now_s, comment="racks move"))
    world.fire()
    world.tick()
    assert world.states() == ["held"]
    assert world.hands.calls == []
    assert "paused by ann" in world.lines()[-1]
    assert db.write(lambda conn: people.resume(conn, "bob", world.now_s))
    world.tick(11)
    assert world.states() == ["verifying"]


def test_a_pause_in_the_middle_stops_before_the_next_call(db: Database, paged: Paged) -> None:
    world = World(db)

    def pause_at_the_look(name: str) -> None:
        if world.hands.calls == [READ, READ]:
            db.write(lambda conn: people.pause(conn, "ann", world.now_s))

    world.hands.on_call = pause_at_the_look
    world.fire()
    world.tick()
    assert CHANGE not in world.hands.calls
    world.tick()
    assert world.states() == ["escalated"]
    assert "stopped in the middle" in paged[0][2]


def test_while_paused_nothing_is_taken_back_and_people_are_told_so(db: Database, paged: Paged) -> None:
    world = World(db, rule(settings=Means(can_undo=True), verify_within_s=100.0))
    world.fire()
    world.tick()
    db.write(lambda conn: people.pause(conn, "ann", world.now_s))
    world.tick(101)
    assert world.states() == ["escalated"]
    assert UNDO not in world.hands.calls
    assert "not taken back: automation is paused by ann" in paged[0][2]


def test_more_targets_than_a_storm_allows_page_once_and_touch_nothing(db: Database, paged: Paged) -> None:
    world = World(db)
    for number in range(6):
        world.fire(f"a{number}", service=f"s{number}")
    world.tick()
    assert world.hands.calls == []
    assert world.states() == ["escalated"] * 6
    assert len(paged) == 1
    assert len(world.incidents()) == 1
    assert "6 different targets" in paged[0][2]


def test_the_limit_on_a_target_pages(db: Database, paged: Paged) -> None:
    world = World(db, rule(cooldown_s=0.0, settle_s=1.0, limit=replace(rule().limit, count=2)))
    for _ in range(2):
        world.fire()
        world.tick()
        world.tick(10)
        world.change("a", None)
        world.tick()
    assert world.states() == ["verified", "verified"]
    world.fire()
    world.tick()
    assert world.states() == ["verified", "verified", "escalated"]
    assert len(world.hands.changes) == 2
    assert "was done 2 times" in paged[0][2]


def test_hostile_labels_are_refused(db: Database, paged: Paged) -> None:
    world = World(db)
    world.fire(service="--all; rm -rf /")
    world.tick()
    world.tick()
    assert world.states() == ["refused"]
    assert world.hands.calls == []


def test_a_remedy_that_helps_again_and_again_masks_a_fault(db: Database, paged: Paged) -> None:
    world = World(db, rule(cooldown_s=0.0, settle_s=1.0, limit=replace(rule().limit, count=99)))
    for _ in range(5):
        world.fire()
        world.tick()
        world.tick(10)
        world.change("a", None)
        world.tick()
    assert world.states() == ["verified"] * 5
    assert sum(act.is_masking for act in world.acts()) == 1


def test_an_alert_that_a_silence_holds_back_opens_nothing_and_does_nothing(db: Database) -> None:
    world = World(db)
    silence = Silence("s", Matchers.parse("service=shop"), world.now_s - 1, world.now_s + 100, "ann", "x", world.now_s)
    db.write(lambda conn: silences.put(conn, silence))
    world.fire()
    world.tick()
    assert (world.acts(), world.incidents()) == ([], [])
    world.tick(101)
    assert world.states() == ["verifying"]
