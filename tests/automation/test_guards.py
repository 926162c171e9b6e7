"""Each guard refuses for its own reason, and only then; the act's life is a table without dead ends."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from incidents.remedies.course import COURSE, move
from incidents.remedies.guards import GUARDS, Facts, refusal, refusals
from incidents.remedies.lifecycle import (
    FINAL,
    STATES,
    TOUCHING,
    TRANSITIONS,
    VERBS,
    NotNow,
    State,
    Verb,
    after,
    picture,
)
from incidents.remedies.model import Act
from incidents.remedies.naming import Unusable, filled
from incidents.remedies.plan import Seen, candidates
from schemas.matchers import Matchers
from schemas.response.automation import MODES, AutomationPlan, Limit, lesser
from tests.automation.scene import rule

NOW_S = 10_000.0
ACT = Act(
    id="0f", incident=1, remedy="mend", kind="double", target="shop", mode="auto", fingerprint="f", episode="e",
    level="critical", made_s=NOW_S,
)  # fmt: skip
FREE = Facts(
    now_s=NOW_S, mode="auto", storm=Limit(5, 600.0), is_firing=True, level="critical", first_seen_s=NOW_S - 500
)
RULE = rule(for_s=300.0)

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "mode": ({"mode": "off"}, "hold"),
    "kill_switch": ({"paused": "paused by ann"}, "hold"),
    "target": ({"problem": "no label service"}, "refuse"),
    "level": ({"level": "info"}, "hold"),
    "duration": ({"first_seen_s": NOW_S - 299.0}, "hold"),
    "held_back": ({"muted": "silence 7f: x"}, "hold"),
    "hours": ({"hours": "only during office"}, "hold"),
    "storm": ({"storm_targets": 6}, "page"),
    "limit": ({"target_times": (NOW_S - 3000, NOW_S - 2000, NOW_S - 1000)}, "page"),
    "limit_all": ({"remedy_times": tuple(NOW_S - 100 * n for n in range(1, 11))}, "page"),
    "cooldown": ({"target_times": (NOW_S - 299.0,)}, "hold"),
    "one_at_a_time": ({"busy": "restart on shop is running"}, "hold"),
}
PASSED: dict[str, dict[str, Any]] = {
    "duration": {"first_seen_s": NOW_S - 300.0},
    "storm": {"storm_targets": 5},
    "limit": {"target_times": (NOW_S - 3600, NOW_S - 2000, NOW_S - 1000)},
    "limit_all": {"remedy_times": tuple(NOW_S - 100 * n for n in range(1, 10))},
    "cooldown": {"target_times": (NOW_S - 300.0,)},
    "level": {"level": "warning"},
}


def test_where_nothing_is_against_it_it_may_be() -> None:
    assert refusal(RULE, ACT, FREE) is None


def test_every_guard_is_tried_here() -> None:
    assert GUARDS.keys() == REFUSED.keys() | {"back_off"}


@pytest.mark.parametrize("guard", REFUSED)
def test_a_guard_refuses_for_its_own_reason(guard: str) -> None:
    changed, then = REFUSED[guard]
    found = refusals(RULE, ACT, replace(FREE, **changed))
    assert [(one.guard, one.then) for one in found] == [(guard, then)]
    assert found[0].reason


@pytest.mark.parametrize("guard", PASSED)
def test_at_its_border_a_guard_lets_it_pass(guard: str) -> None:
    assert refusal(RULE, ACT, replace(FREE, **PASSED[guard])) is None


def test_the_next_attempt_waits() -> None:
    found = refusal(RULE, msgspec.structs.replace(ACT, not_before_s=NOW_S + 1), FREE)
    assert found is not None
    assert (found.guard, found.again_s) == ("back_off", NOW_S + 1)


def test_every_state_leads_to_an_end_and_every_verb_is_used() -> None:
    assert {state for state, _ in TRANSITIONS} | FINAL == STATES.keys()
    assert {verb for _, verb in TRANSITIONS} == VERBS.keys()
    reach: set[State] = set(FINAL)
    while more := {state for (state, _), to in TRANSITIONS.items() if to in reach} - reach:
        reach |= more
    assert reach == STATES.keys()
    assert COURSE.keys() == STATES.keys() - FINAL


def test_what_may_have_been_done_never_leads_back_to_where_it_is_begun() -> None:
    """But by `put_back`, which is said only before anything has left the desk."""
    begun: set[State] = {"running", "unknown", "verifying", "failed", "reverting", "undoing"}
    back = {(state, verb) for (state, verb), to in TRANSITIONS.items() if state in begun and to in ("held", "intended")}
    assert back == {("running", "put_back")}
    assert "suggested" not in TOUCHING


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", VERBS)
def test_every_state_and_verb_goes_on_or_is_refused_with_a_reason(state: State, verb: Verb) -> None:
    if (state, verb) in TRANSITIONS:
        assert after(state, verb) in STATES
    else:
        with pytest.raises(NotNow, match=f"it is {state}"):
            after(state, verb)


@pytest.mark.parametrize("state", STATES)
def test_every_move_is_in_the_table(state: State) -> None:
    """Over the facts that steer it."""
    act = msgspec.structs.replace(
        ACT, state=state, approve_by_s=NOW_S + 5, intended_s=NOW_S, done_s=NOW_S, verify_by_s=NOW_S + 9, undo_s=NOW_S
    )
    for changed in ({}, {"is_firing": False}, {"is_incident_over": True}, *(facts for facts, _ in REFUSED.values())):
        for later_s in (0.0, 6.0, 70.0, 1000.0):
            for known in (RULE, None, rule(mode="suggest", attempts=3)):
                for took_effect in (True, False, None):
                    facts = replace(FREE, **{"now_s": NOW_S + later_s, **changed})
                    found = move(msgspec.structs.replace(act, took_effect=took_effect), known, facts)
                    if found.verb is None:
                        assert state in FINAL or found.again_s is not None
                    else:
                        assert (state, found.verb) in TRANSITIONS, (found, facts)


def test_the_picture_has_every_state() -> None:
    assert all(f" {state}" in picture() for state in STATES)


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "--all",
        "-x",
        "a b",
        "a;b",
        "$(id)",
        "../etc",
        "a/b",
        "a\nb",
        "a\x00b",
        "'",
        '"',
        "`id`",
        "é",
        "\u202ea",
        "a" * 300,
    ],
)
def test_hostile_labels_make_no_name(hostile: str) -> None:
    with pytest.raises(Unusable):
        filled("{service}", {"service": hostile})


def test_of_several_alerts_of_one_target_the_worst_counts() -> None:
    def seen(name: str, level: Any, service: str = "shop") -> Seen:
        return Seen(name, name, {"alertname": "x", "service": service}, level, 0.0)

    plan = AutomationPlan(mode="auto", remedies=(rule(target="{service}", only="shop|cart", matchers=Matchers()),))
    alerts = [seen("a", "warning"), seen("b", "critical"), seen("c", "critical", "cart"), seen("d", "critical", "db")]
    found = candidates(plan, alerts, lambda rule, labels: "")
    assert [(one.target, one.alert.fingerprint, bool(one.problem)) for one in found] == [
        ("cart", "c", False),
        ("db", "d", True),
        ("shop", "b", False),
    ]


def test_the_lesser_mode_counts() -> None:
    for one in MODES:
        assert lesser(one, "off") == lesser("off", one) == "off"
        assert lesser(one, "auto") == lesser("auto", one) == one
