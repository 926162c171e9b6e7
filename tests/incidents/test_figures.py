"""Figures over incidents say what counting by hand says."""

import math
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from incidents.figures import Page, figures, is_night, spread
from incidents.model import STATES, Incident

DAY_S = 86_400.0
FROM_S = 1_800_000_000.0
TO_S = FROM_S + 30 * DAY_S


@st.composite
def incidents(draw: st.DrawFn) -> Incident:
    opened_s = draw(st.integers(int(FROM_S - DAY_S), int(TO_S + DAY_S)))
    state = draw(st.sampled_from(STATES))
    later = st.one_of(st.none(), st.integers(0, 9_999).map(lambda s: float(opened_s + s)))
    return Incident(
        number=draw(st.integers(1, 10_000)),
        title="t",
        state=state,
        severity=draw(st.integers(1, 5)),
        service=draw(st.sampled_from(["", "checkout", "search"])),
        team=draw(st.sampled_from(["", "shop"])),
        rule=draw(st.sampled_from(["", "errors", "latency"])),
        opened_s=float(opened_s),
        detected_s=float(opened_s - draw(st.integers(0, 500))),
        updated_s=float(opened_s),
        responded_s=draw(later),
        mitigated_s=draw(later),
        resolved_s=float(opened_s + 10) if state in ("resolved", "closed") else None,
        verdict=draw(st.sampled_from(["", "true_positive", "false_positive"])),
        merged_into=draw(st.sampled_from([None, None, None, 7])),
    )


@given(st.lists(incidents(), max_size=30, unique_by=lambda one: one.number), st.data())
def test_each_incident_counts_once_in_each_list_that_it_belongs_to(found: list[Incident], data: st.DataObject) -> None:
    touched = data.draw(st.sets(st.sampled_from([one.number for one in found]))) if found else set()
    made = figures(found, touched, [], {}, FROM_S, TO_S)
    counted = [one for one in found if FROM_S <= one.opened_s < TO_S and one.merged_into is None]
    assert made.all.incidents == len(counted) == sum(one.incidents for one in made.by_severity.values())
    assert sum(one.incidents for one in made.by_service.values()) == sum(bool(one.service) for one in counted)
    assert sum(one.incidents for one in made.by_team.values()) == sum(bool(one.team) for one in counted)
    over = [one for one in counted if one.is_over]
    alone = [one for one in over if not one.responded_s and not one.verdict and one.number not in touched]
    false = [one for one in over if one.verdict == "false_positive"]
    noise = made.noise
    assert (noise.over, noise.false_positives, noise.unattended) == (len(over), len(false), len(alone))
    assert noise.share == ((len(alone) + len(false)) / len(over) if over else 0.0)
    acknowledged = [one.responded_s - one.opened_s for one in counted if one.responded_s is not None]
    assert made.all.acknowledge == spread(acknowledged)
    again = {(one.rule, one.service): one.incidents for one in made.repeats}
    for rule, service in {(one.rule, one.service) for one in counted}:
        count = sum((one.rule, one.service) == (rule, service) for one in counted)
        assert again.get((rule, service), 0) == (count if rule and count > 1 else 0)
    assert [one.incidents for one in made.repeats] == sorted(again.values(), reverse=True)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_so_many_took_no_longer(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    for share, told in ((0.5, found.median_s), (0.9, found.p90_s)):
        assert told in values
        assert sum(value <= told for value in values) >= math.floor(len(values) * share)
        assert sum(value < told for value in values) <= len(values) * share


def test_a_night_is_where_the_person_lives() -> None:
    pages = [Page(n, "ann", datetime.fromisoformat(at).timestamp()) for n, at in enumerate(NIGHTS)]
    pages += [Page(9, "bob", pages[0].at_s), Page(9, "bob", pages[0].at_s), Page(9, "", pages[0].at_s)]
    zones = {"ann": "America/New_York"}
    made = figures([], [], pages, zones, pages[0].at_s - DAY_S, pages[0].at_s + 400 * DAY_S)
    assert [(one.person, one.pages, one.night, one.incidents) for one in made.load] == [
        ("ann", 4, 2, 4),
        ("bob", 2, 2, 1),
    ]
    assert figures([], [], pages, zones, 0.0, 1.0).load == []


# In New York 22:59 (night), 6:59 (night), 7:00, 21:59; the second and the third on both sides of a change of the clock.
NIGHTS = ["2026-03-08T03:59Z", "2026-03-08T10:59Z", "2026-03-08T11:00Z", "2026-03-09T01:59Z"]


def test_midnight_belongs_to_the_night() -> None:
    hours = [hour for hour in range(24) if is_night(hour * 3600.0, "UTC")]
    assert hours == [0, 1, 2, 3, 4, 5, 6, 22, 23]
