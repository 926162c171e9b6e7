"""What became of each page stands in the timeline, and a page that waits for its receiver wakes nobody in vain."""

from functools import partial

from pipeline.desk import settling
from pipeline.desk.database import Database
from pipeline.desk.incidents import people
from pipeline.desk.revival import revive
from pipeline.desk.rounds import bundle_stale
from tests.escalation.scene import START_S, Story, desk_of

ANN = "ann/opsgenie[0]"


def fails(story: Story, name: str, reason: str, *, for_good: bool = False) -> None:
    (delivery,) = story.claimed(name)
    now_s = story.now_s
    if for_good:
        story.db.write(partial(settling.given_up, delivery=delivery, fallback=(), reason=reason, now_s=now_s))
    else:
        again = partial(settling.postponed, delivery=delivery, due_s=now_s + 5, reason=reason, now_s=now_s)
        story.db.write(again)


def arrives(story: Story, name: str) -> None:
    (delivery,) = story.claimed(name)
    story.db.write(partial(settling.told, delivery=delivery, fallback=(), handle={}, now_s=story.now_s))


def test_the_timeline_says_who_has_the_page_and_who_has_not(db: Database) -> None:
    story = Story(db)
    story.at(0)
    fails(story, ANN, "answered 503")
    story.at(6)
    fails(story, ANN, "answered 503")
    story.at(12)
    arrives(story, ANN)
    story.at(300)
    fails(story, "bob/opsgenie[0]", "answered 404", for_good=True)
    arrives(story, "war-room/opsgenie[0]")
    story.does(people.acknowledge, "ann")
    story.at(301)
    arrives(story, "war-room/opsgenie[0]")
    said = [text for text in story.told("page") if "/" in text]
    assert said == [
        f"{ANN} hasn't taken the page yet: answered 503",
        f"{ANN} has the page",
        "bob/opsgenie[0] didn't get the page: answered 404",
        "war-room/opsgenie[0] has the page",
        "the page to ann/opsgenie[0] isn't sent any more: acknowledged by ann",  # the second
        "the page to bob/opsgenie[0] isn't sent any more: acknowledged by ann",
        "war-room/opsgenie[0] was told that it is acknowledged by ann",
    ]


def test_where_nobody_can_be_reached_the_next_step_comes_at_once(db: Database) -> None:
    story = Story(db)
    story.at(0)
    fails(story, ANN, "answered 401", for_good=True)
    story.at(1)
    assert {name for name, *_ in story.due()} == {"ann/opsgenie[0]", "bob/opsgenie[0]", "war-room/opsgenie[0]"}
    assert story.told("escalation") == [f"nobody could be reached by {ANN}: devops goes on at once"]
    fails(story, ANN, "answered 401", for_good=True)
    story.at(2)
    arrives(story, "bob/opsgenie[0]")
    story.at(600)
    assert story.due() == [("war-room/opsgenie[0]", "tell", "firing")]


def test_a_page_that_was_given_up_is_not_sent_after_all_once_somebody_has_it(db: Database) -> None:
    story = Story(db)
    story.at(0)
    fails(story, ANN, "down", for_good=True)
    story.does(people.acknowledge, "bob")
    story.at(10)
    assert story.db.write(partial(revive, integration=ANN, now_s=START_S + 20)) == 0


def test_a_page_that_was_given_up_is_sent_after_all_while_nobody_has_it(db: Database) -> None:
    story = Story(db)
    story.at(0)
    fails(story, ANN, "down", for_good=True)
    assert story.db.write(partial(revive, integration=ANN, now_s=START_S + 20)) == 1
    assert (ANN, "tell", "firing") in story.due()


def test_a_page_that_failed_is_followed_by_the_acknowledgement_alone(db: Database) -> None:
    """It was tried, so it may have arrived; but it isn't tried again for what somebody has."""
    story = Story(db)
    story.at(0)
    fails(story, ANN, "no answer")
    story.does(people.acknowledge, "bob")
    story.at(6)
    assert story.due() == [(ANN, "acknowledge", "firing")]


def test_a_page_from_before_a_long_stop_is_a_digest_and_the_step_of_now_a_page(db: Database) -> None:
    story = Story(db, desk_of(receivers={"ann": ("slack",)}))
    story.at(0)
    now_s = START_S + 7200
    assert db.write(partial(bundle_stale, desk=story.desk, now_s=now_s)) == 1
    story.at(7200)
    notes = [story.note(line) for line in story.lines() if line.status == "due"]
    assert sorted((note.group.kind, note.group.receiver) for note in notes) == [
        ("digest", "ann"),
        ("incident", "chief"),
    ]
    assert story.told("escalation") == ["devops: step 2 not paged: the desk stood still, 1 h 55 min late"]


def test_repeats_for_who_forgets_are_the_page_not_the_acknowledgement(db: Database) -> None:
    story = Story(db)
    story.at(0)
    story.sends()
    story.does(people.acknowledge, "ann")
    story.at(1)
    story.sends()
    (one,) = db.read(partial(settling.repeats, integration=ANN, now_s=story.now_s, resolved_for_s=900.0))
    assert (one.notification.says, one.notification.status) == ("tell", "firing")
