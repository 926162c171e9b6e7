"""A desk may die at any statement: whoever goes on ends with the same story, no step lost and none done twice."""

from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from pipeline.desk.database import Database
from tests.desk import scene
from tests.desk.script import Killed, dying, in_a_child, killed, live

T = TypeVar("T")


@pytest.fixture
def expected(address: str) -> dict[str, list[str]]:
    """The story without a death, in the same database, emptied afterwards."""
    with closing(Database.open(address)) as db:
        live(db)
        told = db.read(scene.story)
    scene.empty(address)
    return told


def test_the_story_says_what_it_should(expected: dict[str, list[str]]) -> None:
    """Or the comparisons below would be empty."""
    assert len(expected["events"]) == 10
    assert len(expected["alerts"]) == 5
    assert len(expected["outbox"]) >= 8
    assert {"sent", "due", "replaced"} <= {
        status for row in expected["outbox"] for status in ("sent", "due", "replaced") if f"'status': '{status}'" in row
    }


def test_every_transaction_broken_off_at_every_statement_leaves_nothing_of_it(
    db: Database, expected: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is tried until it comes to its end: killed at its first statement, then at its second, ... at its commit."""
    real, deaths = db.write, 0

    def write(do: Callable[[Connection], T]) -> T:
        nonlocal deaths
        before = db.read(scene.story)
        for at in count(1):
            try:
                with dying(db, at, killed):
                    return real(do)
            except Killed:
                deaths += 1
                assert db.read(scene.story) == before
        raise AssertionError

    monkeypatch.setattr(db, "write", write)
    live(db)
    assert db.read(scene.story) == expected
    assert deaths > 200


def test_dying_again_and_again_gets_there(db: Database, expected: dict[str, list[str]]) -> None:
    """Each life is a few statements longer than the last; what is committed stays."""
    deaths = 0
    while True:
        try:
            with dying(db, 12 + 3 * deaths, killed):
                live(db)
            break
        except Killed:
            deaths += 1
    assert deaths > 3
    assert db.read(scene.story) == expected


def test_a_process_that_ends_without_a_word_leaves_a_database_that_goes_on(
    address: str, expected: dict[str, list[str]]
) -> None:
    at = 3
    while in_a_child(address, at):
        with closing(Database.open(address)) as db:
            live(db)
            assert db.read(scene.story) == expected, f"after a death at statement {at}"
        scene.empty(address)
        at += 11  # prime to what the transactions have in common: beginnings, middles and commits
    assert at > 200
