"""Shards in some state, as snapshots, and whether two are the same to the last bit."""

import numpy as np

from pipeline.engine import Engine, Shard
from pipeline.saved import SavedShard, capture
from pipeline.snapshots.cuts import Array
from pipeline.snapshots.format import Snapshot
from pipeline.snapshots.store import Store
from tests.engine.streams import CONFIG, Event, apply, config

T0 = 1_795_412_000.0
BLOCK_BYTES = 2_048  # small, so that small shards have many blocks


def shard_of(events: list[Event], text: str = CONFIG) -> Shard:
    made = config(text)
    shard = Engine(made.rules, made.limits).shard()
    apply(shard, events)
    return shard


def calm(series: int = 20, rows: int = 40, first: int = 0) -> list[Event]:
    return [(s, T0 + 10.0 * (first + i), 60.0 + (i * 7 + s) % 5) for i in range(rows) for s in range(series)]


def snapshot(shard: Shard, offset: int = 100, topic: str = "metrics", partition: int = 0) -> Snapshot:
    tombstones = {"cbf29ce484222325": T0 + 3600.0}
    return Snapshot(
        topic, partition, offset, 7, "0123456789abcdef", "rules", capture(shard), tombstones, "2026-11-23T05:33:20.000Z"
    )


def same(a: Snapshot, b: Snapshot) -> bool:
    words = [
        (s.topic, s.partition, s.next_offset, s.generation, s.config_hash, s.config_text, s.tombstones, s.made_at)
        for s in (a, b)
    ]
    return words[0] == words[1] and same_shard(a.saved, b.saved)


def same_shard(a: SavedShard, b: SavedShard) -> bool:
    words = [(s.series, s.newest_t, s.rules, s.slow, list(s.arrays)) for s in (a, b)]
    return words[0] == words[1] and all(same_array(a.arrays[name], b.arrays[name]) for name in a.arrays)


def same_array(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and np.ascontiguousarray(a).tobytes() == b.tobytes()


def loaded_offset(store: Store) -> int | None:
    found = store.load("metrics", 0).snapshot
    return found.next_offset if found else None
