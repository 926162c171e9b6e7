"""A rule's budget on disk and back, whatever the number of its series."""

from pathlib import Path

import pytest

from pipeline.engine import Engine, Shard
from pipeline.saved import capture, restore
from pipeline.snapshots.folder import FolderStore
from schemas.alert import encode_alert
from tests.engine.streams import apply, config
from tests.engine.test_held_back import T0, TEXT
from tests.snapshots.states import snapshot

ROWS = 260


def shard_of() -> Shard:
    made = config(TEXT)
    return Engine(made.rules, made.limits).shard()


@pytest.mark.parametrize("series", [1, 3, 70])
def test_a_budget_goes_on_from_disk(tmp_path: Path, series: int) -> None:
    events = [
        (s, T0 + 60.0 * row, 50.0 + (row * 7 + s) % 5 + (40.0 if row in (190, 240) else 0.0))
        for row in range(ROWS)
        for s in range(series)
    ]
    whole = [encode_alert(event) for event in apply(shard_of(), events)]
    assert whole
    shard, cut = shard_of(), 200 * series
    found = apply(shard, events[:cut])
    store = FolderStore(tmp_path, "g")
    store.save(snapshot(shard))
    loaded = store.load("metrics", 0)
    assert loaded.problems == []
    assert loaded.snapshot is not None
    again = shard_of()
    assert restore(again, loaded.snapshot.saved) == []
    assert again.bindings[0].budget.tobytes() == capture(shard).arrays["budget0.rule"].tobytes()
    found += apply(again, events[cut:], cut)
    assert [encode_alert(event) for event in found] == whole
