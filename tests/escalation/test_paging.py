"""Steps become messages: to whom, once, in the order of what happened, and with every reason in the timeline."""

import contextlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.event import listen, remove

from alerting.noise.silences import Silence
from pipeline.desk import silences
from pipeline.desk.database import Database
from pipeline.desk.incidents import look, paging, people, store
from schemas.desk import Maintenance
from schemas.matchers import Matchers
from schemas.response.escalation import Policy, Step, Target
from tests.escalation.scene import POLICY, START_S, Story, desk_of

PAGE, ACK, UNACK = ("tell", "firing"), ("acknowledge", "firing"), ("unacknowledge", "firing")
END = ("tell", "resolved")


def whom(found: list[tuple[str, str, str]], what: tuple[str, str] = PAGE) -> list[str]:
    return sorted(name.partition("/")[0] for name, *rest in found if tuple(rest) == what)


def test_each_step_pages_whom_it_means_once(db: Database) -> None:
    story = Story(db)
    story.at(0)
    assert whom(story.sends()) == ["ann"]
    story.at(299)
    assert story.due() == []
    story.at(300)
    assert whom(story.sends()) == ["ann", "bob", "war-room"]  # ann by two targets is one page
    story.at(900)
    assert whom(story.sends()) == ["chief"]
    story.at(1200)
    assert story.sends() == []
    assert story.told("page") == [
        "step 1 of devops pages ann by ann",
        "step 2 of devops pages ann by ann; bob by bob; war-room",
        "step 3 of devops pages chief by chief",
    ]
    assert story.told("escalation") == ["nobody moved; the policy devops is at its end"]


def test_a_look_again_pages_nobody_again(db: Database) -> None:
    story = Story(db)
    for _ in range(3):
        story.at(0)
        story.changes(severity=2)
    assert len(story.lines()) == 1


def test_an_acknowledgement_reaches_who_was_paged_and_stops_what_was_not_sent(db: Database) -> None:
    story = Story(db)
    story.at(0)
    story.sends()
    story.at(300)
    story.sends("ann/opsgenie[0]", "war-room/opsgenie[0]")  # bob's waits
    story.does(people.acknowledge, "ann")
    story.at(301)
    assert story.due() == [("ann/opsgenie[0]", *ACK), ("war-room/opsgenie[0]", *ACK)]
    assert "the page to bob/opsgenie[0] isn't sent any more: acknowledged by ann" in story.told("page")
    story.sends()
    story.at(1500)
    assert story.due() == []


def test_a_page_that_is_being_sent_is_followed_by_the_acknowledgement(db: Database) -> None:
    story = Story(db)
    story.at(0)
    (page,) = story.claimed("ann/opsgenie[0]")
    story.does(people.acknowledge, "ann")
    story.at(1)
    assert len([line for line in story.lines() if line.status == "due"]) == 2
    assert page.notification.says == "tell"


def test_an_acknowledgement_that_expires_opens_the_incident_and_pages_from_the_first_step(db: Database) -> None:
    story = Story(db)
    story.at(0)
    story.sends()
    story.does(people.acknowledge, "ann")
    story.at(10)
    story.sends()
    story.at(1801)
    assert story.incident.state == "open"
    (line,) = [line for line in story.lines() if line.status == "due"]
    assert (line.integration, story.note(line).reason) == ("ann/opsgenie[0]", "taken_back")
    assert story.told("escalation")[-1] == "devops begins again: the acknowledgement by ann has expired"
    assert whom(story.sends()) == ["ann"]
    story.at(2101)
    assert whom(story.sends()) == ["ann", "bob", "war-room"]


def test_taken_back_whoever_was_told_of_it_hears_so(db: Database) -> None:
    story = Story(db, desk_of(replace(POLICY, steps=(replace(POLICY.steps[0], after_s=60.0),))))
    story.at(0)
    story.at(60)
    story.sends()
    story.does(people.acknowledge, "ann")
    story.at(61)
    story.sends()
    story.does(people.unacknowledge, "ann")
    story.at(70)
    assert story.due() == [("ann/opsgenie[0]", *UNACK)]
    story.sends()
    story.at(130)
    (line,) = [line for line in story.lines() if line.status == "due"]
    assert story.note(line).reason == "taken_back"


def test_the_end_reaches_everybody_who_was_paged_and_nobody_else(db: Database) -> None:
    story = Story(db)
    story.at(0)
    story.sends()
    story.at(300)
    story.sends("ann/opsgenie[0]", "bob/opsgenie[0]")
    story.does(people.resolve, "ann")
    story.at(301)
    assert whom(story.due(), END) == ["ann", "bob"]
    story.sends()
    for seconds in (302, 5000):
        story.at(seconds)
        assert story.due() == []


def test_reopened_it_pages_again_and_ends_again(db: Database) -> None:
    story = Story(db)
    story.at(0)
    story.sends()
    story.does(people.resolve, "ann")
    story.at(10)
    story.sends()
    story.does(people.reopen, "bob")
    story.at(20)
    assert whom(story.sends()) == ["ann"]
    story.does(people.resolve, "ann")
    story.at(30)
    assert whom(story.sends(), END) == ["ann"]


def test_planned_work_on_all_its_alerts_holds_pages_and_says_why(db: Database) -> None:
    planned = Maintenance("db-move", Matchers.parse('service="checkout"'), "2027-01-15T08:00", 600.0)
    story = Story(db, desk_of(maintenance=(planned,)))
    story.joins(service="checkout")
    story.at(0)
    assert story.due() == []
    assert story.told("escalation") == [
        "step 1 of devops waits: pages are held: planned work db-move until 2027-01-15 08:10 UTC"
    ]
    story.at(600)
    assert whom(story.sends()) == ["ann"]


def test_planned_work_on_some_of_its_alerts_holds_nothing(db: Database) -> None:
    planned = Maintenance("db-move", Matchers.parse('service="checkout"'), "2027-01-15T08:00", 600.0)
    story = Story(db, desk_of(maintenance=(planned,)))
    story.joins(service="checkout")
    story.joins(service="cart")
    story.at(0)
    assert whom(story.sends()) == ["ann"]


def test_escalated_to_a_team_its_policy_or_its_members_are_paged_with_the_reason(db: Database) -> None:
    story = Story(db)
    story.at(0)
    story.sends()
    story.does(people.acknowledge, "ann")
    story.at(10)
    story.sends()
    story.escalates("team:db", "scaling failed: 3 -> 5 refused")
    story.at(11)
    (line,) = [line for line in story.lines() if line.status == "due"]
    note = story.note(line)
    assert (line.integration, note.alerts[0].alert.why) == ("bob/opsgenie[0]", "scaling failed: 3 -> 5 refused")
    assert "escalated to team:db: scaling failed: 3 -> 5 refused" in story.told("escalation")
    assert story.incident.state == "acknowledged"


def test_escalated_to_what_nobody_knows_its_own_policy_pages(db: Database) -> None:
    story = Story(db)
    story.at(0)
    story.sends()
    story.escalates("team:gone", "it failed")
    story.at(11)
    assert whom(story.due()) == ["ann"]
    assert "can't be escalated to team:gone, which the config doesn't know: it failed" in story.told("escalation")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"policy": "", "team": ""}, "nobody is paged by a policy: it has no policy and no team"),
        ({"policy": "gone"}, "nobody is paged by a policy: no policy or target gone in the config"),
    ],
)
def test_an_incident_that_pages_nobody_says_so_once(db: Database, fields: dict[str, Any], why: str) -> None:
    story = Story(db, **fields)
    story.at(0)
    story.changes(severity=1)
    story.at(1)
    assert story.told("escalation") == [why]
    assert story.lines() == []


def test_without_a_policy_its_team_is_paged_and_a_pager_may_climb_by_itself(db: Database) -> None:
    story = Story(db, policy="", team="db")
    story.at(0)
    assert whom(story.sends()) == ["bob"]
    other = Story(db, policy="receiver:war-room")
    other.at(0)
    assert whom(other.sends()) == ["war-room"]


def test_another_policy_takes_over(db: Database) -> None:
    story = Story(db)
    story.at(0)
    story.sends()
    story.changes(policy="receiver:war-room")
    story.at(1)
    assert whom(story.sends()) == ["war-room"]
    assert story.told("escalation") == ["devops stops: it isn't the incident's policy any more, or not in the config"]


def test_merged_it_stops_and_who_was_paged_hears_where_it_went(db: Database) -> None:
    story = Story(db)
    story.at(0)
    story.sends()
    story.changes(merged_into=77, state="closed")
    story.at(300)
    (line,) = [line for line in story.lines() if line.status == "due"]
    assert story.note(line).alerts[0].alert.annotations["description"] == "merged into INC-77"


def test_who_has_no_receiver_is_said_and_the_next_step_comes_at_once(db: Database) -> None:
    policy = Policy("devops", (Step(0.0, (Target("schedule", "gone"),)), Step(300.0, (Target("person", "bob"),))))
    story = Story(db, desk_of(policy))
    story.at(0)
    assert whom(story.sends()) == ["bob"]
    assert story.told("escalation") == ["step 1 of devops pages nobody: nobody is meant by schedule:gone now"]


def test_a_page_has_a_link_for_its_one_reader(db: Database) -> None:
    story = Story(db)
    story.at(0)
    (line,) = story.lines()
    url = story.note(line).alerts[0].alert.annotations["acknowledge_url"]
    assert url.startswith("http://127.0.0.1:8470/links/")


class Crash(Exception):
    """The process is gone."""


def lived(story: Story, dies_at: int | None = None) -> tuple[list[str], list[tuple[str, str, str]], int]:
    """Some of an incident's life. dies_at: the statement of a look at which the first try of it dies, each look once.

    Returns the timeline, what was sent, and how many statements the longest look has.
    """
    count, most, is_armed = 0, 0, False

    def statement(*_: Any) -> None:
        nonlocal count
        count += 1
        if is_armed and count == dies_at:
            raise Crash

    engine = story.db.writer
    listen(engine, "before_cursor_execute", statement)
    sent: list[tuple[str, str, str]] = []
    acts = {310: people.acknowledge, 2200: people.resolve}
    for seconds in (0, 300, 310, 2111, 2200):
        if seconds in acts:
            story.now_s = START_S + seconds
            story.does(acts[seconds], "ann")
        count, is_armed = 0, True
        with contextlib.suppress(Crash):
            story.db.write(partial(look.look, desk=story.desk, number=story.number, now_s=START_S + seconds))
            most = max(most, count)
        is_armed = False
        story.at(seconds)
        story.at(seconds)
        sent += sorted(story.sends())
    remove(engine, "before_cursor_execute", statement)
    return story.told(), sent, most


def test_a_crash_at_any_statement_of_a_look_loses_and_doubles_nothing(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/desk.db")
    told, sent, statements = lived(Story(database))
    assert [name.partition("/")[0] for name, *what in sent if what == ["tell", "firing"]] == [
        "ann", "ann", "bob", "war-room", "ann",
    ]  # fmt: skip
    assert statements > 20
    for dies_at in range(1, statements + 1, 3):
        assert lived(Story(database), dies_at)[:2] == (told, sent), dies_at
    database.close()


def test_neither_a_silence_nor_a_storm_swallows_a_page(db: Database) -> None:
    stories = [Story(db) for _ in range(6)]
    silence = Silence(
        "00000000-0000-4000-8000-000000000000",
        Matchers.parse('alertname=~".*"'),
        starts_at_s=START_S - 1,
        ends_at_s=START_S + 9e5,
        created_by="ann",
        comment="all of it",
        updated_at_s=START_S - 1,
    )
    db.write(lambda conn: silences.put(conn, silence))
    for story in stories:
        story.at(0)
    assert whom(stories[0].sends()) == ["ann"] * 6


def test_courses_are_kept_as_they_are(db: Database) -> None:
    story = Story(db)
    story.at(0)
    (course,) = db.read(lambda conn: paging.courses(conn, story.number))
    assert (course.policy, course.step, course.next_s) == ("devops", 1, START_S + 300)
    assert db.read(store.next_look_s) == START_S + 300
