"""Error budget: how fast a service uses up what its objective allows, over several pairs of windows at once.

Knows a group's members by role: failed events, all events. Event time only. From "Alerting on SLOs" in Google's Site
Reliability Workbook, chapter 5 (multiwindow, multi-burn-rate alerts).
"""

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, field_validator, model_validator

from detectors.base import VALUE_MAX, Flags, Floats, Point, Records, Rows, Settings
from detectors.group import GroupDetector, GroupSettings, widened
from detectors.pulse import PULSE_FIELDS, pulse
from schemas.compiled import compiled
from schemas.config.values import Duration
from schemas.duration import format_duration
from schemas.levels import Border
from schemas.metric import Series
from schemas.selector import Selector

GROUP = np.dtype([("rows", "f8"), ("since", "f8"), *PULSE_FIELDS])
"""since: Unix s of the first row."""
SLOT = np.dtype([("bad", "f8"), ("all", "f8")])
"""Sums of one slot of time."""

SLOTS_A_SHORT = 5  # slots in a short window: it forgets in fifths
RATIO_MAX = 100.0  # of long to short window: bounds the slots of a pair
WINDOWS_MAX = 8
CALM = 3.0  # |deviation| that holds an alert open
DEVIATION_MAX = 1e6
BAD, ALL = 1, 2  # roles of a member; it may have both


class Window(Settings):
    """A pair of windows: both must burn at this rate."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    long_s: Duration = Field(gt=0, validation_alias="long", description="Shows that it matters.")
    short_s: Duration = Field(gt=0, validation_alias="short", description="Shows that it still goes on.")
    burn: float = Field(gt=0, allow_inf_nan=False, description="Times as fast as the budget allows.")

    @model_validator(mode="after")
    def _ordered(self) -> "Window":
        if not self.short_s <= self.long_s <= RATIO_MAX * self.short_s:
            raise ValueError(f"long must be 1 to {RATIO_MAX:g} times short, as 1h and 5m")
        return self


_WORKBOOK = ((3600.0, 300.0, 14.4), (21600.0, 1800.0, 6.0), (259200.0, 21600.0, 1.0))


class Params(GroupSettings):
    """Settings of `burn_rate`."""

    bad: str = Field(description="Which members count failed events: a selector, by their labels beside `group_by`.")
    total: str | None = Field(
        default=None,
        description="Which members count all events. Left out: `bad` is a share of failures, 0..1, and a row counts "
        "as one event.",
    )
    objective: float = Field(default=99.9, gt=0, lt=100, description="Good events, in percent.")
    windows: tuple[Window, ...] = Field(
        default=tuple(Window(long_s=long_s, short_s=short_s, burn=burn) for long_s, short_s, burn in _WORKBOOK),
        min_length=1,
        max_length=WINDOWS_MAX,
        description="Pairs of windows, each `{long: 1h, short: 5m, burn: 14.4}`.",
    )
    min_events: float = Field(
        default=100.0, ge=1, allow_inf_nan=False, description="A pair with fewer events in its long window is silent."
    )

    @field_validator("bad", "total")
    @classmethod
    def _selector(cls, text: str | None) -> str | None:
        if text is not None:
            Selector.parse(text)
        return text


class BurnRate(GroupDetector):
    """Score: the burn rate of both windows over the pair's border, the most of all pairs.

    1 % of 6,000 requests a minute fail, ten times what 99.9 % allow: the pair of six hours notices after 3.6 hours.

    >>> from detectors.base import VERDICT
    >>> n = 5000
    >>> t, failed = 60.0 * np.arange(n), np.where(np.arange(n) >= 4500, 60.0, 0.0)
    >>> detector, out, burn = BurnRate(Params(bad="failed", total="requests"), ()), np.zeros(n, VERDICT), np.zeros(n)
    >>> detector.grow(1, 2)
    >>> detector.join(0, 0, Series("failed")), detector.join(0, 1, Series("requests"))
    (None, None)
    >>> x = np.stack([failed, np.full(n, 6000.0)], axis=1)
    >>> detector.update(np.zeros(n, np.int64), np.zeros(n, np.bool_), t, x, burn, out)
    >>> int(np.flatnonzero(out["score"] >= 1.0)[0]) - 4500
    215
    """

    kind: ClassVar[str] = "burn_rate"
    version: ClassVar[int] = 2
    tells_ends: ClassVar[bool] = True
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        assert isinstance(params, Params)  # noqa: S101 - the base class looked
        self._params = params
        self._bad = Selector.parse(params.bad)
        self._total = Selector.parse(params.total) if params.total is not None else None
        self._windows = np.array(
            [
                (one.short_s / SLOTS_A_SHORT, math.ceil(SLOTS_A_SHORT * one.long_s / one.short_s), one.burn)
                for one in params.windows
            ],
            [("slot_s", "f8"), ("slots", "i8"), ("burn", "f8")],
        )
        pairs = len(self._windows)
        self._groups: NDArray[Any] = np.zeros(0, GROUP)
        self._newest: NDArray[Any] = np.zeros((0, pairs))  # number of the newest slot
        self._slots: NDArray[Any] = np.zeros((0, pairs, int(self._windows["slots"].max())), SLOT)
        self._roles: NDArray[Any] = np.zeros((0, 0), np.int64)

    @property
    def gathers(self) -> Literal["newest", "sum"]:
        return "newest" if self._total is None else "sum"

    def grow(self, rows: int, members: int) -> None:
        self._groups, self._newest = widened(self._groups, rows), widened(self._newest, rows)
        self._slots, self._roles = widened(self._slots, rows), widened(self._roles, rows, members)

    def join(self, row: int, member: int, series: Series) -> None:
        bad = self._bad.matches(series)
        total = bad if self._total is None else self._total.matches(series)
        self._roles[row, member] = BAD * bad + ALL * total

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, value: Floats, out: Records) -> None:
        budget = 1.0 - self._params.objective / 100.0
        _run(
            self._groups,
            self._newest,
            self._slots,
            self._roles,
            self._windows,
            budget,
            self._params.min_events,
            self._total is None,
            rows,
            fresh,
            t,
            np.ascontiguousarray(x),
            value,
            out,
        )

    def why(self, point: Point) -> str:
        at = min(max(point.part - 1, 0), len(self._params.windows) - 1)
        pair = self._params.windows[at]
        spans = f"over {format_duration(pair.long_s)} and {format_duration(pair.short_s)}"
        return (
            f"errors use up the budget of {self._params.objective:g} % {point.value:.3g} times as fast as it allows "
            f"{spans}, where {pair.burn:g} times {'is the border' if point.score >= 1.0 else 'would be the border'}"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"groups": self._groups, "newest": self._newest, "slots": self._slots}


@compiled
def _run(
    groups: Any,
    newest: Floats,
    slots: Any,
    roles: Rows,
    windows: Any,
    budget: float,
    min_events: float,
    is_share: bool,
    rows: Rows,
    fresh: Flags,
    t: Floats,
    x: Floats,
    value: Floats,
    out: Any,
) -> None:
    for i in range(len(rows)):
        k = rows[i]
        s, v = groups[k], out[i]
        if fresh[i]:
            s.rows = s.episode_row = s.episode_peak = 0.0
        bad, events = _counted(roles[k], x[i], is_share)
        v.expected, v.lower, v.upper, v.score, v.deviation, v.part = 1.0, np.nan, np.nan, 0.0, 0.0, 0.0
        value[i], ratio, fastest = 0.0, 0.0, -1.0
        if s.rows == 0.0:
            s.since = t[i]
        seen_s = (t[i] - s.since) * (1.0 + 1.0 / max(s.rows, 1.0))  # a row stands for the time since the one before
        for w in range(len(windows)):
            mine, n = slots[k, w], windows[w].slots
            at = math.floor(t[i] / windows[w].slot_s)
            if s.rows == 0.0:
                for slot in range(n):
                    mine[slot].bad = mine[slot].all = 0.0
                newest[k, w] = at
            for step in range(int(min(at - newest[k, w], n))):
                mine[(at - step) % n].bad = mine[(at - step) % n].all = 0.0
            newest[k, w] = max(newest[k, w], at)
            mine[at % n].bad += bad
            mine[at % n].all += events
            long_bad, long_all, short_bad, short_all = 0.0, 0.0, 0.0, 0.0
            for step in range(n):
                slot = mine[(at - step) % n]
                long_bad += slot.bad
                long_all += slot.all
                if step < SLOTS_A_SHORT:
                    short_bad += slot.bad
                    short_all += slot.all
            # What a window has not seen yet counts as free of failures: a few bad minutes are no bad three days.
            seen = min(seen_s / (n * windows[w].slot_s), 1.0)
            burn = min(seen * _share(long_bad, long_all), _share(short_bad, short_all)) / budget
            # The pair that is nearest to its border speaks; one of too few events only where no other can.
            over = burn / windows[w].burn if long_all >= min_events else 0.0
            if over > fastest:
                fastest, ratio = over, over
                value[i], v.upper, v.part = burn, windows[w].burn if long_all >= min_events else np.nan, w + 1.0
        row = s.rows
        s.rows = row + 1.0
        v.score = pulse(s, row, ratio)
        v.deviation = min(CALM * ratio, DEVIATION_MAX)


@compiled
def _counted(roles: Rows, x: Floats, is_share: bool) -> tuple[float, float]:
    """Failed and all events of a row. Negative and missing counts are none; no more fail than there are."""
    bad, events, came = 0.0, 0.0, 0.0
    for j in range(len(x)):
        if not math.isfinite(x[j]) or roles[j] == 0:
            continue
        count = min(max(x[j], 0.0), 1.0 if is_share else VALUE_MAX)
        if roles[j] & BAD:
            bad += count
        if roles[j] & ALL:
            events += 1.0 if is_share else count
        came += 1.0
    if is_share and came > 0.0:
        return bad / came, 1.0
    return min(bad, events), events


@compiled
def _share(bad: float, events: float) -> float:
    return bad / events if events > 0.0 else 0.0
