"""Groups on disk and back: open buckets, alerts and what was learned go on; what does not fit is refused or learned."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.saved import capture, restore
from pipeline.snapshots.checks import check_meaning
from pipeline.snapshots.errors import SnapshotInvalid
from pipeline.snapshots.folder import FolderStore
from pipeline.warm import compile_all
from tests.engine.streams import config
from tests.engine.test_grouping import BURN, TEXT, apply, shard_of, stream
from tests.snapshots.states import snapshot


@pytest.mark.parametrize("cut", [2407, 2412])  # within a bucket of the fault
def test_a_snapshot_on_disk_goes_on_in_the_middle_of_a_bucket(tmp_path: Path, cut: int) -> None:
    events = stream(5, tidy=True)
    shard = shard_of()
    whole = apply(shard_of(), events)
    found = apply(shard, events[:cut])
    store = FolderStore(tmp_path, "g")
    store.save(snapshot(shard))
    loaded = store.load("metrics", 0).snapshot
    assert loaded is not None
    again = shard_of()
    assert restore(again, loaded.saved) == []
    assert [*found, *apply(again, events[cut:], cut)] == whole


def test_another_group_by_ends_the_old_groups_alerts_and_learns_again() -> None:
    shard = shard_of()
    apply(shard, stream(5, rows=303, tidy=True))
    again = shard_of(TEXT.replace("[host]", "[host, rack]"))
    ends = restore(again, capture(shard))
    assert [(e.status, e.labels["host"]) for e in ends] == [("resolved", "a")]
    assert (np.asarray(again.bindings[0].detectors[0].state["groups"])["rows"] == 0.0).all()


def test_other_members_are_learned_again_while_the_alert_goes_on() -> None:
    shard = shard_of()
    fired = apply(shard, stream(5, rows=303, tidy=True))
    again = shard_of(TEXT.replace("m[0-9]", "m[0-2]"))
    assert restore(again, capture(shard)) == []
    ended = apply(again, [event for event in stream(5, rows=330, tidy=True) if event[2] > shard.newest_t + 60.0])
    assert {event.id for event in ended} == {fired[0].id}


@pytest.mark.parametrize("name", ["open", "gathered", "point_t", "point_count"])
def test_state_of_another_shape_is_refused(name: str) -> None:
    shard = shard_of()
    apply(shard, stream(5, rows=3))
    saved = capture(shard)
    check_meaning(saved)
    wrong = {**saved.arrays, f"rule0.{name}": np.zeros((99, 2))}
    with pytest.raises(SnapshotInvalid, match=name):
        check_meaning(replace(saved, arrays=wrong))


@pytest.mark.parametrize("text", [TEXT, BURN])
def test_what_groups_need_is_compiled_before_the_first_event(text: str) -> None:
    compile_all(config(text))
