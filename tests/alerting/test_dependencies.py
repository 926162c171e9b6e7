"""What depends on a service that is down is held back, through any number of services; somebody always hears of it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Alert
from alerting.noise.dependencies import Outages
from schemas.desk import Dependency
from tests.alerting.making import alert

SHOP = (
    Dependency("web", ("checkout", "search")),
    Dependency("checkout", ("payments", "db")),
    Dependency("db", ("disk",)),
)


def down(service: str) -> Alert:
    return alert(f"{service}-down", "critical", service=service)


def reason(graph: tuple[Dependency, ...], firing: list[Alert], service: str) -> str | None:
    found = Outages(graph, "service", firing).why({"service": service})
    return found.text if found else None


def test_the_reason_names_the_chain_and_the_alert_at_its_end() -> None:
    assert reason(SHOP, [down("disk")], "web") == "web -> checkout -> db -> disk: disk-down (critical) fires on disk"


def test_the_cause_is_the_lowest_that_is_down() -> None:
    found = Outages(SHOP, "service", [down("checkout"), down("db")])
    muted = found.why({"service": "web"})
    assert muted is not None
    assert (muted.by, muted.ref) == ("dependency", "db")
    assert found.why({"service": "db"}) is None, "the cause itself is heard"


def test_what_is_above_or_beside_hides_nothing() -> None:
    assert reason(SHOP, [down("web"), down("search")], "checkout") is None
    assert reason(SHOP, [down("disk")], "search") is None


def test_only_a_critical_alert_makes_a_service_down() -> None:
    assert reason(SHOP, [alert("slow", "warning", service="disk")], "web") is None


def test_services_in_a_circle_dont_hide_each_other_but_hide_what_is_above() -> None:
    circle = (Dependency("a", ("b",)), Dependency("b", ("a",)), Dependency("top", ("a",)))
    both = [down("a"), down("b")]
    assert reason(circle, both, "a") is reason(circle, both, "b") is None
    assert reason(circle, both, "top") == "top -> a: a-down (critical) fires on a"


def test_a_service_that_depends_on_itself_is_heard() -> None:
    assert reason((Dependency("a", ("a",)),), [down("a")], "a") is None


def test_an_alert_without_the_label_depends_on_nothing() -> None:
    assert Outages(SHOP, "service", [down("disk")]).why({}) is None


_SERVICES = st.sampled_from("abcdef")
_GRAPHS = st.lists(st.builds(lambda s, d: Dependency(s, tuple(d)), _SERVICES, st.lists(_SERVICES, max_size=3)))


@given(_GRAPHS, st.sets(_SERVICES, min_size=1))
def test_of_all_that_is_down_something_is_heard_and_every_chain_is_real(
    graph: list[Dependency], services: set[str]
) -> None:
    outages = Outages(graph, "service", [down(service) for service in services])
    edges = {(dependency.service, below) for dependency in graph for below in dependency.depends_on}
    heard = {service for service in services if outages.cause(service) is None}
    assert heard
    for service in "abcdef":
        chain = outages.cause(service)
        if chain is not None:
            assert chain[0] == service
            assert chain[-1] in heard, "what is named as the cause is itself told"
            assert set(pairwise(chain)) <= edges
