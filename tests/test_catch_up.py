"""When what piled up before a rebalance counts as read."""

import math
from collections.abc import Callable

import pytest

from pipeline.catch_up import FETCHED_WITHIN_S, NEARLY_S, CatchUp
from pipeline.partition import TP

A, B = TP("metrics", 0), TP("metrics", 1)


def begun() -> CatchUp:
    catch_up = CatchUp()
    catch_up.begin([A, B], 100.0)
    return catch_up


def test_it_is_reached_once_every_partition_was_at_its_end_though_never_both_at_once() -> None:
    catch_up = begun()
    catch_up.applied(A, 0, 5.0)
    assert not catch_up.reached.is_set()
    catch_up.applied(A, 700, 5.0)
    catch_up.applied(B, 0, 5.0)
    assert catch_up.reached.is_set()


@pytest.mark.parametrize(
    ("lag_records", "age_s", "reached"),
    [(0, 60.0, True), (1, NEARLY_S / 2, True), (1, NEARLY_S * 2, False), (1, math.nan, False), (0, math.nan, True)],
)
def test_under_load_a_young_record_counts_as_the_end(lag_records: int, age_s: float, reached: bool) -> None:
    catch_up = begun()
    for tp in (A, B):
        catch_up.applied(tp, lag_records, age_s)
    assert catch_up.reached.is_set() is reached


def test_partitions_that_nothing_comes_for_count_once_their_end_is_surely_fetched_anew() -> None:
    catch_up = begun()
    catch_up.second_passed({A: 0, B: 0}, 100.0 + FETCHED_WITHIN_S / 2)
    assert not catch_up.reached.is_set()
    catch_up.second_passed({A: 0}, 100.0 + FETCHED_WITHIN_S)  # where B ends isn't known
    assert not catch_up.reached.is_set()
    catch_up.second_passed({B: 0}, 100.0 + 2 * FETCHED_WITHIN_S)
    assert catch_up.reached.is_set()


@pytest.mark.parametrize(
    "act", [lambda it: it.applied(A, 0, 0.0), lambda it: it.second_passed({A: 0, B: 0}, 999.0)], ids=["batch", "second"]
)
def test_it_is_told_once_a_rebalance(act: Callable[[CatchUp], None]) -> None:
    catch_up = begun()
    catch_up.second_passed({A: 0, B: 0}, 200.0)
    catch_up.reached.clear()
    act(catch_up)
    assert not catch_up.reached.is_set()
