"""What rules say of series: a score a row as `tidegauge score` writes it, and the rows where their alerts open."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from detectors import LEVELS_ON, PARAMS
from detectors.base import Floats
from pipeline.config import default_rules, read_config
from pipeline.engine import Batch, Engine
from pipeline.scoring import score_series
from schemas.alert import AlertEvent
from schemas.config import Limits, Rule, load_config

Scorer = Callable[[Floats, Floats], Floats]  # t, x -> a score a row
BATCH_ROWS = 5000


@dataclass(frozen=True)
class Judged:
    """Rules, and how long a series may be silent before it starts afresh."""

    rules: Sequence[Rule]
    limits: Limits

    def score(self, t: Floats, x: Floats) -> Floats:
        """The score of each row."""
        told: Floats = score_series(self.rules, t, x, self.limits.idle_after_s)["score"]
        return told

    def events(self, t: Floats, x: Floats, cuts: Sequence[int] = ()) -> list[AlertEvent]:
        """What the engine publishes for one series. cuts: rows at which a batch starts; every BATCH_ROWS if none."""
        shard = Engine(self.rules, self.limits).shard()
        series = shard.intern("series", {})
        rows = np.flatnonzero(np.isfinite(t) & np.isfinite(x))
        events = []
        for some in np.split(rows, cuts or range(BATCH_ROWS, len(rows), BATCH_ROWS)):
            events += shard.apply(Batch(np.full(len(some), series), t[some], x[some]))
        return events

    def openings_of_group(self, names: Sequence[str], t: Floats, x: Floats) -> Floats:
        """1 in each row where an alert of the group opens, else 0. x: rows x members."""
        shard = Engine(self.rules, self.limits).shard()
        series = np.tile([shard.intern(name, {}) for name in names], len(t))
        came = np.isfinite(x.ravel())
        batch = Batch(series[came], np.repeat(t, len(names))[came], x.ravel()[came])
        return _rows_of(shard.apply(batch), t)

    def openings(self, t: Floats, x: Floats) -> Floats:
        """1 in each row where an alert opens, else 0."""
        return _rows_of(self.events(t, x), t)


def _rows_of(events: Sequence[AlertEvent], t: Floats) -> Floats:
    """1 in the rows where an alert opens."""
    on = np.zeros(len(t))
    opened = [datetime.fromisoformat(event.at).timestamp() for event in events if event.seq == 0]
    on[np.minimum(np.searchsorted(t, opened), len(t) - 1)] = 1.0
    return on


def shipped() -> Judged:
    """The default, where no config is given."""
    return Judged(default_rules(), Limits())


def of_config(path: Path) -> Judged:
    """The rules of a config. Raises ConfigErrors."""
    config = read_config(path)
    return Judged(config.rules, config.limits)


def of_kind(kind: str, params: str = "{}", levels: str = "{warning: 1.0}", grouped: bool = False) -> Judged:
    """One detector on every series, or on all together. params, levels: as in a config."""
    of = "group_by: [], " if grouped else ""
    text = f'rules:\n  - {{name: one, match: "{{}}", {of}detector: {kind}, params: {params}, levels: {levels}}}\n'
    return Judged(load_config(text, kind, PARAMS, LEVELS_ON).rules, Limits())
