"""Snapshots in a folder: the newest that holds is loaded, whatever happened to the others."""

import random
from pathlib import Path

import pytest

from pipeline.snapshots.folder import FolderStore, quoted
from pipeline.snapshots.format import Snapshot
from tests.engine.streams import apply
from tests.snapshots.states import BLOCK_BYTES, calm, loaded_offset, same, shard_of, snapshot


def store_in(folder: Path, group: str = "g", bytes_max: int = 100_000_000) -> FolderStore:
    return FolderStore(folder, group, bytes_max=bytes_max, block_bytes=BLOCK_BYTES)


def saved_thrice(folder: Path) -> list[Snapshot]:
    """At offsets 100, 200, 300."""
    shard, store = shard_of(calm(series=4)), store_in(folder)
    made = []
    for i in (1, 2, 3):
        apply(shard, calm(series=4, rows=2, first=40 + 2 * i))
        made.append(snapshot(shard, 100 * i))
        store.save(made[-1])
    return made


def files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.rglob(pattern))


def test_the_newest_snapshot_comes_back(tmp_path: Path) -> None:
    made = saved_thrice(tmp_path)
    loaded = store_in(tmp_path).load("metrics", 0)
    assert loaded.problems == []
    assert loaded.snapshot is not None
    assert same(loaded.snapshot, made[2])
    assert {file.stat().st_mode & 0o077 for file in tmp_path.rglob("*")} == {0}


def test_nothing_there_is_no_problem(tmp_path: Path) -> None:
    loaded = store_in(tmp_path / "none").load("metrics", 0)
    assert (loaded.snapshot, loaded.problems) == (None, [])


def test_the_newest_three_stay(tmp_path: Path) -> None:
    shard, store = shard_of(calm()), store_in(tmp_path)
    for offset in range(10):
        store.save(snapshot(shard, offset))
    assert [int(file.stem) for file in files(tmp_path, "*.manifest")] == [7, 8, 9]


def test_the_same_again_writes_nothing(tmp_path: Path) -> None:
    shard, store = shard_of(calm()), store_in(tmp_path)
    first, again = store.save(snapshot(shard)), store.save(snapshot(shard))
    assert first.bytes_written > 0
    assert (again.bytes_written, again.blocks_written) == (0, 0)
    assert again.blocks_total == first.blocks_total


def test_a_changed_state_at_the_same_offset_is_saved(tmp_path: Path) -> None:
    """A tick ends alerts without any event."""
    shard, store = shard_of([(1, 1.79e9 + i, 99.0) for i in range(20)]), store_in(tmp_path)
    store.save(snapshot(shard))
    assert shard.advance(2e9)
    store.save(snapshot(shard))
    loaded = store_in(tmp_path).load("metrics", 0).snapshot
    assert loaded is not None
    assert same(loaded, snapshot(shard))


def test_a_store_that_loaded_writes_only_what_changes(tmp_path: Path) -> None:
    made = saved_thrice(tmp_path)
    store = store_in(tmp_path)
    store.load("metrics", 0)
    assert store.save(made[2]).blocks_written == 0


@pytest.mark.parametrize("newest", range(3))
def test_a_damaged_snapshot_is_refused_with_its_reason_and_an_older_one_is_used(tmp_path: Path, newest: int) -> None:
    made = saved_thrice(tmp_path)
    manifests = files(tmp_path, "*.manifest")
    for manifest in manifests[3 - newest :]:
        manifest.write_bytes(manifest.read_bytes()[:-1])
    loaded = store_in(tmp_path).load("metrics", 0)
    assert loaded.snapshot is not None
    assert same(loaded.snapshot, made[2 - newest])
    assert len(loaded.problems) == newest
    assert all("cut off" in problem for problem in loaded.problems)


def test_no_snapshot_is_left_where_all_are_damaged(tmp_path: Path) -> None:
    saved_thrice(tmp_path)
    for manifest in files(tmp_path, "*.manifest"):
        manifest.write_bytes(b"")
    loaded = store_in(tmp_path).load("metrics", 0)
    assert (loaded.snapshot, len(loaded.problems)) == (None, 3)


def test_whatever_happens_to_packs_what_is_loaded_is_one_of_those_that_were_saved(tmp_path: Path) -> None:
    made = {one.next_offset: one for one in saved_thrice(tmp_path)}
    rng = random.Random(3)
    for _ in range(150):
        path = rng.choice(files(tmp_path, "*.pack"))
        data = path.read_bytes()
        match rng.randrange(3):
            case 0:
                spoiled = bytearray(data)
                spoiled[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                path.write_bytes(spoiled)
            case 1:
                path.write_bytes(data[: rng.randrange(len(data))])
            case _:
                path.unlink()
        loaded = store_in(tmp_path).load("metrics", 0)
        if loaded.snapshot is not None:
            assert same(loaded.snapshot, made[loaded.snapshot.next_offset])
        if loaded.snapshot is None or loaded.snapshot.next_offset < 300:
            assert loaded.problems
        path.write_bytes(data)
    assert loaded_offset(store_in(tmp_path)) == 300


def test_saving_goes_on_from_an_older_snapshot_and_the_damaged_newer_ones_leave(tmp_path: Path) -> None:
    made = saved_thrice(tmp_path)
    for file in files(tmp_path, "*.pack"):
        if file not in {f for f in files(tmp_path, "*.pack") if f.stem.partition("-")[2].startswith("1-")}:
            file.write_bytes(bytes(file.stat().st_size))
    store = store_in(tmp_path)
    loaded = store.load("metrics", 0)
    assert loaded.snapshot is not None
    assert same(loaded.snapshot, made[0])
    shard = shard_of(calm(series=4, rows=5))
    store.save(snapshot(shard, 150))
    assert loaded_offset(store_in(tmp_path)) == 150
    assert [int(file.stem) for file in files(tmp_path, "*.manifest")] == [100, 150]


def test_a_snapshot_of_another_partition_is_refused(tmp_path: Path) -> None:
    saved_thrice(tmp_path)
    (tmp_path / "g" / "metrics" / "0").rename(tmp_path / "g" / "metrics" / "1")
    loaded = store_in(tmp_path).load("metrics", 1)
    assert loaded.snapshot is None
    assert "is of metrics/0, not of metrics/1" in loaded.problems[0]


def test_a_snapshot_under_another_name_is_refused(tmp_path: Path) -> None:
    saved_thrice(tmp_path)
    newest = files(tmp_path, "*.manifest")[-1]
    newest.rename(newest.with_name(f"{999:020d}.manifest"))
    loaded = store_in(tmp_path).load("metrics", 0)
    assert "it ends at offset 300, not where its name says" in loaded.problems[0]
    assert loaded.snapshot is not None
    assert loaded.snapshot.next_offset == 200


def test_a_snapshot_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    saved_thrice(tmp_path)
    loaded = store_in(tmp_path, bytes_max=1000).load("metrics", 0)
    assert loaded.snapshot is None
    assert "1,000 are allowed" in loaded.problems[0]


def test_partitions_topics_and_groups_do_not_meet(tmp_path: Path) -> None:
    shard = shard_of(calm())
    one, other = store_in(tmp_path, "one"), store_in(tmp_path, "other")
    one.save(snapshot(shard, 1))
    one.save(snapshot(shard, 2, partition=1))
    one.save(snapshot(shard, 3, topic="second"))
    other.save(snapshot(shard, 4))
    one.discard("metrics", 0)
    assert one.load("metrics", 0).snapshot is None
    assert not files(tmp_path / "one" / "metrics" / "0", "*")
    offsets = [
        found.next_offset
        for found in (
            one.load("metrics", 1).snapshot,
            one.load("second", 0).snapshot,
            other.load("metrics", 0).snapshot,
        )
        if found
    ]
    assert offsets == [2, 3, 4]


@pytest.mark.parametrize("group", ["..", ".", "", "../../etc", "a/b", "a\x00b", "ü" * 300, "x" * 300, "a%2Fb", "CON~"])
def test_no_group_name_leads_out_of_the_folder(tmp_path: Path, group: str) -> None:
    store_in(tmp_path / "inside", group).save(snapshot(shard_of([]), 1))
    assert loaded_offset(store_in(tmp_path / "inside", group)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["inside"]
    assert len(list((tmp_path / "inside").iterdir())) == 1


def test_different_names_are_different_folders() -> None:
    names = ["a/b", "a%2Fb", ".a", "%2Ea", "", "%", "x" * 300, "x" * 301, "ü", "%C3%BC"]
    assert len({quoted(name) for name in names}) == len(names)


def test_a_worker_that_lost_the_partition_harms_nothing_and_never_becomes_the_newest(tmp_path: Path) -> None:
    """It was stopped for longer than the session timeout, and saves once more before it learns that it is fenced."""
    shard, zombie = shard_of(calm(series=5)), store_in(tmp_path)
    zombie.save(snapshot(shard, 100))
    owner = store_in(tmp_path)
    owner.load("metrics", 0)
    made = []
    for i in range(5):
        apply(shard, calm(series=5, rows=2, first=50 + 2 * i))
        made.append(snapshot(shard, 200 + i))
        owner.save(made[-1])
    zombie.save(snapshot(shard_of(calm(series=5, rows=41)), 110))
    found = store_in(tmp_path).load("metrics", 0)
    assert found.problems == []
    assert found.snapshot is not None
    assert same(found.snapshot, made[-1])
    apply(shard, calm(series=5, rows=1, first=90))
    owner.save(snapshot(shard, 300))
    assert loaded_offset(store_in(tmp_path)) == 300
    assert [int(file.stem) for file in files(tmp_path, "*.manifest")] == [203, 204, 300]


def test_two_writers_in_turn_leave_only_what_can_be_loaded(tmp_path: Path) -> None:
    stores = [store_in(tmp_path), store_in(tmp_path)]
    shard = shard_of(calm(series=5))
    for i in range(40):
        apply(shard, calm(series=5, rows=1, first=50 + i))
        made = snapshot(shard, i)
        stores[i % 2].save(made)
        loaded = store_in(tmp_path).load("metrics", 0)
        assert loaded.problems == []
        assert loaded.snapshot is not None
        assert same(loaded.snapshot, made)
