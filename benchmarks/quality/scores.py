"""Scores of series by rules, as `tidegauge score` writes them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from detectors.base import Floats
from pipeline.config import default_rules, read_config
from pipeline.scoring import score_series
from schemas.config import Limits, Rule


def scorer(config: Path | None = None) -> Callable[[Floats, Floats], Floats]:
    """t, x -> a score a row; of a config's rules, or of the shipped default. Raises ConfigError."""
    rules: Sequence[Rule]
    if config is None:
        rules, idle_s = default_rules(), Limits().idle_after_s
    else:
        read = read_config(config)
        rules, idle_s = read.rules, read.limits.idle_after_s

    def score(t: Floats, x: Floats) -> Floats:
        told: Floats = score_series(rules, t, x, idle_s)["score"]
        return told

    return score
