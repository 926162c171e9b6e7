"""Time intervals contain what Alertmanager's contain, in their own wall clock."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from alerting.noise.intervals import contains, why
from schemas.desk import Span, TimeInterval
from tests.alerting.making import route


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        (TimeInterval(), ["2026-01-01T00:00"], []),
        (TimeInterval(times=(Span(540, 1020),)), ["2026-01-01T09:00", "2026-01-01T16:59:59"], ["2026-01-01T17:00"]),
        (TimeInterval(times=(Span(0, 1440),)), ["2026-01-01T00:00", "2026-01-01T23:59:59"], []),
        (TimeInterval(times=(Span(0, 60), Span(120, 180))), ["2026-01-01T02:00"], ["2026-01-01T01:30"]),
        # 2026-11-22 is a Sunday, which is 0.
        (TimeInterval(weekdays=(Span(0, 0),)), ["2026-11-22T12:00"], ["2026-11-23T12:00", "2026-11-21T12:00"]),
        (TimeInterval(weekdays=(Span(6, 6),)), ["2026-11-21T12:00"], ["2026-11-22T12:00"]),
        (TimeInterval(months=(Span(11, 12),)), ["2026-11-01T00:00", "2026-12-31T23:59"], ["2026-10-31T23:59"]),
        (TimeInterval(years=(Span(2026, 2027),)), ["2027-12-31T23:59"], ["2028-01-01T00:00"]),
        (TimeInterval(days_of_month=(Span(1, 3),)), ["2026-02-03T12:00"], ["2026-02-04T12:00"]),
        (TimeInterval(days_of_month=(Span(-1, -1),)), ["2026-02-28T12:00", "2028-02-29T12:00"], ["2028-02-28T12:00"]),
        (TimeInterval(days_of_month=(Span(29, -1),)), ["2028-02-29T12:00"], ["2026-02-28T12:00"]),
        (TimeInterval(days_of_month=(Span(30, 31),)), ["2026-04-30T12:00"], ["2026-02-28T12:00"]),
        # More days than the month has: from its first day.
        (TimeInterval(days_of_month=(Span(-31, -28),)), ["2026-02-01T12:00"], ["2026-02-02T12:00"]),
        (
            TimeInterval(weekdays=(Span(1, 5),), months=(Span(1, 1),)),
            ["2026-01-05T12:00"],
            ["2026-01-04T12:00", "2026-02-02T12:00"],
        ),
    ],
)
def test_a_moment_is_in_it_where_every_field_has_a_span_with_it(
    interval: TimeInterval, inside: list[str], outside: list[str]
) -> None:
    assert [text for text in inside if not contains(interval, at(text))] == []
    assert [text for text in outside if contains(interval, at(text))] == []


def test_office_hours_follow_the_wall_clock_through_summer_and_winter() -> None:
    office = TimeInterval(times=(Span(540, 1020),), location="Europe/Berlin")
    for day in ("2026-01-15", "2026-07-15"):
        assert contains(office, at(f"{day}T09:00", "Europe/Berlin"))
        assert not contains(office, at(f"{day}T08:59", "Europe/Berlin"))
    assert contains(office, at("2026-07-15T07:00"))
    assert not contains(office, at("2026-01-15T07:00"))


NAMED = {
    "night": (TimeInterval(times=(Span(0, 360),)), TimeInterval(times=(Span(1320, 1440),))),
    "sunday": (TimeInterval(weekdays=(Span(0, 0),)),),
}


@pytest.mark.parametrize(
    ("muted", "active", "now", "expected"),
    [
        ((), (), "2026-11-23T03:00", None),
        (("night",), (), "2026-11-23T23:00", "the route is silent during night"),
        (("night",), (), "2026-11-23T12:00", None),
        (("night", "sunday"), (), "2026-11-22T12:00", "the route is silent during sunday"),
        ((), ("sunday",), "2026-11-22T12:00", None),
        ((), ("night", "sunday"), "2026-11-23T12:00", "the route speaks only during night or sunday"),
        (("night",), ("sunday",), "2026-11-22T03:00", "the route is silent during night"),
    ],
)
def test_a_route_is_silent_in_its_mute_intervals_and_outside_its_active_ones(
    muted: tuple[str, ...], active: tuple[str, ...], now: str, expected: str | None
) -> None:
    found = why(route(mute_time_intervals=muted, active_time_intervals=active), NAMED, at(now))
    assert (found.text if found else None) == expected
