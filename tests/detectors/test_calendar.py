"""Local time and days of rest against the standard library, and what `baseline` makes of them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.base import Floats, Records
from detectors.baseline import Params
from detectors.baseline_row import CALM
from detectors.calendar import day_numbers, is_rest, local, offsets
from tests.detectors.streams import make, one_row, openings, run

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Africa/Casablanca", "Australia/Lord_Howe"]
DAY_S = 86400
MONDAY_S = float(datetime(2026, 1, 5, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("name", ZONES)
@given(t=st.integers(0, 4_102_444_799))
def test_local_time_is_that_of_the_zone_files_at_any_second(name: str, t: int) -> None:
    there = datetime.fromtimestamp(t, ZoneInfo(name))
    shift = there.utcoffset() or timedelta()
    assert local(float(t), *offsets(name)) == t + shift.total_seconds()


@pytest.mark.parametrize("name", ZONES)
def test_local_time_is_exact_in_the_seconds_around_each_change(name: str) -> None:
    starts, _ = offsets(name)
    assert len(starts) > 150 or name in {"UTC", "Asia/Kolkata"}
    for start in starts[1:]:
        for t in (int(start) - 1, int(start)):
            shift = datetime.fromtimestamp(t, ZoneInfo(name)).utcoffset() or timedelta()
            assert local(float(t), *offsets(name)) == t + shift.total_seconds()


@given(day=st.dates(date(1960, 1, 1), date(2120, 1, 1)), second=st.integers(0, DAY_S - 1))
def test_days_of_rest_are_weekends_and_holidays(day: date, second: int) -> None:
    holidays = [date(2026, 12, 25), date(2026, 1, 1), date(2026, 12, 25)]
    local_s = float((day - date(1970, 1, 1)).days * DAY_S + second)
    assert is_rest(local_s, day_numbers(holidays)) == (day.weekday() >= 5 or day in holidays)
    assert is_rest(local_s, day_numbers([day]))


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "europe berlin"])
def test_a_time_zone_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        Params(time_zone=name)


def verdicts(x: Floats, start_s: float, **params: object) -> Records:
    return run(make("baseline", 1, params), one_row(x, 300.0, start_s))


def test_a_peak_at_a_local_hour_stays_normal_when_the_clocks_change() -> None:
    start_s = float(datetime(2026, 3, 9, tzinfo=UTC).timestamp())
    change_s = float(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp())
    t = start_s + 300.0 * np.arange(24 * 288)
    hour = np.array([local(float(s), *offsets("Europe/Berlin")) % DAY_S / 3600 for s in t])
    x = np.random.default_rng(1).normal(100.0, 1.0, len(t)) + 40.0 * (np.abs(hour - 9.0) < 1.0)
    after = (t > change_s) & (np.abs(hour - 9.0) < 2.2)
    off = {
        name: (np.abs(verdicts(x, start_s, time_zone=name)["expected"][after] - x[after]) > 10.0).mean()
        for name in ("UTC", "Europe/Berlin")
    }
    assert off["Europe/Berlin"] < 0.6 * off["UTC"]


def test_days_of_rest_get_a_profile_of_their_own_after_two_weeks_and_holidays_share_it() -> None:
    weeks = 7
    t = MONDAY_S + 300.0 * np.arange(weeks * 7 * 288)
    holiday = date(2026, 2, 18)  # a Wednesday of the last week
    rests = np.array([is_rest(float(s), day_numbers([holiday])) for s in t])
    busy = 60.0 * np.exp(-0.5 * ((t % DAY_S / 3600 - 12.0) / 2.0) ** 2)
    normal = 100.0 + np.where(rests, 0.2, 1.0) * busy
    x = normal + np.random.default_rng(2).normal(0.0, 2.0, len(t))
    noon = np.abs(t % DAY_S / 3600 - 12.0) < 1.5
    last = t >= MONDAY_S + 42 * DAY_S
    wednesday = last & noon & (np.floor((t - MONDAY_S) / DAY_S) % 7 == 2)
    weekend = last & noon & rests & ~wednesday
    off: dict[tuple[str, int], tuple[float, float]] = {}
    for season, holidays in (("day", []), ("week", []), ("week", [holiday])):
        miss = np.abs(verdicts(x, MONDAY_S, season=season, holidays=holidays)["expected"] - normal)
        off[season, len(holidays)] = (miss[weekend].mean(), miss[wednesday].mean())
    assert off["week", 0][0] < 0.6 * off["day", 0][0]
    assert off["week", 1][0] < 0.6 * off["day", 0][0]
    assert off["week", 1][1] < 0.7 * off["week", 0][1]


def test_days_of_rest_are_not_told_apart_before_the_third() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(100.0, 2.0, 12 * 288)
    day, week = (verdicts(x, MONDAY_S, season=season) for season in ("day", "week"))
    assert day.tobytes() == week.tobytes()
    assert len(week) > 11 * 288


def test_without_a_season_nothing_is_expected_of_the_hour() -> None:
    t = 300.0 * np.arange(10 * 288)
    x = np.random.default_rng(4).normal(100.0, 1.0, len(t)) + 20.0 * (t % DAY_S < 3600)
    out = verdicts(x, MONDAY_S, season="none")
    assert np.isfinite(out["score"]).all()
    assert len(openings(out["score"])) > 0
    steady = (t % DAY_S > 12 * 3600) & (t > 5 * DAY_S)
    assert (np.abs(out["deviation"][steady]) < CALM).mean() > 0.95
