"""Changes: read in both spellings, known once, suspected by a table, in the timeline of what they concern."""

import json
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.suspects import RELATIONS, WEIGHTS, concerns, ranked
from pipeline.desk import keep
from pipeline.desk.database import Database
from pipeline.desk.incidents import changes
from schemas.change import CDEVENTS, KINDS, Change, ChangeError, completed, decode_change, encode_change
from schemas.desk import Dependency
from tests.triage.scene import START_S, Triage, change, critical, desk_of

AT = "2026-11-23T05:33:20Z"
GRAPH = {"checkout": ("cart",), "cart": ("db",), "db": ("cart",)}  # also where it goes round
CDEVENT = {
    "context": {"id": "x", "timestamp": AT},
    "subject": {
        "id": "shop/checkout",
        "content": {"environment": {"id": "prod"}, "artifactId": "pkg:oci/checkout@v12"},
    },
}


@pytest.mark.parametrize("kind", CDEVENTS)
@pytest.mark.parametrize("is_binary", [True, False])
def test_cdevents_are_changes_structured_and_binary(kind: str, is_binary: bool) -> None:
    event = {"specversion": "1.0", "type": f"{kind}.0.2.0", "source": "/ci", "id": "e-1", "time": AT}
    if is_binary:
        headers = {f"ce_{name}": value for name, value in event.items()}
        found = decode_change(json.dumps(CDEVENT).encode(), headers)
    else:
        found = decode_change(json.dumps({**event, "data": CDEVENT}).encode())
    assert (found.id, found.service, found.version, found.at_s) == ("/ci#e-1", "checkout", "v12", 1795412000.0)
    assert found.summary == f"checkout {CDEVENTS[kind]} in prod"
    assert decode_change(encode_change(found)) == found


WRONG: list[tuple[object, str]] = [
    (b"", "0 bytes"), (b"x" * 70_000, "70,000 bytes"), (b"\xff", "malformed"), (b"[]", "object"), (b"{}", "id"),
    ({"id": "", "at": AT}, "length"), ({"id": "1", "at": "today"}, "at: "),
    ({"id": "1", "at": AT, "kind": "x"}, "kind"),
    ({"id": "1", "at": AT, "srvice": "x"}, "srvice"), ({"id": "1", "at": AT, "links": [{"href": "file:///"}]}, "links"),
    ({"specversion": "1.0", "type": "dev.cdevents.build.queued.0.1.0", "id": "1"}, "is no change; read are"),
    ({"specversion": "1.0", "type": "dev.cdevents.service.deployed.0.1.0", "data": CDEVENT}, "has no id"),
    ({"specversion": "1.0", "type": "dev.cdevents.service.deployed.0.1.0", "id": "1", "data": []}, "at"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "words"), WRONG)
def test_what_is_no_change_is_refused_with_what_was_seen(record: object, words: str) -> None:
    with pytest.raises(ChangeError, match=words):
        decode_change(record if isinstance(record, bytes) else json.dumps(record).encode())


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(max_size=5), st.lists, max_leaves=9).map(repr))
def test_nothing_in_a_record_raises_anything_else(record: bytes | str) -> None:
    with suppress(ChangeError):
        decode_change(record if isinstance(record, bytes) else record.encode())


def test_id_and_time_may_be_left_out_by_a_person_and_are_the_same_for_the_same() -> None:
    first = completed(b'{"service": "checkout"}', START_S)
    assert decode_change(first).at_s == START_S
    assert completed(b'{"service": "checkout"}', START_S) == first
    assert decode_change(completed(b'{"service": "cart"}', START_S)).id != decode_change(first).id
    for other in (b"x", b"[]", b'{"specversion": "1.0"}'):
        assert completed(other, START_S) == other


# Suspects


def test_every_relation_is_found_and_weighs_less_the_further_away() -> None:
    made = [change(service or "none", service) for service in ("checkout", "cart", "db", "", "elsewhere")]
    assert [concerns(one, {"checkout"}, GRAPH) for one in made] == [*RELATIONS, None]
    assert list(RELATIONS.values()) == sorted(RELATIONS.values(), reverse=True)
    assert set(WEIGHTS) == set(KINDS)
    found = ranked(made, {"checkout"}, GRAPH, START_S, 3600.0)
    assert [one.change.id for one in found] == ["checkout", "cart", "db", "none"]
    assert [one.reason for one in found][:2] == [
        "deployment of checkout, 4 min before the start: the same service",
        "deployment of cart, 4 min before the start: a service that it depends on",
    ]


@pytest.mark.parametrize(
    ("before_s", "score"),
    [(-61.0, None), (-60.0, 1.0), (0.0, 1.0), (1800.0, 0.5), (3600.0, 0.25), (3601.0, None)],
)
def test_a_suspect_came_before_the_start_and_fades(before_s: float, score: float | None) -> None:
    found = ranked([change(before_s=before_s)], {"checkout"}, {}, START_S, 3600.0)
    assert [one.score for one in found] == ([] if score is None else [score])


CHANGES = st.lists(
    st.builds(
        lambda id_, service, before_s, kind: change(id_, service, before_s, kind=kind),
        st.uuids().map(str),
        st.sampled_from(["checkout", "cart", "db", "", "x"]),
        st.integers(-300, 8000),
        st.sampled_from(KINDS),
    ),
    max_size=10,
)


@given(found=CHANGES)
def test_the_order_is_total_and_more_changes_change_no_score(found: list[Change]) -> None:
    def said(some: list[Change]) -> dict[str, float]:
        return {one.change.id: one.score for one in ranked(some, {"checkout"}, GRAPH, START_S, 7200.0)}

    whole = said(found)
    assert list(whole) == list(said(found[::-1]))
    assert list(whole.values()) == sorted(whole.values(), reverse=True)
    assert all(0.0 < score <= 1.0 for score in whole.values())
    assert said(found[:5]) == {id_: whole[id_] for id_ in said(found[:5])}


# In the desk


@pytest.fixture
def scene(db: Database) -> Triage:
    return Triage(db, desk_of(dependencies=(Dependency("checkout", ("cart",)),)))


def test_a_change_stands_in_the_timeline_with_its_time_and_rank(scene: Triage) -> None:
    assert (
        scene.changed(
            change("d-1", version="v12"), change("d-2", "cart", 600.0, by="bob"), change("d-3", "elsewhere")
        ).new
        == 3
    )
    scene.take(critical())
    scene.wait()
    lines = [entry for entry in scene.entries() if entry.what == "change"]
    assert [(one.text, one.by, one.source, one.at_s, one.details["suspect"]) for one in lines] == [
        (
            "deployment of cart by bob (suspect 2: deployment of cart, 10 min before the start: a service that it "
            "depends on)",
            "bob", "changes", START_S - 600.0, 2,
        ),
        (
            "deployment of checkout v12 (suspect 1: deployment of checkout, 4 min before the start: the same service)",
            "somebody", "changes", START_S - 240.0, 1,
        ),
    ]  # fmt: skip


def test_one_that_is_announced_late_or_made_meanwhile_stands_there_too_and_once(scene: Triage) -> None:
    scene.take(critical())
    scene.wait()
    late, fix = change("late"), change("fix", before_s=-120.0, summary="v11 again")
    scene.changed(late)
    scene.wait()
    scene.wait(200.0)
    scene.changed(fix, late, change("all", "", before_s=-130.0))
    scene.wait()
    scene.wait(60.0)
    assert scene.texts("change") == [
        "deployment of checkout (suspect 1: deployment of checkout, 4 min before the start: the same service)",
        "deployment of checkout: v11 again",
    ]


def test_a_change_long_after_the_end_is_no_matter(scene: Triage) -> None:
    scene.take(critical())
    scene.wait()
    scene.do("resolve", 1)
    scene.wait(600.0)
    scene.changed(change(before_s=-600.0))
    scene.wait()
    assert scene.texts("change") == []


def test_each_is_known_once_and_old_ones_are_forgotten(scene: Triage) -> None:
    long = change("x" * 200)
    assert scene.changed(change(), change(), long) == changes.Taken(2, 1)
    assert scene.changed(long) == changes.Taken(0, 1)
    assert {one.id for one in scene.db.read(partial(changes.listed, service="checkout"))} == {"d-1", "x" * 200}
    assert scene.db.read(partial(changes.listed, service="cart")) == []
    keep.forget(scene.db, 1.0, scene.now_s + 2 * 86_400.0)
    assert scene.db.read(changes.listed) == []
