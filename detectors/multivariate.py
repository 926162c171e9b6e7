"""Several metrics of one thing, judged together: small oddities in many of them, or values that don't go together.

Knows the members of a group by number; knows no names but those it is told for `why`. docs/detectors.md has the
formulas.

1. Every member is brought to robust sigmas by a small baseline of its own: a slow level with the time of day, and a
   fast level; it is odd where both are surprised.
2. Mean oddity B: the mean over the members of log(1 + oddity). Not the largest: of 38 metrics one is always odd.
3. Distance A: Mahalanobis over the root of the number of members, with bounded influence of each row.
4. Surprise B sqrt(log(1 + A)) against a border that the group's episode tail learns, drawn towards what a group of many
   members has; a distance alone, where it stands far over its own tail, scores too. The score is a pulse.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors import profile
from detectors.base import VALUE_MAX, Flags, Floats, Point, Records, Rows, Settings
from detectors.group import GroupDetector, GroupSettings, unpacked, widened
from detectors.joint import START_ROWS, factor, learn_joint, named, squared_distance
from detectors.pulse import PULSE_FIELDS, pulse
from detectors.tail import SURE_VERDICTS, TAIL_FIELDS, judge_tail, learn_tail, tail_ready, verdict_factor
from schemas.compiled import compiled
from schemas.levels import Border

GROUP = np.dtype(
    [
        ("rows", "f8"),  # seen
        ("joint_rows", "f8"),  # of them in the covariance
        ("factored", "f8"),  # joint_rows when the factor was made; 0: never
        ("usual", "f8"),  # bounded mean of the surprise
        ("away", "f8"),  # bounded mean of the members' mean log distance from their slow levels
        ("away_spread", "f8"),  # and its bounded mean absolute residual
        ("rebased", "f8"),  # 1: the newest `normal` of a person can be taken back
        *PULSE_FIELDS,
        *TAIL_FIELDS,
    ]
)
"""One group: whole f8s. All zero: never seen."""

DISTANCE = np.dtype(TAIL_FIELDS)
"""The distance's own tail."""

MEMBER = np.dtype(
    [
        ("rows", "f8"),
        ("t", "f8"),  # Unix s of its newest value
        ("period", "f8"),  # s between values, a running mean
        ("slow", "f8"),
        ("fast", "f8"),
        ("error_slow", "f8"),  # bounded mean absolute residual to slow level and time of day
        ("error_fast", "f8"),
        ("factor", "f8"),  # its place on the diagonal of the covariance's Cholesky factor; 0: not in it yet
        ("moved", "f8"),  # by how much that `normal` moved the slow level
    ]
)

ERROR_MAX = 4.0  # mean residuals: learning never moves by more
SLOW_WEIGHT_MIN, SLOW_WEIGHT_MAX = 0.001, 0.1
FAST_WEIGHT = 0.3
GAP_PERIODS = 10.0
ODD_MAX = 1e3  # sigmas: beyond, a member is as odd as it can be (one that never changed before, mostly)
FAR_MAX = 30.0  # sigmas: what one member counts at most in distance and covariance
JOINT_ROWS_MIN, JOINT_ROWS_A_MEMBER = 100.0, 5.0  # rows before there is a distance: covariance needs some a member
FACTOR_ROWS = 50.0  # rows between two factors: the covariance moves by a thousandth a row
INFLUENCE = 4.0  # times the expected squared distance: rows beyond are weighted down to it
HEIGHT, HEIGHT_FEW = 2.5, 3.0  # border: level + (HEIGHT + HEIGHT_FEW / members) heights of the tail. Two members meet
# baseline's 4; the mean of many has a lighter tail.
DISTANCE_HEIGHT = 4.0
PRIOR, PRIOR_MEMBERS = 1.25, 20.0  # border of a group of very many members, whose mean needs no tail to mean something:
# 2 sigmas in the usual member (B = 1.1) at A = 2.5. Its weight is members / (members + PRIOR_MEMBERS).
CALM = 3.0  # |deviation| that holds an alert open
NOISE = 1e-6
TINY = 1e-300
DEVIATION_MAX = 1e6
SIGMA = math.sqrt(math.pi / 2.0)


class Params(GroupSettings):
    """Settings of `multivariate`. Lengths are in rows: times at which members came."""

    warm_up: int = Field(
        default=300,
        ge=150,
        description="Rows of a group before it may score. With more than 50 members it takes longer: 5 rows a member, "
        "and 50 more.",
    )


class Multivariate(GroupDetector):
    """Mean oddity of the members and their joint distance; score 1.0 is the group's own border.

    Two metrics that rise and fall together; in the last row one turns around, well within its own range:

    >>> from detectors.base import VERDICT
    >>> n = 2000
    >>> x = np.sin(np.arange(n) * 0.7)[:, None] + np.random.default_rng(1).normal(0.0, 0.02, (n, 2))
    >>> x[-1] = 0.9, -0.9
    >>> detector, out, value = Multivariate(Params(), ()), np.zeros(n, VERDICT), np.zeros(n)
    >>> detector.grow(1, 2)
    >>> detector.update(np.zeros(n, np.int64), np.zeros(n, np.bool_), 60.0 * np.arange(n), x, value, out)
    >>> int((out["score"][:-1] >= 1.0).sum()), bool(out["score"][-1] >= 1.0)
    (0, True)
    """

    kind: ClassVar[str] = "multivariate"
    version: ClassVar[int] = 2
    slow_axes: ClassVar[Mapping[str, int]] = {"profile": 2}  # one bin of the day changes at a time
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        assert isinstance(params, Params)  # noqa: S101 - the base class looked
        self._warm_up = float(params.warm_up)
        self._groups: NDArray[Any] = np.zeros(0, GROUP)
        self._distance: NDArray[Any] = np.zeros(0, DISTANCE)
        self._members: NDArray[Any] = np.zeros((0, 0), MEMBER)
        self._profile: NDArray[Any] = np.zeros((0, 0, profile.BINS), profile.BIN)
        # Upper triangle with the diagonal: the covariance; below it: its Cholesky factor.
        self._joint: NDArray[Any] = np.zeros((0, 0, 0))

    def grow(self, rows: int, members: int) -> None:
        self._groups, self._distance = widened(self._groups, rows), widened(self._distance, rows)
        self._members = widened(self._members, rows, members)
        self._profile = widened(self._profile, rows, members)
        self._joint = widened(self._joint, rows, members, members)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, value: Floats, out: Records) -> None:
        _run(
            self._groups,
            self._distance,
            self._members,
            self._profile,
            self._joint,
            rows,
            fresh,
            t,
            np.ascontiguousarray(x),
            self._warm_up,
            value,
            out,
        )

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        """`noise`, `missed`: counted, both borders are functions of the counts. `normal`: each member's slow level
        moves to where it is now; taken back, it moves as far the other way, and what was learned in between stays."""
        s: Any = self._groups[row]
        if verdict != "normal":
            return judge_tail(s, verdict, undo)
        if s["rows"] == 0.0 or (undo and s["rebased"] == 0.0):
            return False
        for member, bins in zip(self._members[row], self._profile[row], strict=True):
            here, left, near, weight = profile.place(float(member["t"]))
            season = float(profile.read(bins, here, left, near, weight))
            moved = -member["moved"] if undo else member["fast"] - member["slow"] - season
            moved = moved if member["rows"] > 0.0 else 0.0
            member["slow"] += moved
            member["moved"] = 0.0 if undo else moved
        s["rebased"] = 0.0 if undo else 1.0
        return True

    def why(self, point: Point) -> str:
        did = [point.members[member] for member in unpacked(point.part) if member < len(point.members)]
        named = f", most of all {', '.join(did)}" if did else ""
        if point.score < 1.0:
            return f"the group's joint surprise is {point.value:.3g}, usually {point.expected:.3g}{named}"
        if point.value > point.upper:
            return (
                f"the members together are {point.score:.2g} times as surprising as this group's border "
                f"({point.value:.3g} over {point.upper:.3g}){named}"
            )
        return f"the members go together as never before, {point.score:.2g} times as far as this group's border{named}"

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {
            "groups": self._groups,
            "distance": self._distance,
            "members": self._members,
            "profile": self._profile,
            "joint": self._joint,
        }


@compiled
def _run(
    groups: Any,
    distances: Any,
    members: Any,
    profiles: Any,
    joints: Any,
    rows: Rows,
    fresh: Flags,
    t: Floats,
    x: Floats,
    warm_up: float,
    value: Floats,
    out: Any,
) -> None:
    group_cells = groups.view(np.float64).reshape((len(groups), -1))
    distance_cells = distances.view(np.float64).reshape((len(distances), -1))
    count = x.shape[1]
    sigmas, odd = np.zeros(count), np.zeros(count)
    for i in range(len(rows)):
        k = rows[i]
        if fresh[i]:
            group_cells[k] = 0.0
            distance_cells[k] = 0.0
            joints[k] = 0.0
            for j in range(members.shape[1]):
                _forget(members[k, j], profiles[k, j])
        _step(
            groups[k], distances[k], members[k], profiles[k], joints[k], t[i], x[i], warm_up, sigmas, odd, value, out, i
        )


@compiled
def _forget(m: Any, bins: Any) -> None:
    m.rows = m.t = m.period = m.slow = m.fast = m.error_slow = m.error_fast = m.factor = m.moved = 0.0
    for b in range(len(bins)):
        bins[b].value = bins[b].noise = bins[b].count = 0.0


@compiled
def _step(
    s: Any,
    distance: Any,
    members: Any,
    profiles: Any,
    joint: Any,
    t: float,
    x: Floats,
    warm_up: float,
    sigmas: Floats,
    odd: Floats,
    value: Floats,
    out: Any,
    i: int,
) -> None:
    """Judge row `i` of one group from what is known, then learn it. sigmas, odd: scratch, a number a member; both NaN
    where a member did not come or is too new to count."""
    v = out[i]
    v.expected = v.lower = v.upper = value[i] = np.nan
    v.score = v.deviation = v.part = 0.0
    here, left, near, weight = profile.place(t)
    came, mean, away = 0.0, 0.0, 0.0
    for j in range(len(x)):
        sigmas[j] = odd[j] = np.nan
        if math.isfinite(x[j]):
            bounded = min(max(x[j], -VALUE_MAX), VALUE_MAX)
            _member(members[j], profiles[j], t, bounded, here, left, near, weight, sigmas, odd, j)
        if odd[j] == odd[j]:
            came += 1.0
            mean += odd[j]
            away += math.log1p(min(abs(sigmas[j]), ODD_MAX))
            sigmas[j] = min(max(sigmas[j], -FAR_MAX), FAR_MAX)
    row = s.rows
    s.rows = row + 1.0
    if came == 0.0:
        return
    mean, away = mean / came, away / came

    enough = max(JOINT_ROWS_MIN, JOINT_ROWS_A_MEMBER * came)
    squared = squared_distance(members, joint, sigmas) if s.factored > 0.0 else 0.0
    far = math.log1p(math.sqrt(squared / came))
    surprise = mean * math.sqrt(far) if s.factored > 0.0 else 0.0
    if s.factored > 0.0:
        value[i] = surprise
    ratio = 0.0
    if row >= warm_up and tail_ready(s):
        share = came / (came + PRIOR_MEMBERS)
        told = verdict_factor(s)
        height = HEIGHT + HEIGHT_FEW / came
        border = s.tail_level + height * s.tail_height
        if s.missed > 0.0:  # a person says that the high peaks were faults: those of ordinary episodes count
            calm = (s.tail_level + height * s.tail_calm) / border
            border *= min(calm, 1.0) ** min(s.missed / SURE_VERDICTS, 1.0)
        border = told * math.exp((1.0 - share) * math.log(border) + share * math.log(PRIOR))
        ratio = surprise / border
        if surprise > border:
            ratio = max(ratio, 1.0)
        v.expected, v.upper = s.usual, border
        if tail_ready(distance):
            ratio = max(ratio, far / (told * (distance.tail_level + DISTANCE_HEIGHT * distance.tail_height)))
        v.score = pulse(s, row, ratio)
        # The fast levels follow a fault that lasts; the slow ones tell how long it does.
        off = (away - s.away) / (SIGMA * s.away_spread + NOISE)
        v.deviation = min(max(off, CALM * ratio), DEVIATION_MAX)
        v.part = named(odd)
    if surprise > TINY:
        learn_tail(s, row, surprise, True)
    if s.factored > 0.0 and far > TINY:
        learn_tail(distance, row, far, True)

    a = max(SLOW_WEIGHT_MIN, 1.0 / (row + 1.0))
    off = away - s.away
    if row > START_ROWS and s.away_spread > 0.0:
        off = max(-ERROR_MAX * s.away_spread, min(ERROR_MAX * s.away_spread, off))
    s.away += a * off
    s.away_spread += a * (abs(off) - s.away_spread)
    s.usual += a * (min(surprise, ERROR_MAX * s.usual if s.usual > 0.0 else surprise) - s.usual)
    trust = min(1.0, INFLUENCE * came / squared) if squared > 0.0 else 1.0
    learn_joint(joint, sigmas, trust * max(SLOW_WEIGHT_MIN, 1.0 / (s.joint_rows + 2.0)))
    s.joint_rows += 1.0
    if s.joint_rows >= enough and (s.factored == 0.0 or s.joint_rows - s.factored >= FACTOR_ROWS):
        factor(members, joint)
        s.factored = s.joint_rows


@compiled
def _member(
    m: Any, bins: Any, t: float, x: float, here: int, left: int, near: int, weight: float, sigmas: Any, odd: Any, j: int
) -> None:
    """One member's value: `sigmas[j]` from its slow level and time of day, `odd[j]` = log(1 + the smaller of that and
    the distance from its fast level), 0 where they disagree in sign; then learns it."""
    row = m.rows
    if row == 0.0:
        m.rows, m.t, m.slow, m.fast = 1.0, t, x, x
        return
    dt = t - m.t
    if row == 1.0:
        m.period = dt
    if dt > GAP_PERIODS * m.period:
        m.fast = x
    m.period += max(0.01, 1.0 / (row + 1.0)) * (min(dt, 3.0 * m.period) - m.period)
    season = profile.read(bins, here, left, near, weight)
    slow, fast = x - m.slow - season, x - m.fast
    floor = NOISE * abs(m.slow) + TINY
    if row > START_ROWS:
        by_slow, by_fast = slow / (SIGMA * m.error_slow + floor), fast / (SIGMA * m.error_fast + floor)
        least = min(abs(by_slow), abs(by_fast)) if by_slow * by_fast > 0.0 else 0.0
        sigmas[j], odd[j] = by_slow, math.log1p(min(least, ODD_MAX))
    a = max(SLOW_WEIGHT_MIN, min(m.period / profile.DAY_S, SLOW_WEIGHT_MAX), 1.0 / (row + 1.0))
    bounded_slow, bounded_fast = slow, fast
    if row > START_ROWS:
        if m.error_slow > 0.0:
            bounded_slow = max(-ERROR_MAX * m.error_slow, min(ERROR_MAX * m.error_slow, slow))
        if m.error_fast > 0.0:
            bounded_fast = max(-ERROR_MAX * m.error_fast, min(ERROR_MAX * m.error_fast, fast))
    m.error_slow += a * (abs(bounded_slow) - m.error_slow)
    m.error_fast += a * (abs(bounded_fast) - m.error_fast)
    m.fast += FAST_WEIGHT * fast
    m.slow += a * bounded_slow
    profile.learn(bins[here], m.period, x - m.slow - season, ERROR_MAX * m.error_slow, 0.0)
    m.rows, m.t = row + 1.0, t
