"""The shipped default: what its parts say, put together."""

from typing import Any

import numpy as np
import pytest

from detectors import KINDS
from detectors.base import Detector, Floats, Point, Records
from detectors.default import PARTS, TOLD_MAX, Default, Params
from schemas.levels import Border
from tests.detectors.streams import Events, judge, make, one_row, run


def noise(n: int = 3000) -> Floats:
    return np.random.default_rng(1).normal(100.0, 5.0, n)


def alone(name: str, events: Events) -> Records:
    """The part as `default` has it."""
    part = PARTS[name](getattr(Params(), name), ())
    part.grow(1)
    return run(part, events)


def with_faults() -> Events:
    x = noise()
    x[1500:1502] += 90.0
    x[2000:2060] = x[1999]
    events = one_row(x)
    kept = np.r_[0:2500, 2580:3000]
    return events.take(kept)


def test_the_score_is_the_largest_of_the_parts_and_part_says_whose() -> None:
    events = with_faults()
    out = run(make("default", 1), events)
    parts = {name: alone(name, events) for name in PARTS}
    assert (out["score"] == np.max([part["score"] for part in parts.values()], axis=0)).all()
    default = make("default", 1)
    assert isinstance(default, Default)
    spoke = {default.part_of(int(row["part"])) for row in out[out["score"] >= 1.0]}
    assert {"baseline", "flatline", "gap"} <= spoke
    for row in np.flatnonzero(out["score"] >= 1.0):
        name = default.part_of(int(out["part"][row]))
        assert parts[name]["score"][row] == out["score"][row]


def test_the_band_is_that_of_baseline_to_the_bit() -> None:
    events = with_faults()
    out, baseline = run(make("default", 1), events), alone("baseline", events)
    for field in ("expected", "lower", "upper"):
        assert out[field].tobytes() == baseline[field].tobytes()


def test_deviation_is_that_of_baseline_unless_another_part_holds() -> None:
    events = with_faults()
    out = run(make("default", 1), events)
    others = np.array([np.abs(alone(name, events)["deviation"]) for name in PARTS if name != "baseline"])
    free = (others < 3.0).all(axis=0)
    assert (out["deviation"][free] == alone("baseline", events)["deviation"][free]).all()
    assert (np.abs(out["deviation"][~free]) >= 3.0).all()
    assert (~free).sum() > 40


def test_why_is_the_sentence_of_the_part_that_spoke() -> None:
    events = with_faults()
    default = make("default", 1)
    out = run(default, events)
    said = []
    for i in np.flatnonzero(out["score"] >= 1.0):
        v = out[i]
        point = Point(
            events.x[i], v["expected"], v["lower"], v["upper"], v["score"], v["deviation"], Border.parse(">= 1"),
            int(v["part"]),
        )  # fmt: skip
        said.append(default.why(point))
    assert any("sigmas above" in text for text in said)
    assert any("stuck" in text for text in said)
    assert any("missing data" in text for text in said)


@pytest.mark.parametrize("off", list(PARTS))
def test_a_part_that_is_off_says_nothing_and_has_no_state(off: str) -> None:
    events = with_faults()
    without = make("default", 1, {off: False})
    out = run(without, events)
    rest = [alone(name, events)["score"] for name in PARTS if name != off]
    assert (out["score"] == np.max(rest, axis=0)).all()
    assert not any(name.startswith(f"{off}.") for name in without.state)


def test_a_part_takes_its_own_settings() -> None:
    x = noise()
    x[2000:2060] = x[1999]
    assert (judge(x, "default", flatline={"min_rows": 100}, baseline=False)["score"] < 1.0).all()
    assert (judge(x, "default", baseline=False)["score"][2000:2060] >= 1.0).any()


def test_state_and_slow_axes_carry_the_names_of_their_parts() -> None:
    default = make("default", 2)
    of_parts = {f"{name}.{array}" for name in PARTS for array in make(name, 2).state}
    assert set(default.state) == {*of_parts, "quiet", "spoke", "told"}
    assert {name: axis for name, axis in default.slow_axes.items() if name.startswith("baseline.")} == {
        f"baseline.{array}": axis for array, axis in KINDS["baseline"].slow_axes.items()
    }


def counts(default: Detector) -> dict[str, float]:
    """Verdicts `noise` that each part of row 0 has."""
    series: dict[str, Any] = {name: default.state[f"{name}.series"] for name in PARTS}
    return {name: float(own["noise"][0]) for name, own in series.items() if own["noise"][0]}


def spoken(*faults: str) -> Detector:
    """A default of one series in which these parts spoke, in that order."""
    default, x, number = make("default", 1), noise(3100), np.arange(3100)
    for at, fault in zip((2000, 3000), faults, strict=False):
        if fault == "baseline":
            x[at : at + 2] += 90.0
        if fault == "flatline":
            x[at : at + 60] = x[at]
        if fault == "gap":
            number[at:] += 200
    events = one_row(x)
    run(default, Events(events.rows, events.fresh, events.t[0] + 60.0 * number, events.x))
    return default


@pytest.mark.parametrize("part", ["baseline", "flatline", "gap"])
def test_noise_is_for_the_part_that_spoke_last(part: str) -> None:
    default = spoken("flatline" if part == "gap" else "gap", part)
    assert default.feedback(0, "noise", undo=False)
    assert counts(default) == {part: 1.0}


def test_noise_is_taken_back_from_the_part_that_was_told() -> None:
    default = spoken("gap")
    before = {name: array.tobytes() for name, array in default.state.items()}
    assert default.feedback(0, "noise", undo=False)
    default.state["spoke"][0] = list(PARTS).index("flatline")
    assert default.feedback(0, "noise", undo=False)
    assert counts(default) == {"gap": 1.0, "flatline": 1.0}
    assert default.feedback(0, "noise", undo=True)
    assert counts(default) == {"gap": 1.0}
    assert default.feedback(0, "noise", undo=True)
    assert not default.feedback(0, "noise", undo=True)
    default.state["spoke"][0] = list(PARTS).index("gap")
    assert {name: array.tobytes() for name, array in default.state.items()} == before


def test_so_many_verdicts_are_taken_back_as_count() -> None:
    default = spoken("gap")
    assert all(default.feedback(0, "noise", undo=False) for _ in range(TOLD_MAX + 5))
    assert [default.feedback(0, "noise", undo=True) for _ in range(TOLD_MAX + 1)] == [True] * TOLD_MAX + [False]


def test_a_series_that_starts_fresh_forgets_who_spoke_and_who_was_told() -> None:
    default = spoken("gap")
    default.feedback(0, "noise", undo=False)
    run(default, one_row([50.0]))
    assert not default.feedback(0, "noise", undo=True)
    assert default.feedback(0, "noise", undo=False)
    assert counts(default) == {"baseline": 1.0}


@pytest.mark.parametrize("verdict", ["missed", "normal"])
def test_what_is_expected_is_a_matter_of_baseline(verdict: str) -> None:
    default = spoken("gap")
    series = default.state["baseline.series"].copy()
    others = {name: array.tobytes() for name, array in default.state.items() if name != "baseline.series"}
    assert default.feedback(0, verdict, undo=False)
    assert default.state["baseline.series"].tobytes() != series.tobytes()
    assert all(default.state[name].tobytes() == array for name, array in others.items())
    assert not make("default", 1, {"baseline": False}).feedback(0, verdict, undo=False)


def test_the_state_of_a_series_fits_into_what_is_promised() -> None:
    default = make("default", 1)
    assert sum(array.nbytes for array in default.state.values()) <= 1600


@pytest.mark.parametrize(("lost_min", "opens"), [(40, False), (120, True)])
def test_nobody_asked_for_gaps_of_less_than_an_hour(lost_min: int, opens: bool) -> None:
    events = one_row(noise())
    out = run(make("default", 1), events.take(np.r_[0:2500, 2500 + lost_min : 3000]))
    assert (out["score"][2500] >= 1.0) == opens


def test_a_gap_and_a_stuck_value_are_told_in_hours_and_minutes() -> None:
    events = with_faults()
    default = make("default", 1)
    out = run(default, events)
    said = [
        default.why(Point(events.x[i], 0, 0, 0, v["score"], v["deviation"], Border.parse(">= 1"), int(v["part"])))
        for i, v in enumerate(out)
        if v["score"] >= 1.0
    ]
    assert any("the first after 1 h 21 min of missing data, where 1 h are this series' border" in text for text in said)
    assert any("the same for 14 min, where 14 min are this series' border" in text for text in said)
