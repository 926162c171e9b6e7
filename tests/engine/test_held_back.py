"""Back-off and budget through the whole engine: what opens, what is counted, what is said, what a snapshot keeps."""

import numpy as np
import pytest

from alerting.lifecycle import OLD_CELL
from pipeline.engine import Engine, Shard
from pipeline.saved import SavedShard, capture, restore
from pipeline.snapshots.checks import check_meaning
from pipeline.snapshots.errors import SnapshotInvalid
from schemas.alert import AlertEvent, encode_alert
from tests.engine.streams import Event, apply, config

T0 = 1_795_392_000.0
TEXT = """
rules:
  - name: unusual
    match: '{}'
    detector: baseline
    levels: {warning: 1.0, critical: 2.0}
    budget: 1/week
"""
FREE = TEXT.replace("    budget: 1/week\n", "")
SERIES, ROWS = 60, 400


def shard_of(text: str) -> Shard:
    made = config(text)
    return Engine(made.rules, made.limits).shard()


def stream(faults: dict[int, float], seed: int = 3) -> list[Event]:
    """Noise of one sigma, and faults in series 0: row -> sigmas."""
    rng = np.random.default_rng(seed)
    values = 50.0 + rng.normal(size=(ROWS, SERIES))
    for row, sigmas in faults.items():
        values[row, 0] = 50.0 + sigmas
    return [(s, T0 + 60.0 * row, float(values[row, s])) for row in range(ROWS) for s in range(SERIES)]


def opened(shard: Shard, events: list[Event]) -> list[AlertEvent]:
    return [e for e in apply(shard, events) if e.status == "firing" and e.previous_level is None]


def test_a_fault_of_30_sigmas_opens_in_a_rule_whose_border_is_raised_and_says_so() -> None:
    mild = dict.fromkeys((200, 280), 7.0)
    events = stream(mild | {350: 30.0})
    free, shard = shard_of(FREE), shard_of(TEXT)
    without, found = opened(free, events), opened(shard, events)
    assert len(found) < len(without)
    (fault,) = [e for e in found if e.labels["metric"] == "m0" and e.value == 80.0]
    assert "(the border is raised x" in fault.why
    assert fault.score is not None
    assert fault.score > 3.0
    held = shard.counts["held_back:unusual:budget"]
    assert held >= len(without) - len(found)
    assert not free.counts["held_back:unusual:budget"]


def test_back_off_is_counted() -> None:
    shard = shard_of(FREE)
    found = opened(shard, stream(dict.fromkeys(range(300, 400, 10), 12.0)))
    assert len([e for e in found if e.labels["metric"] == "m0"]) < 5
    assert shard.counts["held_back:unusual:back_off"] > 4


@pytest.mark.parametrize("text", [TEXT, FREE])
def test_a_snapshot_keeps_what_holds_back(text: str) -> None:
    events = stream(dict.fromkeys(range(200, 400, 10), 12.0))
    whole, first, second = shard_of(text), shard_of(text), shard_of(text)
    expected = apply(whole, events)
    cut = 230 * SERIES + 17
    found = apply(first, events[:cut])
    assert restore(second, capture(first)) == []
    found += apply(second, events[cut:], cut)
    assert [encode_alert(e) for e in found] == [encode_alert(e) for e in expected]


def old(saved: SavedShard) -> SavedShard:
    """As it was saved before there was a back-off."""
    cells = saved.arrays["rule0.cells"]
    before = np.zeros(len(cells), OLD_CELL)
    for name in OLD_CELL.names or ():
        before[name] = cells[name]
    saved.arrays["rule0.cells"] = before
    saved.arrays.pop("budget0.rule", None)
    return saved


@pytest.mark.parametrize("text", [TEXT, FREE])
def test_a_snapshot_of_before_goes_on_and_what_holds_back_is_learned_afresh(text: str) -> None:
    events = stream({350: 30.0})
    shard, again = shard_of(text), shard_of(text)
    cut = 351 * SERIES
    (fault,) = [e for e in opened(shard, events[:cut]) if e.value == 80.0]
    saved = old(capture(shard))
    check_meaning(saved)
    assert restore(again, saved) == []
    ends = apply(again, events[cut:], cut)
    assert [e.status for e in ends if e.id == fault.id] == ["resolved"]


def test_a_budget_that_can_not_be_is_refused() -> None:
    for field, value in (("lift", np.nan), ("partitions", 0.0), ("series", -1.0)):
        saved = capture(shard_of(TEXT))
        saved.arrays["budget0.rule"] = saved.arrays["budget0.rule"].copy()
        saved.arrays["budget0.rule"][field] = value
        with pytest.raises(SnapshotInvalid, match="budget"):
            check_meaning(saved)
