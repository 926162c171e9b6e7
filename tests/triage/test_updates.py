"""Stakeholders hear of an incident in time, whatever the clock does, and of its end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.lifecycle import Refused
from incidents.model import Incident
from incidents.tasks import Task
from incidents.updates import step
from pipeline.desk.database import Database
from schemas.response.triage import DEFAULT_TEMPLATES, UpdatePlan, UpdateRow
from tests.triage.scene import START_S, Triage, critical, desk_of

ROW = UpdateRow(3, 1800.0, ("status",), 900.0)
TITLE = "Latency with service=checkout"


@pytest.fixture
def scene(db: Database) -> Triage:
    made = Triage(db, desk_of(updates=UpdatePlan((ROW,), {**DEFAULT_TEMPLATES, "short": "{{ id }}: {{ text }}"})))
    made.take(critical())
    made.wait()
    return made


def test_the_first_is_due_after_opening_and_its_owner_is_reminded(scene: Triage) -> None:
    scene.says("role", "communication", "bob")
    opened_s = scene.only.opened_s
    scene.wait()
    (task,) = scene.tasks(kind="update")
    assert (task.due_s, task.owner, task.text) == (opened_s + 900.0, "bob", "tell status how it stands")
    scene.wait(898.0)
    assert scene.texts("task") == []
    scene.wait(1.0)
    text = "an update to status is due: stakeholders have heard nothing yet, 15 min after it was opened"
    assert scene.texts("task") == [f"{text}: bob is told by bob"]
    assert scene.heard("bob")[-1] == f"INC-1: {text}"
    for _ in range(30):
        scene.wait(60.0)
    assert len(scene.texts("task")) == 2
    assert scene.heard("status") == []


def test_an_update_goes_out_starts_the_clock_anew_and_ends_the_reminder(scene: Triage) -> None:
    scene.says("role", "communication", "bob")
    scene.wait(900.0)
    sent = scene.says("update", "We know the cause.", by="bob", receivers=("chief",))
    assert sent.told == ("status", "chief")
    assert scene.heard("status") == scene.heard("chief") == [f"INC-1, SEV3, open: {TITLE}"]
    (entry,) = [one for one in scene.entries() if one.what == "update"]
    assert entry.text.splitlines()[1] == "We know the cause."
    assert entry.text.splitlines()[2].startswith("Next update by ")
    assert (entry.by, entry.details["receivers"]) == ("bob", ["status", "chief"])
    assert scene.heard("bob")[-1] == "INC-1: done: tell status how it stands"
    scene.wait()
    waiting = [task for task in scene.tasks(kind="update") if not task.is_done]
    assert [task.due_s for task in waiting] == [(sent.done_s or 0.0) + 1800.0]


def test_the_last_one_comes_by_itself_to_whoever_was_told_that_it_is_not_over(scene: Triage) -> None:
    scene.says("update", "Looking.", receivers=("chief",))
    scene.wait(100.0)
    scene.do("resolve", 1)
    for _ in range(3):
        scene.wait(60.0)
    assert scene.heard("chief") == [f"INC-1, SEV3, open: {TITLE}", f"INC-1 is over: {TITLE}"]
    assert scene.heard("status")[-1] == f"INC-1 is over: {TITLE}"
    assert all(task.is_done for task in scene.tasks(kind="update"))
    written = [entry for entry in scene.entries() if entry.what == "update"]
    assert [entry.details["last"] for entry in written] == [False, True]
    assert "It lasted" in written[-1].text


def test_a_person_may_write_the_last_one(scene: Triage) -> None:
    scene.says("update", "Looking.")
    scene.do("resolve", 1)
    scene.says("update", "Rolled back v12.")
    scene.wait(60.0)
    assert len(scene.heard("status")) == 2
    assert scene.texts("update")[-1] == f"INC-1 is over: {TITLE}\nRolled back v12."


def test_whom_nobody_told_nobody_tells_its_end(scene: Triage) -> None:
    scene.do("resolve", 1)
    scene.wait(60.0)
    assert scene.heard("status") == []
    assert [(task.is_done, task.note) for task in scene.tasks(kind="update")] in ([], [(True, "it is over")])


def test_it_comes_back_and_is_told_again(scene: Triage) -> None:
    scene.says("update", "Looking.")
    scene.do("resolve", 1)
    scene.wait()
    scene.do("reopen", 1)
    scene.wait()
    (waiting,) = [task for task in scene.tasks(kind="update") if not task.is_done]
    assert waiting.due_s is not None
    scene.says("update", "It is back.")
    assert len(scene.heard("status")) == 3


def test_without_anybody_to_remind_an_alert_of_our_own_does(scene: Triage) -> None:
    scene.wait(900.0)
    assert scene.texts("task")[0].endswith("nobody can be told but by an alert of our own")
    scene.wait()
    assert any("an update to status is due" in text for text in scene.heard("ops"))
    scene.says("update", "Looking.")
    assert scene.only.severity == 3


def test_what_cant_be_sent_is_refused_with_what_would_do(scene: Triage) -> None:
    for wrong, given_, match in (
        (Refused, {"text": " "}, "without a text"),
        (LookupError, {"text": "x", "template": "shrt"}, "no template shrt; known here: resolved, short, update"),
        (LookupError, {"text": "x", "receivers": ("statsu",)}, "no receiver statsu; did you mean .status"),
    ):
        with pytest.raises(wrong, match=match):
            scene.says("update", given_.pop("text"), **given_)
    scene.says("severity", 5, note="a test")
    with pytest.raises(LookupError, match=r"nobody would hear it: SEV5 has no audience"):
        scene.says("update", "x")
    assert scene.says("update", "x", template="short", receivers=("chief",)).told == ("chief",)
    assert scene.texts("update") == ["INC-1: x"]


def test_a_template_that_fails_sends_nothing(db: Database) -> None:
    scene = Triage(db, desk_of(updates=UpdatePlan((ROW,), {"update": "{{ 1 / 0 }}"})))
    scene.take(critical())
    scene.wait()
    with pytest.raises(ValueError, match="template update: division by zero"):
        scene.says("update", "x")
    assert scene.heard("status") == []


@given(steps=st.lists(st.sampled_from([-3600.0, -60.0, 0.0, 1.0, 599.0, 1800.0, 7200.0, 86_400.0]), max_size=40))
def test_whatever_the_clock_does_reminders_keep_their_distance_and_never_stop(steps: list[float]) -> None:
    """A clock that steps back neither doubles reminders nor stops them for good."""
    incident = Incident(number=1, title="x", severity=2, opened_s=START_S, detected_s=START_S, updated_s=START_S)
    task: Task | None = None
    now_s, reminded = START_S, []
    for moved_s in steps:
        now_s += moved_s
        for _ in range(3):
            made = step(incident, ROW, [] if task is None else [task], now_s)
            if made.what == "plan":
                assert made.due_s == START_S + 900.0
                task = Task(id=1, incident=1, kind="update", text="x", created_s=now_s, due_s=made.due_s)
            elif made.what == "remind":
                assert task is not None
                task = Task(
                    id=1, incident=1, kind="update", text="x", created_s=now_s, due_s=task.due_s, reminded_s=now_s
                )
                reminded.append(now_s)
            else:
                assert made.what == "nothing"
                assert made.again_s is not None
                assert made.again_s > now_s
                break
    assert all(later - earlier >= ROW.every_s for earlier, later in pairwise(reminded))
    assert not reminded or min(reminded) >= START_S + 900.0
    if steps:
        top_s = max(START_S + 900.0, reminded[-1] + ROW.every_s if reminded else 0.0)
        assert step(incident, ROW, [task] if task else [], top_s).what in ("remind", "plan")
