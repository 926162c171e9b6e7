"""`river` on a group: the members are the features of one model; a new one starts it anew, a missing one doesn't."""

import numpy as np
import pytest

from detectors.base import Floats
from detectors.river_group import RiverGroup
from detectors.river_model import Params
from pipeline.engine import Engine
from schemas.config import ConfigErrors
from tests.detectors.groups import one_group, run
from tests.engine.streams import config
from tests.engine.test_grouping import TEXT, apply, stream

TREES = {"model": "HalfSpaceTrees", "args": {"n_trees": 10, "height": 6, "window_size": 100}}
RULE = TEXT.replace("multivariate", "river").replace(
    "{warm_up: 150}", "{model: HalfSpaceTrees, args: {n_trees: 8, height: 5, window_size: 60}, warm_up: 120}"
)


def noise(n: int = 3000, members: int = 4) -> Floats:
    return np.random.default_rng(1).normal(50.0, 1.0, (n, members))


def made(members: int = 4, **params: object) -> RiverGroup:
    detector = RiverGroup(Params.model_validate({**TREES, **params}), ())
    detector.grow(1, members)
    return detector


def openings(x: Floats, **params: object) -> list[int]:
    return np.flatnonzero(run(made(x.shape[1], **params), one_group(x))[0]["score"] >= 1.0).tolist()


@pytest.mark.parametrize(
    "params", [{}, {"model": "OneClassSVM", "args": {}}, {"model": "LODA", "args": {}}, {"scale": False}]
)
def test_members_that_leave_their_range_together_are_found_and_noise_is_not(params: dict[str, object]) -> None:
    x = noise()
    # One-class and projecting models look for rows that lie elsewhere; raw values outside 0..1 are no news to trees.
    x[2800:2805] += 12.0
    found = openings(x, **params)
    assert len([row for row in found if not 2800 <= row < 2810]) <= 2
    assert bool(found) == ("scale" not in params)


def test_units_of_the_members_make_no_difference() -> None:
    x = noise()
    x[2800:2805] += 12.0
    assert openings(x * np.array([1.0, 1024.0, 2.0**-20, -4.0])) == openings(x)


def test_the_alert_names_who_was_farthest_from_its_level() -> None:
    x = noise()
    x[2800:2805] += [10.0, 12.0, 40.0, 10.0]
    out, value = run(detector := made(), one_group(x))
    row = int(np.flatnonzero(out["score"] >= 1.0)[0])
    assert int(out["part"][row]) % 4096 == 3
    assert value[row] >= out["upper"][row] > out["expected"][row] > 0.0
    assert np.abs(out["deviation"][row]) >= 6.0
    assert detector.failures == 0


def test_a_member_that_is_missing_counts_as_where_it_is_expected() -> None:
    x = noise()
    x[1000:, 3] = np.nan
    assert openings(x) == []


def test_a_new_member_starts_the_model_anew_and_says_nothing_until_it_is_warm() -> None:
    x = noise()
    x[:1500, 3] = np.nan
    out, _ = run(made(), one_group(x))
    judged = np.flatnonzero(out["score"] > 0.0)
    assert 1499 in judged
    assert judged[judged >= 1500][0] == 1800


def test_a_saved_model_goes_on_and_one_that_can_not_be_saved_learns_again() -> None:
    x = noise()
    x[2800:2805] += 12.0
    for params, keeps in ((TREES, True), ({"model": "OneClassSVM"}, False), ({**TREES, "args": {"seed": None}}, False)):
        first, again = (RiverGroup(Params.model_validate(params), ()) for _ in range(2))
        for detector in (first, again):
            detector.grow(1, 4)
        assert first.keeps_models == keeps
        run(first, one_group(x[:2000]))
        rest = one_group(x)
        rest = rest.take(slice(2000, None))
        for name, array in first.state.items():
            again.state[name][:] = array
        told = run(again, rest)[0]
        if keeps:
            assert told.tobytes() == run(first, rest)[0].tobytes()
        else:
            assert (told["score"][:300] == 0.0).all()
            assert (told["score"][300:] > 0.0).any()


@pytest.mark.parametrize("model", ["GaussianScorer", "PageHinkley", "StandardAbsoluteDeviation"])
def test_a_model_of_one_value_is_refused_for_groups(model: str) -> None:
    text = TEXT.replace("multivariate", "river").replace("{warm_up: 150}", f"{{model: {model}}}")
    meant = (
        rf"group_by: river's {model} takes one value; of groups judge HalfSpaceTrees, LODA, LocalOutlierFactor, "
        r"OneClassSVM; leave it out, and each series is judged for itself"
    )
    with pytest.raises(ConfigErrors, match=meant):
        config(text)
    with pytest.raises(ValueError, match="takes one value"):
        RiverGroup(Params(model=model), ())


def test_a_rule_of_groups_is_told_by_its_own_words() -> None:
    rules = config(RULE)
    shard = Engine(rules.rules, rules.limits).shard()
    found = apply(shard, stream(5, tidy=True))
    assert {event.labels["host"] for event in found} == {"a"}
    assert found[0].detector == "river"
    assert "HalfSpaceTrees finds the members together" in found[0].why
    assert "farthest from their levels: m" in found[0].why
    assert config(RULE.replace("group_by: [host]", "")).rules[0].group_by is None
