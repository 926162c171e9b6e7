"""What is put into a series: where, how much, and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.quality import faults
from benchmarks.quality.data import Labelled
from benchmarks.quality.faults import KINDS, MISSING, Fault
from benchmarks.quality.scores import of_kind, shipped

N = 24_000


def host(seed: int = 1, n: int = N) -> Labelled:
    """White noise of sigma 2 on a level."""
    x = 100.0 + np.random.default_rng(seed).normal(0.0, 2.0, n)
    return Labelled(f"host-{seed}", 60.0 * np.arange(n, dtype=np.float64), x, np.zeros(n, np.bool_))


def test_the_local_sigma_is_that_of_the_noise() -> None:
    assert faults.local_sigma(host().x, 5000) == pytest.approx(2.0, rel=0.15)
    steady = np.zeros(1000)
    assert faults.local_sigma(steady, 500) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_changes_its_rows_by_its_amplitude_and_none_before(kind: str) -> None:
    series = host()
    changed, (fault,) = faults.inject(series, 50.0, 1, (kind,))
    off = np.abs(changed.x - series.x)
    assert fault.kind == kind
    assert fault.first >= N // 2
    assert not off[: fault.first].any()
    if kind in ("spike", "dip", "burst", "plateau"):
        assert np.all(off[fault.first : fault.last + 1] == pytest.approx(100.0, rel=0.2))
        assert not off[fault.last + 1 :].any()
    if kind == "shift":
        assert off[-1] == pytest.approx(100.0, rel=0.2)
    if kind == "variance":
        assert np.std(off[fault.first : fault.last + 1]) > 10.0
    if kind == "ramp":
        assert np.all(np.diff(off[fault.first : fault.last + 1]) > 0.0)
        assert off[fault.last] == pytest.approx(100.0, rel=0.2)
    if kind == "stuck":
        assert np.ptp(changed.x[fault.first : fault.last + 1]) == 0.0


def test_missing_data_leaves_three_hours_out_and_is_found_in_the_first_row_after() -> None:
    series = host()
    changed, (fault,) = faults.inject(series, 12.0, 1, (MISSING,))
    assert len(changed.t) == N - 180
    assert changed.t[fault.first] - changed.t[fault.first - 1] == 181 * 60.0
    on = np.zeros(len(changed.t), np.bool_)
    on[fault.first + 1] = True
    assert not faults.found(fault, on)
    on[fault.first] = True
    assert faults.found(fault, on)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(faults.AMPLITUDES))
def test_faults_are_far_apart_and_the_same_for_the_same_seed(seed: int, amplitude: float) -> None:
    series = host()
    changed, put = faults.inject(series, amplitude, seed)
    again, same = faults.inject(series, amplitude, seed)
    assert put == same
    assert np.array_equal(changed.x, again.x)
    starts = [fault.first for fault in put]
    assert len(put) == len(KINDS) + 1
    assert np.all(np.diff(starts) >= faults.APART - 180)


def test_no_fault_stands_near_a_label_or_where_there_is_no_noise() -> None:
    series = host()
    labelled = Labelled(series.name, series.t, series.x, np.ones(N, np.bool_))
    assert faults.inject(labelled, 12.0, 1)[1] == []
    still = Labelled(series.name, series.t, np.ones(N), series.label)
    assert faults.inject(still, 12.0, 1)[1] == []


def test_dense_faults_come_one_in_so_many_rows_from_the_start() -> None:
    changed, put = faults.dense(host(), 15.0, 200, 1)
    assert len(put) == pytest.approx(N / 200, rel=0.1)
    assert put[0].first < 500
    assert changed.x.max() - changed.x.min() > 50.0


def test_a_fault_may_be_found_a_few_rows_late_and_not_early() -> None:
    fault = Fault("spike", 10, 11)
    found = [row for row in range(30) if faults.found(fault, np.arange(30) == row)]
    assert found == list(range(10, 12 + faults.GRACE_ROWS))


def test_the_rule_finds_a_large_spike_both_in_its_scores_and_in_its_alerts() -> None:
    changed, (fault,) = faults.inject(host(n=6000), 40.0, 1, ("spike",))
    for judged in (shipped(), of_kind("baseline")):
        assert faults.found(fault, judged.score(changed.t, changed.x) >= 1.0)
        assert faults.found(fault, judged.openings(changed.t, changed.x) >= 1.0)
