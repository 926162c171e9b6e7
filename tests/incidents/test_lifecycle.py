"""The table of states and acts: whole, and what each cell does to the times."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from incidents.lifecycle import ACTS, BY_HAND, MEANING, TABLE, Act, No, Refused, after, diagram, durations, table
from incidents.model import STATES, Incident, State

PAGE = Path(__file__).parents[2] / "docs/incidents.md"
FRESH = Incident(number=7, title="x", severity=2, rule="shop", opened_s=100.0, detected_s=40.0, updated_s=100.0)
CELLS = [(state, act) for state in STATES for act in ACTS]
# The ways that people know; everything else is said by the table alone.
STORY: list[tuple[Act, State]] = [
    ("acknowledge", "acknowledged"),
    ("alert", "acknowledged"),
    ("quiet", "mitigated"),
    ("alert", "acknowledged"),
    ("ack_expired", "open"),
    ("acknowledge", "acknowledged"),
    ("mitigate", "mitigated"),
    ("resolve", "resolved"),
    ("alert", "open"),
    ("quiet", "mitigated"),
    ("alert", "open"),
    ("quiet", "mitigated"),
    ("settled", "resolved"),
    ("aged", "closed"),
]


def test_every_state_answers_every_act() -> None:
    assert set(TABLE) == set(STATES)
    assert all(set(row) == set(ACTS) for row in TABLE.values())
    assert set(MEANING) == set(ACTS)


@pytest.mark.parametrize(("state", "act"), CELLS)
def test_a_cell_is_a_state_with_its_times_or_a_refusal_that_says_why(state: State, act: Act) -> None:
    was = replace(FRESH, state=state, acknowledged_s=110.0, acknowledged_by="ann", responded_s=110.0)
    if state == "open":
        was = replace(was, acknowledged_s=None, acknowledged_by="")
    cell = TABLE[state][act]
    if isinstance(cell, No):
        with pytest.raises(Refused, match=re.escape(f"INC-7 is {state}: {cell.reason}")):
            after(was, act, 200.0, "bob")
        return
    now = after(was, act, 200.0, "bob")
    assert now.state == (cell.held or cell.state)
    assert (now.acknowledged_s is not None) <= (now.acknowledged_by != "")
    assert now.state != "acknowledged" or now.acknowledged_s is not None
    if now.state != state and now.state in ("mitigated", "resolved", "closed"):
        assert getattr(now, f"{now.state}_s") == 200.0
    if now.state in ("open", "acknowledged"):
        assert (now.mitigated_s, now.resolved_s, now.closed_s) == (None, None, None)


def test_a_story_from_the_first_alert_to_the_file() -> None:
    incident, now_s = FRESH, 100.0
    for act, state in STORY:
        now_s += 10.0
        incident = after(incident, act, now_s, "ann")
        assert (act, incident.state) == (act, state)
    lasted = durations(incident)
    # Reopened at 190, mitigated at 220, resolved at 230: each life counts from its own beginning.
    assert (lasted.detect_s, lasted.acknowledge_s, lasted.mitigate_s, lasted.resolve_s) == (60.0, None, 30.0, 40.0)


def test_an_acknowledgement_again_is_the_newest_and_the_first_stays_the_response() -> None:
    twice = after(after(FRESH, "acknowledge", 110.0, "ann"), "acknowledge", 150.0, "bob")
    assert (twice.acknowledged_by, twice.acknowledged_s, durations(twice).acknowledge_s) == ("bob", 150.0, 10.0)
    expired = after(twice, "ack_expired", 200.0)
    assert (expired.acknowledged_by, expired.acknowledged_s, durations(expired).acknowledge_s) == ("", None, 10.0)


def test_what_a_person_opened_again_doesnt_settle_by_itself() -> None:
    quiet = after(FRESH, "quiet", 110.0)
    opened = after(quiet, "reopen", 120.0, "ann")
    with pytest.raises(Refused, match="a person resolves it"):
        after(opened, "settled", 9999.0)


@given(st.lists(st.tuples(st.sampled_from(ACTS), st.floats(0.0, 1e4)), max_size=60))
def test_times_are_in_order_whatever_happens(steps: list[tuple[Act, float]]) -> None:
    incident, now_s = FRESH, FRESH.opened_s
    for act, pause_s in steps:
        now_s += pause_s
        try:
            incident = after(incident, act, now_s, "ann")
        except Refused:
            continue
        times = [incident.mitigated_s, incident.resolved_s, incident.closed_s]
        known = [at_s for at_s in times if at_s is not None]
        assert known == sorted(known)
        assert all(FRESH.opened_s <= at_s <= now_s for at_s in known)
        assert (incident.state in ("mitigated", "resolved")) <= (incident.mitigated_s is not None)
        assert (incident.state == "resolved") <= (incident.resolved_s is not None)
        assert (incident.state == "closed") <= (incident.closed_s is not None)
        assert (incident.state == "acknowledged") <= (incident.acknowledged_s is not None)
        lasted = durations(incident)
        spans = (lasted.acknowledge_s, lasted.mitigate_s, lasted.resolve_s)
        assert all(span is None or 0 <= span <= now_s - FRESH.opened_s for span in spans)


def test_a_person_can_always_do_something_until_it_is_closed() -> None:
    for state in STATES:
        possible = [act for act in BY_HAND if not isinstance(TABLE[state][act], No)]
        assert bool(possible) is (state != "closed")


def test_the_page_draws_the_table() -> None:
    """`python -m tests.incidents.test_lifecycle` draws it anew."""
    assert PAGE.read_text() == drawn(PAGE.read_text())


def drawn(page: str) -> str:
    for name, text in (("diagram", f"```mermaid\n{diagram()}\n```"), ("table", table())):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        head, _, rest = page.partition(begin)
        page = f"{head}{begin}{text}\n{end}{rest.partition(end)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
