"""The life of an alert: the table is whole, and the compiled loop does what the table and a plain reading of it say."""

from dataclasses import dataclass, field
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.budget import budget_of
from alerting.lifecycle import (
    CELL,
    HELD_BACK,
    TRANSITION,
    TRANSITIONS,
    Act,
    LevelRule,
    State,
    end_silent,
    level_table,
    walk,
)
from schemas.levels import Border, over

ABOVE_80 = LevelRule(2, 0, on_score=False, open=Border.parse("> 80"), clear=Border.parse("< 75"))
ABOVE_95 = LevelRule(3, 0, on_score=False, open=Border.parse("> 95"), clear=Border.parse("< 90"))


def run(
    rules: tuple[LevelRule, ...],
    x: list[float],
    t: list[float] | None = None,
    score: list[float] | None = None,
    deviation: list[float] | None = None,
    cuts: tuple[int, ...] = (),
    stale_after_s: float = 1e9,
) -> list[tuple[float, int, int, int, float]]:
    """(at, rank, previous rank, seq, starts_at) of every transition of one alert over one stream."""
    times = np.arange(len(x), dtype=float) if t is None else np.array(t)
    gap_s = np.diff(times, prepend=times[:1])
    cells, found = np.zeros(1, CELL), []
    for a, b in pairwise((0, *cuts, len(x))):
        out = np.zeros(2 * (b - a) + 1, TRANSITION)
        n = walk(
            level_table(rules),
            stale_after_s,
            1e9,
            False,
            budget_of(0.0),
            cells,
            np.zeros(b - a, np.int64),
            times[a:b],
            gap_s[a:b],
            np.array(x[a:b], float),
            np.array([(score or [0.0] * len(x))[a:b]], float),
            np.array([(deviation or [0.0] * len(x))[a:b]], float),
            np.zeros(len(HELD_BACK), np.int64),
            out,
        )
        found += [tuple(o[k].item() for k in ("at_s", "rank", "previous_rank", "seq", "starts_at_s")) for o in out[:n]]
    return found


def test_every_state_answers_every_act() -> None:
    assert set(TRANSITIONS) == set(product(State, Act))


@pytest.mark.parametrize("state", State)
def test_nothing_fires_without_having_been_away_for_long_enough(state: State) -> None:
    for act in (Act.AWAY, Act.BACK, Act.BACK_SERVED, Act.GONE):
        if state not in (State.FIRING, State.RECOVERING):
            assert TRANSITIONS[state, act] not in (State.FIRING, State.RECOVERING)


@pytest.mark.parametrize("state", State)
def test_a_series_that_is_gone_leaves_nothing_open(state: State) -> None:
    assert TRANSITIONS[state, Act.GONE] in (State.INACTIVE, State.RESOLVED)


def test_one_alert_climbs_and_steps_down_instead_of_becoming_several() -> None:
    assert run((ABOVE_80, ABOVE_95), [70, 85, 97, 92, 89, 70]) == [
        (1.0, 2, 0, 0, 1.0),
        (2.0, 3, 2, 1, 1.0),
        (4.0, 2, 3, 2, 1.0),
        (5.0, 0, 2, 3, 1.0),
    ]


def test_a_value_between_border_and_clear_holds_but_does_not_open() -> None:
    assert run((ABOVE_80,), [77, 77]) == []
    assert run((ABOVE_80,), [81, 77, 74]) == [(0.0, 2, 0, 0, 0.0), (2.0, 0, 2, 1, 0.0)]


def test_for_is_served_without_interruption_and_the_start_is_the_first_point_over() -> None:
    rule = LevelRule(2, 0, on_score=False, open=Border.parse("> 80"), for_s=2.0)
    assert run((rule,), [81, 81, 70, 81, 81, 81, 70]) == [(5.0, 2, 0, 0, 3.0), (6.0, 0, 2, 1, 3.0)]


def test_keep_firing_for_waits_and_a_relapse_starts_the_wait_anew() -> None:
    rule = LevelRule(2, 0, on_score=False, open=Border.parse("> 80"), keep_firing_for_s=2.0)
    assert run((rule,), [81, 70, 81, 70, 70, 70, 70]) == [(0.0, 2, 0, 0, 0.0), (5.0, 0, 2, 1, 0.0)]


def test_a_score_pulse_opens_and_the_deviation_holds() -> None:
    rule = LevelRule(2, 0, on_score=True, open=Border.parse(">= 1.0"), clear_deviation=3.0)
    found = run((rule,), [0] * 5, score=[0, 1.2, 0, 0, 0], deviation=[9, 9, -8, 2.9, 9])
    assert found == [(1.0, 2, 0, 0, 1.0), (3.0, 0, 2, 1, 1.0)]


def test_a_pulse_serves_its_for_while_the_deviation_lasts() -> None:
    rule = LevelRule(2, 0, on_score=True, open=Border.parse(">= 1.0"), clear_deviation=3.0, for_s=2.0)
    assert run((rule,), [0] * 4, score=[1.2, 0, 0, 0], deviation=[9, 9, 9, 9]) == [(2.0, 2, 0, 0, 0.0)]
    assert run((rule,), [0] * 4, score=[1.2, 0, 0, 0], deviation=[9, 1, 9, 9]) == []


def test_a_milder_level_that_is_pending_gives_the_start() -> None:
    slow = LevelRule(2, 0, on_score=False, open=Border.parse("> 80"), for_s=60.0)
    assert run((slow, ABOVE_95), [85, 85, 99]) == [(2.0, 3, 0, 0, 0.0)]


def test_an_episode_never_takes_the_identity_of_the_one_before() -> None:
    """A level that is pending while a milder one opens and resolves: its own episode starts where that one ended."""
    pulse = LevelRule(2, 0, on_score=True, open=Border.parse(">= 1.0"), clear_deviation=3.0)
    slow = LevelRule(3, 0, on_score=False, open=Border.parse("> 80"), for_s=3.0)
    found = run((pulse, slow), [85] * 5, score=[1.5, 0, 0, 0, 0], deviation=[9, 0, 0, 0, 0])
    assert found == [(0.0, 2, 0, 0, 0.0), (1.0, 0, 2, 1, 0.0), (3.0, 3, 0, 0, 1.0)]


def test_silence_ends_an_alert_at_its_deadline_whoever_notices() -> None:
    """The series' own next point, or a tick before it: the same transition."""
    by_point = run((ABOVE_80,), [81, 81], t=[0.0, 100.0], stale_after_s=30.0)
    assert by_point == [(0.0, 2, 0, 0, 0.0), (30.0, 0, 2, 1, 0.0), (100.0, 2, 0, 0, 100.0)]
    cells, out = np.zeros(1, CELL), np.zeros(2, TRANSITION)
    cells["rank"], cells["state"] = 2, [[State.FIRING, 0, 0]]
    table = level_table((ABOVE_80,))
    assert end_silent(table, 30.0, cells, np.array([0.0]), 30.0, out) == 0
    assert end_silent(table, 30.0, cells, np.array([0.0]), 30.1, out) == 1
    assert (out[0]["at_s"], out[0]["seq"], out[0]["rank"], bool(out[0]["silent"])) == (30.0, 1, 0, True)
    assert end_silent(table, 30.0, cells, np.array([0.0]), 99.0, out) == 0


@dataclass
class Slow:
    """The same rules, read aloud: no table, no compiled code."""

    rule: LevelRule
    raised: bool = False
    away_since: float | None = None
    back_since: float | None = None

    def takes(self, t: float, x: float, score: float, deviation: float) -> None:
        number = score if self.rule.on_score else x
        open_now = over(self.rule.open.op, self.rule.open.low, self.rule.open.high, number)
        held = open_now
        if self.rule.on_score:
            held = open_now or abs(deviation) >= self.rule.clear_deviation
        elif self.rule.clear:
            held = open_now or not over(self.rule.clear.op, self.rule.clear.low, self.rule.clear.high, x)
        if self.raised:
            self.back_since = None if held else t if self.back_since is None else self.back_since
            if self.back_since is not None and t - self.back_since >= self.rule.keep_firing_for_s:
                self.raised, self.away_since, self.back_since = False, None, None
            return
        pending = self.away_since is not None and self.rule.on_score and held
        self.away_since = (t if self.away_since is None else self.away_since) if open_now or pending else None
        self.raised = self.away_since is not None and t - self.away_since >= self.rule.for_s


@dataclass
class SlowAlert:
    levels: list[Slow]
    rank: int = 0
    seq: int = 0
    starts_at: float = 0.0
    ended: float = 0.0
    found: list[tuple[float, int, int, int, float]] = field(default_factory=list)

    def takes(self, t: float, x: float, score: float, deviation: float) -> None:
        for level in self.levels:
            level.takes(t, x, score, deviation)
        rank = max((level.rule.rank for level in self.levels if level.raised), default=0)
        if rank == self.rank:
            return
        if not self.rank:
            first = min(lv.away_since for lv in self.levels if lv.away_since is not None)
            self.seq, self.starts_at = 0, max(first, self.ended)
        else:
            self.seq += 1
        if not rank:
            self.ended = t
        self.found.append((t, rank, self.rank, self.seq, self.starts_at))
        self.rank = rank


borders = st.sampled_from(["> 2", ">= 3", "< -2", "<= 1", "outside -2..3", "inside 1..2"]).map(Border.parse)
value_levels = st.builds(
    LevelRule,
    rank=st.just(1),
    detector=st.just(0),
    on_score=st.just(False),
    open=borders,
    clear=st.none() | borders,
    for_s=st.sampled_from([0.0, 1.0, 2.5]),
    keep_firing_for_s=st.sampled_from([0.0, 1.0, 2.5]),
)
score_levels = st.builds(
    LevelRule,
    rank=st.just(1),
    detector=st.just(0),
    on_score=st.just(True),
    open=st.just(Border.parse(">= 1")),
    clear_deviation=st.sampled_from([2.0, 3.0]),
    for_s=st.sampled_from([0.0, 1.0, 2.5]),
    keep_firing_for_s=st.sampled_from([0.0, 1.0, 2.5]),
)
points = st.tuples(
    st.sampled_from([0.5, 1.0, 3.0]),
    st.integers(-4, 4).map(float),
    st.sampled_from([0.0, 0.9, 1.0, 2.0]),
    st.integers(-5, 5),
)


@given(st.lists(value_levels | score_levels, min_size=1, max_size=3), st.lists(points, max_size=40), st.data())
def test_the_compiled_loop_does_what_the_rules_say_however_the_stream_is_cut(
    levels: list[LevelRule], stream: list[tuple[float, float, float, int]], data: st.DataObject
) -> None:
    rules = tuple(LevelRule(**{**vars(level), "rank": rank}) for rank, level in enumerate(levels, 1))
    t = np.cumsum([step for step, *_ in stream]).tolist()
    slow = SlowAlert([Slow(rule) for rule in rules])
    for at, (_, x, score, deviation) in zip(t, stream, strict=True):
        slow.takes(at, x, score, deviation)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=4)))
    columns = [[point[k] for point in stream] for k in (1, 2, 3)]
    assert run(rules, columns[0], t, columns[1], columns[2], cuts=tuple(cuts)) == slow.found


def test_seq_counts_every_episode_from_zero_without_a_gap() -> None:
    found = run((ABOVE_80, ABOVE_95), [85, 99, 70, 85, 70, 99, 70])
    assert [seq for _, _, _, seq, _ in found] == [0, 1, 2, 0, 1, 0, 1]
