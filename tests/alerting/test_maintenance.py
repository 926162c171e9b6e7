"""Planned work starts when the wall clock says so, summer and winter, and lasts as long as it was planned."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.noise.maintenance import open_until_s, windows
from schemas.desk import Maintenance
from schemas.matchers import Matchers

DAY_S = 86_400.0


def planned(
    starts_at: str, rrule: str | None = None, hours: float = 1.0, time_zone: str = "Europe/Berlin"
) -> Maintenance:
    return Maintenance("w", Matchers(), starts_at, hours * 3600.0, rrule, time_zone)


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def starts(of: Maintenance, first: str, last: str) -> list[str]:
    found = windows(of, utc(first), utc(last))
    assert all(end_s - start_s == of.duration_s for start_s, end_s in found)
    return [datetime.fromtimestamp(start_s, UTC).strftime("%m-%d %H:%M") for start_s, _ in found]


def test_once_is_once() -> None:
    once = planned("2026-11-23T02:00")
    assert starts(once, "2026-11-01", "2026-12-01") == ["11-23 01:00"]
    assert starts(once, "2027-11-01", "2027-12-01") == []


def test_a_window_is_open_from_its_start_until_before_its_end() -> None:
    once = planned("2026-11-23T02:00", time_zone="UTC")
    start_s, end_s = utc("2026-11-23T02:00"), utc("2026-11-23T03:00")
    assert [open_until_s(once, t) for t in (start_s - 0.1, start_s, end_s - 0.1, end_s)] == [None, end_s, end_s, None]


def test_of_windows_that_overlap_the_latest_end_counts() -> None:
    nightly = planned("2026-01-01T22:00", "FREQ=DAILY", hours=30.0, time_zone="UTC")
    assert open_until_s(nightly, utc("2026-11-23T23:00")) == utc("2026-11-25T04:00")


def test_the_wall_clock_holds_through_both_changes_of_the_clock() -> None:
    nightly = planned("2026-01-01T01:30", "FREQ=DAILY")
    assert starts(nightly, "2026-03-28T12:00", "2026-03-30T12:00") == ["03-29 00:30", "03-29 23:30"]
    assert starts(nightly, "2026-10-23T23:00", "2026-10-26T12:00") == ["10-23 23:30", "10-24 23:30", "10-26 00:30"]


def test_a_start_in_the_skipped_hour_comes_behind_it() -> None:
    nightly = planned("2026-01-01T02:30", "FREQ=DAILY")
    # 02:30 doesn't exist on 29 March: it is 03:30 summer time, an hour after 01:30 winter time.
    assert starts(nightly, "2026-03-28T00:00", "2026-03-30T12:00") == ["03-28 01:30", "03-29 01:30", "03-30 00:30"]


def test_a_start_in_the_repeated_hour_comes_once_the_first_time() -> None:
    nightly = planned("2026-01-01T02:30", "FREQ=DAILY")
    assert starts(nightly, "2026-10-24T12:00", "2026-10-25T12:00") == ["10-25 00:30"]


def test_a_window_over_a_change_of_the_clock_lasts_real_hours() -> None:
    early = planned("2026-03-29T01:00", hours=2.0)
    assert open_until_s(early, utc("2026-03-29T01:30")) == utc("2026-03-29T02:00")  # 04:00 on the wall


def test_rules_count_end_and_choose_weekdays_as_rfc_5545_has_them() -> None:
    patch_tuesday = planned("2026-01-01T20:00", "RRULE:FREQ=MONTHLY;BYDAY=2TU", time_zone="America/New_York")
    assert starts(patch_tuesday, "2026-03-01", "2026-05-01") == ["03-11 00:00", "04-15 00:00"]
    assert starts(planned("2026-01-01T00:00", "FREQ=DAILY;COUNT=2", time_zone="UTC"), "2025-01-01", "2027-01-01") == [
        "01-01 00:00",
        "01-02 00:00",
    ]


def test_until_in_utc_is_the_last_start_in_the_wall_clock() -> None:
    # 01:00 UTC is 02:00 in Berlin: that start still counts.
    ending = planned("2026-01-01T02:00", "FREQ=DAILY;UNTIL=20260103T010000Z")
    assert starts(ending, "2025-12-01", "2026-02-01") == ["01-01 01:00", "01-02 01:00", "01-03 01:00"]
    short = planned("2026-01-01T02:00", "FREQ=DAILY;UNTIL=20260103T005959Z")
    assert len(starts(short, "2025-12-01", "2026-02-01")) == 2


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (planned("2026-01-01T02:00+01:00"), "has no offset"),
        (planned("2026-01-01T02:00", "FREQ=MINUTELY"), "is no maintenance"),
        (planned("yesterday"), "yesterday"),
        (planned("2026-01-01T02:00", "FREQ=SOMETIMES"), "SOMETIMES"),
    ],
)
def test_what_cant_be_read_says_so(broken: Maintenance, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_until_s(broken, 0.0)


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "UTC")


@settings(max_examples=50)
@given(st.sampled_from(ZONES), st.integers(1_262_304_000, 1_893_456_000), st.floats(0.1, 50.0), st.floats(-5.0, 400.0))
def test_the_window_that_is_open_now_is_one_of_those_listed(zone: str, at_s: int, hours: float, days: float) -> None:
    start = datetime.fromtimestamp(at_s, UTC).replace(tzinfo=None)
    weekly = planned(start.isoformat(), "FREQ=WEEKLY", hours, zone)
    now_s = start.replace(tzinfo=UTC).timestamp() + days * DAY_S
    listed = windows(weekly, now_s - 60 * DAY_S, now_s + 60 * DAY_S)
    assert open_until_s(weekly, now_s) == max((b for a, b in listed if a <= now_s < b), default=None)
    for start_s, _ in listed:
        shown = datetime.fromtimestamp(start_s, ZoneInfo(zone))
        # On the wall it starts when it was planned, but for a start that the clock skipped: Apia skipped a day.
        if shown.time() != start.time() or shown.weekday() != start.weekday():
            before = datetime.fromtimestamp(start_s - 1.1 * DAY_S, ZoneInfo(zone))
            assert shown.utcoffset() != before.utcoffset()
