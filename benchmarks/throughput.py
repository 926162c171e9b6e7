"""How many events a second we take from Kafka, beside others, in one sitting: `python -m benchmarks.throughput`.

docs/benchmarks.md says what is measured, what isn't, and where the peers have it easier.
"""

import argparse
import sys
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import median

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.common import PARTITIONS, Filled, SetupError, console, fill, peers_python, running_broker, topics
from benchmarks.contenders import CONTENDERS, OURS, Contender
from benchmarks.results import Spread, machine, peers_versions, save
from benchmarks.runs import Failed, Measured

ROWS, ROWS_QUICK = 90, 120  # of each series by default: 62 warm the detectors up, the others are timed


@dataclass(frozen=True)
class Parameters:
    """What was asked for."""

    events: int
    series: int
    runs: int
    quick: bool
    contenders: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One contender over all runs. Ratios: ours to it, the median of the ratios run by run; None for ourselves."""

    name: str
    does: str
    rate: Spread
    rate_cpu: Spread
    rss_peak_bytes: int
    ratio: float | None
    ratio_cpu: float | None


def main() -> int:
    parameters, chosen = _arguments()
    about = machine()
    try:
        peers_python()
        with running_broker() as bootstrap:
            runs = measure(bootstrap, parameters, chosen)
    except (SetupError, Failed) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    lines = summarize(chosen, runs)
    Console(width=max(console.width, 150)).print(table(lines, parameters, about))
    body = {
        "peers_versions": peers_versions(),
        "lines": [asdict(line) for line in lines],
        "runs": {name: [asdict(run) for run in measured] for name, measured in runs.items()},
    }
    console.print(f"written: {save('throughput', about, asdict(parameters), body, parameters.quick)}")
    return 0


def _arguments() -> tuple[Parameters, list[Contender]]:
    names = [contender.name for contender in CONTENDERS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the series, one run, no river: for a look")
    parser.add_argument(
        "--events", type=int, help=f"events in each topic (default: {ROWS} a series, with --quick {ROWS_QUICK})"
    )
    parser.add_argument("--series", type=int, help="default 100,000; with --quick 20,000")
    parser.add_argument("--runs", type=int, help="default 3; with --quick 1")
    parser.add_argument("--only", metavar="NAME,...", help=f"some of: {', '.join(names)}")
    given = parser.parse_args()
    series = given.series or (20_000 if given.quick else 100_000)
    events = given.events or (ROWS_QUICK if given.quick else ROWS) * series
    wanted = given.only.split(",") if given.only else [c.name for c in CONTENDERS if c.in_quick or not given.quick]
    chosen = [contender for contender in CONTENDERS if contender.name in wanted]
    if unknown := set(wanted) - set(names):
        parser.error(f"--only: no contender {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if series % PARTITIONS:
        parser.error(f"--series: must be a multiple of {PARTITIONS}, got {series}")
    for contender in chosen:
        if events < (contender.skip_rows + 1) * series:
            least = (contender.skip_rows + 1) * series
            parser.error(f"--events: {contender.name} needs {least:,} with {series:,} series, got {events:,}")
    runs = given.runs or (1 if given.quick else 3)
    return Parameters(events, series, runs, given.quick, tuple(contender.name for contender in chosen)), chosen


def measure(bootstrap: str, parameters: Parameters, chosen: list[Contender]) -> dict[str, list[Measured]]:
    """All runs, interleaved, so that what slows the machine down for a while slows everyone."""
    load = psutil.getloadavg()[0]
    if load > 0.5:
        console.print(f"the machine is not quiet: load {load:.1f} before anything ran", style="yellow")
    names = {contender.layout: f"bench-{contender.layout.name}-{uuid.uuid4().hex[:8]}" for contender in chosen}
    runs: dict[str, list[Measured]] = {contender.name: [] for contender in chosen}
    with ExitStack() as stack:
        stack.enter_context(topics(bootstrap, list(names.values())))
        filled: dict[object, Filled] = {
            layout: fill(bootstrap, name, layout, parameters.events, parameters.series)
            for layout, name in names.items()
        }
        for run in range(parameters.runs):
            for contender in chosen if run % 2 == 0 else reversed(chosen):
                measured = contender.run(bootstrap, filled[contender.layout], parameters.quick)
                runs[contender.name].append(measured)
                console.print(
                    f"run {run + 1} of {parameters.runs}: {contender.name}: {measured.rate:,.0f} events/s, "
                    f"{measured.rate_cpu:,.0f} a CPU second ({measured.events:,} in {measured.seconds:.1f} s)"
                )
    return runs


def summarize(chosen: list[Contender], runs: dict[str, list[Measured]]) -> list[Line]:
    lines = []
    for contender in chosen:
        mine = runs[contender.name]
        ours = runs.get(OURS[contender.layout], []) if contender.peer else []
        lines.append(
            Line(
                contender.name,
                contender.does,
                Spread.of([run.rate for run in mine]),
                Spread.of([run.rate_cpu for run in mine]),
                max(run.rss_peak_bytes for run in mine),
                median(us.rate / it.rate for us, it in zip(ours, mine, strict=True)) if ours else None,
                median(us.rate_cpu / it.rate_cpu for us, it in zip(ours, mine, strict=True)) if ours else None,
            )
        )
    return lines


def table(lines: list[Line], parameters: Parameters, about: Mapping[str, object]) -> Table:
    shown = Table(
        title=f"{parameters.events:,} events of {parameters.series:,} series, {parameters.runs} runs, "
        f"{about['cores']} cores of {about['cpu']}"
    )
    shown.add_column("")
    shown.add_column("what it does")
    for head in ("events/s min", "median", "max", "a CPU s", "peak MiB", "we / it", "a CPU s"):
        shown.add_column(head, justify="right")
    for line in lines:
        shown.add_row(
            line.name,
            line.does,
            *(f"{rate:,.0f}" for rate in (line.rate.min, line.rate.median, line.rate.max, line.rate_cpu.median)),
            f"{line.rss_peak_bytes / 2**20:,.0f}",
            *("" if ratio is None else f"{ratio:.2f}" for ratio in (line.ratio, line.ratio_cpu)),
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
