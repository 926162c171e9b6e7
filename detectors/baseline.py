"""What is normal for this series, at this time of day, learned from the series itself.

Knows one series a row: levels, a time-of-day profile, how surprising the series usually is, and what a person said of
its alerts. Knows no other series and no labels. `baseline_row.py` has the arithmetic, `docs/detectors.md` the formulas.

1. Two forecasts: a fast level, and a fast level with the time-of-day profile taken out. The surprise is the smaller of
   their two residuals, 0 where they disagree in sign: a spike must surprise both.
2. Its border is learned by the episode tail (`tail.py`); a slow channel (`slow.py`) finds shifts that last.
3. The score is a pulse: an episode is reported where it opens and where it gets worse, not on every row.
4. `expected` and `deviation` come from the steadiest forecast that explains the series well, so that on a noisy level a
   plateau stays deviant until it is the new level, while a random walk is explained by its last level.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from detectors import calendar, profile
from detectors.base import BECAME_NORMAL, Detector, Flags, Floats, Point, Records, Rows, Settings, grown
from detectors.baseline_row import STATE, run
from detectors.tail import judge_tail
from schemas.levels import Border


class Params(Settings):
    """Settings of `baseline`. Lengths are in rows, that is values of the series."""

    direction: Literal["above", "below", "both"] = Field(
        default="both",
        description="Surprises that may alert. The other direction scores 0 but is learned all the same.",
    )
    warm_up: int = Field(
        default=60,
        ge=50,
        description="Rows of a series before it may score; half of them before that teach the border.",
    )
    min_change: float = Field(
        default=0.0, ge=0.0, allow_inf_nan=False, description="Smaller changes never score, in the series' unit."
    )
    min_change_relative: float = Field(
        default=0.0,
        ge=0.0,
        allow_inf_nan=False,
        description="Smaller changes never score, as a share of the expected value.",
    )
    time_zone: str = Field(
        default="UTC",
        description="IANA name of the time zone whose clocks the series follows, daylight saving and all.",
    )
    season: Literal["day", "week", "none"] = Field(
        default="day", description="What repeats: each day, each day with days of rest apart, or nothing."
    )
    holidays: tuple[date, ...] = Field(
        default=(), description="Dates that are days of rest like Saturday and Sunday; they need `season: week`."
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        calendar.zone(name)
        return name


_DIRECTIONS = {"above": 1.0, "both": 0.0, "below": -1.0}


class Baseline(Detector):
    """Levels, time of day and spread of each series, robust; score 1.0 is the series' own border.

    >>> from detectors.base import VERDICT
    >>> x = np.random.default_rng(3).normal(50.0, 5.0, 900)
    >>> x[800] += 60.0
    >>> baseline, out = Baseline(Params(time_zone="Europe/Berlin"), ()), np.zeros(900, VERDICT)
    >>> baseline.grow(1)
    >>> baseline.update(np.zeros(900, np.int64), np.zeros(900, bool), 60.0 * np.arange(900), x, out)
    >>> int(out["score"].argmax())
    800
    """

    kind: ClassVar[str] = "baseline"
    levels_on: ClassVar[Literal["score", "value"]] = "score"
    version: ClassVar[int] = 3
    slow_axes: ClassVar[Mapping[str, int]] = {"profile": 1}  # one bin of the day changes at a time
    Params: ClassVar[type[Settings]] = Params

    def __init__(self, params: Settings, borders: tuple[Border, ...]) -> None:
        super().__init__(params, borders)
        if not isinstance(params, Params):
            raise TypeError(f"baseline takes its own Params, got {type(params).__name__}")
        self._settings = (
            _DIRECTIONS[params.direction],
            float(params.warm_up),
            params.min_change,
            params.min_change_relative,
            params.season != "none",
        )
        self._season = params.season
        self._calendar = (*calendar.offsets(params.time_zone), calendar.day_numbers(params.holidays))
        self._rest: NDArray[np.generic] = np.zeros((0, profile.BINS if params.season == "week" else 0), profile.REST)
        self._series: NDArray[np.generic] = np.zeros(0, STATE)
        self._profile: NDArray[np.generic] = np.zeros((0, profile.BINS), profile.BIN)

    def grow(self, rows: int) -> None:
        self._series = grown(self._series, rows)
        self._profile = grown(self._profile, rows)
        self._rest = grown(self._rest, rows)

    def update(self, rows: Rows, fresh: Flags, t: Floats, x: Floats, out: Records) -> None:
        run(self._series, self._profile, self._rest, rows, fresh, t, x, self._settings, self._calendar, out)

    def feedback(self, row: int, verdict: str, undo: bool) -> bool:
        """`noise`, `missed`: counted, the border is a function of the counts. `normal`: the slow level moves to where
        the series is now; taken back, it moves as far the other way, and what was learned in between stays."""
        s: Any = self._series[row]
        if verdict != "normal":
            return judge_tail(s, verdict, undo)
        if s["rows"] == 0.0 or (undo and s["rebased"] == 0.0):
            return False
        moved = -s["rebased"] if undo else s["fast"] - s["slow"] - self._season_of(row)
        s["slow"] += moved
        s["day"] -= moved
        s["short"] -= moved
        s["drifting"] = 0.0
        s["rebased"] = 0.0 if undo else moved
        return True

    def _season_of(self, row: int) -> float:
        """What time of day and day of rest add to the slow level at the row's newest event."""
        s: Any = self._series[row]
        starts, seconds, holidays = self._calendar
        local_s = calendar.local(float(s["t"]), starts, seconds)
        here, left, near, weight = profile.place(local_s)
        season = profile.read(self._profile[row], here, left, near, weight)
        if self._season == "week" and calendar.is_rest(local_s, holidays):
            rest: Any = self._rest[row]
            if profile.rest_known(rest[here], float(s["period"])):
                season += profile.read(rest, here, left, near, weight)
        return season

    def explains_end(self, point: Point) -> bool:
        return point.part == BECAME_NORMAL

    def why(self, point: Point) -> str:
        sigmas = f"{abs(point.deviation):.1f} sigmas {'above' if point.deviation >= 0.0 else 'below'} the expected"
        if self.explains_end(point):
            return f"value {point.value:.6g} is {sigmas} {point.expected:.6g}, which held so long that it is normal now"
        if point.score < 1.0:
            return f"value {point.value:.6g} is {sigmas} {point.expected:.6g}"
        if point.value > point.upper or point.value < point.lower:
            return (
                f"value {point.value:.6g} is {sigmas} {point.expected:.6g}, "
                f"{point.score:.2g} times as surprising as this series' border"
            )
        return (
            f"value {point.value:.6g} is {sigmas} {point.expected:.6g}, one of many that left the level of this time "
            f"of day, {point.score:.2g} times as far as this series' border"
        )

    @property
    def state(self) -> dict[str, NDArray[np.generic]]:
        rest = {"rest": self._rest} if self._season == "week" else {}
        return {"series": self._series, "profile": self._profile, **rest}
