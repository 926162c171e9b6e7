"""An online model of river's `anomaly` module on a group: its members' values together are one row of features.

As `river_model.py`, which has the settings and says what a raw score is; here are the members: each brought to its own
scale, told by number. A member that did not come counts as where it is expected. A model can't be taught a feature that
it was not built with, so a group that gets a new member starts its model anew.
"""

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors import river_state
from detectors.base import VALUE_MAX, Flags, Floats, Point, Records, Rows, Settings
from detectors.group import GroupDetector, unpacked, widened
from detectors.joint import named
from detectors.pulse import PULSE_FIELDS, pulse
from detectors.river_api import Params, judge_safely
from detectors.river_model import (
    DEVIATION_MAX,
    ERROR_MAX,
    HELD_FROM,
    NOISE,
    READ_AS,
    RISE,
    SCALE_SIGMAS,
    SIGMA,
    START_ROWS,
    TINY,
    WEIGHT,
    surprise_of,
)
from detectors.tail import TAIL_FIELDS, learn_tail, tail_border, tail_ready
from schemas.compiled import compiled
from schemas.levels import Border

GROUP = np.dtype(
    [
        ("rows", "f8"),  # seen by the group
        ("learned", "f8"),  # of them by the model: fewer, where it learned again
        ("members", "f8"),  # features that the model was built with
        ("usual", "f8"),  # running mean of the model's raw score, bounded
        ("spread", "f8"),  # mean absolute residual to that, bounded
        ("expected", "f8"),  # running mean of the surprise, bounded
        *PULSE_FIELDS,
        *TAIL_FIELDS,
    ]
)
"""One group's calibration. All f8, all zero: never seen."""

MEMBER = np.dtype(
    [
        ("rows", "f8"),  # values; 0: never came
        ("level", "f8"),  # robust mean
        ("error", "f8"),  # mean absolute residual to it, bounded
        ("x", "f8"),  # newest
    ]
)

FEATURES_TRIED = (1, 2)  # where a model's state is as long with both, it is so with any number


class RiverGroup(GroupDetector):
    """A river model per group. Score 1.0 is the border that the episode tail learned for that group.

    Two metrics that rise and fall together; in the last row one turns around, well within its own range:

    >>> from detectors.base import VERDICT
    >>> n = 1500
    >>> x = np.sin(np.arange(n) * 0.7)[:, None] + np.random.default_rng(1).normal(0.0, 0.02, (n, 2))
    >>> x[-1] = 0.9, -0.9
    >>> detector, out, value = RiverGroup(Params(model="LocalOutlierFactor"), ()), np.zeros(n, VERDICT), np.zeros(n)
    >>> detector.grow(1, 2)
    >>> detector.update(np.zeros(n, np.int64), np.zeros(n, np.bool_), 60.0 * np.arange(n), x, value, out)
    >>> bool(out["score"][-1] >= 1.0)
    True
    """

    kind: ClassVar[str] = "river"
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        assert isinstance(params, Params)  # noqa: S101 - the base class looked
        if params.not_of_groups:
            raise ValueError(params.not_of_groups)
        self.failures = 0
        self._params = params
        self._read_as = READ_AS.get(params.model, RISE)
        self._groups: NDArray[Any] = np.zeros(0, GROUP)
        self._members: NDArray[Any] = np.zeros((0, 0), MEMBER)
        self._models: list[Any] = []
        # Without a seed the same arguments don't build the same model twice.
        seeded = params.args.get("seed", params.seed) is not None
        counts = {river_state.number_count(self._started(range(n))) if seeded else 0 for n in FEATURES_TRIED}
        count = counts.pop() if len(counts) == 1 else 0
        # The first says whether a model was saved there: rows whose model was never built keep what was loaded.
        self._numbers: NDArray[np.float64] = np.zeros((0, 1 + count if count else 0), np.float64)

    @property
    def keeps_models(self) -> bool:
        """Whether the saved state holds the models. Else they learn again after a restart."""
        return bool(self._numbers.shape[1])

    @property
    def failure_count(self) -> int:
        return self.failures

    def grow(self, rows: int, members: int) -> None:
        self._groups, self._numbers = widened(self._groups, rows), widened(self._numbers, rows)
        self._members = widened(self._members, rows, members)
        self._models += [None] * (rows - len(self._models))

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, value: Floats, out: Records) -> None:
        x = np.clip(x, -VALUE_MAX, VALUE_MAX)
        features = np.full(x.shape[1], np.nan)
        odd = np.full(x.shape[1], np.nan)
        for i, (k, new) in enumerate(zip(rows.tolist(), fresh.tolist(), strict=True)):
            grew = _begin(self._groups, self._members, k, new, x[i], self._params.scales_group, features, odd)
            raw = math.nan
            if np.isfinite(x[i]).any():
                known = np.flatnonzero(np.isfinite(features)).tolist()
                if new or grew or (self._models[k] is None and not self._load(k, known)):
                    self._models[k] = self._params.build()
                    self._groups[k]["learned"] = 0.0
                raw = judge_safely(self._models[k], {_named(member): float(features[member]) for member in known})
                self.failures += math.isnan(raw)
            warm_up = float(self._params.warm_up)
            _calibrate(self._groups, self._members, k, x[i], raw, self._read_as, warm_up, odd, value, out, i)

    def _started(self, members: Any) -> Any:
        """A model that has learned one row of these members: some build their insides only then."""
        model = self._params.build()
        judge_safely(model, {_named(member): 0.5 for member in members})
        return model

    def _load(self, k: int, members: list[int]) -> bool:
        """Whether a saved model of group `k` was taken up."""
        if not self.keeps_models or self._numbers[k, 0] == 0.0:
            return False
        model = self._started(members)
        river_state.restore(model, self._numbers[k, 1:])
        self._models[k] = model
        return True

    def why(self, point: Point) -> str:
        did = [point.members[member] for member in unpacked(point.part) if member < len(point.members)]
        far = f", farthest from their levels: {', '.join(did)}" if did else ""
        if point.score < 1.0:
            return f"{self._params.model} finds the members together as odd as {point.value:.3g}{far}"
        return (
            f"{self._params.model} finds the members together {point.score:.2g} times as odd as this group's border "
            f"({point.value:.3g} over {point.upper:.3g}){far}"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        """As of `River`: calibration, and what the models learned where `keeps_models`: never pickled."""
        state: dict[str, NDArray[np.generic]] = {"groups": self._groups, "members": self._members}
        if not self.keeps_models:
            return state
        for numbers, model in zip(self._numbers, self._models, strict=True):
            if model is not None:
                numbers[0] = 1.0
                river_state.save(model, numbers[1:])
        return {**state, "numbers": self._numbers}


def _named(member: int) -> str:
    """Models put features in order by name."""
    return f"{member:04d}"


@compiled
def _begin(
    groups: Any, members: Any, k: int, fresh: bool, x: Floats, scales: bool, features: Floats, odd: Floats
) -> bool:
    """Before row `x` of group `k`: its `features`, NaN of members that never came, and how far each is from its level
    in sigmas (`odd`). True: a member came that the model was not built with."""
    if fresh:
        groups.view(np.float64).reshape((len(groups), -1))[k] = 0.0
        for j in range(members.shape[1]):
            members[k, j].rows = members[k, j].level = members[k, j].error = members[k, j].x = 0.0
    known = 0.0
    for j in range(len(x)):
        m = members[k, j]
        features[j] = odd[j] = np.nan
        came = math.isfinite(x[j])
        if not came and m.rows == 0.0:
            continue
        known += 1.0
        level = x[j] if m.rows == 0.0 else m.level
        sigma = max(SIGMA * m.error, NOISE * abs(level)) + TINY
        off = x[j] - level if came else 0.0
        if came and m.rows > START_ROWS:
            odd[j] = math.log1p(min(abs(off) / sigma, DEVIATION_MAX))
        if scales:
            features[j] = min(max(0.5 + off / (2.0 * SCALE_SIGMAS * sigma), 0.0), 1.0)
        else:
            features[j] = x[j] if came else level
    grew = bool(known != groups[k].members)
    groups[k].members = known
    return grew


@compiled
def _calibrate(
    groups: Any,
    members: Any,
    k: int,
    x: Floats,
    raw: float,
    read_as: int,
    warm_up: float,
    odd: Floats,
    value: Floats,
    out: Any,
    i: int,
) -> None:
    """Verdict `i` for row `x` of group `k`, whose model said `raw` (NaN: nothing, or it failed); then learn both."""
    s, v = groups[k], out[i]
    v.expected = v.lower = v.upper = value[i] = np.nan
    v.score = v.deviation = v.part = 0.0
    row = s.rows
    moved = False
    for j in range(len(x)):
        m = members[k, j]
        if not math.isfinite(x[j]):
            continue
        moved = moved or x[j] != m.x
        if m.rows == 0.0:
            m.level = x[j]
        off = x[j] - m.level
        weight = max(WEIGHT, 1.0 / (m.rows + 1.0))
        if m.rows > START_ROWS and m.error > 0.0:
            off = max(-ERROR_MAX * m.error, min(ERROR_MAX * m.error, off))
        m.error += weight * (abs(off) - m.error)
        m.level += weight * off
        m.rows += 1.0
        m.x = x[j]
    s.rows = row + 1.0
    if not math.isfinite(raw):
        return
    # The first half of the warm-up is the model's own: what it says then is not what it will say.
    if s.learned >= warm_up / 2.0:
        surprise = surprise_of(raw, read_as, s.usual)
        value[i] = surprise
        if tail_ready(s) and s.learned >= warm_up:
            v.expected, v.upper = s.expected, tail_border(s)
            ratio = max(surprise / v.upper, 0.0)
            v.score = pulse(s, row, ratio)
            v.deviation = min(2.0 * HELD_FROM * ratio, DEVIATION_MAX)  # held until half of the border
            v.part = named(odd)
        if surprise > TINY:
            learn_tail(s, row, surprise, moved)
        taught = s.learned - warm_up / 2.0
        rise, more = raw - s.usual, surprise - s.expected
        if taught > START_ROWS and s.spread > 0.0:
            rise = max(-ERROR_MAX * s.spread, min(ERROR_MAX * s.spread, rise))
            more = min(more, ERROR_MAX * abs(s.expected)) if s.expected != 0.0 else more
        weight = max(WEIGHT, 1.0 / (taught + 1.0))
        s.spread += weight * (abs(rise) - s.spread)
        s.usual += weight * rise
        s.expected += weight * more
    s.learned += 1.0
