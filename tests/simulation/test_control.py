"""What people say counts at one place of a partition, for whoever reads it; a keeper that is careless with it fails."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from pipeline.control_book import ControlBook
from pipeline.engine import Engine
from pipeline.keeper import Keeper
from pipeline.partition import TP, Partition
from pipeline.silence import Admissions
from schemas.alert import AlertEvent, rfc3339
from schemas.control import Control
from tests.simulation.run import simulate
from tests.simulation.scene import ZERO, Scene
from tests.simulation.streams import config_of as config
from tests.simulation.streams import controls, run
from tests.simulation.test_simulation import must_fail
from tests.simulation.worker import Worker
from tests.simulation.world import World


def early(count: int = 12) -> tuple[Scene, Worker]:
    """A worker that joins when only the first records are there; the others come with `all_come`."""
    scene = Scene()
    scene.broker.now_s = scene.broker.records[ZERO][count - 1].timestamp / 1000
    return scene, scene.worker()


def all_come(scene: Scene) -> None:
    scene.broker.now_s = scene.last_s


def said(scene: Scene, *when: float) -> list[Control]:
    """The bar of `m0` is halved from the time of its record at such a part of the log on; all of it is said now."""
    log = scene.broker.records[ZERO]
    some = controls(scene.number, scene.silent)[0][1]
    labels = {"odd": "yes", "p": "0"}
    made = [
        replace(
            some, id=f"{i:016x}", rule="bar", verdict="missed", undo=False, metric="m0", labels=labels, holds_from=t
        )
        for i, t in enumerate(rfc3339(log[int(part * (len(log) - 1))].timestamp / 1000) for part in when)
    ]
    scene.broker.controls = [(0.0, control) for control in made]
    return made


def ends_as_admitted(scene: Scene, people: Sequence[Control]) -> None:
    scene.calm()
    group = scene.broker.group
    known = {one.id: one for one in people}
    expected = run(config(False), ZERO, scene.broker.records[ZERO], False, {}, group.admitted[ZERO], known)
    assert group.admitted[ZERO].keys() == known.keys()
    assert scene.broker.seen["alerts"] == expected.alerts
    owner = next(worker for worker in scene.workers if worker.alive)
    assert owner.keeper.partitions[ZERO].shard.controls.save() == expected.saved.controls


@pytest.mark.parametrize("step", ["controls", "commit", "committed", "publish", "rename", "thread done", "never"])
@pytest.mark.parametrize("older", [False, True], ids=["newest snapshot", "newest snapshot damaged"])
def test_a_verdict_counts_from_the_same_event_on_wherever_its_worker_stops(step: str, older: bool) -> None:
    scene, worker = early()
    for _ in range(2):
        scene.feed(worker, 6)
        scene.do(worker, "checkpoint")
    all_come(scene)
    people = said(scene, 0.0, 0.1, 0.5, 0.9)  # late ones and others
    scene.dies_at(worker, step, 1)
    for kind in ("heed", "agent", "checkpoint"):
        if worker.alive:
            if kind == "agent":
                scene.feed(worker, 1000)
            else:
                scene.do(worker, kind)
    if worker.alive:
        scene.kill(worker)
    found = scene.disk.manifests(*ZERO, durable=False)
    if older and len(found) > 1:
        scene.disk.corrupt(*ZERO, f"{found[-1].next_offset:020d}.manifest")
    heir = scene.worker()
    scene.broker.group.leave(worker.name)
    scene.rebalance()
    scene.feed(heir, 1000)
    scene.do(heir, "checkpoint")
    scene.do(heir, "heed")
    scene.do(heir, "checkpoint")
    ends_as_admitted(scene, people)


def test_before_the_first_snapshot_a_verdict_waits() -> None:
    scene, worker = early()
    people = said(scene, 0.0)
    scene.feed(worker, 12)
    scene.do(worker, "heed")
    assert not worker.keeper.partitions[ZERO].admitted
    scene.do(worker, "checkpoint")
    scene.do(worker, "heed")
    assert worker.keeper.partitions[ZERO].admitted == {people[0].id: 12}


def test_a_note_takes_as_many_as_fit_and_the_rest_when_snapshots_made_room() -> None:
    scene, worker = early()
    scene.feed(worker, 12)
    scene.do(worker, "checkpoint")
    said(scene, *[0.9] * 300)
    scene.do(worker, "heed")
    all_come(scene)
    first = len(worker.keeper.partitions[ZERO].admitted)
    assert 100 < first < 300
    for _ in range(10):
        scene.feed(worker, 1)
        scene.do(worker, "checkpoint")
        scene.do(worker, "heed")
    assert len(scene.broker.group.admitted[ZERO]) == 300


def test_what_is_neither_in_the_state_nor_in_the_note_is_wanted_again() -> None:
    made = config(False)
    partition = Partition(Engine(made.rules, made.limits), *ZERO, "auto", 10)
    scene = Scene()
    people = said(scene, 0.0)
    partition.shard.intern(people[0].metric, people[0].labels)
    book = ControlBook()
    book.add(people)
    partition.recall({}, {people[0].id: 5}, book.known)  # in a snapshot whose rule learns anew
    assert book.wanted(partition) == []
    partition.admitted = {}  # as a checkpoint does when no kept snapshot needs it
    assert book.wanted(partition) == people


class CommitsAll(Keeper):
    """Kafka takes every note; at each publishing it is noted which partitions know what was decided."""

    known: list[list[bool]]

    async def _commit_notes(self, notes: Mapping[TP, str]) -> list[TP]:
        return list(notes)

    async def _publish_ends(self, partition: Partition, ends: Sequence[AlertEvent]) -> None:
        self.known.append([bool(one.decided) for one in self.partitions.values()])


def test_what_time_decided_is_known_in_all_partitions_before_anything_is_waited_for() -> None:
    CommitsAll.known = []
    worker = Scene(keeper=CommitsAll).worker()
    keeper = worker.keeper
    other = TP(ZERO.topic, 7)
    for tp in (ZERO, other):
        keeper.partitions[tp] = Partition(keeper.engine, *tp, "auto", 10)
    asyncio.run(keeper._end_silent({ZERO: 100, other: 100}))
    assert CommitsAll.known == [[True, True]] * 2


class AdmitsAtOnce(Keeper):
    """What people say counts before anyone else could know where."""

    async def heed(self) -> None:
        self.book.add(await self._outside.controls(whole=False))
        for tp in list(self.partitions):
            if (partition := self.held(tp)) is not None:
                partition.admit(self.book.wanted(partition))


def said_after_a_death(keeper: type[Keeper] = Keeper) -> None:
    """A worker publishes and dies; its heir hears of a verdict before it has read again what that one had applied."""
    scene = Scene(keeper=keeper)
    worker = scene.worker()
    scene.feed(worker, 12)
    scene.do(worker, "checkpoint")
    scene.feed(worker, 1000)
    while worker.pending:
        worker.acknowledge_one()
    scene.kill(worker)
    people = said(scene, 0.0)
    heir = scene.worker()
    scene.do(heir, "heed")
    scene.feed(heir, 20)
    scene.do(heir, "heed")
    scene.feed(heir, 1000)
    scene.do(heir, "heed")
    ends_as_admitted(scene, people)
    assert scene.broker.group.admitted[ZERO] == {people[0].id: scene.broker.end(ZERO)}


def test_a_verdict_counts_only_after_what_another_worker_may_have_published_without_it() -> None:
    said_after_a_death()


class TakesOthersForNobody(Keeper):
    """A verdict counts before what another worker may have applied without it."""

    async def _wanted(self, tp: TP) -> list[Control]:
        self._known[tp].end = 0
        return await super()._wanted(tp)


class ForgetsWhereTheyCame(Keeper):
    """Commits overtake what older snapshots need."""

    def _needed_admissions(self, tp: TP) -> Admissions:
        return {}


def test_a_keeper_that_does_not_wait_for_that_fails() -> None:
    with pytest.raises(AssertionError):
        said_after_a_death(TakesOthersForNobody)


@pytest.mark.parametrize("keeper", [AdmitsAtOnce, ForgetsWhereTheyCame])
def test_a_keeper_with_a_bug_in_what_people_say_fails(keeper: type[Keeper]) -> None:
    must_fail(lambda seed: simulate(seed, keeper, talkative).error, range(600))


def talkative(world: World) -> None:
    """More that is said, and more deaths and spoilt snapshots after it."""
    world.broker.controls = controls(world.number, world.silent)
    world.faults |= {"heed": 0.25, "kill": 0.01, "corruption": 0.05, "zombie": 0.05}
