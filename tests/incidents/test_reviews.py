"""A review is there when an incident is over, half written; what a person wrote stays; what is to be done reminds."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from alerting.alert import Notification
from incidents import review, timeline
from incidents.lifecycle import Refused
from incidents.model import STATES, Incident
from incidents.review import Review, items, sent_back, step, whole
from incidents.tasks import Task
from pipeline.desk import tables
from pipeline.desk.incidents import reviewing, reviews, triaging
from schemas.alert import AlertEvent, Evidence
from schemas.desk import Desk
from schemas.response.oncall import OnCallPlan, Person
from tests.desk.scene import told as messages
from tests.incidents.scene import START_S, Scene, desk_with, event, rule

HOUR_S = 3600.0


def with_people(of: Desk) -> Desk:
    people = {name: Person(name, ("pager",)) for name in ("ann", "bob")}
    return replace(of, response=replace(of.response, oncall=OnCallPlan(people=people)))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene.on_file(tmp_path, with_people(desk_with(rule(level="warning"))))
    yield made
    made.db.close()


def failing(seq: int, value: float, *, ended: bool = False) -> AlertEvent:
    made = event(
        "a", seq=seq, level=None if ended else "critical", previous="critical" if seq else None, service="checkout",
        metric="http_error_ratio", starts_s=START_S - 30,
    )  # fmt: skip
    times = [START_S - 60 + 10 * n + 100 * seq for n in range(6)]
    return msgspec.structs.replace(made, value=value, evidence=Evidence(times, [value * n / 5 for n in range(6)]))


def over(scene: Scene) -> Incident:
    scene.take(failing(0, 0.12))
    scene.wait()
    scene.wait(60)
    scene.do("acknowledge", 1)
    scene.wait(60)
    scene.take(failing(1, 0.001, ended=True))
    scene.wait()
    scene.wait(60)
    scene.do("resolve", 1)
    scene.wait()
    return scene.only


def newest(scene: Scene) -> Review:
    found = scene.db.read(lambda conn: reviews.newest(conn, 1))
    assert found is not None
    return found


def write(scene: Scene, text: str, by: str = "ann", version: int | None = None) -> Review:
    return scene.db.write(lambda conn: reviewing.written(conn, scene.desk, 1, text, by, scene.now_s, version=version))


def test_an_incident_that_is_over_has_a_draft_with_its_numbers(scene: Scene) -> None:
    incident = over(scene)
    assert incident.state == "resolved"
    draft = newest(scene)
    assert (draft.version, draft.by) == (1, "")
    assert draft.text.count("\n## ") == review.TEMPLATE.count("\n## ")
    for told in (
        "SEV",
        "12% at worst",
        "Acknowledged (MTTA) | 1 min |",
        "acknowledged by ann",
        "Detected (MTTD) | 31 s",
    ):
        assert told in draft.text
    (chart,) = draft.charts
    assert len(chart.t) == 12, "both events' points, each once"
    assert "![" in draft.text
    assert [entry.what for entry in scene.entries()].count("review") == 1
    assert timeline.broken_at(scene.entries()) is None


def test_an_incident_that_is_not_over_has_none_but_can_be_asked_for_a_draft(scene: Scene) -> None:
    scene.take(failing(0, 0.12))
    scene.wait()
    assert scene.db.read(lambda conn: reviews.newest(conn, 1)) is None
    draft = scene.db.read(lambda conn: reviewing.drafted(conn, scene.desk, 1, scene.now_s))
    assert "Nobody said that they were on it" in draft.text
    with pytest.raises(LookupError):
        scene.db.read(lambda conn: reviewing.drafted(conn, scene.desk, 9, scene.now_s))


def test_a_draft_follows_what_is_still_learnt_until_a_person_writes(scene: Scene) -> None:
    over(scene)
    scene.do("comment", 1, comment="it was the cache")
    scene.wait()
    assert "it was the cache" in newest(scene).text
    assert newest(scene).version == 1
    mine = write(scene, "# Mine\n")
    scene.do("comment", 1, comment="and the disk")
    scene.wait()
    assert newest(scene) == mine
    assert (mine.version, mine.by, mine.text) == (2, "ann", "# Mine\n")


def test_what_a_person_wrote_survives_a_reopening_and_that_is_said_once(scene: Scene) -> None:
    over(scene)
    write(scene, "# Mine\n")
    scene.do("reopen", 1)
    scene.wait(60)
    scene.do("resolve", 1)
    for _ in range(3):
        scene.wait(60)
    assert newest(scene).text == "# Mine\n"
    said = [entry for entry in scene.entries() if entry.what == "review" and entry.details.get("kept")]
    assert len(said) == 1
    assert "that ann wrote (version 2) is kept" in said[0].text


def test_a_draft_of_an_incident_that_was_open_again_is_made_anew(scene: Scene) -> None:
    over(scene)
    scene.do("reopen", 1)
    scene.wait(60)
    scene.do("resolve", 1)
    scene.wait()
    assert newest(scene).version == 2
    assert "It was thought to be over when it wasn't" in newest(scene).text


def test_every_version_is_kept_and_named_in_the_timeline(scene: Scene) -> None:
    over(scene)
    write(scene, "one")
    write(scene, "two", by="bob")
    assert write(scene, "two", by="bob").version == 3, "the same again is no version"
    found = scene.db.read(lambda conn: reviews.versions(conn, 1))
    assert [(one.version, one.by, one.text[:3]) for one in found[1:]] == [(2, "ann", "one"), (3, "bob", "two")]
    logged = [entry for entry in scene.entries() if entry.what == "review"]
    assert [entry.details["version"] for entry in logged] == [1, 2, 3]
    assert logged[-1].by == "bob"


def test_nobody_overwrites_what_they_have_not_seen(scene: Scene) -> None:
    over(scene)
    draft = newest(scene)
    write(scene, whole(draft, []) + "mine\n")
    with pytest.raises(Refused, match="version 2 of its review, by ann, and this was made from version 1"):
        write(scene, whole(draft, []) + "other\n", by="bob")
    with pytest.raises(ValueError, match="must not be empty"):
        write(scene, " \n")
    with pytest.raises(ValueError, match="at most 200,000 characters"):
        write(scene, "x" * 200_001)


def test_an_action_item_reminds_its_owner_until_it_is_done(scene: Scene) -> None:
    over(scene)
    due_s = scene.now_s + HOUR_S
    task = scene.db.write(
        lambda conn: reviewing.action(conn, scene.desk, 1, "add a limit", "ann", scene.now_s, owner="bob", due_s=due_s)
    )
    scene.wait()
    before = len(told_of_tasks(scene))
    scene.wait(HOUR_S)
    (reminder,) = told_of_tasks(scene)[before:]
    assert reminder.group.receiver == "pager"
    assert "add a limit" in str(reminder.alerts[0].alert.annotations)
    scene.wait(24 * HOUR_S)
    assert len(told_of_tasks(scene)) == before + 2
    scene.db.write(lambda conn: triaging.done(conn, scene.desk, 1, task.id, "bob", scene.now_s))
    scene.wait(24 * HOUR_S)
    assert len(told_of_tasks(scene)) == before + 3, "that it is done"
    scene.wait(72 * HOUR_S)
    assert len(told_of_tasks(scene)) == before + 3


def told_of_tasks(scene: Scene) -> list[Notification]:
    return [note for note in scene.db.read(messages) if "/task/" in note.group.key]


def test_figures_count_what_nobody_did_anything_about(scene: Scene) -> None:
    scene.desk = with_people(desk_with(rule(level="warning"), plan={"resolve_after_s": 60.0}))
    scene.take(failing(0, 0.12))
    scene.wait()
    scene.take(failing(1, 0.0, ended=True))
    for _ in range(3):
        scene.wait(61)
    page = {"incident": 1, "receiver": "pager", "person": "ann", "key": "k", "at_s": START_S, "body": b"{}"}
    scene.db.write(lambda conn: conn.execute(insert(tables.pages).values(page)))
    found = scene.db.read(lambda conn: reviews.figures_of(conn, scene.desk, START_S - 1, scene.now_s))
    assert (found.noise.over, found.noise.unattended, found.noise.share) == (1, 1, 1.0)
    assert [(one.person, one.pages) for one in found.load] == [("ann", 1)]
    scene.do("comment", 1, comment="it was a test")
    found = scene.db.read(lambda conn: reviews.figures_of(conn, scene.desk, START_S - 1, scene.now_s))
    assert found.noise.unattended == 0


def test_a_template_of_the_config_is_used_and_its_unknown_places_stay(scene: Scene) -> None:
    scene.desk = replace(scene.desk, templates={"etc/review.md": "{{title}}\n\n{{ impact }}\n{{ nothing }}\n"})
    over(scene)
    text = newest(scene).text
    assert text.startswith("Review of INC-1: ")
    assert text.endswith("{{ nothing }}\n")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(TEXTS, st.lists(TEXTS, max_size=3), st.integers(1, 999))
def test_what_is_given_out_comes_back_as_it_was(text: str, todo: list[str], version: int) -> None:
    tasks = [Task(id=n, incident=1, kind="action", text=one, created_s=0.0) for n, one in enumerate(todo, 1)]
    given_out = whole(Review(incident=1, version=version, text=text, written_s=0.0), tasks)
    own, made_from = sent_back(given_out)
    assert made_from == version
    assert own == sent_back(text)[0]
    assert sent_back(own)[0] == own
    assert len(items(tasks).splitlines()) == (3 if not todo else 4 + len(todo))


INCIDENT = Incident(number=1, title="t", severity=2, opened_s=0.0, detected_s=0.0, updated_s=0.0, version=5)
REVIEW = Review(incident=1, version=1, text="x", written_s=0.0, resolved_s=9.0, seen=5)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("by", ["", "ann"])
@pytest.mark.parametrize("known_s", [None, 8.0, 9.0])
@pytest.mark.parametrize("seen", [4, 5])
def test_no_state_lets_a_draft_replace_a_persons_text(state: str, by: str, known_s: float | None, seen: int) -> None:
    is_over = state in ("resolved", "closed")
    incident = msgspec.structs.replace(INCIDENT, state=state, resolved_s=9.0 if is_over else None)
    there = None if known_s is None else msgspec.structs.replace(REVIEW, by=by, resolved_s=known_s, seen=seen)
    wanted = step(incident, there)
    assert (wanted == "none") or is_over
    assert not (by and there and wanted in ("draft", "refresh", "redraft"))
    if is_over and there is None:
        assert wanted == "draft"
    if is_over and by and known_s == 8.0:
        assert wanted == "keep"
