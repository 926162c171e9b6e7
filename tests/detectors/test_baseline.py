"""What `baseline` finds on made series, and what it leaves alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import BECAME_NORMAL, Detector, Floats
from detectors.baseline import Params
from detectors.baseline_row import CALM, STATE
from detectors.profile import BIN, BINS
from detectors.tail import TAIL_FIELDS
from tests.detectors.streams import Events, judge, make, mixed, one_row, openings, run

DAY_S = 86400


def noise(seed: int, n: int, level: float = 100.0, sigma: float = 5.0) -> Floats:
    return np.random.default_rng(seed).normal(level, sigma, n)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("step", "direction"), [(75.0, "above"), (-75.0, "below")])
def test_a_spike_is_found_at_once_and_its_direction_named(seed: int, step: float, direction: str) -> None:
    x = noise(seed, 1500)
    x[1200] += step
    out = judge(x)
    assert out["score"][1200] >= 1.0
    assert out["deviation"][1200] * step > 0.0
    assert not out["lower"][1200] <= x[1200] <= out["upper"][1200]
    one_sided = judge(x, direction=direction)
    assert one_sided["score"][1200] == out["score"][1200]
    other = judge(x, direction="below" if direction == "above" else "above")
    assert (other["score"][1200:1210] < 1.0).all()


def test_a_spike_soon_after_the_warm_up_is_found_within_two_rows() -> None:
    found = 0
    for seed in range(10):
        x = noise(seed, 140)
        x[90:93] += 100.0
        found += bool((judge(x)["score"][90:92] >= 1.0).any())
    assert found >= 9


def test_noise_opens_less_than_one_alert_in_1500_rows() -> None:
    opened = sum(len(openings(judge(noise(seed, 5000))["score"])) for seed in range(20))
    assert opened / (20 * 5000) < 1 / 1500


def test_a_random_walk_is_explained_by_its_last_level() -> None:
    opened, within = 0, []
    for seed in range(20):
        out = judge(np.cumsum(np.random.default_rng(seed).normal(0.0, 1.0, 5000)))
        opened += len(openings(out["score"]))
        within.append((np.abs(out["deviation"][500:]) < CALM).mean())
    assert opened / (20 * 5000) < 1 / 1000
    assert np.mean(within) > 0.95
    assert min(within) > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_a_plateau_stays_deviant_until_it_ends(seed: int) -> None:
    x = noise(seed, 4000)
    x[3000:3060] += 75.0
    out = judge(x)
    assert out["score"][3000] >= 1.0
    assert (out["deviation"][3000:3060] > CALM).all()
    assert (np.abs(out["deviation"][3062:3070]) < 2 * CALM).all()
    assert (out["score"][3055:3080] < 1.0).all(), "the way back is no surprise"


@pytest.mark.parametrize("shift", [-60.0, 25.0, 60.0])
def test_a_lasting_shift_becomes_the_new_normal_by_itself(shift: float) -> None:
    x = noise(2, 8000)
    x[3000:] += shift
    out = judge(x)
    assert (out["score"][3000:3010] >= 1.0).any()
    assert (np.abs(out["deviation"][4500:]) < CALM).mean() > 0.98
    assert len(openings(out["score"][4500:])) <= 2
    assert abs(out["expected"][-1] - 100.0 - shift) < 10.0


@pytest.mark.parametrize("step_s", [60, 300])
@pytest.mark.parametrize("width_s", [1800, 2700])
def test_a_daily_peak_is_normal_after_three_days_and_not_at_the_wrong_hour(step_s: int, width_s: int) -> None:
    a_day = DAY_S // step_s
    n = 8 * a_day
    t = step_s * np.arange(n)
    noon, night = (30.0 * np.exp(-0.5 * ((t % DAY_S - 3600 * hour) / width_s) ** 2) for hour in (12, 3))
    opened, found = 0, 0
    for seed in range(4):
        x = noise(seed, n, sigma=1.0) + noon
        x[7 * a_day :] += night[7 * a_day :]
        out = run(make("default", 1), one_row(x, step_s, start_s=19700.0 * DAY_S))
        on = openings(out["score"])
        around = 3 * width_s // step_s
        opened += sum(abs(row % a_day - a_day // 2) < around for row in on if row >= 3 * a_day)
        found += any(abs(row - 7 * a_day - a_day // 8) < around for row in on)
    assert opened <= 2
    assert found == 4


@settings(max_examples=60, deadline=None)
@given(events=mixed, power=st.sampled_from([-20, 10, 20]))
def test_the_unit_of_the_values_does_not_matter_to_one_bit(events: Events, power: int) -> None:
    scale = 2.0**power
    out = run(make("baseline", 3), events)
    scaled = run(make("baseline", 3), Events(events.rows, events.fresh, events.t, events.x * scale))
    assert scaled["score"].tobytes() == out["score"].tobytes()
    assert scaled["deviation"].tobytes() == out["deviation"].tobytes()
    for name in ("expected", "lower", "upper"):
        # The floor of a series at exactly 0 is absolute: 1e-300 does not scale.
        np.testing.assert_allclose(scaled[name], out[name] * scale, rtol=0, atol=1e-290)


@settings(max_examples=60, deadline=None)
@given(events=mixed)
def test_the_first_value_outside_the_band_scores_one_or_more(events: Events) -> None:
    """The first of an episode; and unless it is on its way back to what was expected."""
    out = run(make("baseline", 3), events)
    outside = (events.x > out["upper"]) | (events.x < out["lower"])
    for row in range(3):
        mine = events.rows == row
        score, deviation = out["score"][mine], out["deviation"][mine]
        for i in np.flatnonzero(outside[mine]):
            if (score[max(0, i - 6) : i] < 0.99).all() and abs(deviation[i]) > CALM:
                fast_side = 1.0 if events.x[mine][i] > out["upper"][mine][i] else -1.0
                assert score[i] >= 1.0 or deviation[i] * fast_side < 0.0


def test_a_change_below_the_floors_never_scores_and_never_holds() -> None:
    x = noise(1, 3000, sigma=0.1)
    x[2000] += 9.0
    x[2500:] += 3.0
    assert judge(x)["score"][2000] > 1.0
    for out in (judge(x, min_change=20.0), judge(x, min_change_relative=0.2)):
        assert (out["score"] < 1.0).all()
        assert (np.abs(out["deviation"]) < CALM).all()
        assert not (x > out["upper"]).any()
    assert judge(x, min_change=5.0)["score"][2000] >= 1.0


def test_a_one_sided_rule_has_no_other_bound_and_the_way_back_from_a_dip_is_no_alert() -> None:
    x = noise(4, 2000)
    x[1500:1504] -= 90.0
    out = judge(x, direction="above")
    assert np.isnan(out["lower"]).all()
    assert (out["score"][1500:1520] < 1.0).all()
    assert np.isfinite(out["upper"][200:]).all()


@pytest.mark.parametrize(("before", "after"), [(7.0, 9.0), (0.0, 5.0), (1e9, 2e9), (-3.0, 0.0)])
def test_a_series_that_never_changed_and_then_does_alerts_once_at_the_border(before: float, after: float) -> None:
    out = judge([before] * 1000 + [after] * 500)
    assert openings(out["score"]) == [1000]
    assert out["score"][1000] == 1.0
    assert (np.abs(out["deviation"]) <= 1e6).all()


def test_a_flat_series_that_moves_a_little_does_not_alert() -> None:
    assert (judge([100.0] * 1000 + [101.0, 100.0] * 50)["score"] < 1.0).all()


def test_sparse_and_quantised_series_do_not_alert_all_the_time() -> None:
    rng = np.random.default_rng(9)
    sparse = np.where(rng.random(20_000) < 0.02, rng.exponential(3.0, 20_000), 0.0)
    quantised = np.round(rng.normal(3.0, 0.6, 20_000))
    for x in (sparse, quantised):
        assert len(openings(judge(x)["score"])) < 20


def test_where_a_walk_stands_after_a_long_gap_is_no_spike() -> None:
    walk = one_row(np.cumsum(np.random.default_rng(1).normal(0.0, 1.0, 1200)))
    walk.x[1000:] += 20.0
    assert run(make("baseline", 1), walk)["score"][1000] >= 1.0
    walk.t[1000:] += 3 * 3600.0
    assert run(make("baseline", 1), walk)["score"][1000] < 1.0


def test_late_repeated_and_missing_values_teach_nothing() -> None:
    clean = one_row(noise(3, 400))
    dirty_x = np.insert(clean.x, [100, 200, 300], [np.nan, 1e9, np.inf])
    dirty_t = np.insert(clean.t, [100, 200, 300], [clean.t[100] - 30, clean.t[199], clean.t[300] - 30])
    n = len(dirty_x)
    out = run(make("baseline", 1), Events(np.zeros(n, np.int64), np.zeros(n, np.bool_), dirty_t, dirty_x))
    dirty = np.array([100, 201, 302])
    assert (out["score"][dirty] == 0.0).all()
    assert np.delete(out, dirty).tobytes() == run(make("baseline", 1), clean).tobytes()


@pytest.mark.parametrize("step_s", [86400.0, 604800.0])
def test_daily_and_weekly_values_are_stable(step_s: float) -> None:
    x = noise(1, 400)
    x[350] += 100.0
    out = judge(x, step_s=step_s)
    assert out["score"][350] >= 1.0
    assert len(openings(out["score"])) <= 4
    assert abs(out["expected"][-1] - 100.0) < 15.0


def test_a_series_costs_less_than_700_bytes() -> None:
    assert STATE.itemsize + BINS * BIN.itemsize <= 700
    assert STATE.itemsize % 8 == 0, "a row is cleared through a view of whole f8s"


def test_the_warm_up_can_not_be_shorter_than_the_tail_needs() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 50"):
        Params(warm_up=10)


def state_of(detector: Detector) -> bytes:
    return b"".join(array.tobytes() for array in detector.state.values())


def dense_faults(seed: int) -> tuple[Floats, list[int]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(100.0, 1.0, 30_000)
    at = [a + int(rng.integers(0, 100)) for a in range(400, 29_800, 200)]
    for a in at:
        x[a : a + int(rng.integers(1, 9))] += 15.0 * rng.choice([-1.0, 1.0])
    return x, at


def test_faults_that_poison_their_own_border_are_found_again_after_ten_verdicts_and_later_without() -> None:
    found = {0: 0, 10: 0}
    late = 0
    for seed in range(4):
        x, at = dense_faults(seed)
        for verdicts in found:
            detector, events = make("baseline", 1), one_row(x)
            run(detector, events.take(slice(0, 8000)))
            assert all(detector.feedback(0, "missed", False) for _ in range(verdicts))
            score = run(detector, events.take(slice(8000, None)))["score"]
            on = {8000 + int(row) for row in np.flatnonzero(score >= 1.0)}
            found[verdicts] += sum(a in on for a in at if 8000 <= a < 14_000)
            if not verdicts:
                late += sum(a in on for a in at if a >= 24_000)
            assert len([row for row in on if min(abs(row - a) for a in at) > 10]) <= 3
    assert found[0] < 0.2 * 120
    assert found[10] > 0.9 * 120
    assert late > 0.8 * 116


def test_a_verdict_of_noise_lifts_the_bar_and_taken_back_leaves_no_trace() -> None:
    events = one_row(noise(1, 4000))
    plain, told, untold = (make("baseline", 1) for _ in range(3))
    for detector in (plain, told, untold):
        run(detector, events.take(slice(0, 2000)))
    before = state_of(untold)
    for verdict, times in (("noise", 3), ("missed", 2), ("noise", 40)):
        for undo in (False, True):
            assert all(untold.feedback(0, verdict, undo) for _ in range(times))
        assert state_of(untold) == before
        assert not untold.feedback(0, verdict, True), "there is none left to take back"
    assert told.feedback(0, "noise", False)
    rest = events.take(slice(2000, None))
    out, louder = run(plain, rest), run(told, rest)
    assert run(untold, rest).tobytes() == out.tobytes()
    below = out["score"][:200] < 0.99
    assert np.isclose(louder["score"][:200][below], out["score"][:200][below] / 1.25).mean() > 0.98
    assert (louder["upper"] > out["upper"]).all()
    np.testing.assert_allclose(louder["expected"][:200], out["expected"][:200])


@settings(max_examples=25, deadline=None)
@given(
    events=mixed, verdicts=st.lists(st.tuples(st.sampled_from(["noise", "missed"]), st.integers(0, 900)), max_size=6)
)
def test_verdicts_taken_back_at_any_time_leave_the_bar_where_it_was(
    events: Events, verdicts: list[tuple[str, int]]
) -> None:
    judged, plain = make("baseline", 3), make("baseline", 3)
    whole = Events(events.rows, np.zeros(len(events), np.bool_), events.t, events.x)
    done = 0
    for verdict, at in sorted(verdicts, key=lambda said: said[1]):
        run(judged, whole.take(slice(done, max(done, at))))
        done = max(done, at)
        assert judged.feedback(0, verdict, False)
    run(judged, whole.take(slice(done, None)))
    run(plain, whole)
    for verdict, _ in verdicts:
        assert judged.feedback(0, verdict, True)
    series: list[Any] = [detector.state["series"] for detector in (judged, plain)]
    for name, _ in TAIL_FIELDS:
        np.testing.assert_allclose(series[0][name], series[1][name], rtol=1e-6)


def test_normal_moves_to_the_present_level_at_once_and_can_be_taken_back() -> None:
    x = noise(6, 4000)
    x[2000:] += 60.0
    events = one_row(x)
    told, plain = make("baseline", 1), make("baseline", 1)
    assert not told.feedback(0, "normal", False), "nothing is known yet"
    for detector in (told, plain):
        run(detector, events.take(slice(0, 2030)))
    before: Any = told.state["series"].copy()
    assert told.feedback(0, "normal", False)
    assert told.feedback(0, "normal", True)
    for name in set(STATE.names or ()) - {"drifting"}:  # an alert that was held by the old level is not opened again
        now: Any = told.state["series"]
        assert now[name][0] == pytest.approx(before[name][0], rel=1e-9, abs=1e-9)
    assert not told.feedback(0, "normal", True)
    assert told.feedback(0, "normal", False)
    rest = events.take(slice(2030, 2060))
    assert (np.abs(run(told, rest)["deviation"]) < CALM).mean() > 0.9
    assert (np.abs(run(plain, rest)["deviation"]) > CALM).mean() > 0.9


def test_a_verdict_that_no_detector_knows_is_not_acted_on() -> None:
    detector = make("baseline", 1)
    run(detector, one_row(noise(1, 100)))
    before = state_of(detector)
    assert not detector.feedback(0, "wrong", False)
    assert state_of(detector) == before


def held(deviation: Floats, start: int) -> int:
    """Rows from `start` on that an alert opened there stays open."""
    calm = np.abs(deviation[start:]) < CALM
    return int(np.argmax(calm)) if calm.any() else len(calm)


@pytest.mark.parametrize("step_s", [10, 60, 300])
@pytest.mark.parametrize("shift", [2.5, -3.0])
def test_a_small_lasting_shift_is_held_open_until_it_is_normal_and_a_short_one_until_it_is_over(
    step_s: int, shift: float
) -> None:
    rows = 180 * max(60 // step_s, 1)  # three hours, 180 rows at least
    for seed in range(3):
        for lasts in (rows // 3, 3 * rows):
            x = noise(seed, 12 * rows, sigma=1.0)
            at = 8 * rows
            x[at : at + lasts] += shift
            out = judge(x, step_s=step_s)
            told = at + int(np.argmax(out["score"][at : at + rows // 4] >= 1.0))
            assert out["score"][told] >= 1.0
            open_rows = told - at + held(out["deviation"], told)
            became = np.flatnonzero(out["part"][at:] == BECAME_NORMAL)
            if lasts < rows:
                assert lasts - 5 <= open_rows <= lasts + rows // 3
                assert not len(became)
            else:
                assert rows <= open_rows <= rows + rows // 3
                assert abs(open_rows - became[0]) <= 5
                assert abs(out["expected"][told + open_rows] - 100.0 - shift) < 1.0


def noise_of(shape: str, seed: int, t: Floats) -> Floats:
    x = noise(seed, len(t), level=0.0, sigma=1.0)
    if shape == "sine":
        return 100.0 + x + 5.0 * np.sin(2.0 * np.pi * t / DAY_S)
    if shape == "ar1":
        x = np.convolve(x, 0.9 ** np.arange(200))[: len(x)]
    return 100.0 + (np.cumsum(x) if shape == "walk" else x)


@pytest.mark.parametrize("shape", ["white", "ar1", "walk", "sine"])
@pytest.mark.parametrize(("step_s", "days", "most"), [(1, 3, 7), (10, 6, 6), (60, 20, 21), (300, 60, 21)])
def test_false_alerts_a_day_stay_in_bounds_whatever_the_period(shape: str, step_s: int, days: int, most: int) -> None:
    """After a first day; `most`: in all of three series."""
    t: Floats = np.arange(0.0, days * DAY_S, step_s)
    day = DAY_S // step_s
    assert (
        sum(len(openings(judge(noise_of(shape, seed, t), step_s=step_s)["score"][day:])) for seed in range(3)) <= most
    )


@pytest.mark.parametrize("size", [30.0, 100.0, 1000.0])
def test_a_shift_that_ends_is_over_within_minutes_however_large_it_was(size: float) -> None:
    for seed in range(4):
        x = noise(seed, 6000)
        x[4000:4040] += size
        out = judge(x)
        assert (np.abs(out["deviation"][4002:4040]) >= CALM).mean() > 0.8
        assert (np.abs(out["deviation"][4060:4200]) < CALM).mean() > 0.95


def test_a_jump_of_a_level_is_found_across_a_gap_of_minutes_and_a_walk_has_none() -> None:
    steps = np.random.default_rng(2).normal(0.0, 1.0, 20_000)
    t = 1.7e9 + np.arange(20_000.0)
    t[15_000:] += 300.0
    level, walk = 100.0 + steps, 100.0 + np.cumsum(steps)
    level[15_000:] += 40.0
    rows, fresh = np.zeros(20_000, np.int64), np.zeros(20_000, np.bool_)
    for x, opens in ((level, True), (walk, False)):
        out = run(make("baseline", 1), Events(rows, fresh, t, x))
        assert (out["score"][15_000] >= 1.0) == opens


def test_a_series_that_rests_between_bursts_has_a_sigma_and_no_shifts() -> None:
    random = np.random.default_rng(4)
    x = np.zeros(40_000)
    for at in np.flatnonzero(random.random(40_000) < 0.002):
        x[at : at + random.integers(3, 30)] = random.integers(1, 9)
    out = judge(x)
    assert np.abs(out["deviation"][20_000:]).max() < 1000.0
    over = (x > out["upper"]) | (x < out["lower"])
    assert not (out["score"][~over][20_000:] >= 1.0).any()
