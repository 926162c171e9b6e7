"""Whom a target means, by the config and by the overrides in the database; on SQLite and on PostgreSQL."""

from dataclasses import replace
from datetime import datetime
from functools import partial

from incidents.oncall.overrides import Override
from pipeline.desk.database import Database
from pipeline.desk.incidents import duty
from schemas.desk import Desk
from schemas.response import Response
from schemas.response.escalation import Target, TargetKind
from schemas.response.oncall import Layer, OnCallPlan, Person, Restriction, Schedule, Team
from tests.desk.scene import desk

MONDAY_S = datetime.fromisoformat("2026-01-05T00:00+00:00").timestamp()
HOUR_S = 3600.0
FIRST = datetime.fromisoformat("2026-01-05T00:00")
OFFICE = Restriction(frozenset(range(5)), 9 * 60, 17 * 60)
PLAN = OnCallPlan(
    people={name: Person(name, (name,)) for name in ("ann", "bob", "cid")},
    teams={"ops": Team("ops", ("ann", "cid"), "daily"), "all": Team("all", ("ann", "bob"))},
    schedules={
        "daily": Schedule("daily", (Layer(("ann", "bob"), FIRST, 24),)),
        "office": Schedule("office", (Layer(("ann",), FIRST, 24, restrictions=(OFFICE,)),), gaps="allow"),
    },
)


def with_oncall() -> Desk:
    return replace(desk(), response=Response(oncall=PLAN))


def asked(db: Database, kind: TargetKind, name: str, at_s: float = MONDAY_S) -> list[str]:
    return [p.name for p in db.read(lambda conn: duty.people(conn, with_oncall(), Target(kind, name), at_s))]


def test_a_target_is_who_it_names_or_who_is_on_call_there(db: Database) -> None:
    assert asked(db, "person", "cid") == ["cid"]
    assert asked(db, "schedule", "daily") == ["ann"]
    assert asked(db, "schedule", "daily", MONDAY_S + 24 * HOUR_S) == ["bob"]
    assert asked(db, "team", "ops", MONDAY_S + 24 * HOUR_S) == ["bob"]
    assert asked(db, "team", "all") == ["ann", "bob"]


def test_nobody_is_meant_by_a_receiver_in_a_gap_or_by_a_name_that_is_gone(db: Database) -> None:
    assert asked(db, "receiver", "ann") == []
    assert asked(db, "schedule", "office") == []
    assert asked(db, "schedule", "office", MONDAY_S + 9 * HOUR_S) == ["ann"]
    kinds: tuple[TargetKind, ...] = ("person", "schedule", "team")
    for kind in kinds:
        assert asked(db, kind, "gone") == []


def put(db: Database, *made: Override) -> None:
    for one in made:
        db.write(partial(duty.put, override=one))


def test_an_override_is_asked_while_it_lasts_and_if_the_config_knows_the_person(db: Database) -> None:
    put(db, Override("a", "daily", "cid", MONDAY_S + HOUR_S, MONDAY_S + 2 * HOUR_S, made_s=1.0))
    put(db, Override("b", "daily", "left us", MONDAY_S + HOUR_S, MONDAY_S + 2 * HOUR_S, made_s=2.0))
    hours = [asked(db, "schedule", "daily", MONDAY_S + hour * HOUR_S) for hour in (0, 1, 1.5, 2)]
    assert hours == [["ann"], ["cid"], ["cid"], ["ann"]]


def test_taking_back_ends_what_has_begun_and_takes_both_halves_of_a_swap(db: Database) -> None:
    put(
        db,
        Override("a", "daily", "bob", MONDAY_S, MONDAY_S + 9 * HOUR_S, swap="a"),
        Override("b", "daily", "ann", MONDAY_S + 30 * HOUR_S, MONDAY_S + 40 * HOUR_S, swap="a"),
        Override("c", "daily", "cid", MONDAY_S + 50 * HOUR_S, MONDAY_S + 60 * HOUR_S),
    )
    now_s = MONDAY_S + HOUR_S
    assert {one.id for one in db.write(lambda conn: duty.withdraw(conn, "b", now_s))} == {"a", "b"}
    left = db.read(lambda conn: duty.overrides(conn, 0.0, 1e11))
    assert {(one.id, one.end_s) for one in left} == {("a", now_s), ("c", MONDAY_S + 60 * HOUR_S)}
    assert db.write(lambda conn: duty.withdraw(conn, "a", now_s)) == []
    assert db.write(lambda conn: duty.withdraw(conn, "nothing", now_s)) == []
