"""Inhibition holds back what Alertmanager's would: checked against its rule written down plainly."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Alert
from alerting.noise.inhibition import Inhibitor
from schemas.desk import InhibitRule
from schemas.matchers import Matchers
from tests.alerting.making import alert


def rule(source: str, target: str, *equal: str, name: str = "") -> InhibitRule:
    return InhibitRule(Matchers.parse(source), Matchers.parse(target), equal, name)


def inhibitor(rules: Sequence[InhibitRule], firing: Sequence[Alert]) -> Inhibitor:
    return Inhibitor(rules, [(a, a.matchable()) for a in firing])


def plainly(rules: Sequence[InhibitRule], firing: Sequence[Alert], labels: Mapping[str, str]) -> bool:
    """inhibit.go of Alertmanager: every rule against every firing alert."""
    for r in rules:
        if not r.target.matches(labels):
            continue
        both = r.source.matches(labels)
        for source in firing:
            seen = source.matchable()
            if not r.source.matches(seen) or any(seen.get(n, "") != labels.get(n, "") for n in r.equal):
                continue
            if not (both and r.target.matches(seen)):
                return True
    return False


CRITICAL_HIDES_WARNING = rule("level=critical", "level=warning", "cluster", name="critical-hides-warning")


def test_a_warning_is_held_back_by_a_critical_of_its_cluster_and_the_reason_names_both() -> None:
    source = alert("db-down", "critical", cluster="eu")
    found = inhibitor([CRITICAL_HIDES_WARNING], [source]).why(alert("slow", cluster="eu").matchable())
    assert found is not None
    assert (found.by, found.ref) == ("inhibition", "db-down")
    assert found.text == "db-down (critical) fires with the same cluster='eu'; rule critical-hides-warning"
    assert inhibitor([CRITICAL_HIDES_WARNING], [source]).why(alert("slow", cluster="us").matchable()) is None


def test_a_missing_label_equals_an_empty_one() -> None:
    source, target = alert("s", "critical"), alert("t", cluster="")
    assert inhibitor([CRITICAL_HIDES_WARNING], [source]).why(target.matchable()) is not None


def test_an_alert_on_both_sides_inhibits_neither_itself_nor_its_kind_but_others_inhibit_it() -> None:
    on_both = rule('kind=~"a|b"', "kind=a")
    one, two, other = alert("one", kind="a"), alert("two", kind="a"), alert("other", kind="b")
    assert inhibitor([on_both], [one, two]).why(one.matchable()) is None
    assert inhibitor([on_both], [one, two, other]).why(one.matchable()) is not None
    assert inhibitor([on_both], [one]).why(other.matchable()) is None, "it is no target"


def test_the_oldest_source_is_named_whatever_the_order() -> None:
    sources = [alert("young", "critical", starts_at_s=9.0), alert("old", "critical", starts_at_s=1.0)]
    for firing in (sources, sources[::-1]):
        found = inhibitor([CRITICAL_HIDES_WARNING], firing).why(alert("t").matchable())
        assert found is not None
        assert found.ref == "old"


_VALUES = st.sampled_from(["", "x", "y"])
_LABELS = st.fixed_dictionaries({}, optional={"a": _VALUES, "b": _VALUES, "c": _VALUES})
_CONDITIONS = st.lists(
    st.sampled_from(['a="x"', 'a="y"', "b!=x", 'b=~"x|y"', 'c!~"y"', 'c=""', "level=critical", "level=warning"]),
    min_size=1,
    max_size=2,
)
_RULES = st.builds(
    lambda source, target, equal: InhibitRule(Matchers.parse(source), Matchers.parse(target), tuple(equal)),
    _CONDITIONS,
    _CONDITIONS,
    st.sets(st.sampled_from("abc"), max_size=2),
)
_ALERTS = st.lists(st.tuples(_LABELS, st.sampled_from(["warning", "critical"])), max_size=8)


@given(st.lists(_RULES, min_size=1, max_size=4), _ALERTS)
def test_it_agrees_with_alertmanagers_rule_on_any_alerts(
    rules: list[InhibitRule], drawn: list[tuple[dict[str, str], str]]
) -> None:
    firing = []
    for i, (labels, level) in enumerate(drawn):
        firing.append(alert(f"f{i}", "critical" if level == "critical" else "warning"))
        firing[-1].labels.update(labels)
    ours = inhibitor(rules, firing)
    for each in firing:
        assert (ours.why(each.matchable()) is not None) is plainly(rules, firing, each.matchable())
