"""Room on disk stays within what pipeline/snapshots/folder.py says: five times one snapshot, six during a save."""

from pathlib import Path

import numpy as np

from pipeline.saved import SavedShard, capture
from pipeline.snapshots.folder import FolderStore
from tests.engine.streams import apply
from tests.snapshots.disk import Disk
from tests.snapshots.states import T0, calm, shard_of, snapshot


class Watched(Disk):
    """Remembers how full it ever was."""

    most = 0

    def _step(self, name: str) -> None:
        super()._step(name)
        self.most = max(self.most, self.used())


def test_the_disk_stays_bounded_over_many_saves_whatever_changes() -> None:
    disk = Watched()
    store = FolderStore(Path("/state"), "g", disk, block_bytes=2_048)
    shard = shard_of(calm(series=40, rows=20))
    rng = np.random.default_rng(1)
    t, ratios, written = T0 + 1000.0, [], 0
    for i in range(200):
        t += float(rng.choice([1.0, 10.0, 1800.0]))
        some = rng.permutation(40 + i // 10)[: rng.integers(0, 40)]
        apply(shard, [(int(s), t, float(60 + rng.normal())) for s in some])
        disk.most = 0
        saved = store.save(snapshot(shard, i))
        written += saved.bytes_written
        packs = sum(len(file.data) for path, file in disk.files.items() if path.suffix == ".pack")
        manifests = disk.used() - packs
        assert packs <= 5 * saved.bytes_total
        assert disk.most <= 6 * saved.bytes_total + 2 * manifests
        ratios.append(packs / saved.bytes_total)
    assert len(disk.files) < 200  # bounded too
    assert float(np.median(ratios)) < 4.0


def test_the_disk_stays_bounded_where_random_blocks_change() -> None:
    """Not what detectors do, but the bound must not hang on them."""
    disk = Watched()
    store = FolderStore(Path("/state"), "g", disk, block_bytes=2_048)
    shard = shard_of(calm(series=100, rows=3))
    saved_shard: SavedShard = capture(shard)
    rng = np.random.default_rng(2)
    raw = {name: array.reshape(-1).view(np.uint8) for name, array in saved_shard.arrays.items() if "detector" in name}
    made = snapshot(shard)
    for i in range(200):
        for array in raw.values():
            for at in rng.integers(0, len(array), rng.integers(0, 10)):
                array[at] ^= 1
        made = type(made)(**{**made.__dict__, "saved": saved_shard, "next_offset": i})
        saved = store.save(made)
        packs = sum(len(file.data) for path, file in disk.files.items() if path.suffix == ".pack")
        assert packs <= 5 * saved.bytes_total
    assert store.load("metrics", 0).problems == []
