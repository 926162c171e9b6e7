"""The engine alone, without Kafka: where the microseconds and bytes of an event go: `python -m benchmarks.engine`.

Events like those of benchmarks/throughput.py, in batches as a poll brings them; one partition, so one shard.
"""

import argparse
import gc
import itertools
import multiprocessing
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.common import BATCH, SINGLE, STEP_S, Layout, console
from benchmarks.results import Spread, machine, save
from detectors import LEVELS_ON, PARAMS
from pipeline import warm
from pipeline.engine import Batch, Engine, Shard
from schemas.config import Config, load_config
from schemas.formats import Decoder

ROWS_WARM = 62  # of each series before the clock starts: the default detector is warm after 60
BATCH_EVENTS = 5000
START_S = 1_795_412_000.0

THRESHOLD = '{name: high, match: "{}", detector: threshold, levels: {warning: "> 80", critical: "> 95"}}'
BASELINE = '{name: unusual, match: "{}", detector: baseline, levels: {warning: 1.0, critical: 2.0}}'
RULES = {
    "no rule matches": ('{name: none, match: "no_such_metric", detector: threshold, levels: {warning: "> 80"}}',),
    "threshold": (THRESHOLD,),
    "baseline": (BASELINE,),
    "threshold and baseline": (THRESHOLD, BASELINE),
}


@dataclass(frozen=True)
class Line:
    """One figure: `spread` of the runs, in `unit`."""

    what: str
    unit: str
    spread: Spread


@dataclass(frozen=True)
class Size:
    """How much is done in each run."""

    series: int
    rows: int  # timed, of each series
    runs: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, help="default 100,000; with --quick 20,000")
    parser.add_argument("--rows", type=int, default=5, help="timed rows of each series, in each run (default 5)")
    parser.add_argument("--runs", type=int, help="default 3; with --quick 1")
    parser.add_argument("--quick", action="store_true", help="for a look")
    given = parser.parse_args()
    series, runs = (20_000, 1) if given.quick else (100_000, 3)
    size = Size(given.series or series, given.rows, given.runs or runs)
    about = machine()
    lines = []
    for line in itertools.chain(decoding(size), applying(size), memory(size)):
        console.print(f"{line.what}: {line.spread.median:,.3f} {line.unit}")
        lines.append(line)
    Console().print(table(lines, size, about))
    body = {"lines": [asdict(line) for line in lines]}
    console.print(f"written: {save('engine', about, asdict(size), body, given.quick)}")
    return 0


def table(lines: list[Line], size: Size, about: Mapping[str, object]) -> Table:
    shown = Table(title=f"{size.series:,} series, {size.runs} runs, {about['cpu']}")
    shown.add_column("")
    for head in ("min", "median", "max", ""):
        shown.add_column(head, justify="right")
    for line in lines:
        digits = 3 if line.spread.median < 100.0 else 0
        spread = (line.spread.min, line.spread.median, line.spread.max)
        shown.add_row(line.what, *(f"{value:,.{digits}f}" for value in spread), line.unit)
    return shown


def decoding(size: Size) -> Iterator[Line]:
    """JSON into columns: first sight of each series, then known ones."""
    for layout in (SINGLE, BATCH):
        first, known = [], []
        for _ in range(size.runs):
            decoder = Decoder("auto", _shard(_config("no rule matches")).intern)
            first.append(_decode_us(decoder, layout, size.series, [0]))
            known.append(_decode_us(decoder, layout, size.series, list(range(1, size.rows + 1))))
        shape = f"decode, {layout.events_per_message} events a message"
        yield Line(f"{shape}, new series", "us/event", Spread.of(first))
        yield Line(f"{shape}, known series", "us/event", Spread.of(known))


def applying(size: Size) -> Iterator[Line]:
    """Columns into alert events, by rules, once detectors are warm."""
    for name in RULES:
        config = _config(name)
        warm.compile_all(config)
        taken = []
        for _ in range(size.runs):
            shard = _filled_shard(config, size.series)
            for row in range(ROWS_WARM):
                _apply_s(shard, size.series, row)
            rows = range(ROWS_WARM, ROWS_WARM + size.rows)
            taken.append(1e6 * sum(_apply_s(shard, size.series, row) for row in rows) / (size.rows * size.series))
        yield Line(f"apply, {name}", "us/event", Spread.of(taken))


def memory(size: Size) -> Iterator[Line]:
    """Growth of a fresh process, for each set of rules: series, their spellings, detectors, alerts, evidence."""
    for name in RULES:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            grown = process.submit(_series_bytes, name, size.series).result()
        yield Line(f"memory, {name}", "bytes/series", Spread.of([grown]))


def _series_bytes(rules: str, series: int) -> float:
    config = _config(rules)
    warm.compile_all(config)
    gc.collect()
    process = psutil.Process()
    before_bytes = process.memory_info().rss
    shard = _shard(config)
    decoder = Decoder("auto", shard.intern)
    _decode_us(decoder, SINGLE, series, [0])
    for row in range(2):  # untouched pages are not there yet
        _apply_s(shard, series, row)
    gc.collect()
    return (process.memory_info().rss - before_bytes) / series


def _config(rules: str) -> Config:
    text = "rules:\n" + "".join(f"  - {rule}\n" for rule in RULES[rules])
    return load_config(text, "benchmark", PARAMS, LEVELS_ON)


def _shard(config: Config) -> Shard:
    return Engine(config.rules, config.limits).shard()


def _filled_shard(config: Config, series: int) -> Shard:
    shard = _shard(config)
    for k in range(series):
        shard.intern("cpu_usage", {"host": f"host-{k}", "region": "eu"})
    return shard


def _decode_us(decoder: Decoder, layout: Layout, series: int, rows: list[int]) -> float:
    """Microseconds an event; making the payloads is not timed."""
    taken_s = 0.0
    for row in rows:
        for at in range(0, series, BATCH_EVENTS):
            payloads = _payloads(layout, range(at, min(at + BATCH_EVENTS, series)), row)
            started_s = time.perf_counter()
            columns = decoder.decode(payloads)
            taken_s += time.perf_counter() - started_s
            assert not columns.rejects
    return 1e6 * taken_s / (len(rows) * series)


def _payloads(layout: Layout, series: range, row: int) -> list[bytes | None]:
    t, x = START_S + row * STEP_S, _values(row, len(series))
    events = [
        f'{{"metric":"cpu_usage","labels":{{"host":"host-{k}","region":"eu"}},"timestamp":{t:.3f},"value":{value!r}}}'
        for k, value in zip(series, x.tolist(), strict=True)
    ]
    n = layout.events_per_message
    if n == 1:
        return [event.encode() for event in events]
    return [f"[{','.join(events[at : at + n])}]".encode() for at in range(0, len(events), n)]


def _apply_s(shard: Shard, series: int, row: int) -> float:
    """Seconds for one row of every series; making the columns is not timed."""
    taken_s = 0.0
    values = _values(row, series)
    for at in range(0, series, BATCH_EVENTS):
        which = np.arange(at, min(at + BATCH_EVENTS, series), dtype=np.int64)
        times = np.full(len(which), START_S + row * STEP_S)
        batch = Batch(which, times, values[which], "bench", 0, which)
        started_s = time.perf_counter()
        shard.apply(batch)
        taken_s += time.perf_counter() - started_s
    return taken_s


def _values(row: int, n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(row).normal(50.0, 1.0, n)


if __name__ == "__main__":
    sys.exit(main())
