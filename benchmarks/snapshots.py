"""What a snapshot of a partition costs, with the default rules: `python -m benchmarks.snapshots`.

Also how long another thread, which stands for the worker's event loop, had to wait for the interpreter meanwhile.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from kafka import KafkaAdminClient
from rich.table import Table

from benchmarks.common import console, running_broker
from pipeline.config import default_rules
from pipeline.engine import Batch, Engine, Shard
from pipeline.saved import SavedShard, capture, restore
from pipeline.snapshots.folder import FolderStore
from pipeline.snapshots.format import Snapshot
from pipeline.snapshots.store import Store
from pipeline.snapshots.topic import TOPIC_SETTINGS, TopicStore
from schemas.config import Limits

BATCH = 50_000
PERIOD_S = 10.0
WARM_ROWS = 20  # the ring of newest points holds 16
TICK_S = 0.001


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.snapshots", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to write; default a temporary folder")
    parser.add_argument("--topic", action="store_true", help="into a topic of a local Kafka, not a folder")
    given = parser.parse_args()
    shard = filled(given.series)
    if given.topic:
        with running_broker() as bootstrap, snapshot_topic(bootstrap) as topic:
            console.print(measure(shard, lambda: TopicStore(bootstrap, topic, "bench")))
    else:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            console.print(measure(shard, lambda: FolderStore(Path(folder), "bench")))
            files = [file for file in Path(folder).rglob("*") if file.is_file()]
            console.print(f"on disk {sum(file.stat().st_size for file in files) / 1e6:,.0f} MB in {len(files)} files")
    return 0


@contextmanager
def snapshot_topic(bootstrap: str) -> Iterator[str]:
    name = f"bench-snapshots-{time.time_ns()}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1, "configs": TOPIC_SETTINGS}})
        admin.wait_for_topics([name])
        yield name
        admin.delete_topics([name], raise_errors=False)
    finally:
        admin.close()


def measure(shard: Shard, store_of: Callable[[], Store]) -> Table:
    """store_of: a store that knows nothing yet; each time the same snapshots."""
    series = len(shard.series)
    store = store_of()
    table = Table(title=f"{series:,} series, default rules")
    for name in ("", "capture s", "save s", "CPU s", "longest wait ms", "MB written", "MB in all", "blocks"):
        table.add_column(name, justify="left" if not name else "right")
    offset = 0
    steps: list[tuple[str, Callable[[], None]]] = [
        ("first save", lambda: None),
        ("nothing new", lambda: None),
        ("10 % of the series had an event", lambda: some_rows(shard, series // 10)),
        ("all had an event", lambda: some_rows(shard, series)),
        ("all had three", lambda: some_rows(shard, series, 3)),
        ("1 % more series", lambda: more(shard, series // 100)),
    ]
    for name, change in steps:
        change()
        offset += name != "nothing new"
        cpu_s = time.process_time()
        with Stall() as captured:
            started_s = time.perf_counter()
            saved = capture(shard)
            capture_s = time.perf_counter() - started_s
        with Stall() as stall:
            cost = store.save(snapshot(saved, offset))
        cpu_s = time.process_time() - cpu_s
        table.add_row(
            name,
            f"{capture_s:.3f}",
            f"{cost.seconds:.3f}",
            f"{cpu_s:.2f}",
            f"{1e3 * captured.longest_s:.0f} / {1e3 * stall.longest_s:.0f}",
            f"{cost.bytes_written / 1e6:,.1f}",
            f"{cost.bytes_total / 1e6:,.1f}",
            f"{cost.blocks_written:,} of {cost.blocks_total:,}",
        )
        del saved
    started_s = time.perf_counter()
    with Stall() as stall:
        loaded = store_of().load("metrics", 0)
    load_s = time.perf_counter() - started_s
    assert loaded.snapshot is not None
    fresh = Engine(default_rules(), Limits(max_series=2 * series)).shard()
    started_s = time.perf_counter()
    restore(fresh, loaded.snapshot.saved)
    restore_s = time.perf_counter() - started_s
    memory = psutil.Process().memory_info().rss
    table.caption = (
        f"load {load_s:.2f} s (longest wait {1e3 * stall.longest_s:.0f} ms), "
        f"restore {restore_s:.2f} s; memory at the end {memory / 1e6:,.0f} MB"
    )
    return table


class Stall:
    """The longest time that a thread which wakes every millisecond had to wait beyond it."""

    def __enter__(self) -> "Stall":
        self.longest_s = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            before_s = time.perf_counter()
            time.sleep(TICK_S)
            self.longest_s = max(self.longest_s, time.perf_counter() - before_s - TICK_S)


def filled(series: int) -> Shard:
    shard = Engine(default_rules(), Limits(max_series=2 * series)).shard()
    more(shard, series)
    for _ in range(WARM_ROWS - 1):
        some_rows(shard, series)
    return shard


def more(shard: Shard, count: int) -> None:
    first = len(shard.series)
    for i in range(first, first + count):
        shard.intern("cpu_usage", {"host": f"host-{i}", "region": "eu"})
    _apply(shard, np.arange(first, first + count))


def some_rows(shard: Shard, count: int, times: int = 1) -> None:
    """An event of each of `count` series, spread over all."""
    chosen = np.sort(np.random.default_rng(1).permutation(len(shard.series))[:count])
    for _ in range(times):
        _apply(shard, chosen)


def _apply(shard: Shard, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    t = PERIOD_S + (shard.newest_t if np.isfinite(shard.newest_t) else 1_795_412_000.0)
    x = np.random.default_rng(int(t)).normal(50.0, 1.0, len(rows))
    for at in range(0, len(rows), BATCH):
        part = rows[at : at + BATCH].astype(np.int64)
        shard.apply(Batch(part, np.full(len(part), t), x[at : at + BATCH]))


def snapshot(saved: SavedShard, offset: int) -> Snapshot:
    return Snapshot("metrics", 0, offset, 1, "0" * 16, "", saved, {}, "2026-11-23T05:33:20.000Z")


if __name__ == "__main__":
    sys.exit(main())
