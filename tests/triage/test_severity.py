"""How bad an incident is: the table's rows, and that more is never milder."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.impact import Facts, facts, share_of
from incidents.model import Incident, Part
from incidents.severity import CONDITIONS, Judgement, judged, standing, step
from schemas.levels import LEVELS
from schemas.matchers import Matchers
from schemas.response.triage import DEFAULT_TABLE, ImpactPlan, SeverityRow

NOTHING = Facts("info", 1, (), 0, None, 0.0, None)
PLAN = ImpactPlan()


def seen(**given: Any) -> Facts:
    return replace(NOTHING, **given)


def part(name: str = "a", **given: Any) -> Part:
    of: dict[str, Any] = {
        "incident": 1, "episode": name, "fingerprint": name, "labels": {}, "level": "warning", "worst": "warning",
        "is_firing": True, "starts_at_s": 0.0, "first_seen_s": 0.0, "joined_s": 0.0, "updated_s": 0.0,
    }  # fmt: skip
    return Part(**{**of, **given})


def incident(**given: Any) -> Incident:
    return Incident(
        **{"number": 1, "title": "x", "severity": 3, "opened_s": 0, "detected_s": 0, "updated_s": 0, **given}
    )


DEFAULTS = [
    (seen(), 5, "SEV5: nothing worse applies"),
    (seen(level="warning"), 4, "SEV4: level warning"),
    (seen(level="warning", services=("a", "b", "c")), 3, "SEV3: level warning, 3 services (a, b, c)"),
    (seen(level="critical"), 3, "SEV3: level critical"),
    (seen(level="critical", share=0.049), 3, "SEV3: level critical"),
    (seen(level="critical", share=0.05), 2, "SEV2: level critical, 5% of traffic fails"),
    (seen(level="critical", services=("a", "b")), 2, "SEV2: level critical, 2 services (a, b)"),
    (seen(level="critical", customers=10), 2, "SEV2: level critical, 10 customers"),
    (seen(outage_s=300.0), 2, "SEV2: as bad as 5 min of full outage"),
    (seen(budget=0.1), 2, "SEV2: 10% of the error budget is burned"),
    (seen(level="critical", share=0.5), 1, "SEV1: level critical, 50% of traffic fails"),
    (seen(level="critical", customers=100), 1, "SEV1: level critical, 100 customers"),
    (seen(level="critical", services=tuple("abcde")), 1, "SEV1: level critical, 5 services (a, b, c, d, e)"),
    (seen(outage_s=1800.0), 1, "SEV1: as bad as 30 min of full outage"),
    (seen(budget=0.5), 1, "SEV1: 50% of the error budget is burned"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "severity", "reason"), DEFAULTS)
def test_the_default_table_says_how_bad_and_why(found: Facts, severity: int, reason: str) -> None:
    assert judged(found, [], DEFAULT_TABLE) == Judgement(severity, reason)


BORDERS: dict[str, tuple[SeverityRow, Facts, Facts]] = {
    # what a row asks for: the row, what is just too little, what is just enough
    "level": (SeverityRow(1, level="warning"), seen(), seen(level="warning")),
    "series": (SeverityRow(1, series=3), seen(series=2), seen(series=3)),
    "services": (SeverityRow(1, services=2), seen(services=("a",)), seen(services=("a", "b"))),
    "customers": (SeverityRow(1, customers=7), seen(customers=6), seen(customers=7)),
    "share": (SeverityRow(1, share=0.2), seen(share=0.199), seen(share=0.2)),
    "outage_s": (SeverityRow(1, outage_s=60.0), seen(outage_s=59.9), seen(outage_s=60.0)),
    "budget": (SeverityRow(1, budget=1.5), seen(budget=1.49), seen(budget=1.5)),
}


def test_every_condition_of_a_row_is_tried_here() -> None:
    asked = {field.name for field in fields(SeverityRow)} - {"severity"}
    assert asked == {*BORDERS, "matchers"}
    assert len(CONDITIONS) == len(asked)


@pytest.mark.parametrize("name", BORDERS)
def test_a_row_holds_from_its_number_on(name: str) -> None:
    row, too_little, enough = BORDERS[name]
    assert judged(too_little, [], [row]) == Judgement(5, "SEV5: no row of incidents.severity holds")
    assert judged(enough, [], [row]).severity == 1


def test_a_row_holds_where_all_of_it_does() -> None:
    row = SeverityRow(2, level="warning", matchers=Matchers.parse('tier="gold"'), series=2)
    gold = part(labels={"tier": "gold", "alertname": "Slow"})
    said = judged(seen(level="warning", series=2), [gold], [row])
    assert said == Judgement(2, 'SEV2: level warning, Slow is {tier="gold"}, 2 series')
    for few in (seen(series=2), seen(level="warning")):
        assert judged(few, [gold], [row]).severity == 5
    assert judged(seen(level="warning", series=2), [part(labels={"tier": "tin"})], [row]).severity == 5


def ordered() -> st.SearchStrategy[list[SeverityRow]]:
    """Any table that the config takes: the worst severities first."""
    row = st.builds(
        SeverityRow,
        st.integers(1, 5),
        level=st.none() | st.sampled_from(LEVELS),
        series=st.integers(0, 4),
        services=st.integers(0, 3),
        customers=st.integers(0, 4),
        share=st.floats(0.0, 1.0),
        outage_s=st.floats(0.0, 4000.0),
        budget=st.floats(0.0, 2.0),
    )
    return st.lists(row, max_size=8).map(lambda rows: sorted(rows, key=lambda one: one.severity))


FACTS = st.builds(
    Facts,
    st.sampled_from(LEVELS),
    st.integers(1, 5),
    st.lists(st.sampled_from("abcdefg"), unique=True, max_size=6).map(tuple),
    st.integers(0, 200),
    st.none() | st.floats(0.0, 1.0),
    st.floats(0.0, 4000.0),
    st.none() | st.floats(0.0, 2.0),
)


def worse(one: Facts, other: Facts) -> Facts:
    return Facts(
        max(one.level, other.level, key=LEVELS.index),
        max(one.series, other.series),
        tuple(sorted({*one.services, *other.services})),
        max(one.customers, other.customers),
        max(one.share or 0.0, other.share or 0.0),
        max(one.outage_s, other.outage_s),
        max(one.budget or 0.0, other.budget or 0.0),
    )


@given(one=FACTS, other=FACTS, table=st.just(list(DEFAULT_TABLE)) | ordered())
def test_more_of_anything_is_never_milder(one: Facts, other: Facts, table: list[SeverityRow]) -> None:
    both = judged(worse(one, other), [], table).severity
    assert both <= min(judged(one, [], table).severity, judged(other, [], table).severity)


PARTS = st.lists(
    st.builds(
        part,
        st.sampled_from("abcd"),
        labels=st.dictionaries(st.sampled_from(["service", "customer", "traffic_share"]), st.sampled_from("xy01")),
        annotations=st.dictionaries(
            st.sampled_from(["impact_share", "impact_customers", "error_budget_burned"]),
            st.sampled_from(["0.5", "12%", "about half", "nan", "-1", "7"]),
        ),
        worst=st.sampled_from(LEVELS),
        starts_at_s=st.floats(0.0, 1000.0),
        ends_at_s=st.none() | st.floats(0.0, 1000.0),
        is_firing=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(parts=PARTS, more=PARTS, now_s=st.floats(1000.0, 5000.0), later_s=st.floats(0.0, 5000.0))
def test_another_alert_or_more_time_is_never_milder(
    parts: list[Part], more: list[Part], now_s: float, later_s: float
) -> None:
    def said(of: list[Part], at_s: float) -> int:
        return judged(facts(of, PLAN, "service", at_s), of, DEFAULT_TABLE).severity

    assert said(parts + more, now_s) <= said(parts, now_s)
    assert said(parts, now_s + later_s) <= said(parts, now_s)


@given(found=st.lists(FACTS, min_size=1, max_size=8), is_over=st.booleans())
def test_an_open_incident_only_gets_worse_by_itself(found: list[Facts], is_over: bool) -> None:
    one = incident(severity=3, state="resolved" if is_over else "open")
    for position, now in enumerate(found):
        said = judged(now, [], DEFAULT_TABLE)
        change = step(one, said)
        if change is not None:
            assert not is_over
            assert position == 0 or change.severity < one.severity
            one = incident(severity=change.severity, severity_reason=change.reason)
        if not is_over:
            assert one.severity <= said.severity


@pytest.mark.parametrize(
    ("given", "now", "left"),
    [
        ({"severity": 2}, 4, 4),  # never judged: what it was opened with doesn't count
        ({"severity": 3, "severity_reason": "SEV3: so"}, 2, 2),
        ({"severity": 3, "severity_reason": "SEV3: so"}, 3, None),
        ({"severity": 3, "severity_reason": "SEV3: so"}, 4, None),
        ({"severity": 4, "severity_reason": "SEV4, says ann", "severity_by": "ann"}, 1, None),
        ({"severity": 3, "severity_reason": "SEV3: so", "state": "resolved"}, 1, None),
    ],
)
def test_what_the_rules_may_change(given: dict[str, Any], now: int, left: int | None) -> None:
    change = step(incident(**given), Judgement(now, f"SEV{now}: because"))
    assert (None if change is None else change.severity) == left


def test_it_says_what_the_rules_would_say() -> None:
    by_ann = incident(severity=4, severity_reason="SEV4, says ann: a test", severity_by="ann")
    assert standing(by_ann, Judgement(2, "SEV2: so")) == (
        "SEV4, says ann: a test. The rules say SEV2: so; `--auto` gives it back to them"
    )
    over = incident(severity=2, severity_reason="SEV2: so", state="resolved")
    assert standing(over, Judgement(4, "SEV4: now")) == "SEV2: so"


SHARES: list[tuple[dict[str, Any], float | None]] = [
    ({"labels": {"metric": "http_error_ratio"}, "value": 0.12}, 0.12),
    ({"labels": {"metric": "http_error_ratio"}, "value": 12.0}, 1.0),
    ({"labels": {"metric": "http_error_ratio"}, "value": float("nan")}, None),
    ({"labels": {"metric": "latency"}, "value": 0.12}, None),
    ({"labels": {"metric": "http_error_ratio", "traffic_share": "25%"}, "value": 0.4}, 0.1),
    ({"annotations": {"impact_share": "3%", "traffic_share": "0.5"}}, 0.015),
    ({"annotations": {"impact_share": "about half"}}, None),
    ({"labels": {"metric": "error_ratio"}, "value": 0.1, "annotations": {"impact_share": "0.3"}}, 0.3),
]


@pytest.mark.parametrize(("given", "share"), SHARES)
def test_the_share_is_read_where_an_alert_tells_it(given: dict[str, Any], share: float | None) -> None:
    assert share_of(part(**given), PLAN) == (None if share is None else pytest.approx(share))


def test_impact_counts_each_customer_once_and_time_by_the_worst_share() -> None:
    ratio = {"metric": "error_ratio", "service": "checkout"}
    parts = [
        part("a", labels={**ratio, "customer": "acme"}, value=0.1, worst="critical"),
        part("b", labels={**ratio, "customer": "acme"}, value=0.5, starts_at_s=100.0, ends_at_s=200.0, is_firing=False),
        part("c", labels={"service": "cart", "tenant": "acme"}),
    ]
    found = facts(parts, PLAN, "service", 300.0)
    assert (found.level, found.series, found.services) == ("critical", 3, ("cart", "checkout"))
    assert (found.customers, found.share) == (2, 0.5)
    assert found.outage_s == pytest.approx(100 * 0.1 + 100 * 0.5 + 100 * 0.1)
    assert found.budget == pytest.approx(found.outage_s / (30 * 86_400 * 0.001))
    assert facts([part()], PLAN, "service", 300.0).budget is None
