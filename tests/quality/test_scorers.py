"""The scorers, against figures worked out by hand, and what must hold of them whatever the scores are."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality import kpi
from benchmarks.quality.data import Labelled, Windows
from benchmarks.quality.nab import Nab
from detectors.base import Floats

N = 200


def series(faults: list[tuple[int, int]], n: int = N) -> Labelled:
    label = np.zeros(n, np.bool_)
    for first, last in faults:
        label[first : last + 1] = True
    return Labelled("made", 60.0 * np.arange(n, dtype=np.float64), np.zeros(n), label)


def score(rows: dict[int, float], n: int = N) -> Floats:
    made = np.zeros(n)
    for row, value in rows.items():
        made[row] = value
    return made


# --- alert quality: rows 100..199 count


@pytest.mark.parametrize(
    ("on", "right", "wrong", "found", "delays"),
    [
        ([], 0, 0, 0, ()),
        ([150], 1, 0, 1, (0,)),
        ([157], 1, 0, 1, (7,)),
        ([158], 1, 0, 0, (8,)),  # in the segment, but too late
        ([190], 1, 0, 0, ()),  # 30 rows after its end: right, and not found
        ([191], 0, 1, 0, ()),
        ([149], 0, 1, 0, ()),
        ([120, 150], 0, 1, 1, (0,)),  # 30 rows after 120: still the same alert
        ([119, 150], 1, 1, 1, (0,)),
        ([99, 150], 1, 0, 1, (0,)),  # the first half does not count
    ],
)
def test_alert_quality_is_as_worked_out_by_hand(
    on: list[int], right: int, wrong: int, found: int, delays: tuple[int, ...]
) -> None:
    judged = kpi.judge(series([(150, 160)]), score(dict.fromkeys(on, 1.0)))
    assert (judged.right, judged.wrong, judged.found, judged.delays) == (right, wrong, found, delays)
    assert judged.segments == 1
    assert judged.days == pytest.approx(99 * 60 / 86400)


def test_segments_near_each_other_are_one_and_those_of_the_first_half_are_left_out() -> None:
    labels = series([(20, 25), (150, 152), (158, 160), (167, 170)]).label
    assert kpi.segments(labels) == [(20, 25), (150, 160), (167, 170)]
    assert kpi.judge(series([(20, 25), (150, 160)]), score({})).segments == 1


def test_counts_add_up_over_series() -> None:
    one = kpi.judge(series([(150, 160)]), score({150: 2.0}))
    other = kpi.judge(series([(150, 160)]), score({120: 1.0, 155: 1.0}))
    both = kpi.total([one, other])
    assert (both.right, both.wrong, both.found, both.segments) == (2, 1, 2, 2)
    assert both.precision == pytest.approx(2 / 3)
    assert both.f1 == pytest.approx(2 * (2 / 3) / (5 / 3))
    assert both.delay_rows == 2.5
    assert both.share_on == 3 / 200


@given(st.sets(st.integers(0, N - 1), max_size=20), st.floats(1.0, 50.0))
def test_how_far_a_row_is_over_the_border_does_not_matter(rows: set[int], height: float) -> None:
    labelled = series([(110, 120), (150, 160)])
    assert kpi.judge(labelled, score(dict.fromkeys(rows, 1.0))) == kpi.judge(
        labelled, score(dict.fromkeys(rows, height))
    )


# --- NAB: 200 rows, of which 30 are probation

WINDOW: dict[str, Windows] = {"made": [(100, 109)]}


def sigmoid(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({}, 0.0),
        ({100: 1.0}, 100.0),
        ({100: 1.0, 105: 1.0}, 100.0),  # a window is found once, by its earliest row
        ({109: 1.0}, 50 * (sigmoid(-0.1) / sigmoid(-1.0) + 1)),
        ({29: 1.0}, 0.0),  # probation
        ({30: 1.0}, 50 * -0.11),  # before any window: the full fine
        ({110: 1.0}, 50 * 0.11 * sigmoid(1 / 9)),  # just behind it: a small one
        ({199: 1.0}, 50 * -0.11),
        ({100: 1.0, 30: 0.99}, 100.0),
    ],
)
def test_the_nab_score_is_as_worked_out_by_hand(rows: dict[int, float], expected: float) -> None:
    assert Nab({"made": score(rows)}, WINDOW).at(1.0).score == pytest.approx(expected)


def test_the_profiles_weigh_misses_and_false_rows() -> None:
    silent, loud = Nab({"made": score({})}, WINDOW), Nab({"made": score({30: 1.0})}, WINDOW)
    assert silent.at(1.0, "low_fn").score == 0.0
    assert loud.at(1.0, "low_fp").score == pytest.approx(50 * -0.22)
    assert loud.at(1.0, "low_fn").score == pytest.approx(100 * -0.11 / 3)


@given(st.lists(st.floats(0.0, 2.0), min_size=N, max_size=N))
def test_no_score_beats_the_perfect_one_nor_does_one_border_the_best(values: list[float]) -> None:
    nab = Nab({"made": np.array(values)}, WINDOW)
    assert nab.at(1.0).score <= 100.0
    assert nab.best().score <= 100.0
    at = nab.at(1.0)
    on = np.array(values) >= 1.0
    assert at.hit == on[100:110].any()
    assert at.false_rows == on[30:100].sum() + on[110:].sum()
