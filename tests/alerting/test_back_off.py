"""Back-off: what opens again and again waits longer, what is twice as bad never waits, and nothing is lost."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alerting.back_off import HOLD_MAX_ROWS, HOLD_ROWS
from alerting.budget import budget_of
from alerting.lifecycle import CELL, HELD_BACK, TRANSITION, LevelRule, level_table, walk
from schemas.levels import Border

WARNING = LevelRule(2, 0, on_score=True, open=Border.parse(">= 1"), clear_deviation=3.0)
CRITICAL = LevelRule(3, 0, on_score=True, open=Border.parse(">= 2"), clear_deviation=3.0)
LIMIT = LevelRule(3, 0, on_score=False, open=Border.parse("> 80"))
IDLE_S = 1e6


def run(
    score: list[float],
    deviation: list[float] | None = None,
    rules: tuple[LevelRule, ...] = (WARNING,),
    backs_off: bool = True,
    t: list[float] | None = None,
    x: list[float] | None = None,
    cuts: tuple[int, ...] = (),
) -> tuple[list[tuple[int, int, float]], int]:
    """(row, rank, starts_at) of every transition, and how many pulses were held back."""
    n = len(score)
    cells, held, found = np.zeros(1, CELL), np.zeros(len(HELD_BACK), np.int64), []
    times = np.arange(n, dtype=float) if t is None else np.array(t)
    gap_s = np.diff(times, prepend=times[:1])
    # Over its border a point is far off, else it is back.
    off = np.array(deviation if deviation else np.where(np.array(score) >= 1.0, 9.0, 0.0), float)
    for a, b in pairwise((0, *cuts, n)):
        out = np.zeros(2 * (b - a) + 1, TRANSITION)
        count = walk(
            level_table(rules),
            IDLE_S,
            IDLE_S,
            backs_off,
            budget_of(0.0),
            cells,
            np.zeros(b - a, np.int64),
            times[a:b],
            gap_s[a:b],
            np.array((x or [0.0] * n)[a:b], float),
            np.array([score[a:b]], float),
            off[None, a:b].copy(),
            held,
            out,
        )
        found += [(a + int(o["event"]), int(o["rank"]), float(o["starts_at_s"])) for o in out[:count]]
    return found, int(held[0])


def opened(rows: list[int], n: int, score: float = 1.5) -> list[int]:
    """Rows at which the alert opened, of pulses at `rows`."""
    scores = [0.0] * n
    for row in rows:
        scores[row] = score
    return [row for row, rank, _ in run(scores)[0] if rank]


def test_a_second_opening_within_the_hold_is_held_back_and_counted() -> None:
    scores = [1.5] + [0.0] * 9 + [1.5] + [0.0] * 9
    found, held = run(scores)
    assert [(row, rank) for row, rank, _ in found] == [(0, 2), (1, 0)]
    assert held == 1
    assert [row for row, rank, _ in run(scores, backs_off=False)[0] if rank] == [0, 10]


def test_the_hold_doubles_to_500_rows_and_halves_once_it_is_quiet() -> None:
    every_40 = opened(list(range(0, 4000, 40)), 4000)
    assert np.diff(every_40).tolist() == [40, 80, 160, 280, *[520] * 6]
    # From 500 rows: one that comes after 4 holds halves it to 250, so that the next may come after 251.
    rows = [*range(0, 4000, 40), 6500, 6760]
    assert opened(rows, 7000)[-2:] == [6500, 6760]
    assert opened([*rows[:-1], 6740], 7000)[-1] == 6500


def test_twice_as_bad_as_what_was_told_breaks_the_hold() -> None:
    assert opened([0], 20) == [0]
    scores = [1.5, 0.0, 0.0, 3.0, 0.0, 0.0, 3.1, 0.0, 0.0, 6.1]
    assert [row for row, rank, _ in run(scores)[0] if rank] == [0, 6]
    # What the open alert had shown by getting worse counts as told.
    worse = [1.5, 4.0, 0.0, 0.0, 7.9, 0.0, 0.0, 8.1]
    assert [row for row, rank, _ in run(worse)[0] if rank] == [0, 7]


def test_a_held_opening_that_lasts_is_told_when_its_hold_is_over_and_starts_where_it_began() -> None:
    n = 60
    scores, deviation = [0.0] * n, [0.0] * n
    scores[0], deviation[0] = 1.5, 9.0
    scores[10] = 1.5
    deviation[10:50] = [9.0] * 40
    found, held = run(scores, deviation)
    assert found == [(0, 2, 0.0), (1, 0, 0.0), (HOLD_ROWS + 1, 2, 10.0), (50, 0, 10.0)]
    assert held == 1


def test_levels_that_compare_the_value_are_never_held_back() -> None:
    x = [90.0 if i % 5 == 0 else 0.0 for i in range(50)]
    found, held = run([0.0] * 50, rules=(LIMIT,), x=x)
    assert [row for row, rank, _ in found if rank] == list(range(0, 50, 5))
    assert held == 0


def test_the_worst_level_of_a_held_alert_is_not_told_alone() -> None:
    scores = [2.5, 0.0, 0.0, 3.0, 0.0]
    found, held = run(scores, rules=(WARNING, CRITICAL))
    assert [(row, rank) for row, rank, _ in found] == [(0, 3), (1, 0)]
    assert held == 1


def test_a_series_that_starts_fresh_has_no_past() -> None:
    scores = [1.5, 0.0, 1.5]
    assert [row for row, rank, _ in run(scores, t=[0.0, 1.0, 2.0])[0] if rank] == [0]
    assert [row for row, rank, _ in run(scores, t=[0.0, 1.0, 2.0 + IDLE_S])[0] if rank] == [0, 2]


pulses = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.0, 1.0, 1.5, 4.0]), st.sampled_from([0.0, 5.0])), min_size=1, max_size=300
)


@given(pulses, st.sets(st.integers(0, 300), max_size=4))
def test_the_cut_of_the_batches_changes_nothing(stream: list[tuple[float, float]], cuts: set[int]) -> None:
    score, deviation = [s for s, _ in stream], [d for _, d in stream]
    inside = tuple(sorted(cut for cut in cuts if cut < len(stream)))
    rules = (WARNING, CRITICAL)
    assert run(score, deviation, rules, cuts=inside) == run(score, deviation, rules)


@given(pulses)
def test_it_only_ever_delays_and_never_for_longer_than_the_longest_hold(stream: list[tuple[float, float]]) -> None:
    score, deviation = [s for s, _ in stream], [d for _, d in stream]
    with_it, without = (run(score, deviation, backs_off=on)[0] for on in (True, False))
    opens = [row for row, rank, _ in with_it if rank]
    assert opens[:1] == [row for row, rank, _ in without if rank][:1]
    assert len(opens) <= sum(1 for _, rank, _ in without if rank)
    for row, rank, starts_at in with_it:
        assert score[int(starts_at)] >= 1.0
        assert not rank or row - starts_at <= HOLD_MAX_ROWS + 1
