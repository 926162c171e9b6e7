"""Rules and streams for tests of the engine: several series, faults, gaps, doubles, late points."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from detectors import LEVELS_ON, PARAMS
from pipeline.engine import Batch, Engine, Shard
from schemas.alert import AlertEvent, encode_alert
from schemas.config import Config, load_config

CONFIG = """
limits: {idle_after: 1h, stale_after: 10m}
rules:
  - name: high
    match: '{}'
    detector: threshold
    levels: {warning: "> 80", critical: "> 95"}
    clear: {warning: "< 75", critical: "< 90"}
    for: 5s
    keep_firing_for: 3s
  - name: unusual
    match: '{__name__=~"m[0-4]"}'
    detector: baseline
    levels: {warning: 1.0, critical: 2.0}
    labels: {team: shop}
  - name: both
    match: '{odd="yes"}'
    levels:
      warning: {detector: baseline, at: 1.0}
      critical: {detector: threshold, at: "outside 10..90", for: 2s}
"""


def config(text: str = CONFIG) -> Config:
    return load_config(text, "test.yaml", PARAMS, LEVELS_ON)


Event = tuple[int, float, float]  # number of the series, Unix seconds, value


def apply(shard: Shard, events: list[Event], first_offset: int = 0) -> list[AlertEvent]:
    series = [shard.intern(f"m{s}", {"odd": "yes" if s % 2 else "no", "host": f"h{s}"}) for s, _, _ in events]
    return shard.apply(
        Batch(
            np.array(series, np.int64),
            np.array([t for _, t, _ in events], np.float64),
            np.array([x for _, _, x in events], np.float64),
            "metrics",
            0,
            np.arange(first_offset, first_offset + len(events), dtype=np.int64),
        )
    )


def alerts(events: list[Event], cuts: tuple[int, ...] = (), text: str = CONFIG) -> list[bytes]:
    """The encoded alert events of a stream cut into batches at `cuts`."""
    shard = Engine(config(text).rules, config(text).limits).shard()
    found = []
    for a, b in pairwise((0, *cuts, len(events))):
        found += apply(shard, events[a:b], a)
    return [encode_alert(event) for event in found]


@st.composite
def streams(draw: st.DrawFn, series_max: int = 6, points_max: int = 400) -> list[Event]:
    """Seeded noise with bursts, so that alerts do open, and everything that real streams do wrong."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, k = draw(st.integers(0, points_max)), draw(st.integers(1, series_max))
    series = rng.integers(0, k, n)
    step = rng.choice([0.0, 0.5, 1.0, 7.0, 700.0, 4000.0, -3.0], n, p=[0.05, 0.3, 0.5, 0.1, 0.02, 0.01, 0.02])
    value = 60 + rng.normal(0, 3, n) + rng.choice([0.0, 30.0, 200.0, -80.0], n, p=[0.85, 0.09, 0.03, 0.03])
    burst = draw(st.integers(0, max(n - 1, 0)))
    value[burst : burst + 20] += 50
    return [(int(s), float(t), float(x)) for s, t, x in zip(series, 1.79e9 + np.cumsum(step), value, strict=True)]
