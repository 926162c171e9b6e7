"""Remedies on Kubernetes, over real HTTP against a server that keeps its rules."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.remedies.base import Done, Intent, Remedy
from schemas.calls import Refused, Retry
from tests.doubles.http import Fault
from tests.doubles.kubernetes import ApiServer
from tests.remedies.talk import CONTEXT, answered, held, intent, labelled, remedy

PAGE = Path(__file__).parents[2] / "docs/remedies.md"
KINDS = ("kubernetes_scale", "kubernetes_restart", "kubernetes_rollback")
RULES = [
    {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": ["get", "patch"]},
    {"apiGroups": ["apps"], "resources": ["deployments/scale", "statefulsets/scale"], "verbs": ["get", "patch"]},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
    {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list"]},
]
TOKEN = "a-token"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as made:
        made.allow(TOKEN, RULES)
        made.add_workload("web", replicas=3)
        yield made


def on(server: ApiServer, kind: str, **more: object) -> Remedy:
    given = {"api": server.url, "token": TOKEN, "namespace": "shop", "deployment": "web"} | more
    if kind == "kubernetes_scale":
        given = {"max": 8} | ({} if {"to", "step", "target"} & set(given) else {"step": 2}) | given
    return remedy(kind, **{key: value for key, value in given.items() if value is not None})


def act(one: Remedy, what: Intent | None = None) -> Done:
    return held(one, one.act(what or intent(), CONTEXT))


# How many replicas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "replicas", "becomes"),
    [
        ({"step": 2}, 3, 5),
        ({"step": -1}, 3, 2),
        ({"to": 4}, 3, 4),
        ({"to": 0, "min": 0}, 3, 0),
        ({"target": 60.0}, 3, 5),  # 92 on each of 3
        ({"target": 60.0, "step_max": 1}, 3, 4),
        ({"step": 20}, 3, 8),  # its max
        ({"step": -20, "min": 2}, 3, 2),
        ({"target": 5.0}, 3, 8),
    ],
)
def test_it_scales_to_what_is_asked_for_within_its_bounds(
    server: ApiServer, how: dict[str, object], replicas: int, becomes: int
) -> None:
    server.scale("web", replicas)
    done = act(on(server, "kubernetes_scale", **how))
    assert server.replicas("web") == becomes
    assert (done.before, done.after) == ({"replicas": replicas}, {"replicas": becomes})
    (write,) = server.writes
    assert write.headers["content-type"] == "application/merge-patch+json"
    assert write.path.split("?")[0].endswith("/deployments/web/scale"), "the right to scale is enough"
    assert write.json["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("how", "replicas", "reason"),
    [
        ({"step": 2}, 8, "no room for"),
        ({"step": -1, "min": 3}, 3, "no room for"),
        ({"step": 2}, 12, "no room for"),  # never lowered by what asks for more
        ({"target": 92.0}, 3, "needs no other number"),
        ({"step": 2}, 0, "not ours to start"),
    ],
)
def test_where_the_bounds_leave_nothing_it_says_so_and_changes_nothing(
    server: ApiServer, how: dict[str, object], replicas: int, reason: str
) -> None:
    server.scale("web", replicas)
    with pytest.raises(Refused, match=reason):
        act(on(server, "kubernetes_scale", **how))
    assert server.writes == []


def test_what_is_so_already_is_done(server: ApiServer) -> None:
    done = act(on(server, "kubernetes_scale", to=3))
    assert "has 3 replicas" in done.text
    assert server.writes == []


def test_nothing_becomes_less_while_a_critical_incident_is_open(server: ApiServer) -> None:
    one = on(server, "kubernetes_scale", step=-1)
    with pytest.raises(Refused, match="not lowered from 3 to 2"):
        act(one, intent(may_lower=False))
    with pytest.raises(Refused, match="not lowered from 3 to 1"):
        held(one, one.undo(intent(may_lower=False), Done("", {"replicas": 1}, {"replicas": 3}), CONTEXT))
    assert server.writes == []


def test_a_stateful_set_is_scaled_too(server: ApiServer) -> None:
    server.add_workload("db", resource="statefulsets")
    act(on(server, "kubernetes_scale", deployment=None, stateful_set="db", to=4))
    assert server.replicas("db", resource="statefulsets") == 4


# Who looks after it already --------------------------------------------------------------------------------------


@pytest.mark.parametrize("keda", [False, True])
def test_what_an_autoscaler_owns_is_left_to_it(server: ApiServer, keda: bool) -> None:
    server.add_hpa("keda-hpa-web" if keda else "web", "web", keda=keda)
    with pytest.raises(Refused, match="ScaledObject/web" if keda else "HorizontalPodAutoscaler web"):
        act(on(server, "kubernetes_scale"))
    assert server.writes == []


def test_autoscalers_of_others_do_not_matter(server: ApiServer) -> None:
    server.add_hpa("other", "other")
    server.add_hpa("set", "web", kind="StatefulSet")
    act(on(server, "kubernetes_scale"))
    assert server.replicas("web") == 5


def test_the_owner_is_found_on_any_page(server: ApiServer) -> None:
    for number in range(25):
        server.add_hpa(f"a-{number:02}", f"other-{number}")
    server.add_hpa("z", "web")
    with pytest.raises(Refused, match="HorizontalPodAutoscaler z"):
        act(on(server, "kubernetes_scale"))


def test_pages_that_are_too_large_are_asked_for_in_smaller_ones(server: ApiServer) -> None:
    for number in range(12):
        server.add_hpa(f"a-{number:02}", f"other-{number}")
        hpa = server.workload(f"a-{number:02}", resource="horizontalpodautoscalers")
        hpa["metadata"]["managedFields"] = "x" * 10_000
    server.add_hpa("z", "web")
    with pytest.raises(Refused, match="HorizontalPodAutoscaler z"):
        act(on(server, "kubernetes_scale"))


def test_who_may_not_ask_for_autoscalers_changes_nothing(server: ApiServer) -> None:
    server.allow(TOKEN, RULES[:3])
    with pytest.raises(Refused, match="needs the right to list horizontalpodautoscalers"):
        act(on(server, "kubernetes_scale"))
    assert server.writes == []


# Who else changes it meanwhile -----------------------------------------------------------------------------------


def test_a_conflict_is_read_again_and_settled(server: ApiServer) -> None:
    server.meanwhile = [lambda: server.touch("web")] * 3
    act(on(server, "kubernetes_scale"))
    assert server.replicas("web") == 5
    assert len(server.writes) == 4


def test_endless_conflicts_are_given_up_on(server: ApiServer) -> None:
    server.meanwhile = [lambda: server.touch("web")] * 50
    with pytest.raises(Refused, match="others changed it 5 times"):
        act(on(server, "kubernetes_scale"))
    assert (server.replicas("web"), len(server.writes)) == (3, 5)


@pytest.mark.parametrize(
    ("meanwhile", "becomes", "reason"),
    [(4, 5, ""), (5, 5, "somebody else saw to it"), (9, 9, "somebody else saw to it"), (2, 2, "left to them")],
)
def test_what_another_does_meanwhile_counts(server: ApiServer, meanwhile: int, becomes: int, reason: str) -> None:
    """Somebody's own scaling isn't added to."""
    server.meanwhile = [lambda: server.scale("web", meanwhile)]
    try:
        text = act(on(server, "kubernetes_scale", step=2, max=12)).text
    except Refused as refused:
        text = refused.reason
    assert reason in text
    assert server.replicas("web") == becomes


def test_an_autoscaler_that_comes_meanwhile_is_seen(server: ApiServer) -> None:
    def arrives() -> None:
        server.add_hpa("web", "web")
        server.touch("web")

    server.meanwhile = [arrives]
    with pytest.raises(Refused, match="looks after"):
        act(on(server, "kubernetes_scale"))
    assert server.replicas("web") == 3


_MEANWHILE = st.lists(st.one_of(st.none(), st.just("touch"), st.integers(0, 12)), max_size=8)


@settings(max_examples=300, deadline=None)
@given(_MEANWHILE, st.integers(0, 12), st.integers(-4, 4).filter(bool), st.integers(0, 4), st.integers(0, 8))
def test_whatever_others_do_it_writes_only_what_it_has_read(
    meanwhile: list[int | str | None], replicas: int, step: int, low: int, wide: int
) -> None:
    """Every change of ours is from what was there to within the bounds, in the direction asked for, and at most one."""
    high = max(low + wide, 1)
    server = ApiServer()
    server.allow(TOKEN, RULES)
    server.add_workload("web", replicas)
    given = {"api": "http://127.0.0.1", "token": TOKEN, "namespace": "shop", "deployment": "web"}
    one = remedy("kubernetes_scale", step=step, min=low, max=high, **given)
    server.meanwhile = [_what(server, each) for each in meanwhile]
    done = None
    with suppress(Refused):
        done = answered(server, one.act(intent(), CONTEXT), TOKEN)
    ours = [change for change in server.changes if change.startswith("tidegauge")]
    assert len(ours) <= 1
    if ours:
        before, after = (int(word) for word in ours[0].split() if word.isdigit())
        assert low <= after <= high
        assert (after - before) * step > 0
        assert done is not None
        assert (done.before, done.after) == ({"replicas": before}, {"replicas": after})


def _what(server: ApiServer, each: int | str | None) -> Callable[[], None] | None:
    if each is None:
        return None
    return (lambda: server.scale("web", each)) if isinstance(each, int) else (lambda: server.touch("web"))


# What went wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_is_not_known_is_refused(server: ApiServer, kind: str) -> None:
    with pytest.raises(Refused, match=r"401 Unauthorized.*see token in the config"):
        act(on(server, kind, token="another"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_that_is_missing_is_named(server: ApiServer, kind: str) -> None:
    server.set_image("web", "web:2")
    server.allow(TOKEN, [rule | {"verbs": ["get", "list"]} for rule in RULES])
    resource = "deployments/scale" if kind == "kubernetes_scale" else "deployments"
    with pytest.raises(Refused, match=f"403 Forbidden.*needs the right to patch {resource}"):
        act(on(server, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_is_refused(server: ApiServer, kind: str) -> None:
    with pytest.raises(Refused, match="404 NotFound"):
        act(on(server, kind, deployment="wbe"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [Fault(status=503), Fault(is_reply_lost=True)])
def test_what_fails_before_the_change_is_known_to_have_changed_nothing(
    server: ApiServer, kind: str, fault: Fault
) -> None:
    server.fail(fault)
    with pytest.raises(Refused):
        act(on(server, kind))
    assert server.writes == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_whose_answer_is_lost_is_looked_at(server: ApiServer, kind: str) -> None:
    server.set_image("web", "web:2")
    server.fail(None, *([None] if kind != "kubernetes_restart" else []), Fault(is_reply_lost=True))
    act(on(server, kind))
    assert len(server.writes) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_that_nobody_knows_of_is_unknown(server: ApiServer, kind: str) -> None:
    server.set_image("web", "web:2")
    server.fail(None, *([None] if kind != "kubernetes_restart" else []), Fault(status=504))
    with pytest.raises(Retry, match="504"):
        act(on(server, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_only_reads_and_says_what_it_would_do(server: ApiServer, kind: str) -> None:
    server.set_image("web", "web:2")
    done = act(on(server, kind), intent(is_dry_run=True))
    assert done.text.startswith("would ")
    assert server.writes == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["../../secrets", "web;rm -rf /", "-web", "web\n", "w\0", "wéb", "", "Web", "a" * 300, "%2e"]
)
def test_a_hostile_label_reaches_no_address(server: ApiServer, kind: str, name: str) -> None:
    one = on(server, kind, deployment="{service}", labels={"service": "(?s:.*)"})
    with pytest.raises(Refused):
        act(one, labelled({"service": name}))
    assert server.requests == []


def test_a_label_names_the_workload(server: ApiServer) -> None:
    one = on(server, "kubernetes_scale", deployment="{service}", namespace="{namespace}")
    assert one.target(intent().labels) == "deployment shop/web"
    act(one)
    assert server.replicas("web") == 5


@pytest.mark.parametrize(("meanwhile", "becomes"), [(3, 5), (4, 5), (6, 6), (2, 2)])
def test_what_was_planned_is_what_is_done(server: ApiServer, meanwhile: int, becomes: int) -> None:
    """Else whoever asks after a crash asks for the wrong number."""
    one = on(server, "kubernetes_scale", step=2)
    plan = act(one, intent(is_dry_run=True)).after
    server.scale("web", meanwhile)
    with suppress(Refused):
        act(one, intent(plan=plan))
    assert server.replicas("web") == becomes


def test_a_rollback_is_of_the_revision_that_was_planned(server: ApiServer) -> None:
    server.set_image("web", "web:2")
    one = on(server, "kubernetes_rollback")
    plan = act(one, intent(is_dry_run=True)).after
    server.set_image("web", "web:3")
    with pytest.raises(Refused, match="somebody rolled out revision 3"):
        act(one, intent(plan=plan))


# After a crash, and back again -----------------------------------------------------------------------------------


def test_whether_it_scaled_is_seen_by_what_was_planned(server: ApiServer) -> None:
    one = on(server, "kubernetes_scale", step=2)
    plan = act(one, intent(is_dry_run=True)).after
    assert one.verify(intent(), CONTEXT) is None, "without a plan nobody knows what it was to become"
    with pytest.raises(Refused, match="has 3 replicas, not 5"):
        held(one, one.verify(intent(plan=plan), CONTEXT))
    act(one)
    assert "as intended" in held(one, one.verify(intent(plan=plan), CONTEXT)).text


def test_scaling_is_taken_back_while_nobody_else_has_scaled(server: ApiServer) -> None:
    one = on(server, "kubernetes_scale", step=2)
    done = act(one)
    server.meanwhile = [lambda: server.touch("web")]
    held(one, one.undo(intent(), done, CONTEXT))
    assert server.replicas("web") == 3
    server.scale("web", 7)
    with pytest.raises(Refused, match="has 7 replicas, not 5 as we left it"):
        held(one, one.undo(intent(), done, CONTEXT))
    assert server.replicas("web") == 7


@pytest.mark.parametrize("kind", ["kubernetes_restart", "kubernetes_rollback"])
def test_the_same_act_twice_is_done_once_and_a_crash_can_be_looked_into(server: ApiServer, kind: str) -> None:
    server.set_image("web", "web:2")
    one = on(server, kind)
    with pytest.raises(Refused, match="by this act"):
        held(one, one.verify(intent(), CONTEXT))
    act(one)
    held(one, one.verify(intent(), CONTEXT))
    assert "already" in act(one).text
    assert len(server.writes) == 1
    act(one, intent(id="f" * 32))
    assert len(server.writes) == 2


def test_a_restart_is_kubectls(server: ApiServer) -> None:
    act(on(server, "kubernetes_restart"))
    annotations = server.workload("web")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["kubectl.kubernetes.io/restartedAt"] == "2026-11-23T05:33:20.000Z"
    assert server.workload("web")["spec"]["template"]["metadata"]["labels"] == {"app": "web"}


@pytest.mark.parametrize("kind", ["kubernetes_restart", "kubernetes_rollback"])
def test_what_is_paused_is_left_alone(server: ApiServer, kind: str) -> None:
    server.workload("web")["spec"]["paused"] = True
    with pytest.raises(Refused, match="is paused"):
        act(on(server, kind))


def test_a_rollback_goes_to_the_revision_before(server: ApiServer) -> None:
    server.set_image("web", "web:2")
    server.set_image("web", "web:3")
    server.meanwhile = [lambda: server.touch("web")]
    done = act(on(server, "kubernetes_rollback"))
    web = server.workload("web")
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert web["spec"]["template"]["metadata"]["labels"] == {"app": "web"}
    assert web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "4"
    assert (done.before, done.after) == ({"revision": 3}, {"revision": 2})


def test_a_rollback_does_not_undo_what_somebody_just_rolled_out(server: ApiServer) -> None:
    server.set_image("web", "web:2")
    server.meanwhile = [lambda: server.set_image("web", "web:3")]
    with pytest.raises(Refused, match="somebody rolled out revision 3"):
        act(on(server, "kubernetes_rollback"))
    assert server.workload("web")["spec"]["template"]["spec"]["containers"][0]["image"] == "web:3"


def test_without_an_earlier_revision_there_is_no_rollback(server: ApiServer) -> None:
    with pytest.raises(Refused, match="no earlier revision"):
        act(on(server, "kubernetes_rollback"))


# The page --------------------------------------------------------------------------------------------------------


def test_the_rights_that_the_page_tells_to_give_are_enough(server: ApiServer) -> None:
    found = [each for text in _yaml_of(PAGE) for each in yaml.safe_load_all(text)]
    roles = {each["metadata"]["name"]: each for each in found if isinstance(each, dict) and each.get("kind") == "Role"}
    rules = {name: role["rules"] for name, role in roles.items()}
    server.set_image("web", "web:2")
    for kind in KINDS:
        server.allow(TOKEN, rules[f"tidegauge-{kind.removeprefix('kubernetes_')}"])
        act(on(server, kind))
    bindings = [each for each in found if isinstance(each, dict) and each.get("kind") == "RoleBinding"]
    assert {each["roleRef"]["name"] for each in bindings} <= set(roles)


def _yaml_of(page: Path) -> list[str]:
    return [part.split("```")[0] for part in page.read_text().split("```yaml\n")[1:]]
