"""The demo's script against the demo's own rules, without Kafka: what it promises holds at any time of day."""

from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipeline.config import read_config
from pipeline.demo.checks import Checks, is_about
from pipeline.demo.shop import FAULTS, HISTORY_S, NEW, NEW_EVERY_S, SCRIPT_S, Shop
from pipeline.engine import Batch, Engine
from schemas.alert import AlertEvent, rfc3339

RULES = Path(str(files("pipeline.demo").joinpath("demo.yaml")))


def run(base_s: int, calm_s: int, script_s: int) -> list[AlertEvent]:
    """Alerts of a demo whose history begins at `base_s` and whose script begins `calm_s` after the history."""
    config = read_config(RULES)
    shard, shop = Engine(config.rules, config.limits).shard(), Shop()
    begins = HISTORY_S + calm_s
    points: list[tuple[int, int, float]] = []
    for second in range(begins + script_s):
        for series, value, _ in shop.second(second, second - begins if second >= begins else -1):
            points.append((shard.intern(series.metric, dict(series.labels)), base_s + second, value))
        if second >= HISTORY_S and second % NEW_EVERY_S == 0:
            points.append((shard.intern(NEW.metric, dict(NEW.labels)), base_s + second, shop.new_feature()))
    s, t, x = zip(*points, strict=True)
    return shard.apply(Batch(np.array(s, np.int64), np.array(t, np.float64), np.array(x, np.float64)))


@pytest.mark.parametrize(("time_of_day_s", "calm_s"), [(0, 1), (30_000, 9), (51_200, 30), (84_000, 4)])
def test_every_fault_is_told_of_within_a_minute_and_nothing_else(time_of_day_s: int, calm_s: int) -> None:
    base_s = 20_000 * 86_400 + time_of_day_s
    checks = Checks()
    events = run(base_s, calm_s, SCRIPT_S)
    for event in events:
        checks.take(event)
    assert checks.passed, [(fault.title, checks.missing(fault)) for fault in FAULTS]
    assert all(any(is_about(event, fault.series) for fault in FAULTS) for event in events)
    assert min(event.at for event in events) >= rfc3339(base_s + HISTORY_S + calm_s)


def test_a_missing_level_and_an_alert_for_the_new_series_both_fail() -> None:
    (first,) = [event for event in run(1_728_000_000, 1, 8) if event.rule == "errors"]
    checks = Checks(FAULTS[:1])
    checks.take(first)
    assert (checks.missing(FAULTS[0]), checks.passed) == (["critical"], False)
    about_new = msgspec.structs.replace(first, labels={"metric": NEW.metric, **dict(NEW.labels)})
    checks = Checks(())
    checks.take(about_new)
    assert (checks.complete, checks.passed, checks.false_alarms) == (True, False, [about_new])
