"""Turns, layers and restrictions: whatever is done to clocks, somebody is on call, and it is the right one."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.oncall.clock import first_s, shown_at
from incidents.oncall.overrides import Override
from incidents.oncall.schedule import ahead, gaps, on_call, spans
from incidents.oncall.spans import Span
from schemas.response.oncall import Layer, Restriction, Schedule
from tests.oncall.zones import ZONES, changes, expected, furthest, moments, schedules

DAY_S = 86_400.0


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@given(schedules(), st.data())
def test_who_is_on_call_is_who_the_clock_says(schedule: Schedule, data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from([layer.time_zone for layer in schedule.layers]))
    at_s = data.draw(moments(zone))
    assert on_call(schedule, (), at_s) == expected(schedule, at_s)


@given(schedules(covered=True), st.data())
def test_no_instant_is_without_somebody_unless_the_config_says_so(schedule: Schedule, data: st.DataObject) -> None:
    at_s = data.draw(moments(schedule.time_zone))
    assert gaps(schedule, (), at_s, at_s + 40 * DAY_S) == []
    assert len(on_call(schedule, (), at_s)) == 1


@given(schedules(), st.data())
def test_spans_and_gaps_tile_time(schedule: Schedule, data: st.DataObject) -> None:
    from_s = data.draw(moments(schedule.time_zone))
    to_s = from_s + data.draw(st.integers(1, 20 * 86_400))
    found = spans(schedule, (), from_s, to_s)
    pieces = sorted([(s.start_s, s.end_s) for s in found] + gaps(schedule, (), from_s, to_s))
    assert pieces[0][0] == from_s
    assert pieces[-1][1] == to_s
    assert all(start_s < end_s for start_s, end_s in pieces)
    assert all(before[1] == after[0] for before, after in pairwise(pieces))


@given(schedules(), st.data())
def test_an_instant_says_what_the_spans_say_however_they_are_cut(schedule: Schedule, data: st.DataObject) -> None:
    overrides = data.draw(st.lists(changes_of(schedule), max_size=3))
    from_s = data.draw(moments(schedule.time_zone))
    found = spans(schedule, overrides, from_s, from_s + 9 * DAY_S)
    for at_s in {from_s, *(s.start_s for s in found), *(s.end_s - 1 for s in found), from_s + data.draw(cuts())}:
        assert on_call(schedule, overrides, at_s) == holding(found, at_s)


def cuts() -> st.SearchStrategy[int]:
    return st.integers(0, int(9 * DAY_S) - 1)


def holding(found: list[Span], at_s: float) -> list[str]:
    return [span.person for span in found if span.start_s <= at_s < span.end_s]


@st.composite
def changes_of(draw: st.DrawFn, schedule: Schedule) -> Override:
    start_s = draw(moments(schedule.time_zone))
    return Override(
        id=str(draw(st.uuids())),
        schedule=draw(st.sampled_from([schedule.name] * 9 + ["other"])),
        person=draw(st.sampled_from(["eve", "ann", "bob"])),
        start_s=start_s,
        end_s=start_s + draw(st.integers(1, 30 * 86_400)),
        instead_of=draw(st.sampled_from(["", "ann", "cid"])),
        made_s=draw(st.integers(0, 9)),
    )


@given(schedules(), st.data())
def test_an_override_changes_its_span_and_nothing_else(schedule: Schedule, data: st.DataObject) -> None:
    before = data.draw(st.lists(changes_of(schedule), max_size=2))
    made = data.draw(changes_of(schedule))
    made = Override(**{**vars(made), "made_s": 10.0, "schedule": "s"})
    from_s = made.start_s - 3 * DAY_S
    to_s = made.end_s + 3 * DAY_S
    was, now = (spans(schedule, overrides, from_s, to_s) for overrides in (before, [*before, made]))
    edges = {span.start_s for span in [*was, *now]} | {made.start_s, made.end_s, from_s, to_s - 1}
    for at_s in {edge for edge in edges if edge < to_s} | {edge - 1 for edge in edges if edge > from_s}:
        then = holding(was, at_s)
        is_theirs = made.start_s <= at_s < made.end_s and (not made.instead_of or then == [made.instead_of])
        assert holding(now, at_s) == ([made.person] if is_theirs else then)


@given(st.sampled_from(ZONES), st.data())
def test_hand_over_is_at_the_time_of_day_or_when_the_clock_jumps_across_it(zone: str, data: st.DataObject) -> None:
    minute = data.draw(st.sampled_from([0, 30, 120, 150, 540]))
    first = datetime.fromisoformat("2007-12-03") + timedelta(minutes=minute)
    schedule = Schedule("s", (Layer(("ann", "bob"), first, 24, zone),), zone)
    from_s = data.draw(moments(zone))
    for span in spans(schedule, (), from_s, from_s + 5 * DAY_S)[1:]:
        shown = shown_at(span.start_s, zone)
        if (shown.hour * 60 + shown.minute, shown.second) != (minute, 0):
            assert span.start_s in changes(zone)
            before = shown_at(span.start_s - 1, zone)
            meant = shown.replace(hour=0, minute=0) + timedelta(minutes=minute)
            assert before < (meant if meant < shown else meant - timedelta(days=1)) < shown
        assert furthest(span.start_s - 60, zone) < shown


@given(st.sampled_from(ZONES), st.data())
def test_a_time_of_the_wall_clock_names_its_first_moment(zone: str, data: st.DataObject) -> None:
    shown = shown_at(data.draw(moments(zone)), zone) + timedelta(minutes=data.draw(st.integers(-200, 200)))
    shown = shown.replace(second=0)
    at_s = first_s(shown, zone)
    assert furthest(at_s, zone) >= shown > furthest(at_s - 60, zone)


@given(schedules(), st.data())
def test_looking_ahead_finds_exactly_the_gaps_that_there_are(schedule: Schedule, data: st.DataObject) -> None:
    now_s = data.draw(moments(schedule.time_zone))
    found = ahead(schedule, now_s)
    assert found.until_s - now_s >= 365 * DAY_S
    edges = [edge for gap in found.gaps[:20] + found.gaps[-20:] for edge in gap]
    near = [at_s for at_s in changes(schedule.time_zone) if now_s <= at_s < found.until_s]
    drawn = [now_s + data.draw(st.integers(0, 365 * 86_400)) for _ in range(5)]
    for at_s in [*edges, *(edge - 1 for edge in edges), *near, *drawn]:
        if now_s <= at_s < found.until_s:
            is_gap = any(start_s <= at_s < end_s for start_s, end_s in found.gaps)
            assert is_gap == (expected(schedule, at_s) == [])


def test_a_schedule_that_begins_later_has_no_gap_before_but_says_when() -> None:
    schedule = Schedule("s", (Layer(("ann",), datetime.fromisoformat("2026-03-02T09:00"), 168),))
    found = ahead(schedule, utc("2026-01-01"))
    assert (found.gaps, found.begins_s) == ((), utc("2026-03-02T09:00"))
    assert ahead(schedule, utc("2026-04-01")).begins_s is None


# Each with the moments (UTC) at which ann and bob hand over to each other, daily at that time of the wall clock.
DAYS = [
    ("Europe/Berlin", "2026-03-28T02:30", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
    ("Europe/Berlin", "2026-10-24T02:30", ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
    ("Australia/Lord_Howe", "2026-04-04T01:45", ["2026-04-03T14:45", "2026-04-04T14:45", "2026-04-05T15:15"]),
    ("Australia/Lord_Howe", "2026-10-03T02:15", ["2026-10-02T15:45", "2026-10-03T15:30", "2026-10-04T15:15"]),
    ("America/Santiago", "2026-09-05T00:00", ["2026-09-05T04:00", "2026-09-06T04:00", "2026-09-07T03:00"]),
    ("America/Santiago", "2026-04-04T23:30", ["2026-04-05T02:30", "2026-04-06T03:30"]),
    ("America/Sao_Paulo", "2019-02-16T23:30", ["2019-02-17T01:30", "2019-02-18T02:30"]),
    ("Europe/Istanbul", "2016-10-29T03:30", ["2016-10-29T00:30", "2016-10-30T00:30", "2016-10-31T00:30"]),
]


@pytest.mark.parametrize(("zone", "first", "expected_utc"), DAYS)
def test_turns_around_changes_of_the_clock(zone: str, first: str, expected_utc: list[str]) -> None:
    schedule = Schedule("s", (Layer(("ann", "bob"), datetime.fromisoformat(first), 24, zone),), zone)
    start_s = utc(expected_utc[0])
    found = spans(schedule, (), start_s - 5 * DAY_S, start_s + 5 * DAY_S)
    assert [span.start_s for span in found[: len(expected_utc)]] == [utc(text) for text in expected_utc]
    assert {span.person for span in found} == {"ann", "bob"}


def test_a_day_that_never_was_is_nobodys_turn_and_no_gap() -> None:
    """In Apia the clock went from the end of 29 December 2011 to the beginning of the 31st."""
    zone = "Pacific/Apia"
    layer = Layer(("ann", "bob", "cid"), datetime.fromisoformat("2011-12-28T00:00"), 24, zone)
    schedule = Schedule("s", (layer,), zone)
    from_s, to_s = utc("2011-12-28T10:00"), utc("2012-01-01T10:00")
    found = [(span.person, f"{shown_at(span.start_s, zone):%d %b}") for span in spans(schedule, (), from_s, to_s)]
    assert found == [("ann", "28 Dec"), ("bob", "29 Dec"), ("ann", "31 Dec"), ("bob", "01 Jan")]
    assert gaps(schedule, (), from_s, to_s) == []


def test_a_night_shift_is_as_long_as_the_clock_makes_it() -> None:
    night = Restriction(frozenset(range(7)), 22 * 60, 6 * 60)
    layer = Layer(("ann",), datetime.fromisoformat("2026-01-05T00:00"), 168, "Europe/Berlin", (night,))
    schedule = Schedule("s", (layer,), "Europe/Berlin", "allow")
    for day, hours in (("2026-03-27", 8), ("2026-03-28", 7), ("2026-10-24", 9)):
        noon_s = utc(f"{day}T12:00")
        (whole,) = {(s.start_s, s.end_s) for s in joined_nights(schedule, noon_s)}
        assert whole[1] - whole[0] == hours * 3600
        local = [datetime.fromtimestamp(edge, ZoneInfo("Europe/Berlin")).hour for edge in whole]
        assert local == [22, 6]


def joined_nights(schedule: Schedule, noon_s: float) -> list[Span]:
    return spans(schedule, (), noon_s, noon_s + DAY_S)


def test_a_later_layer_wins_where_it_has_somebody() -> None:
    first = datetime.fromisoformat("2026-01-05T09:00")
    office = Restriction(frozenset(range(5)), 9 * 60, 18 * 60)
    schedule = Schedule("s", (Layer(("ann",), first, 168), Layer(("bob",), first, 168, restrictions=(office,))))
    day_s = utc("2026-01-06T00:00")
    found = [(s.person, (s.start_s - day_s) / 3600, s.layer) for s in spans(schedule, (), day_s, day_s + DAY_S)]
    assert found == [("ann", 0, 0), ("bob", 9, 1), ("ann", 18, 0)]
