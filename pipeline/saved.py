"""A shard as plain arrays and words, and back: what a snapshot holds. No I/O, no pickle.

Restoring under another config keeps what still means the same: a rule's alerts by its name, a detector's state by its
kind, version and settings. Borders, timers, labels and texts may change freely; what was learned doesn't depend on
them. An alert whose rule is gone, or no longer matches its series, is ended and says so; one whose level is gone falls
to the next that holds.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from alerting.lifecycle import CELL, State
from pipeline.binding import Binding
from pipeline.control import SavedControls
from pipeline.engine import Shard
from pipeline.grouping import GroupBinding
from pipeline.sets import SetBinding, set_of
from pipeline.silent_sets import SilentSets
from pipeline.wording import Change, RuleWords, to_event
from schemas.alert import AlertEvent, Evidence
from schemas.config import DetectorSpec
from schemas.levels import LEVELS
from schemas.metric import Labels, Series

Array = NDArray[Any]


class SavedDetector(msgspec.Struct, frozen=True):
    """Whose state an array is: of the same kind, version and settings it goes on, else it learns again."""

    kind: str
    version: int
    params: dict[str, Any]


class SavedRule(msgspec.Struct, frozen=True):
    """What the arrays of one rule mean, and what it takes to end its alerts when it is gone."""

    name: str
    labels: list[tuple[str, str]]
    annotations: list[tuple[str, str]]
    config_hash: str
    match: str
    ranks: list[int]  # levels, in the order of the cells' columns
    speaks: list[int]  # by level, its detector's index
    detectors: list[SavedDetector]
    group_by: list[str] | None = None  # its rows are sets of series, each told by one of its members
    place: list[tuple[str, str]] = []  # labels that each of them has beside its own


@dataclass(frozen=True)
class SavedShard:
    """All of a shard.

    arrays: by name; the first axis is the series, or the rows of a rule. slow: the axis along which an array changes
    little between two snapshots (a profile: one bin of the day), for those that have one.
    """

    series: list[tuple[str, Labels]]
    newest_t: float
    rules: list[SavedRule]
    arrays: dict[str, Array]
    slow: dict[str, int] = field(default_factory=dict)
    controls: SavedControls = field(default_factory=SavedControls)


def capture(shard: Shard) -> SavedShard:
    """A consistent copy; the shard must not be applied to meanwhile. The copying itself lets other threads run."""
    rules, arrays, slow = _layout(shard)
    series = [(one.metric, one.labels) for one in shard.series]
    copies = {name: array.copy() for name, array in arrays.items()}
    return SavedShard(series, shard.newest_t, rules, copies, slow, shard.controls.save())


def restore(shard: Shard, saved: SavedShard) -> list[AlertEvent]:
    """Fills an empty shard; returns the ends of alerts that nothing stands for any more."""
    rows_of = {rule.name: len(saved.arrays[f"rule{i}.series_of"]) for i, rule in enumerate(saved.rules)}
    shard.reserve(len(saved.series), rows_of)
    index = np.array([shard.intern(metric, dict(labels)) for metric, labels in saved.series], np.int64)
    shard.newest_t = saved.newest_t
    kept = index >= 0  # the cap may be lower than it was
    into, recent = index[kept], shard.recent
    shard.last_t[into] = saved.arrays["last_t"][kept]
    recent.counts[into] = saved.arrays["point_count"][kept]
    recent.ring_t[into] = saved.arrays["point_t"][kept]
    recent.ring_x[into] = saved.arrays["point_x"][kept]
    by_name = {binding.rule.name: binding for binding in shard.bindings}
    ends: list[AlertEvent] = []
    forgetful = set(by_name)  # rules of which no detector knows what it was told
    for i, old in enumerate(saved.rules):
        series_of, cells = saved.arrays[f"rule{i}.series_of"], saved.arrays[f"rule{i}.cells"]
        binding = by_name.get(old.name)
        rows = np.full(len(series_of), -1, np.int64)
        if binding is not None and _of_the_same(binding, old):
            at = index[series_of]
            rows[at >= 0] = binding.row_of[at[at >= 0]]
            if isinstance(binding, SetBinding):  # the member that stands for it may have left it
                labels = [saved.series[s][1] for s in series_of.tolist()]
                rows = np.array([binding.row_of_group(one) for one in labels], np.int64)
            if isinstance(binding, SilentSets):
                binding.take_over(rows, at)
            same_members = old.match == str(binding.rule.selector) and bool(kept.all())
            fits = not isinstance(binding, GroupBinding) or (same_members and _restore_groups(binding, saved, i, rows))
            if fits and _restore_detectors(binding, old, saved, i, rows):
                forgetful.discard(old.name)
            _restore_cells(binding, old, cells, rows)
            _restore_budget(binding, saved.arrays.get(f"budget{i}.rule"))
            ends += _leave_levels(binding, saved, old, series_of, cells, rows)
        for row in np.flatnonzero((rows < 0) & (cells["rank"] > 0)).tolist():
            s = int(series_of[row])
            cause = "its rule no longer matches this series"
            if binding is None:
                cause = "its rule was removed"
            elif index[s] < 0:
                cause = "its series is beyond max_series"
            ends.append(_end(saved, old, s, cells[row], cause))
    for one in shard.bindings:
        if isinstance(one, SilentSets):
            one.settle(shard.last_t)
    shard.controls.restore(saved.controls, shard.where, forgetful)
    return ends


def _layout(shard: Shard) -> tuple[list[SavedRule], dict[str, Array], dict[str, int]]:
    """The shard's own arrays (views), trimmed to what is in use."""
    n, recent = len(shard.series), shard.recent
    arrays: dict[str, Array] = {
        "last_t": shard.last_t[:n],
        "point_count": recent.counts[:n],
        "point_t": recent.ring_t[:n],
        "point_x": recent.ring_x[:n],
    }
    slow = {"point_t": 1, "point_x": 1}
    rules = []
    for i, binding in enumerate(shard.bindings):
        arrays[f"rule{i}.series_of"] = binding.series_of[: binding.rows]
        arrays[f"rule{i}.cells"] = binding.cells[: binding.rows]
        if binding.rule.budget_a_day:
            arrays[f"budget{i}.rule"] = binding.budget
        if isinstance(binding, GroupBinding):
            arrays |= {f"rule{i}.{name}": array[: binding.rows] for name, array in binding.own_state.items()}
        for j, detector in enumerate(binding.detectors):
            for name, array in detector.state.items():
                arrays[f"rule{i}.detector{j}.{name}"] = array[: binding.rows]
                if name in detector.slow_axes:
                    slow[f"rule{i}.detector{j}.{name}"] = detector.slow_axes[name]
        rules.append(_words(binding))
    return rules, arrays, slow


def _words(binding: Binding) -> SavedRule:
    rule = binding.rule
    return SavedRule(
        name=rule.name,
        labels=list(rule.labels),
        annotations=list(rule.annotations),
        config_hash=rule.config_hash,
        match=str(rule.selector),
        ranks=[level.rank for level in rule.levels],
        speaks=[level.detector for level in rule.levels],
        detectors=[
            _detector_words(spec, detector.version)
            for spec, detector in zip(rule.detectors, binding.detectors, strict=True)
        ],
        group_by=None if rule.group_by is None else list(rule.group_by),
        place=list(binding.place) if isinstance(binding, SetBinding) else [],
    )


def _of_the_same(binding: Binding, old: SavedRule) -> bool:
    """Whether the rule's rows are still made of series in the same way."""
    words = _words(binding)
    return words.group_by == old.group_by and sorted(words.place) == sorted(tuple(pair) for pair in old.place)


def _detector_words(spec: DetectorSpec, version: int) -> SavedDetector:
    return SavedDetector(spec.kind, version, spec.params.model_dump(mode="json"))


def _restore_detectors(binding: Binding, old: SavedRule, saved: SavedShard, i: int, rows: Array) -> bool:
    """rows: the new row of each old one, -1 where there is none. False: what the rule was told is forgotten. Where
    one of its detectors still knows it, it isn't said again to the others: nobody can say it to them alone."""
    kept, knows, forgets = rows >= 0, False, False
    same_rows = bool(np.array_equal(rows, np.arange(len(rows))))  # then they are copied as one piece
    for detector, words in zip(binding.detectors, _words(binding).detectors, strict=True):
        learns = detector.heeds_people
        if words not in old.detectors:
            forgets |= learns
            continue
        j = old.detectors.index(words)
        arrays = [(array, saved.arrays.get(f"rule{i}.detector{j}.{name}")) for name, array in detector.state.items()]
        for array, was in arrays:
            if was is None or was.dtype != array.dtype or was.shape[1:] != array.shape[1:]:
                forgets |= learns
                break  # written by a detector that says it is of this version, and isn't
        else:
            knows |= learns
            for array, was in arrays:
                assert was is not None  # noqa: S101 - as the loop above found
                if same_rows:
                    array[: len(rows)] = was
                else:
                    array[rows[kept]] = was[kept]
    return knows or not forgets


def _restore_groups(binding: GroupBinding, saved: SavedShard, i: int, rows: Array) -> bool:
    """The open buckets, where the members have the same numbers as before; False: nothing of it fits."""
    own = {name: (array, saved.arrays.get(f"rule{i}.{name}")) for name, array in binding.own_state.items()}
    for array, was in own.values():
        if was is None or was.dtype != array.dtype or was.shape[1:] != array.shape[1:] or len(was) != len(rows):
            return False
    kept = rows >= 0
    for array, was in own.values():
        assert was is not None  # noqa: S101 - as the loop above found
        array[rows[kept]] = was[kept]
    binding.realign()
    return True


def _restore_cells(binding: Binding, old: SavedRule, cells: Array, rows: Array) -> None:
    """Open episodes go on under the new levels. A level that is new starts inactive."""
    kept = rows >= 0
    moved = np.zeros(int(kept.sum()), CELL)
    for name in cells.dtype.names or ():  # an older snapshot has fewer: back-off starts anew
        if name not in ("since_s", "state"):
            moved[name] = cells[name][kept]
    for k, level in enumerate(binding.rule.levels):
        if level.rank in old.ranks:
            was = old.ranks.index(level.rank)
            moved["state"][:, k] = cells["state"][kept, was]
            moved["since_s"][:, k] = cells["since_s"][kept, was]
    binding.cells[rows[kept]] = moved


def _restore_budget(binding: Binding, was: Array | None) -> None:
    """What was learned goes on, also under another budget."""
    if was is None or not binding.rule.budget_a_day:
        binding.cells["seen"] = 0  # counted anew
        return
    binding.budget[:] = was
    binding.budget["a_day"] = binding.rule.budget_a_day / was["partitions"]
    binding.budget["series"] = np.count_nonzero(binding.cells["seen"])


def _leave_levels(
    binding: Binding, saved: SavedShard, old: SavedRule, series_of: Array, cells: Array, rows: Array
) -> list[AlertEvent]:
    """Alerts at a level that the rule no longer has go to the highest that still fires or recovers, or end."""
    moved = []
    for row in np.flatnonzero((rows >= 0) & (cells["rank"] > 0) & ~np.isin(cells["rank"], list(binding.by_rank))):
        cell = binding.cells[rows[row]]
        open_ = [
            level for k, level in enumerate(binding.rule.levels) if cell["state"][k] in (State.FIRING, State.RECOVERING)
        ]
        rank = max((level.rank for level in open_), default=0)
        change = _change(saved, old, int(series_of[row]), cells[row])
        if rank:
            change = replace(change, rank=rank, detector=binding.detectors[binding.by_rank[rank].detector].kind)
        moved.append(to_event(replace(change, rule=binding.words), f"its level {LEVELS[cell['rank'] - 1]} was removed"))
        cell["rank"], cell["seq"] = rank, change.seq
    return moved


LOST_SEQ = 1_000_000
"""Added to `seq` of an end whose episode may have gone on beyond the saved state: those transitions were published, and
nobody knows how many there were."""


def ends_of_open(saved: SavedShard, cause: str) -> list[AlertEvent]:
    """Ends all that is open, where what followed is lost."""
    ends = []
    for i, rule in enumerate(saved.rules):
        series_of, cells = saved.arrays[f"rule{i}.series_of"], saved.arrays[f"rule{i}.cells"]
        for row in np.flatnonzero(cells["rank"] > 0).tolist():
            change = _change(saved, rule, int(series_of[row]), cells[row])
            ends.append(to_event(replace(change, seq=change.seq + LOST_SEQ), cause))
    return ends


def _end(saved: SavedShard, old: SavedRule, s: int, cell: Any, cause: str) -> AlertEvent:
    return to_event(_change(saved, old, s, cell), cause)


def _change(saved: SavedShard, old: SavedRule, s: int, cell: Any) -> Change:
    """The end of an alert at its series' newest point: what was applied under the old rule stays so."""
    rank, one, of = int(cell["rank"]), Series(*saved.series[s]), f"rule{saved.rules.index(old)}."
    if old.group_by is not None:
        one = set_of(old.name, old.group_by, one.labels, tuple((name, value) for name, value in old.place))
    if f"{of}open" in saved.arrays:
        s = int(np.flatnonzero(saved.arrays[f"{of}series_of"] == s)[0])
        at_s = float(saved.arrays[f"{of}open"]["row_t"][s])
    else:
        # An alert about silence begins after its series' newest point.
        of, at_s = "", max(float(saved.arrays["last_t"][s]), float(cell["starts_at_s"]))
    point_t, point_x = saved.arrays[f"{of}point_t"][s], saved.arrays[f"{of}point_x"][s]
    count = int(saved.arrays[f"{of}point_count"][s])
    at = np.arange(max(0, count - len(point_t)), count) % len(point_t)
    return Change(
        rule=RuleWords(old.name, tuple(old.labels), tuple(old.annotations), old.config_hash),
        series=one,
        detector=old.detectors[old.speaks[old.ranks.index(rank)]].kind,
        rank=0,
        previous_rank=rank,
        seq=int(cell["seq"]) + 1,
        at_s=at_s,
        starts_at_s=float(cell["starts_at_s"]),
        evidence=Evidence(point_t[at].tolist(), point_x[at].tolist()),
    )
