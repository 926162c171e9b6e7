"""An act's desk may die at any statement and at any call: the act is never done twice, and always comes to an end."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import count

import pytest

from incidents.remedies.lifecycle import FINAL
from pipeline.desk.database import Database
from tests.automation.conftest import Fresh, Paged
from tests.automation.scene import Killed, Means, World, rule
from tests.desk.script import Killed as Died
from tests.desk.script import dying, killed

KINDS = [Means(can_ask=ask, can_undo=undo) for ask in (True, False) for undo in (True, False)]


def begun(db: Database, settings: Means) -> World:
    """An act is intended, and nothing was done yet."""
    world = World(db, rule(settings=settings, verify_within_s=100.0, attempts=2, cooldown_s=0.0))
    world.fire()
    world.now_s += 1
    world.look()
    assert world.states() == ["intended"]
    return world


def to_the_end(world: World) -> None:
    """The alert fires on, so that every attempt fails."""
    for _ in range(15):
        if all(act.state in FINAL for act in world.acts()):
            break
        world.tick(61.0)


def check(world: World, paged: Paged, told: str) -> None:
    assert all(act.state in FINAL for act in world.acts()), told
    done = [act for act, _ in world.hands.changes]
    assert len(done) == len(set(done)), told
    assert len(world.hands.undone) == len(set(world.hands.undone)), told
    assert set(world.hands.undone) <= set(done), told
    assert len(paged) == 1, told


def restarted(world: World, die: Callable[[], object]) -> bool:
    """Whether it died; then another process goes on, with the same name."""
    try:
        die()
    except (Killed, Died):
        world.runner = world.another_runner()
        return True
    return False


@pytest.mark.parametrize("settings", KINDS, ids=repr)
def test_killed_at_every_statement_nothing_is_done_twice(fresh: Fresh, paged: Paged, settings: Means) -> None:
    """Each database is another life: killed at the first statement or commit of the runner, at the second, ..."""
    for at in count(1):
        with closing(fresh()) as db:
            paged.clear()
            world = begun(db, settings)
            with dying(db, at, killed):
                is_dead = restarted(world, world.run)
            to_the_end(world)
            check(world, paged, f"killed at statement {at}")
        if not is_dead:
            break
    assert at > 15


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("settings", KINDS, ids=repr)
def test_killed_at_every_call_nothing_is_done_twice(
    fresh: Fresh, paged: Paged, settings: Means, is_after: bool
) -> None:
    """Before the other side has it, and when the other side has done it. All calls of all attempts, undoing too."""
    for at in count(1):
        with closing(fresh()) as db:
            paged.clear()
            world = begun(db, settings)
            world.hands.died_at, world.hands.is_after = at, is_after
            died = restarted(world, world.run)
            died |= restarted(world, partial(to_the_end, world))
            to_the_end(world)
            check(world, paged, f"killed at call {at}")
        if not died:
            break
    assert at > 3


def test_killed_again_and_again_it_comes_to_an_end(fresh: Fresh, paged: Paged) -> None:
    """Each life is a few statements longer than the one before, in the attendant and in the runner alike."""
    with closing(fresh()) as db:
        world = begun(db, KINDS[0])
        deaths, at = 0, 5
        for _ in range(200):
            with dying(db, at, killed):
                is_dead = restarted(world, lambda: world.tick(20.0))
            deaths += is_dead
            at += 7 if is_dead else 0
        check(world, paged, f"killed {deaths} times")
    assert deaths > 3


def test_another_desk_takes_up_what_a_dead_one_left_when_its_lease_is_over(fresh: Fresh, paged: Paged) -> None:
    with closing(fresh()) as db:
        world = begun(db, KINDS[0])
        world.hands.died_at, world.hands.is_after = 3, True  # the change itself
        with pytest.raises(Killed):
            world.run()
        world.runner = world.another_runner("another")
        world.tick(30.0)
        assert world.states() == ["running"]
        world.tick(31.0)
        world.tick(1.0)
        assert world.states() == ["verifying"]
        assert len(world.hands.changes) == 1
