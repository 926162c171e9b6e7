"""Whether loaded state can be what an engine wrote: shapes, types and numbers by which compiled loops index.

Those loops check no bounds. A block with a right checksum may still come from another program, or from malice.
"""

from typing import Any

import numpy as np

from alerting.budget import BUDGET
from alerting.lifecycle import CELL, OLD_CELL, State
from detectors.absent import Absent
from pipeline.gathering import CELL as MEMBER
from pipeline.gathering import OPEN
from pipeline.points import KEPT
from pipeline.saved import SavedRule, SavedShard
from pipeline.snapshots.cuts import Array
from pipeline.snapshots.errors import SnapshotInvalid
from schemas.control import ControlError, ForeignKind, decode_control, encode_control

_F8, _I8 = np.dtype("f8"), np.dtype("i8")
LEVELS_MAX = 3


def check_meaning(saved: SavedShard) -> None:
    """Raises SnapshotInvalid."""
    n = len(saved.series)
    _array(saved, "last_t", _F8, (n,))
    _array(saved, "point_t", _F8, (n, KEPT))
    _array(saved, "point_x", _F8, (n, KEPT))
    if (_array(saved, "point_count", _I8, (n,)) < 0).any():
        raise SnapshotInvalid("a series with less than no points")
    names = [rule.name for rule in saved.rules]
    if len(set(names)) < len(names):
        raise SnapshotInvalid("a rule is there twice")
    for i, rule in enumerate(saved.rules):
        _check_rule(saved, i, rule)
    for control in saved.controls.pending:
        try:
            decode_control(encode_control(control))
        except (ControlError, ForeignKind) as error:
            raise SnapshotInvalid(f"a control is not as it must be: {error}") from None


def _check_rule(saved: SavedShard, i: int, rule: SavedRule) -> None:
    levels = len(rule.ranks)
    if not 0 < levels <= LEVELS_MAX or len(rule.speaks) != levels:
        raise SnapshotInvalid(f"rule {rule.name[:200]!r} has {levels} levels, and {len(rule.speaks)} that speak")
    if not set(rule.ranks) <= {1, 2, 3} or not all(0 <= j < len(rule.detectors) for j in rule.speaks):
        raise SnapshotInvalid(f"rule {rule.name[:200]!r} has a level or a detector that can't be")
    series_of = _array(saved, f"rule{i}.series_of", _I8, (None,))
    if ((series_of < 0) | (series_of >= len(saved.series))).any() or len(np.unique(series_of)) < len(series_of):
        raise SnapshotInvalid(f"rule {rule.name[:200]!r} has rows of series that are not there, or two of one")
    if rule.group_by is not None and all(one.kind != Absent.kind for one in rule.detectors):
        groups = len(series_of)
        _array(saved, f"rule{i}.open", OPEN, (groups,))
        _array(saved, f"rule{i}.gathered", MEMBER, (groups, None))
        _array(saved, f"rule{i}.point_t", _F8, (groups, KEPT))
        _array(saved, f"rule{i}.point_x", _F8, (groups, KEPT))
        if (_array(saved, f"rule{i}.point_count", _I8, (groups,)) < 0).any():
            raise SnapshotInvalid("a group with less than no points")
    was = saved.arrays.get(f"rule{i}.cells")
    dtype = OLD_CELL if was is not None and was.dtype == OLD_CELL else CELL
    cells = _array(saved, f"rule{i}.cells", dtype, (len(series_of),))
    if not np.isin(cells["rank"], [0, *rule.ranks]).all():
        raise SnapshotInvalid(f"rule {rule.name[:200]!r} has alerts at a level that it has not")
    if ((cells["state"] < 0) | (cells["state"] >= len(State))).any() or (cells["seq"] < 0).any():
        raise SnapshotInvalid(f"rule {rule.name[:200]!r} has alerts in a state that there is not")
    if f"budget{i}.rule" in saved.arrays:
        budget = _array(saved, f"budget{i}.rule", BUDGET, (1,))
        finite = all(np.isfinite(budget[name]).all() for name in BUDGET.names or ())
        if not finite or budget["partitions"][0] < 1.0 or budget["series"][0] < 0.0:
            raise SnapshotInvalid(f"rule {rule.name[:200]!r} has a budget that can't be")


def _array(saved: SavedShard, name: str, dtype: np.dtype[Any], shape: tuple[int | None, ...]) -> Array:
    array = saved.arrays.get(name)
    if array is None:
        raise SnapshotInvalid(f"array {name} is missing")
    fits = len(array.shape) == len(shape) and all(b in (None, a) for a, b in zip(array.shape, shape, strict=True))
    if array.dtype != dtype or not fits:
        raise SnapshotInvalid(f"array {name} is {array.dtype} {array.shape}, which is not what is kept under that name")
    return array
