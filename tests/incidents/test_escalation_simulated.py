"""Ten thousand made-up incidents with people who come and go: every page against a plan that is made another way."""

import random
import time
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from incidents.climbing import walk
from incidents.escalation import Facts, Reach, begin
from incidents.model import State
from schemas.response.escalation import Policy, Step, Target

TICK_S = 10.0
T0 = 1_800_000_000.0
Page = tuple[float, int, int]  # seconds since it was opened, repeat, step


@dataclass(frozen=True)
class Story:
    """A policy, who can't be reached, and what people did when: times are full ticks, in order, each its own."""

    policy: Policy
    away: frozenset[int]
    changes: tuple[tuple[float, State], ...]
    until_s: float

    def state(self, at_s: float) -> State:
        return next((state for change_s, state in reversed(self.changes) if change_s <= at_s), "open")


def story(seed: int) -> Story:
    dice = random.Random(seed)
    steps = tuple(
        Step(dice.randrange(0 if number == 0 else 1, 60) * TICK_S, (Target("person", f"p{number}"),))
        for number in range(dice.randint(1, 5))
    )
    policy = Policy("p", steps, dice.randint(0, 2), dice.choice([None, 600.0, 1800.0]), dice.randrange(1, 60) * TICK_S)
    times = sorted(dice.sample(range(1, 400), dice.randint(0, 5)))
    states: list[State] = []
    for _ in times:
        before = states[-1] if states else "open"
        others: tuple[State, ...] = ("open", "acknowledged", "mitigated", "resolved")
        states.append(dice.choice([one for one in others if one != before]))
    away = frozenset(number for number in range(len(steps)) if dice.random() < 0.2)
    return Story(policy, away, tuple(zip((at * TICK_S for at in times), states, strict=True)), 6000.0)


def planned(story: Story) -> list[Page]:
    """By intervals in which the incident is open: each has the whole policy from its start, cut at its end."""
    edges: list[tuple[float, State]] = [(0.0, "open")]
    for at_s, state in story.changes:
        expiry_s = _expiry(story, edges[-1])
        if expiry_s is not None and expiry_s <= at_s:
            edges.append((expiry_s, "open"))
        if state != edges[-1][1]:  # taken back after it expired is nothing new
            edges.append((at_s, state))
    expiry_s = _expiry(story, edges[-1])
    if expiry_s is not None and expiry_s <= story.until_s:
        edges.append((expiry_s, "open"))
    pages: list[Page] = []
    ends = [at_s for at_s, _ in edges[1:]] + [story.until_s + TICK_S]
    for (start_s, state), end_s in zip(edges, ends, strict=True):
        if state == "open":
            pages += [(at_s, round_, step) for at_s, round_, step in _offsets(story, start_s) if at_s < end_s]
    return pages


def _expiry(story: Story, edge: tuple[float, State]) -> float | None:
    lasts_s = story.policy.ack_expires_s
    return edge[0] + lasts_s if edge[1] == "acknowledged" and lasts_s is not None else None


def _offsets(story: Story, start_s: float) -> list[Page]:
    pages, at_s = [], start_s
    for round_ in range(story.policy.repeat + 1):
        was_away = False
        for number, step in enumerate(story.policy.steps):
            at_s += 0.0 if was_away else step.after_s
            was_away = number in story.away
            if not was_away:
                pages.append((at_s, round_, number))
        at_s += story.policy.repeat_after_s
    return pages


def lived(story: Story) -> list[Page]:
    """As the desk does it: a look every tick; an acknowledgement that expires opens the incident again."""

    def reach(step: Step) -> Reach:
        number = story.policy.steps.index(step)
        return Reach((), "away") if number in story.away else Reach((step.targets[0].name,))

    course = begin(story.policy, T0)
    pages: list[Page] = []
    state: State = "open"
    since_s: float | None = None
    seen: State = "open"
    version = 0
    for tick in range(int(story.until_s / TICK_S) + 1):
        at_s = tick * TICK_S
        if (said := story.state(at_s)) != seen:
            seen = said
            if said != state:
                state, since_s, version = said, T0 + at_s if said == "acknowledged" else None, version + 1
        facts = Facts(now_s=T0 + at_s, version=version, state=state, severity=2, acknowledged_s=since_s)
        course, moves = walk(course, story.policy, facts, reach)
        pages += [(at_s, move.round, move.step) for move in moves if move.what == "page" and move.step is not None]
        if any(move.what == "expired" for move in moves):
            state, since_s, version = "open", None, version + 1
    return pages


def test_ten_thousand_incidents_lose_and_double_no_step() -> None:
    count, pages = 10_000, 0
    began_s = time.process_time()
    for seed in range(count):
        one = story(seed)
        assert lived_by_need(one) == planned(one), seed
        pages += len(planned(one))
    took_s = time.process_time() - began_s
    print(f"{count:,} incidents, {pages:,} pages: {took_s:.1f} s")
    assert pages > 2 * count


def lived_by_need(story: Story) -> list[Page]:
    """As `lived`, with a look only where the course asked for one, or something changed."""

    def reach(step: Step) -> Reach:
        number = story.policy.steps.index(step)
        return Reach((), "away") if number in story.away else Reach((step.targets[0].name,))

    course = begin(story.policy, T0)
    pages: list[Page] = []
    facts = Facts(now_s=T0, version=0, state="open", severity=2)
    changes = [*story.changes, (float("inf"), "open")]
    while True:
        course, moves = walk(course, story.policy, facts, reach)
        at_s = facts.now_s - T0
        pages += [(at_s, move.round, move.step) for move in moves if move.what == "page" and move.step is not None]
        if any(move.what == "expired" for move in moves):
            facts = replace(facts, version=facts.version + 1, state="open", acknowledged_s=None)
            course, moves = walk(course, story.policy, facts, reach)
            assert not moves
        wake_s = float("inf") if course.look_s is None else course.look_s - T0
        change_s, state = changes[0]
        if min(wake_s, change_s) > story.until_s:
            return pages
        facts = replace(facts, now_s=T0 + min(wake_s, change_s))
        if change_s <= wake_s:
            changes.pop(0)
            is_news = facts.state != state
            since_s = facts.now_s if state == "acknowledged" else None
            facts = replace(facts, version=facts.version + is_news, state=state)
            facts = replace(facts, acknowledged_s=since_s) if is_news else facts


@given(st.integers(10_001, 10_000_000))
def test_a_look_every_tick_pages_as_a_look_when_asked_for(seed: int) -> None:
    one = story(seed)
    assert lived(one) == lived_by_need(one) == planned(one)


@given(st.integers(0, 10_000_000), st.floats(1.0, 6000.0), st.floats(120.0, 20_000.0))
def test_a_desk_that_stood_still_pages_no_step_twice_and_one_at_a_time(seed: int, from_s: float, for_s: float) -> None:
    """Of an incident that nobody touches. Missed steps are named, and the climb goes on behind them."""
    one = replace(story(seed), changes=(), away=frozenset())
    course = begin(one.policy, T0)
    said: list[tuple[float, int, int]] = []
    now_s = 0.0
    while course.look_s is not None and now_s < 200_000.0:
        now_s = max(course.look_s - T0, now_s)
        if from_s <= now_s < from_s + for_s:
            now_s = from_s + for_s
        facts = Facts(now_s=T0 + now_s, version=0, state="open", severity=2)
        course, moves = walk(course, one.policy, facts, lambda step: Reach((step.targets[0].name,)))
        paged = [(now_s, move.round, move.step) for move in moves if move.what == "page" and move.step is not None]
        assert len(paged) <= 1
        said += paged
    places = [(round_, step) for _, round_, step in said]
    assert places == sorted(set(places))
    assert course.stage == "at_end"
