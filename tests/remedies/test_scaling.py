"""How many replicas a load needs: the number, what KEDA is answered, and what the config may say."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from incidents.remedies.advice import Advice, Adviser, NoAdvice
from incidents.remedies.load import Load
from pipeline.config import read_config
from pipeline.desk.automation.advisers import Advisers
from pipeline.desk.automation.load import Loads
from pipeline.topics import topics_of
from schemas.config import ConfigErrors
from schemas.metric import Series
from schemas.response.scaling import Scaling
from schemas.selector import Selector
from tests.api.scene import CLOSED, START_S, Api
from tests.remedies.test_load import T0, WEB, record

SCALING = Scaling("web", Selector.parse('rps{service="web"}'), target=100.0, replicas_max=20, replicas_min=2)


# How many ------------------------------------------------------------------------------------------------------------


def ask(adviser: Adviser, value: float, now_s: float, slope_per_s: float | None = None) -> int:
    found = adviser.advise({WEB: Load(value, slope_per_s, now_s, 9)}, now_s)
    assert isinstance(found, Advice), found
    return found.replicas


def test_a_load_is_shared_out() -> None:
    assert [ask(Adviser(SCALING), value, T0) for value in (0.0, 100.0, 250.0, 701.0, 9_999.0)] == [2, 2, 3, 8, 20]


def test_it_scales_ahead_of_a_rising_load_and_not_below_a_falling_one() -> None:
    assert ask(Adviser(SCALING), 500.0, T0, slope_per_s=5.0) == 8  # 800 in a minute
    assert ask(Adviser(SCALING), 500.0, T0, slope_per_s=-5.0) == 5


def test_it_goes_down_only_when_the_load_has_long_been_low() -> None:
    adviser = Adviser(SCALING)
    assert ask(adviser, 1_000.0, T0) == 10
    assert [ask(adviser, 300.0, T0 + s) for s in (60.0, 299.0, 301.0)] == [10, 10, 3]


@pytest.mark.parametrize(
    ("aggregate", "values", "replicas"), [("avg", (90, 50), 3), ("max", (90, 50), 3), ("max", (60, 20), 2)]
)
def test_where_each_replica_has_a_series_their_number_counts(
    aggregate: Any, values: tuple[int, ...], replicas: int
) -> None:
    scaling = replace(SCALING, aggregate=aggregate, target=60.0, replicas_min=1)
    loads = {Series.of("cpu", {"pod": str(i)}): Load(float(v), None, T0, 1) for i, v in enumerate(values)}
    found = Adviser(scaling).advise(loads, T0)
    assert isinstance(found, Advice)
    assert found.replicas == replicas


def test_without_fresh_data_there_is_no_number() -> None:
    adviser = Adviser(SCALING)
    assert isinstance(adviser.advise({}, T0), NoAdvice)
    old = adviser.advise({WEB: Load(5.0, None, T0 - 121, 9)}, T0)
    assert isinstance(old, NoAdvice)
    assert "121 s old" in old.reason
    assert isinstance(adviser.advise({WEB: Load(math.nan, None, T0, 9)}, T0), NoAdvice)
    assert isinstance(adviser.advise({WEB: Load(-5.0, None, T0, 9)}, T0), NoAdvice)


_LOADS = st.lists(
    st.tuples(st.floats(1, 200), st.floats(0, 5_000), st.none() | st.floats(-50, 50)), min_size=1, max_size=60
)


@given(_LOADS, st.sampled_from(["sum", "avg", "max"]))
def test_whatever_the_load_does_the_number_is_within_bounds_and_enough(steps: Any, aggregate: Any) -> None:
    """Never below what the load needs now, unless it is more than there may be; never less than lately needed."""
    adviser, now_s = Adviser(replace(SCALING, aggregate=aggregate)), T0
    needed: list[tuple[float, int]] = []
    for step_s, value, slope in steps:
        now_s += step_s
        found = ask(adviser, value, now_s, slope)
        assert SCALING.replicas_min <= found <= SCALING.replicas_max
        if aggregate == "sum":
            wants = min(math.ceil(value / SCALING.target - 1e-9), SCALING.replicas_max)
            needed.append((now_s, wants))
            assert found >= max(n for at_s, n in needed if at_s > now_s - SCALING.stabilise_down_s)


# Over HTTP -----------------------------------------------------------------------------------------------------------


def served(folder: Path, loads: Loads, **how: Any) -> Api:
    api = Api(folder, **how)
    service = api.app.state.service
    api.app.state.service = replace(service, advisers=Advisers([SCALING], loads, api.now))
    return api


def test_keda_is_answered_a_number_and_where_it_comes_from(tmp_path: Path) -> None:
    loads = Loads()
    with served(tmp_path, loads) as api:
        for i in range(9):
            loads.take(record(500.0 + 10 * i, START_S - 80 + 10 * i))
        body = api.get("/api/desk/scaling/web")
        assert (body["replicas"], body["value"], body["target"]) == (7, 580.0, 100.0)  # 640 in a minute
        assert body["load"]["slope_per_s"] == pytest.approx(1.0)
        assert "in 60 s" in body["reason"]


def test_keda_is_answered_an_error_rather_than_a_0(tmp_path: Path) -> None:
    loads = Loads()
    with served(tmp_path, loads) as api:
        nothing = api.ask("GET", "/api/desk/scaling/web")
        assert (nothing.status_code, "does a worker watch it" in nothing.text) == (503, True)
        loads.take(record(500.0, START_S - 3_600))
        old = api.ask("GET", "/api/desk/scaling/web")
        assert (old.status_code, "3600 s old" in old.text) == (503, True)
        unknown = api.ask("GET", "/api/desk/scaling/wbe")
        assert (unknown.status_code, "did you mean" in unknown.text) == (404, True)


def test_keda_needs_a_token_and_a_viewers_is_enough(tmp_path: Path) -> None:
    loads = Loads()
    loads.take(record(500.0, START_S))
    with served(tmp_path, loads, server=CLOSED) as api:
        assert api.ask("GET", "/api/desk/scaling/web").status_code == 401
        assert api.ask("GET", "/api/desk/scaling/web", token="viewer-token").status_code == 200


# The config ----------------------------------------------------------------------------------------------------------

GOOD = """
automation:
  watch: ['cpu_usage{service="web"}']
  load_every: 2s
  scaling:
    - {name: web, metric: 'rps{service="web"}', target: 100, min: 2, max: 20, lead: 90s}
"""


def test_the_config_says_what_is_watched(tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text(GOOD)
    config = read_config(file, need_rules=False)
    plan = config.desk.response.automation
    assert [str(each) for each in plan.watched] == ['cpu_usage{service="web"}', 'rps{service="web"}']
    assert (plan.load_every_s, plan.scaling[0].lead_s, plan.scaling[0].aggregate) == (2.0, 90.0, "sum")
    assert [topic.role for topic in topics_of(config) if topic.name == "tidegauge-load"] == ["load"]


def test_the_topic_is_only_there_where_something_is_watched(tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text("route: {receiver: a}\nreceivers: [{name: a}]\n")
    assert "load" not in [topic.role for topic in topics_of(read_config(file, need_rules=False))]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max": 1}, "automation.scaling[0].min: must not be above max (1), got 2"),
        ({"target": 0}, "automation.scaling[0].target: must be > 0"),
        ({"name": "Web/1"}, "automation.scaling[0].name: must look like"),
        ({"metric": "rps{"}, "automation.scaling[0].metric"),
        ({"aggregate": "p99"}, "automation.scaling[0].aggregate"),
    ],
)
def test_a_wrong_scaling_is_told(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    written = yaml.safe_load(GOOD)
    written["automation"]["scaling"][0] |= wrong
    file = tmp_path / "desk.yaml"
    file.write_text(yaml.safe_dump(written))
    with pytest.raises(ConfigErrors) as errors:
        read_config(file, need_rules=False)
    assert message in str(errors.value)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    written = yaml.safe_load(GOOD)
    written["automation"]["scaling"] *= 2
    file = tmp_path / "desk.yaml"
    file.write_text(yaml.safe_dump(written))
    with pytest.raises(ConfigErrors, match="is on line"):
        read_config(file, need_rules=False)
