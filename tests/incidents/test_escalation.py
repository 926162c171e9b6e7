"""An escalation either goes on or stops for a stated reason; each step comes once, in its turn, at its time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.climbing import LATE_S, walk
from incidents.escalation import ACTS, STAGES, TABLE, Act, Course, Facts, Move, Reach, Stage, acts, begin, policy_of
from incidents.model import STATES, State
from schemas.response.escalation import EscalationPlan, Policy, Step, Target
from schemas.response.oncall import OnCallPlan, Person, Team

ANN, BOB, CHIEF = (Target("person", name) for name in ("ann", "bob", "chief"))
POLICY = Policy("devops", (Step(0.0, (ANN,)), Step(300.0, (BOB,)), Step(600.0, (CHIEF,))), ack_expires_s=1800.0)
T0 = 1_800_000_000.0
FACTS = Facts(now_s=T0, version=1, state="open", severity=2)


def everybody(step: Step) -> Reach:
    return Reach(tuple(target.name for target in step.targets))


def whats(moves: list[Move]) -> list[str]:
    return [move.what for move in moves]


def paged(moves: list[Move]) -> list[int | None]:
    return [move.step for move in moves if move.what == "page"]


class Run:
    """A course that is looked at; `at` moves the clock, `now` changes the incident."""

    def __init__(self, policy: Policy = POLICY, reach: Callable[[Step], Reach] = everybody, **course: object) -> None:
        self.policy: Policy | None = policy
        self.reach, self.facts = reach, FACTS
        self.course = msgspec.structs.replace(begin(policy, T0), **course)
        self.moves: list[Move] = []

    def at(self, seconds: float, **facts: object) -> list[Move]:
        changed = {"version": self.facts.version + 1} if facts else {}
        fields: dict[str, Any] = {**changed, **facts}
        self.facts = replace(self.facts, now_s=T0 + seconds, **fields)
        self.course, moves = walk(self.course, self.policy, self.facts, self.reach)
        self.moves += moves
        return moves


def test_the_table_has_a_rule_for_every_stage_and_act() -> None:
    assert {(stage, act) for stage, rules in TABLE.items() for act in rules} == {(s, a) for s in STAGES for a in ACTS}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("stage", STAGES)
def test_each_rule_goes_on_or_stops_for_a_stated_reason(stage: Stage, act: Act) -> None:
    rule = TABLE[stage][act]
    if rule.to == "stopped":
        assert rule.why or stage == "stopped"
    elif rule.to == "at_end":
        assert stage == "at_end" or (act == "exhausted" and rule.why)
    else:
        assert rule.does in ("page", "hold", "attend", "restart", "go on")
        assert rule.why


def courses(stage: Stage, seen: State) -> Course:
    base = Course(policy="devops", begun_s=T0, state=seen, stage=stage, version=1, why="so it was")
    times = {"climbing": {"next_s": T0, "step": 1}, "attended": {"expires_s": T0 + 60.0}}
    return msgspec.structs.replace(base, **times.get(stage, {}))


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("held", ["", "planned work until 04:00"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("seen", STATES)
@pytest.mark.parametrize("stage", STAGES)
def test_whatever_happens_it_goes_on_or_says_why_not(
    stage: Stage, seen: State, state: State, held: str, is_there: bool
) -> None:
    before = courses(stage, seen)
    facts = replace(FACTS, state=state, version=2, held=held, acknowledged_by="ann", acknowledged_s=T0)
    after, moves = walk(before, POLICY if is_there else None, facts, everybody)
    assert (after.version, after.state) == (2, state)
    if state in ("resolved", "closed") or not is_there:
        assert after.stage == "stopped"
        assert after.look_s is None
        assert after.why
        assert stage == "stopped" or whats(moves) == ["stop"]
        assert not paged(moves)
    elif after.stage == "climbing":
        assert after.next_s is not None  # time brings it on
    elif after.stage == "attended":
        assert state in ("acknowledged", "mitigated")
        assert after.why
        assert not paged(moves)
    else:
        assert after.why
        assert after.stage == stage
    again, silent = walk(after, POLICY if is_there else None, facts, everybody)
    assert (again, silent) == (after, [])  # each look twice does nothing twice


@given(st.lists(st.tuples(st.floats(0.5, 4000.0), st.sampled_from(STATES)), max_size=12), st.integers(0, 2))
def test_nobody_is_paged_for_what_somebody_has_or_what_is_over(story: list[tuple[float, State]], repeat: int) -> None:
    run = Run(replace(POLICY, repeat=repeat, ack_expires_s=None))
    at_s = 0.0
    for wait_s, state in story:
        at_s += wait_s
        attended = {"acknowledged_s": T0 + at_s} if state == "acknowledged" else {}
        before = run.facts.state
        moves = run.at(at_s, state=state, **(attended if before != state else {}))
        assert state == "open" or not paged(moves)


def test_steps_come_in_their_turn_and_then_the_end_is_said() -> None:
    run = Run()
    seen = [(at_s, move.what, move.step) for at_s in range(0, 3000, 10) for move in run.at(at_s)]
    assert seen == [(0, "page", 0), (300, "page", 1), (900, "page", 2), (1200, "end", None)]
    assert run.moves[-1].text == "nobody moved; the policy devops is at its end"


def test_repeats_begin_again_after_the_last_step() -> None:
    run = Run(replace(POLICY, repeat=2, repeat_after_s=100.0))
    seen = [(at_s, move.round, move.step) for at_s in range(0, 9000, 10) for move in run.at(at_s)]
    assert [one for one in seen if one[2] is not None] == [
        (start + at_s, round_, step)
        for round_, start in enumerate((0, 1000, 2000))
        for step, at_s in enumerate((0, 300, 900))
    ]
    assert seen[-1] == (3000, 2, None)


def test_a_step_without_anybody_is_skipped_at_once_and_says_why() -> None:
    def without_bob(step: Step) -> Reach:
        return Reach((), "nobody is on call in schedule devops") if BOB in step.targets else everybody(step)

    run = Run(reach=without_bob)
    run.at(0)
    moves = run.at(300)
    assert [(move.what, move.step) for move in moves] == [("skip", 1), ("page", 2)]
    assert moves[0].text == "step 2 of devops pages nobody: nobody is on call in schedule devops"


def test_a_policy_that_reaches_nobody_says_so_at_its_end() -> None:
    run = Run(reach=lambda step: Reach((), "ann has no receivers"))
    assert whats(run.at(0)) == ["skip"] * 3
    assert [move.text for move in run.at(300)] == ["it reached nobody; the policy devops is at its end"]


def test_a_step_that_is_for_others_keeps_its_time() -> None:
    steps = (Step(0.0, (ANN,)), Step(60.0, (CHIEF,), severities=(1,)), Step(60.0, (BOB,), time_intervals=("night",)))
    run = Run(replace(POLICY, steps=steps))
    run.facts = replace(run.facts, is_in=lambda name: False)
    run.at(0)
    assert [move.text for move in run.at(60)] == ["step 2 of devops pages nobody: it is for SEV1, this is SEV2"]
    assert [move.text for move in run.at(120)] == ["step 3 of devops pages nobody: it is not night now"]


def test_an_acknowledgement_ends_it_until_it_expires_then_the_first_step_pages_again() -> None:
    run = Run()
    run.at(0)
    (move,) = run.at(100, state="acknowledged", acknowledged_s=T0 + 100, acknowledged_by="ann")
    assert move.text == "devops pages nobody else: acknowledged by ann; that lasts 30 min"
    assert run.course.look_s == T0 + 1900
    assert run.at(1899) == []
    moves = run.at(1900)
    assert whats(moves) == ["expired", "page"]
    assert paged(moves) == [0]
    assert run.at(1901, state="open", acknowledged_s=None) == []
    assert paged(run.at(2200)) == [1]


def test_a_second_acknowledgement_lasts_from_then_on() -> None:
    run = Run()
    run.at(0)
    run.at(100, state="acknowledged", acknowledged_s=T0 + 100)
    assert run.at(1000, acknowledged_s=T0 + 1000) == []
    assert run.course.look_s == T0 + 2800


def test_taken_back_it_begins_at_its_first_step() -> None:
    run = Run()
    run.at(0)
    run.at(310)
    run.at(320, state="acknowledged", acknowledged_s=T0 + 320)
    moves = run.at(330, state="open", acknowledged_s=None)
    assert whats(moves) == ["restart", "page"]
    assert paged(moves) == [0]


def test_a_step_unless_resolved_is_told_although_somebody_has_it() -> None:
    run = Run(replace(POLICY, steps=(*POLICY.steps[:2], replace(POLICY.steps[2], unless="resolved"))))
    run.at(0)
    (move,) = run.at(10, state="acknowledged", acknowledged_s=T0 + 10)
    assert move.text.startswith("devops goes on with step 3, which is told all the same: acknowledged by somebody")
    assert run.course.next_s == T0 + 900
    assert paged(run.at(900)) == [2]
    assert run.course.look_s == T0 + 1810  # its acknowledgement still expires; no end is said


@pytest.mark.parametrize("state", ["resolved", "closed"])
def test_reopened_it_begins_at_its_first_step(state: State) -> None:
    run = Run()
    run.at(0)
    assert [move.text for move in run.at(10, state=state)] == [f"devops stops: the incident is {state}"]
    assert run.at(1000) == []
    moves = run.at(2000, state="open")
    assert whats(moves) == ["restart", "page"]
    assert paged(moves) == [0]


def test_merged_it_stops_though_its_time_had_come() -> None:
    run = Run()
    run.at(0)
    (move,) = run.at(5000, state="resolved", merged_into=7)
    assert move.text == "devops stops: merged into INC-7, which pages for both"


def test_planned_work_holds_a_page_and_says_so_once() -> None:
    run = Run()
    run.at(0)
    (move,) = run.at(300, held="db-move until 04:00")
    assert move.text == "step 2 of devops waits: pages are held: db-move until 04:00"
    assert run.at(1000) == []
    assert paged(run.at(1001, held="")) == [1]
    assert run.course.next_s == T0 + 1601  # the next step waits its whole time after that


def test_after_a_long_stop_only_the_step_of_now_pages() -> None:
    run = Run()
    run.at(0)
    moves = run.at(1000)
    assert [(move.what, move.step) for move in moves] == [("skip", 1), ("page", 2)]
    assert moves[0].text == "devops: step 2 not paged: the desk stood still, 11 min 40 s late"


def test_after_a_long_stop_a_step_that_reaches_somebody_is_not_passed_over_for_one_that_does_not() -> None:
    run = Run(reach=lambda step: everybody(step) if CHIEF not in step.targets else Reach((), "chief is unknown"))
    run.at(0)
    assert paged(run.at(5000)) == [1]


def test_a_short_stop_skips_nothing() -> None:
    run = Run(replace(POLICY, steps=tuple(Step(10.0, (one,)) for one in (ANN, BOB, CHIEF))))
    assert paged(run.at(10 + LATE_S)) == [0]
    assert paged(run.at(20 + LATE_S)) == [1]


def test_what_insists_pages_once_though_it_is_acknowledged() -> None:
    run = Run(insists=True)
    moves = run.at(0, state="acknowledged", acknowledged_s=T0 - 10, acknowledged_by="ann")
    assert whats(moves) == ["page", "attend"]
    assert run.at(400) == []


def test_what_insists_waits_for_planned_work_and_then_pages() -> None:
    run = Run(insists=True)
    assert whats(run.at(0, state="acknowledged", acknowledged_s=T0, held="db-move")) == ["hold"]
    assert whats(run.at(60, held="")) == ["page", "attend"]


def test_a_policy_that_comes_back_begins_again() -> None:
    run = Run()
    run.at(0)
    run.policy = None
    assert whats(run.at(10)) == ["stop"]
    run.policy = POLICY
    assert whats(run.at(20)) == ["restart", "page"]


def test_names_of_policies_teams_and_targets_lead_to_a_policy() -> None:
    plan = EscalationPlan(policies={"devops": POLICY})
    oncall = OnCallPlan(
        people={"ann": Person("ann")}, teams={"devops": Team("devops", policy="devops"), "db": Team("db", ("ann",))}
    )
    assert policy_of("devops", plan, oncall) is POLICY
    assert policy_of("team:devops", plan, oncall) is POLICY
    own = policy_of("team:db", plan, oncall)
    assert own is not None
    assert own.steps == (Step(0.0, (Target("team", "db"),)),)
    assert policy_of("receiver:pagerduty", plan, oncall) is not None
    assert [policy_of(name, plan, oncall) for name in ("web", "team:web", "person:bob", "what:web")] == [None] * 4


def test_a_change_that_leaves_the_state_is_no_act() -> None:
    course = begin(POLICY, T0)
    assert acts(course, replace(FACTS, version=9, severity=1), is_there=True) == []
