"""What counts of an alert's values is the highest since it started, whenever that was."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from incidents.following import follow
from incidents.impact import share_of
from incidents.model import Part
from incidents.opening import joining
from schemas.alert import AlertEvent, Evidence
from schemas.response.triage import ImpactPlan
from tests.incidents.scene import START_S, event

PEAK_BEFORE = 0.9


def part() -> Part:
    return Part(
        incident=1, episode="e", fingerprint="f", labels={"metric": "error_ratio"}, level="critical", worst="critical",
        is_firing=True, starts_at_s=START_S, first_seen_s=START_S, joined_s=START_S, updated_s=START_S,
    )  # fmt: skip


def told(seq: int, value: float, inside: float, *, ended: bool = False) -> AlertEvent:
    made = event("a", seq=seq, level=None if ended else "critical", previous="critical" if seq else None)
    evidence = Evidence([START_S - 10.0, START_S + seq], [PEAK_BEFORE, inside])
    return msgspec.structs.replace(made, value=value, evidence=evidence)


@given(st.lists(st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 0.5)), min_size=1, max_size=6))
def test_the_highest_value_stays_when_the_alert_gets_better_and_ends(values: list[tuple[float, float]]) -> None:
    events = [told(seq, value, inside) for seq, (value, inside) in enumerate(values)]
    ended = told(len(events), 0.001, 0.001, ended=True)
    now, _, _ = follow(part(), [*events, ended], START_S + 60.0)
    assert (now.is_firing, now.value) == (False, 0.001)
    assert now.highest == max(0.001, *(number for pair in values for number in pair))
    assert share_of(now, ImpactPlan()) == now.highest


def test_a_line_of_the_timeline_is_one_sentence() -> None:
    why = "Critical (was warning): value 0.08 is above 0.05, since 2026-11-24T04:45:14Z (2 s)."
    joined = msgspec.structs.replace(part(), why=why, labels={"alertname": "errors", "zone": "b"})
    said = "errors {zone=b} is critical: value 0.08 is above 0.05, since 2026-11-24T04:45:14Z (2 s)"
    assert joining(joined, "rule shop").text == f"{said}; rule shop"
    assert (
        joining(msgspec.structs.replace(joined, why=""), "rule shop").text == "errors {zone=b} is critical; rule shop"
    )
    over = msgspec.structs.replace(told(1, 0.01, 0.01, ended=True), why="Resolved from critical: value 0.01 is not.")
    _, (line,), _ = follow(joined, [over], START_S)
    assert line.text == "errors {zone=b} is over: value 0.01 is not"
