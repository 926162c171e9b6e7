"""Budget: noise of many series stays inside it, a big fault still opens, and the order of events alone decides."""

from itertools import pairwise

import numpy as np
import pytest

from alerting.budget import DAY_S, FACTOR_MAX, budget_of, factor_at, spend
from alerting.lifecycle import CELL, HELD_BACK, TRANSITION, LevelRule, Records, level_table, walk
from schemas.levels import Border

T0 = 1_795_392_000.0
WARNING = LevelRule(2, 0, on_score=True, open=Border.parse(">= 1"), clear_deviation=3.0)
SERIES, STEP_S, DAYS = 10_000, 600.0, 8


def noise(tail: float, a_day: float, seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, times and scores of the pulses that noise makes: a score is e times rarer for every `tail`."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(a_day * SERIES * DAYS)
    t = np.sort(T0 + rng.uniform(0.0, DAYS * DAY_S, n))
    return rng.integers(0, SERIES, n), t, 1.0 + rng.exponential(tail, n)


def run(
    rows: np.ndarray, t: np.ndarray, score: np.ndarray, budget: Records, cuts: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray, int]:
    """(points that opened an alert, by how much the border was raised there, how many were held back)."""
    cells, held = np.zeros(SERIES, CELL), np.zeros(len(HELD_BACK), np.int64)
    # Every series has had a quiet point before, and clears at once.
    first = np.arange(SERIES)
    quiet = np.zeros((1, SERIES))
    out = np.zeros(2 * SERIES + 1, TRANSITION)
    start = np.full(SERIES, T0)
    walk(
        level_table((WARNING,)),
        60.0,
        1e9,
        False,
        budget,
        cells,
        first,
        start,
        start * 0.0,
        start,
        quiet,
        quiet,
        held,
        out,
    )
    opened, raised = [], []
    for a, b in pairwise((0, *cuts, len(rows))):
        out = np.zeros(2 * (b - a) + 1, TRANSITION)
        gap_s = np.full(b - a, 61.0)  # longer than `stale_after`: the alert before is over
        count = walk(
            level_table((WARNING,)), 60.0, 1e9, False, budget, cells, rows[a:b], t[a:b], gap_s, t[a:b],
            score[None, a:b].copy(), np.zeros((1, b - a)), held, out,
        )  # fmt: skip
        chosen = out[:count][out[:count]["rank"] > 0]
        opened += (a + chosen["event"]).tolist()
        raised += chosen["raised"].tolist()
    return np.array(opened, np.int64), np.array(raised), int(held[1])


@pytest.mark.parametrize(("tail", "a_day"), [(0.1, 0.1), (0.2, 0.1), (0.2, 1.0), (0.4, 0.15), (0.5, 0.05)])
def test_noise_of_10_000_series_opens_no_more_often_than_the_budget_has(tail: float, a_day: float) -> None:
    rows, t, score = noise(tail, a_day)
    opened, _, held = run(rows, t, score, budget_of(10.0))
    by_day = np.bincount(((t[opened] - T0) // DAY_S).astype(int), minlength=DAYS)
    assert by_day[0] <= 30
    assert by_day[1:].mean() <= 12.0
    assert by_day[1:].max() <= 20
    assert len(opened) + held == len(rows)


def test_a_fault_four_times_as_bad_as_its_border_opens_whatever_the_budget() -> None:
    rows, t, score = noise(0.5, 1.0)
    bad = len(rows) // 2
    score[bad] = FACTOR_MAX
    opened, raised, _ = run(rows, t, score, budget_of(1.0))
    assert bad in opened
    assert raised.max() <= FACTOR_MAX


def test_few_series_open_at_their_own_border() -> None:
    budget = budget_of(10.0)
    budget["series"] = 100.0  # of which noise alone opens 10 a day
    assert factor_at(budget[0], T0) == 1.0
    for _ in range(5):
        spend(budget[0])
    after = factor_at(budget[0], T0)
    assert after == pytest.approx(np.exp(0.25))
    assert factor_at(budget[0], T0 + DAY_S / 4) == pytest.approx(np.exp(0.125))
    assert factor_at(budget[0], T0 + DAY_S) == 1.0


def test_partitions_share_it() -> None:
    assert budget_of(10.0, 4)["a_day"] == 2.5


def test_the_cut_of_the_batches_changes_nothing() -> None:
    rows, t, score = noise(0.3, 0.1)
    cuts = tuple(sorted(np.random.default_rng(1).integers(0, len(rows), 50).tolist()))
    whole, cut = run(rows, t, score, budget_of(10.0)), run(rows, t, score, budget_of(10.0), cuts)
    assert whole[0].tolist() == cut[0].tolist()
    assert whole[1].tobytes() == cut[1].tobytes()
