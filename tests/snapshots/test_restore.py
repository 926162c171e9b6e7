"""What a stored snapshot means under another config, where tests/engine/test_saved.py doesn't look."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.engine import Engine, Shard
from pipeline.saved import restore
from pipeline.snapshots.folder import FolderStore
from schemas.alert import AlertEvent
from tests.engine.streams import Event, apply, config
from tests.snapshots.states import T0, snapshot

LEVELS = """
rules:
  - name: high
    match: '{}'
    detector: threshold
    levels: {warning: "> 80", critical: "> 95"}
"""
ONLY_WARNING = LEVELS.replace(', critical: "> 95"', "")
ONLY_CRITICAL = LEVELS.replace('warning: "> 80", ', "")
RIVER = """
rules:
  - name: odd
    match: '{}'
    detector: river
    params: {model: GaussianScorer, warm_up: 100}
    levels: {warning: 1.0}
"""
Row = tuple[str, str | None, str | None, int]


def at(first: int, *values: float) -> list[Event]:
    return [(1, T0 + first + i, value) for i, value in enumerate(values)]


def moved(folder: Path, before: str, events: list[Event], after: str) -> tuple[list[AlertEvent], Shard]:
    """Events under the text `before`, a snapshot on disk, and what it is under `after`."""
    made = config(before)
    shard = Engine(made.rules, made.limits).shard()
    apply(shard, events)
    store = FolderStore(folder, "g")
    store.save(snapshot(shard))
    loaded = store.load("metrics", 0).snapshot
    assert loaded is not None
    made = config(after)
    shard = Engine(made.rules, made.limits).shard()
    return restore(shard, loaded.saved), shard


def rows(events: list[AlertEvent]) -> list[Row]:
    return [(e.status, e.level, e.previous_level, e.seq) for e in events]


def test_an_alert_at_a_level_that_is_gone_falls_to_the_next_that_holds(tmp_path: Path) -> None:
    ends, shard = moved(tmp_path, LEVELS, at(0, 99.0), ONLY_WARNING)
    assert rows(ends) == [("firing", "warning", "critical", 1)]
    assert ends[0].why == "Warning (was critical): its level critical was removed."
    assert rows(apply(shard, at(1, 99.0, 60.0))) == [("resolved", None, "warning", 2)]


def test_an_alert_whose_only_level_is_gone_ends_and_says_so(tmp_path: Path) -> None:
    ends, shard = moved(tmp_path, LEVELS, at(0, 85.0), ONLY_CRITICAL)
    assert rows(ends) == [("resolved", None, "warning", 1)]
    assert ends[0].why == "Resolved from warning: its level warning was removed."
    assert rows(apply(shard, at(1, 85.0, 96.0))) == [("firing", "critical", None, 0)]
    assert rows(shard.advance(T0 + 1e6)) == [("resolved", None, "critical", 1)]


def test_a_level_that_is_new_joins_the_open_alert(tmp_path: Path) -> None:
    ends, shard = moved(tmp_path, ONLY_WARNING, at(0, 99.0), LEVELS)
    assert ends == []
    assert rows(apply(shard, at(1, 99.0, 60.0))) == [
        ("firing", "critical", "warning", 1),
        ("resolved", None, "critical", 2),
    ]


def test_a_new_name_is_a_new_rule(tmp_path: Path) -> None:
    ends, shard = moved(tmp_path, LEVELS, at(0, 85.0), LEVELS.replace("name: high", "name: higher"))
    assert [e.why for e in ends] == ["Resolved from warning: its rule was removed."]
    assert rows(apply(shard, at(1, 85.0))) == [("firing", "warning", None, 0)]


def test_series_beyond_a_lower_cap_end_their_alerts_and_say_why(tmp_path: Path) -> None:
    events = [(s, T0, 85.0) for s in range(4)]
    ends, shard = moved(tmp_path, LEVELS, events, "limits: {max_series: 2}\n" + LEVELS)
    assert [e.why for e in ends] == ["Resolved from warning: its series is beyond max_series."] * 2
    assert len(shard.series) == 2


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        (RIVER, True),
        (RIVER.replace("warning: 1.0", "warning: 2.0"), True),
        (RIVER.replace("GaussianScorer", "LocalOutlierFactor"), False),
        (RIVER.replace("100", "200"), False),
    ],
)
def test_what_river_learned_stays_unless_the_model_is_another(tmp_path: Path, after: str, kept: bool) -> None:
    rng = np.random.default_rng(1)
    events = at(0, *(60.0 + rng.normal(0, 1, 300)).tolist())
    _, shard = moved(tmp_path, RIVER, events, after)
    learned = np.asarray(shard.bindings[0].detectors[0].state["series"])
    assert (learned["rows"][0] == 300) == kept


def test_state_of_another_shape_under_the_same_version_learns_again(tmp_path: Path) -> None:
    """A detector's author forgot to raise the version: better a new start than numbers that mean something else."""
    made = config()
    shard = Engine(made.rules, made.limits).shard()
    apply(shard, [(2, T0 + i, 60.0) for i in range(100)])
    for change in ("missing", "wider", "type"):
        taken = snapshot(shard)
        name = "rule1.detector0.profile"
        array = taken.saved.arrays.pop(name)
        if change == "wider":
            taken.saved.arrays[name] = np.concatenate([array, array], axis=1)
        elif change == "type":
            taken.saved.arrays[name] = np.zeros(array.shape, "f8")
        store = FolderStore(tmp_path / change, "g")
        store.save(taken)
        loaded = store.load("metrics", 0).snapshot
        assert loaded is not None
        again = Engine(made.rules, made.limits).shard()
        assert restore(again, loaded.saved) == []
        assert not again.bindings[1].detectors[0].state["series"][0].tobytes().strip(b"\0")
        assert again.last_t[0] == T0 + 99
