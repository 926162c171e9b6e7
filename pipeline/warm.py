"""Compiles what the hot path needs, before there is anything to be late for. numba keeps the result on disk."""

from dataclasses import replace

import numpy as np

from alerting.lifecycle import TRANSITION
from pipeline.engine import Batch, Engine
from pipeline.grouping import GroupBinding
from schemas.config import Config
from schemas.selector import Selector

_EVERYTHING = Selector.parse('{__name__=~".+"}')


def compile_all(config: Config) -> None:
    """Runs a few made-up points through the config's own detectors and levels, in an engine that is thrown away."""
    rules = [replace(rule, selector=_EVERYTHING) for rule in config.rules]
    shard = Engine(rules, config.limits).shard()
    shared = {name: "warm_up" for rule in rules for name in rule.group_by or ()}
    series = np.array([shard.intern("warm_up", {**shared, "series": str(i)}) for i in range(2)] * 2, np.int64)
    for start_s in (0.0, config.limits.idle_after_s * 2):  # the second batch also starts its series fresh
        shard.apply(Batch(series, start_s + np.arange(4.0), np.arange(4.0)))
    for binding in shard.bindings:
        binding.pass_time(binding.cells[:0], np.zeros(0), 0.0, np.zeros(1, TRANSITION))
        if isinstance(binding, GroupBinding):
            binding.close(binding.series_of[:0])
