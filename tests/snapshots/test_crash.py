"""Whatever the disk does at whichever step of a save: one whole snapshot is there afterwards, the old or the new."""

import errno
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.snapshots.errors import StoreError
from pipeline.snapshots.folder import FolderStore
from pipeline.snapshots.format import Snapshot
from tests.engine.streams import apply
from tests.snapshots.disk import Crash, Disk
from tests.snapshots.states import BLOCK_BYTES, calm, same, shard_of, snapshot

Fail = Callable[[int, str], BaseException | None]


def store_on(disk: Disk) -> FolderStore:
    return FolderStore(Path("/state"), "g", disk, block_bytes=BLOCK_BYTES, read_again_after_s=(0.0, 0.0))


def states(count: int) -> list[Snapshot]:
    shard, made = shard_of(calm(series=3, rows=30)), []
    for i in range(count):
        apply(shard, calm(series=3 + i % 2, rows=1, first=30 + i))
        made.append(snapshot(shard, 100 + i))
    return made


STATES = states(7)


def prepared(saves: int = 4) -> tuple[Disk, FolderStore]:
    """A disk that already has snapshots, as many as are kept and one more, so that the next save also removes."""
    disk = Disk()
    store = store_on(disk)
    for made in STATES[:saves]:
        store.save(made)
    disk.steps = 0
    return disk, store


def steps_of_a_save() -> int:
    disk, store = prepared()
    store.save(STATES[4])
    return disk.steps


STEPS = steps_of_a_save()


def at(step: int, failure: BaseException) -> Fail:
    return lambda number, _: failure if number == step else None


def loaded(disk: Disk) -> tuple[Snapshot, list[str]]:
    found = store_on(disk).load("metrics", 0)
    assert found.snapshot is not None, found.problems
    return found.snapshot, found.problems


def test_a_save_has_the_steps_that_these_tests_go_through() -> None:
    assert STEPS > 12


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_power_cut_at_any_step_leaves_the_old_snapshot_or_the_new_one(step: int) -> None:
    for seed in range(15):
        disk, store = prepared()
        disk.fail = at(step, Crash())
        with pytest.raises(Crash):
            store.save(STATES[4])
        again = disk.after_power_cut(random.Random(seed))
        found, _ = loaded(again)
        assert same(found, STATES[found.next_offset - 100])
        assert found.next_offset in (103, 104)
        _goes_on(again)


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_killed_process_at_any_step_leaves_the_old_snapshot_or_the_new_one(step: int) -> None:
    disk, store = prepared()
    disk.fail = at(step, Crash())
    with pytest.raises(Crash):
        store.save(STATES[4])
    disk.off, disk.fail = False, lambda *_: None
    found, problems = loaded(disk)
    assert problems == []
    assert same(found, STATES[found.next_offset - 100])
    _goes_on(disk)


def test_a_power_cut_right_after_a_save_finds_the_new_one() -> None:
    for seed in range(30):
        disk, store = prepared()
        store.save(STATES[4])
        found, problems = loaded(disk.after_power_cut(random.Random(seed)))
        assert same(found, STATES[4])
        assert problems == []


@pytest.mark.parametrize("step", range(1, STEPS + 20))  # more blocks change between these two
def test_a_power_cut_while_the_only_snapshot_is_replaced_at_its_own_offset_leaves_one_of_the_two(step: int) -> None:
    for seed in range(15):
        disk, store = prepared(saves=1)
        ticked = replace(STATES[3], next_offset=100)
        disk.fail = at(step, Crash())
        with suppress(Crash):
            store.save(ticked)
        found, problems = loaded(disk.after_power_cut(random.Random(seed)))
        assert problems == []
        assert same(found, STATES[0]) or same(found, ticked)


@pytest.mark.parametrize("step", range(1, 20))
def test_a_power_cut_in_the_very_first_save_leaves_nothing_or_all(step: int) -> None:
    for seed in range(10):
        disk = Disk(at(step, Crash()))
        with suppress(Crash):
            store_on(disk).save(STATES[0])
        again = disk.after_power_cut(random.Random(seed))
        found = store_on(again).load("metrics", 0)
        assert found.snapshot is None or same(found.snapshot, STATES[0])
        store_on(again).save(STATES[1])
        assert same(loaded(again)[0], STATES[1])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_disk_that_fails_at_any_step_leaves_all_snapshots_usable_and_nothing_behind(step: int, number: int) -> None:
    disk, store = prepared()
    before = set(disk.files)
    disk.fail = at(step, OSError(number, "no"))
    try:
        store.save(STATES[4])
        expected = 104
    except OSError:
        expected = 103
    disk.fail = lambda *_: None
    found, problems = loaded(disk)
    assert problems == []
    assert same(found, STATES[found.next_offset - 100])
    assert found.next_offset >= expected
    if found.next_offset == 103:
        assert set(disk.files) == before
    assert not [path for path in disk.files if path.suffix == ".tmp"]
    store.save(STATES[5])
    assert same(loaded(disk)[0], STATES[5])
    assert len([path for path in disk.files if path.suffix == ".manifest"]) == 3


def test_a_disk_that_stays_full_refuses_every_save_and_takes_no_more_room() -> None:
    disk, store = prepared()
    used = disk.used()

    def full(_: int, name: str) -> BaseException | None:
        return OSError(errno.ENOSPC, "No space left on device") if name == "write" else None

    disk.fail = full
    for made in STATES[4:] * 5:
        with pytest.raises(OSError, match="No space"):
            store.save(made)
        assert disk.used() == used
    disk.fail = lambda *_: None
    store.save(STATES[6])
    assert same(loaded(disk)[0], STATES[6])


@pytest.mark.parametrize("error", [OSError(errno.EIO, "no"), OSError(errno.ESTALE, "stale"), MemoryError()])
def test_what_cannot_be_read_just_now_is_no_damage(error: Exception) -> None:
    disk, store = prepared()
    store.load("metrics", 0)
    calls = disk.reads
    for number in range(1, calls + 1):
        failing = disk.reads + number
        disk.fail_read = {failing: error}.get
        found = store_on(disk).load("metrics", 0)
        assert (found.snapshot and found.snapshot.next_offset, found.problems) == (103, [])
    disk.fail_read = lambda _: error
    with pytest.raises(StoreError, match="can't be read"):
        store_on(disk).load("metrics", 0)
    disk.fail_read = lambda _: None
    assert loaded(disk)[1] == []


def test_temporary_files_of_a_crash_leave_at_the_next_save() -> None:
    disk, store = prepared()
    disk.fail = lambda _, name: Crash() if name == "fsync" else None
    with pytest.raises(Crash):
        store.save(STATES[4])
    disk.off, disk.fail = False, lambda *_: None
    assert [path for path in disk.files if path.suffix == ".tmp"]
    store_on(disk).save(STATES[4])
    assert not [path for path in disk.files if path.suffix == ".tmp"]


def test_many_crashes_in_a_row_never_lose_a_snapshot_that_was_reported_as_durable() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        disk, durable = Disk(), -1
        for i, made in enumerate(STATES):
            store = store_on(disk)
            store.load("metrics", 0)
            disk.fail = at(disk.steps + rng.randint(1, 30), Crash())
            try:
                store.save(made)
                durable = i
            except Crash:
                pass
            disk = disk.after_power_cut(rng)
            found = store_on(disk).load("metrics", 0).snapshot
            assert durable < 0 or (found is not None and found.next_offset >= 100 + durable)
            assert found is None or same(found, STATES[found.next_offset - 100])


def _goes_on(disk: Disk) -> None:
    """The next worker loads and saves as ever, and leaves what is kept and no more."""
    store = store_on(disk)
    store.load("metrics", 0)
    store.save(STATES[5])
    found, problems = loaded(disk)
    assert problems == []
    assert same(found, STATES[5])
    names = [path.name for path in disk.files]
    assert len([name for name in names if name.endswith(".manifest")]) == 3
    assert not [name for name in names if name.endswith(".tmp")]
