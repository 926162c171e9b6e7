"""`oncall:` of the config: every mistake on its line, gaps from when to when; and what it becomes."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.oncall.schedule import ahead
from schemas.config import Machine
from schemas.config.desk.rotations import days_of, first_of, hand_over_of, turn_h_of
from schemas.response.oncall import Layer, Person, Restriction, Schedule, Team
from tests.config.standins import desk_errors, load_desk, warnings

NOW_S = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
MACHINE = Machine(look_ahead=partial(ahead, now_s=NOW_S))
TOP = "receivers: [{name: r}]\nroute: {receiver: r}\noncall:\n"  # three lines
PEOPLE = "  people: [{name: ann, receivers: [r]}, {name: bob, receivers: [r]}]\n"  # the fourth
LAYER = TOP + PEOPLE + "  schedules:\n    - name: s\n      layers:\n        - people: [ann]\n          "  # its keys: 9
IN_LAYER = "oncall.schedules[0].layers[0]"

CASES: list[tuple[str, list[str]]] = [
    (TOP + "  people: [{name: ann}, {name: ann}]",
     ['4: oncall.people[1].name: "ann" is on line 4 already; give each its own name']),
    (TOP + "  people: [{name: ann, receivers: [rr]}]",
     ['4: oncall.people[0].receivers[0]: no receiver "rr"; did you mean "r"?']),
    (TOP + "  people: [{name: ann, handles: {slak: U1}}]",
     ['4: oncall.people[0].handles.slak: unknown key; did you mean "slack"?']),
    (TOP + "  people: [{name: ann, time_zone: Europe/Atlantis}]",
     ['4: oncall.people[0].time_zone: no time zone "Europe/Atlantis"; write its IANA name, for example '
      "Europe/Berlin"]),
    (TOP + PEOPLE + "  teams: [{name: t, members: [anne]}]",
     ['5: oncall.teams[0].members[0]: no person "anne"; did you mean "ann"?']),
    (TOP + PEOPLE + "  teams: [{name: t, schedule: x}]",
     ['5: oncall.teams[0].schedule: no schedule "x"; none are known here']),
    (TOP + PEOPLE + "  teams: [{name: t}]", ["5: oncall.teams[0]: nobody is in it; give it members or a schedule"]),
    (TOP + PEOPLE + "  schedules: [{name: s, layers: []}]",
     ["5: oncall.schedules[0].layers: must not be empty"]),
    (TOP + PEOPLE + "  schedules: [{name: s, layers: [{people: [ann, bib]}]}]",
     ['5: oncall.schedules[0].layers[0].people[1]: no person "bib"; did you mean "bob"?']),
    (TOP + PEOPLE + "  schedules: [{name: s, gaps: alow, layers: [{people: [ann]}]}]",
     ['5: oncall.schedules[0].gaps: can\'t be "alow"; did you mean "allow"?']),
    (LAYER + "rotate: monthly",
     [f'9: {IN_LAYER}.rotate: no rotation "monthly"; write daily, weekly, or whole hours such as 12h or 2w']),
    (LAYER + "rotate: 90m",
     [f'9: {IN_LAYER}.rotate: a turn can\'t be "90m" long; write daily, weekly, or whole hours such as 12h or 2w, at '
      "most a year"]),
    (LAYER + "hand_over: mondy 09:00", [f'9: {IN_LAYER}.hand_over: no weekday "mondy"; did you mean "monday"?']),
    (LAYER + "hand_over: '24:00'", [f"9: {IN_LAYER}.hand_over: 24:00 is the next day's 00:00; write that"]),
    (LAYER + "rotate: daily\n          hand_over: monday 09:00",
     [f"10: {IN_LAYER}.hand_over: daily turns end on every day; leave the day of the week out"]),
    (LAYER + "rotate: 36h\n          hand_over: monday 09:00",
     [f"10: {IN_LAYER}.hand_over: turns of 36h end on no one day of the week; leave the day out"]),
    (LAYER + "starts: 2026-02-30", [f'9: {IN_LAYER}.starts: not a date: "2026-02-30"; write for example 2026-01-05']),
    (LAYER + "starts: 1815-06-18",
     [f"9: {IN_LAYER}.starts: 1815-06-18 is too far away; choose a day from 1970 to 2200"]),
    (LAYER + "restrictions: [{from: '09:00', to: '09:00'}]",
     [f"9: {IN_LAYER}.restrictions[0]: is no time at all: from 09:00 to 09:00; a day is 00:00 to 24:00"]),
    (LAYER + "restrictions: [{days: [monday, weekend]}]",
     [f'9: {IN_LAYER}.restrictions[0].days[1]: no weekday "weekend"; known here: friday, monday, saturday, sunday, '
      "thursday, tuesday, wednesday"]),
    (LAYER + "restrictions: [{days: 'monday:friday', from: '00:00', to: '24:00'}]",
     ["6: oncall.schedules[0]: nobody is on call from Sun 2026-03-01 00:00 to Mon 2026-03-02 00:00, from Sat "
      "2026-03-07 00:00 to Mon 2026-03-09 00:00, from Sat 2026-03-14 00:00 to Mon 2026-03-16 00:00, and 50 times more "
      "until Tue 2027-03-02 00:00 (UTC); add a layer for it, or write gaps: allow"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_every_mistake_is_told_on_its_line(text: str, expected: list[str]) -> None:
    assert desk_errors(text, MACHINE) == expected


def test_a_gap_is_an_error_a_warning_or_nothing_as_the_config_says() -> None:
    for gaps, errors, warned in (("refuse", 1, 0), ("warn", 0, 1), ("allow", 0, 0)):
        text = LAYER + f"restrictions: [{{days: monday}}]\n      gaps: {gaps}"
        assert len(desk_errors(text, MACHINE)) == errors
        if not errors:
            assert sum("nobody is on call" in line for line in warnings(text, MACHINE)) == warned


def test_a_gap_of_one_hour_a_year_is_found() -> None:
    """Two layers whose wall clocks change on different days: New York's three weeks before Berlin's."""
    text = LAYER + (
        "time_zone: Europe/Berlin\n          restrictions: [{from: '14:00', to: '08:00'}]\n"
        "        - {people: [bob], time_zone: America/New_York, restrictions: [{from: '02:00', to: '08:00'}]}\n"
    )
    (error,) = desk_errors(text, MACHINE)
    assert "from Sun 2026-03-08 12:00 to Sun 2026-03-08 13:00" in error
    assert "and 25 times more" in error, "until 28 March, and a week in autumn"


def test_what_is_seldom_meant_is_warned_of() -> None:
    assert '4: oncall.people[0]: "ann" can\'t be told of anything: it has no receivers' in "\n".join(
        warnings(TOP + "  people: [{name: ann}]", MACHINE)
    ).replace("warning: ", "")
    later = "\n".join(warnings(LAYER + "starts: 2026-06-01", MACHINE))
    assert "nobody is on call before Mon 2026-06-01 09:00: its start" in later


def test_every_key_can_be_written() -> None:
    text = (
        TOP + "  people: [{name: ann, receivers: [r], time_zone: Asia/Tokyo, handles: {slack: U1, pagerduty: P, "
        "opsgenie: o@x, email: e@x}}]\n"
        "  teams: [{name: t, members: [ann], schedule: s}]\n"
        "  schedules: [{name: s, time_zone: Europe/Berlin, gaps: allow, layers: [{people: [ann, ann], rotate: 2w, "
        "hand_over: tuesday 08:30, starts: 2026-01-01, time_zone: Asia/Tokyo, restrictions: [{days: 'friday:monday', "
        "from: '22:00', to: '06:00'}, {days: [sunday]}]}]}]\n"
    )
    plan = load_desk(text, MACHINE).desk.response.oncall
    handles = {"slack": "U1", "pagerduty": "P", "opsgenie": "o@x", "email": "e@x"}
    assert plan.people == {"ann": Person("ann", ("r",), "Asia/Tokyo", handles)}
    assert plan.teams == {"t": Team("t", ("ann",), "s")}
    restrictions = (Restriction(frozenset({4, 5, 6, 0}), 1320, 360), Restriction(frozenset({6})))
    first = datetime.fromisoformat("2026-01-06T08:30")
    layer = Layer(("ann", "ann"), first, 336, "Asia/Tokyo", restrictions)
    assert plan.schedules == {"s": Schedule("s", (layer,), "Europe/Berlin", "allow")}


DAY_NAMES: Sequence[str] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@given(st.dates(date(1970, 1, 1), date(2200, 12, 31)), st.integers(0, 6), st.integers(0, 1439))
def test_the_first_hand_over_is_the_first_on_its_weekday_from_the_start_on(starts: date, day: int, minute: int) -> None:
    first = first_of(starts, day, minute)
    assert first.weekday() == day
    assert 0 <= (first.date() - starts).days < 7
    assert hand_over_of(f"{DAY_NAMES[day]} {first:%H:%M}") == (day, minute)


@given(st.integers(0, 6), st.integers(0, 6))
def test_a_span_of_days_goes_round_the_week(first: int, last: int) -> None:
    found = days_of(f"{DAY_NAMES[first]}:{DAY_NAMES[last]}")
    assert {first, last} <= found
    assert len(found) == (last - first) % 7 + 1


@given(st.integers(1, 8784))
def test_whole_hours_are_a_turn(hours: int) -> None:
    assert turn_h_of(f"{hours}h") == hours
