"""`river` against river called by hand, and what a foreign model may do to it: nothing."""

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from river import anomaly, drift

from detectors import river_state
from detectors.base import Floats
from detectors.river_model import PROBABILITY, SCALE_SIGMAS, Params, River, judge_features, models, surprise_of
from schemas.levels import Border
from tests.detectors.streams import judge, make, one_row, openings, run


def noise(seed: int, n: int) -> Floats:
    return np.random.default_rng(seed).normal(100.0, 5.0, n)


class Spy:
    """Stands in for a model: writes down what it is told."""

    def __init__(self, raw: Any = 0.5) -> None:
        self.calls: list[tuple[str, float]] = []
        self.raw = raw

    def score_one(self, x: dict[str, float]) -> Any:
        self.calls.append(("score", x["value"]))
        if isinstance(self.raw, Exception):
            raise self.raw
        return self.raw

    def learn_one(self, x: dict[str, float]) -> None:
        self.calls.append(("learn", x["value"]))


def spied(monkeypatch: pytest.MonkeyPatch, spy: Spy, **params: Any) -> River:
    detector = River(Params(model="LODA", **params), (Border.parse(">= 1"),))
    monkeypatch.setattr(Params, "build", lambda self: spy)
    detector.grow(1)
    return detector


def test_a_gaussian_scorer_is_told_what_a_person_would_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise(1, 900)
    x[700] += 60.0
    scorer: Any = anomaly.GaussianScorer
    by_hand, raw = scorer(), []
    for value in x.tolist():
        raw.append(float(by_hand.score_one({}, value)))
        by_hand.learn_one({}, value)
    seen: list[float] = []
    ours = River._judge

    def listen(self: River, model: Any, value: float) -> float:
        seen.append(ours(self, model, value))
        return seen[-1]

    monkeypatch.setattr(River, "_judge", listen)
    out = judge(x, "river", model="GaussianScorer")
    assert seen == raw
    assert openings(out["score"]) == [700]


def test_every_event_is_scored_before_it_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy()
    run(spied(monkeypatch, spy), one_row([3.0, 5.0]))
    assert spy.calls == [("score", 3.0), ("learn", 3.0), ("score", 5.0), ("learn", 5.0)]


@pytest.mark.parametrize("raw", [ValueError("broken"), ZeroDivisionError(), math.nan, math.inf, "text"])
def test_a_failing_model_scores_nothing_is_counted_and_stops_nobody(monkeypatch: pytest.MonkeyPatch, raw: Any) -> None:
    detector = spied(monkeypatch, Spy(raw))
    out = run(detector, one_row(noise(1, 500)))
    assert (out["score"] == 0.0).all()
    assert detector.failures == 500
    assert np.isfinite(out["deviation"]).all()
    assert abs(out["expected"][-1] - 100.0) < 3.0, "its level is learned all the same"


def test_a_scaled_model_sees_the_level_as_one_half(monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy()
    x = noise(1, 2000)
    x[-1] = x[:-1].mean() + SCALE_SIGMAS / 2 * x[:-1].std()
    run(spied(monkeypatch, spy, scale=True), one_row(x))
    seen = [value for act, value in spy.calls if act == "score"]
    assert abs(np.mean(seen[500:-1]) - 0.5) < 0.01
    assert abs(seen[-1] - 0.75) < 0.03
    assert 0.0 <= min(seen) <= max(seen) <= 1.0


@pytest.mark.parametrize("model", ["GaussianScorer", "HalfSpaceTrees", "StandardAbsoluteDeviation"])
def test_a_spike_is_found_and_noise_left_alone(model: str) -> None:
    n = 3000
    x = noise(3, n)
    x[2500:2503] += 75.0
    out = judge(x, "river", model=model)
    assert (out["score"][2500:2502] >= 1.0).any()
    assert out["deviation"][2500] > 10.0
    assert len(openings(out["score"][:2500])) <= 4


@pytest.mark.parametrize("model", models())
def test_every_model_on_offer_works_with_its_defaults(model: str) -> None:
    out = judge(noise(1, 150), "river", model=model, warm_up=100)
    assert np.isfinite(out["score"]).all()


def test_random_models_draw_the_same_numbers_in_every_run() -> None:
    x = noise(2, 800)
    first = judge(x, "river", model="HalfSpaceTrees")
    assert judge(x, "river", model="HalfSpaceTrees").tobytes() == first.tobytes()
    assert judge(x, "river", model="HalfSpaceTrees", seed=2).tobytes() != first.tobytes()
    assert judge(x, "river", model="HalfSpaceTrees", args={"seed": 1}).tobytes() == first.tobytes()


def test_a_model_that_learns_again_keeps_level_and_border_and_warms_up() -> None:
    x = noise(1, 1200)
    old, new = make("river", 1), make("river", 1)
    run(old, one_row(x[:900]))
    new.state["series"][:] = old.state["series"]
    events = one_row(x[900:] + np.where(np.arange(300) % 50 == 0, 90.0, 0.0), start_s=1.8e9)
    events.fresh[0] = False
    out = run(new, events)
    assert (out["score"][:100] == 0.0).all()
    assert abs(out["expected"][0] - 100.0) < 3.0
    assert (out["score"][100:] >= 1.0).any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "HalfSpaceTree"}, 'did you mean "HalfSpaceTrees"'),
        ({"model": "Prophet"}, "river has ADWIN, GaussianScorer, "),
        ({"model": "QuantileFilter"}, "wraps another model"),
        ({"model": "NoDrift"}, "looks at no value"),
        ({"model": "DDM"}, "takes right or wrong"),
        ({"model": "Pagehinkley"}, 'did you mean "PageHinkley"'),
        ({"model": "KSWIN", "args": {"stat_size": 500}}, "stat_size must be smaller"),
        ({"model": "HalfSpaceTrees", "args": {"ntrees": 3}}, 'no argument "ntrees"; did you mean "n_trees"'),
        ({"model": "HalfSpaceTrees", "args": {"n_trees": "many"}}, "does not work with"),
        ({"model": "GaussianScorer", "args": {"zz": 1}}, "it has window_size, grace_period"),
        ({}, "Field required"),
    ],
)
def test_a_wrong_model_is_refused_when_the_config_is_read(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Params(**settings)


def test_a_probability_near_one_keeps_its_distance_from_the_next() -> None:
    odd, odder, sure = (surprise_of(p, PROBABILITY, 0.0) for p in (0.99, 0.9999, 1.0))
    assert odder == pytest.approx(2 * odd)
    assert odder < sure < 40.0


@pytest.mark.parametrize("model", ["ADWIN", "KSWIN", "PageHinkley"])
def test_a_drift_is_told_where_river_says_it(model: str) -> None:
    x = noise(4, 2500)
    x[1500:] += 25.0
    by_hand = getattr(drift, model)(**({"seed": 1} if model == "KSWIN" else {}))
    said = []
    for i, value in enumerate(x.tolist()):
        by_hand.update(value)
        if by_hand.drift_detected and i >= 300:
            said.append(i)
    out = judge(x, "river", model=model)
    assert any(1500 <= row < 1600 for row in said)
    assert np.flatnonzero(out["score"] >= 1.0).tolist() == said
    assert (np.abs(out["deviation"][said]) >= 3.0).all()


@pytest.mark.parametrize(
    ("model", "args"),
    [
        ("GaussianScorer", {}),
        ("StandardAbsoluteDeviation", {}),
        ("HalfSpaceTrees", {"height": 4}),
        ("HalfSpaceTrees", {"seed": None}),
        ("GaussianScorer", {"window_size": 50}),
        ("PageHinkley", {"threshold": 5.0}),
        ("ADWIN", {}),
    ],
)
@pytest.mark.parametrize("at", [40, 260, 700])
def test_a_saved_model_goes_on_as_if_nothing_had_been_and_any_other_says_so(
    model: str, args: dict[str, Any], at: int
) -> None:
    x = noise(6, 1000)
    x[[800, 850]] += 80.0
    params = {"model": model, "args": args, "warm_up": 100}
    saved, loaded = make("river", 1, params), make("river", 1, params)
    assert isinstance(saved, River)
    kept = (model, str(args)) in {
        ("GaussianScorer", "{}"),
        ("StandardAbsoluteDeviation", "{}"),
        ("HalfSpaceTrees", "{'height': 4}"),
        ("PageHinkley", "{'threshold': 5.0}"),
    }
    assert saved.keeps_models == kept
    events = one_row(x)
    run(saved, events.take(slice(0, at)))
    for name, array in saved.state.items():
        assert array.dtype.hasobject is False
        loaded.state[name][:] = array.copy()
    rest = events.take(slice(at, None))
    out = run(loaded, rest)
    if kept:
        assert out.tobytes() == run(saved, rest).tobytes()
    else:
        assert (out["score"][:100] == 0.0).all()


def test_a_class_that_is_not_listed_is_not_saved() -> None:
    class Gaussian:
        n = 3.0

    class Odd(anomaly.GaussianScorer):  # type of another module: what it learns is unknown
        pass

    made: Any = Odd
    assert river_state.number_count(Gaussian()) == 0
    assert river_state.number_count(made()) == 0


def test_a_model_judges_several_features_where_it_can() -> None:
    trees: Any = anomaly.HalfSpaceTrees(n_trees=5, height=4, window_size=50, seed=3)
    rng = np.random.default_rng(1)
    usual = [judge_features(trees, {"cpu": a, "memory": b}) for a, b in rng.uniform(0.4, 0.6, (200, 2)).tolist()]
    assert judge_features(trees, {"cpu": 0.05, "memory": 0.95}) > max(usual[100:])
    takes_one: Any = (anomaly.GaussianScorer, drift.PageHinkley)
    for model in (build() for build in takes_one):
        with pytest.raises(ValueError, match="takes one value, not 2: cpu, memory"):
            judge_features(model, {"cpu": 1.0, "memory": 2.0})
