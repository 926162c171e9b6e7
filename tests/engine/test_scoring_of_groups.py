"""`score --wide` takes every detector that takes `group_by`: also one about silence, and a river model."""

import numpy as np

from pipeline.scoring import score_group
from tests.engine.streams import config

RULES = """
rules:
  - {name: silent, match: '{}', group_by: [], detector: absent, params: {after: 5m}, levels: {warning: 2.0}}
  - name: odd
    match: '{}'
    group_by: []
    detector: river
    params: {model: HalfSpaceTrees, args: {n_trees: 5, height: 5, window_size: 60}, warm_up: 120}
"""


def test_a_row_after_a_silence_and_a_row_that_is_odd_both_say_so() -> None:
    rows = 900
    rng = np.random.default_rng(1)
    x, t = rng.normal(50.0, 1.0, (rows, 3)), 1.79e9 + 60.0 * np.arange(rows, dtype=np.float64)
    t[500:] += 1140.0  # twenty minutes without anything
    x[800] += 15.0
    x[600, 1] = np.nan
    values, verdicts = score_group(config(RULES).rules, ["a", "b", "c"], t, x, 86_400.0)
    assert np.flatnonzero(verdicts["score"] >= 1.0).tolist() == [500, 800]
    assert verdicts["score"][500] == 20.0 / 5.0 / 2.0
    assert np.isnan(values[500])  # silence has no number
    assert values[800] > verdicts["upper"][800]
