"""The topic store where its producer dies at any step, records come late, are compacted, damaged or lost."""

import random
from collections.abc import Sequence

import pytest

from pipeline.snapshots.errors import StoreError
from pipeline.snapshots.slots import Key
from pipeline.snapshots.topic import TopicStore
from tests.snapshots.disk import Crash
from tests.snapshots.log import Log, Record
from tests.snapshots.states import same
from tests.snapshots.test_crash import STATES, at


def store_on(log: Log) -> TopicStore:
    store = TopicStore("nowhere:9", "snapshots", "g", block_bytes=2_048)
    store.__dict__["_log"] = log
    return store


def saved(count: int = 4, seed: int = 0) -> tuple[Log, TopicStore]:
    log = Log(random.Random(seed))
    store = store_on(log)
    for made in STATES[:count]:
        store.save(made)
    log.steps = 0
    return log, store


def newest(log: Log) -> tuple[int | None, Sequence[str]]:
    """Offset of what is loaded, which is to the bit what was saved there."""
    found = store_on(log).load("metrics", 0)
    if found.snapshot is None:
        return None, found.problems
    assert same(found.snapshot, STATES[found.snapshot.next_offset - 100])
    return found.snapshot.next_offset, found.problems


def steps_of_a_save() -> int:
    log, store = saved()
    store.save(STATES[4])
    return log.steps


@pytest.mark.parametrize("failure", [Crash(), StoreError("no answer")], ids=["dies", "fails"])
@pytest.mark.parametrize("step", range(1, steps_of_a_save() + 1))
def test_a_save_that_ends_at_any_step_leaves_one_whole_snapshot_and_the_next_one_works(
    step: int, failure: BaseException
) -> None:
    for seed in range(4):
        log, store = saved(seed=seed)
        log.fail = at(step, failure)
        with pytest.raises(type(failure)):
            store.save(STATES[4])
        log.fail = lambda *_: None
        log.compact()
        assert newest(log) in ((103, []), (104, []))
        heir = store if isinstance(failure, StoreError) else store_on(log)
        heir.save(STATES[5])
        log.arrive_late()
        log.compact()
        assert newest(log) == (105, [])


@pytest.mark.parametrize("kind", ["head", "block"])
@pytest.mark.parametrize("lost", [True, False], ids=["lost", "torn"])
def test_a_record_of_the_newest_snapshot_that_is_lost_or_torn_is_noticed_and_an_older_one_used(
    kind: str, lost: bool
) -> None:
    end = saved(3)[0].end
    victims = [number for number, one in enumerate(_written_since(saved()[0], end)) if _kind(one) == kind]
    assert victims
    for number in victims:
        log, _ = saved()
        victim = _written_since(log, end)[number]
        torn = Record(victim.offset, victim.key, (victim.value or b"")[:-1])
        log.records = [torn if one is victim else one for one in log.records if one is not victim or not lost]
        offset, problems = newest(log)
        assert offset == 102
        assert len(problems) == (0 if lost and kind == "head" else 1)


def _written_since(log: Log, end: int) -> list[Record]:
    return [one for one in log.records if one.offset >= end and one.value is not None]


def _kind(record: Record) -> str | None:
    key = Key.of(record.key)
    return key.kind if key else None


@pytest.mark.parametrize("seed", range(60))
def test_many_deaths_late_records_and_compactions_never_lose_a_snapshot_that_was_reported_as_durable(seed: int) -> None:
    rng = random.Random(seed)
    log, durable = Log(rng), -1
    stores = [store_on(log)]
    for i, made in enumerate(STATES):
        if rng.random() < 0.5:
            stores.append(store_on(log))
            stores[-1].load("metrics", 0)
        number = log.steps + rng.randrange(1, 60)
        log.fail = at(number, Crash())
        writer = stores[-1]
        try:
            writer.save(made)
            durable = i
        except Crash:
            stores.append(store_on(log))
        log.fail = lambda *_: None
        if i and len(stores) > 2 and rng.random() < 0.5:  # one that doesn't know yet that it lost the partition
            stores[rng.randrange(len(stores) - 1)].save(STATES[rng.randrange(i)])
        if rng.random() < 0.5:
            log.arrive_late()
        if rng.random() < 0.7:
            log.compact()
        offset, problems = newest(log)
        assert problems == []
        assert durable < 0 or (offset is not None and offset >= 100 + durable)
