"""What saving state costs a worker under full load: `python -m benchmarks.snapshot_cost`. Beside it, the same without.

All are timed as in benchmarks/throughput.py, over more than a minute, so that several snapshots fall into each run.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.common import PARTITIONS, SINGLE, SetupError, console, peers_python, running_broker
from benchmarks.contenders import WARM_UP_ROWS, Contender
from benchmarks.results import Spread, machine, save
from benchmarks.runs import Failed, Measured
from benchmarks.throughput import Parameters, measure

ROWS, ROWS_QUICK = WARM_UP_ROWS + 130, WARM_UP_ROWS + 60  # of each series
OFF = "off"
_EVERY = {OFF: ("365d", "none while it is timed"), "30s": ("30s", "as it comes"), "5s": ("5s", "six times as often")}
CONTENDERS = tuple(
    Contender(name, SINGLE, does, skip_rows=WARM_UP_ROWS, snapshots_every=every)
    for name, (every, does) in _EVERY.items()
)


@dataclass(frozen=True)
class Line:
    """One interval over all runs. Costs: the part of the rate that saving takes, the median of those run by run."""

    name: str
    does: str
    rate: Spread
    rate_cpu: Spread
    snapshots: list[int]  # of a partition, in the timed part of each run
    megabytes: list[float]  # written in it
    cost: float | None
    cost_cpu: float | None


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.snapshot_cost", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the series, one run: for a look")
    parser.add_argument("--series", type=int, help="default 100,000; with --quick 20,000")
    parser.add_argument("--runs", type=int, help="default 3; with --quick 1")
    given = parser.parse_args()
    series = given.series or (20_000 if given.quick else 100_000)
    if series % PARTITIONS:
        parser.error(f"--series: must be a multiple of {PARTITIONS}, got {series}")
    events = (ROWS_QUICK if given.quick else ROWS) * series
    runs = given.runs or (1 if given.quick else 3)
    parameters = Parameters(events, series, runs, given.quick, tuple(_EVERY))
    about = machine()
    try:
        peers_python()  # its producer fills the topic
        with running_broker() as bootstrap:
            measured = measure(bootstrap, parameters, list(CONTENDERS))
    except (SetupError, Failed) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    lines = summarize(measured)
    Console(width=max(console.width, 130)).print(table(lines, parameters, about))
    body = {
        "lines": [asdict(line) for line in lines],
        "runs": {name: [asdict(run) for run in of_it] for name, of_it in measured.items()},
    }
    console.print(f"written: {save('snapshot_cost', about, asdict(parameters), body, given.quick)}")
    return 0


def summarize(measured: Mapping[str, list[Measured]]) -> list[Line]:
    lines, off = [], measured[OFF]
    for name, runs in measured.items():
        beside = None if name == OFF else list(zip(runs, off, strict=True))
        lines.append(
            Line(
                name,
                _EVERY[name][1],
                Spread.of([run.rate for run in runs]),
                Spread.of([run.rate_cpu for run in runs]),
                [run.counts["snapshots"] for run in runs],
                [run.counts["snapshot_bytes"] / 1e6 for run in runs],
                1 - median(run.rate / without.rate for run, without in beside) if beside else None,
                1 - median(run.rate_cpu / without.rate_cpu for run, without in beside) if beside else None,
            )
        )
    return lines


def table(lines: list[Line], parameters: Parameters, about: Mapping[str, object]) -> Table:
    shown = Table(
        title=f"{parameters.events:,} events of {parameters.series:,} series, {parameters.runs} runs, "
        f"{about['cores']} cores of {about['cpu']}"
    )
    shown.add_column("saved every")
    for head in ("events/s min", "median", "max", "a CPU s", "snapshots a run", "MB a run", "cost", "of CPU"):
        shown.add_column(head, justify="right")
    for line in lines:
        shown.add_row(
            line.name,
            *(f"{rate:,.0f}" for rate in (line.rate.min, line.rate.median, line.rate.max, line.rate_cpu.median)),
            f"{median(line.snapshots):,.0f}",
            f"{median(line.megabytes):,.0f}",
            *("" if cost is None else f"{cost:.1%}" for cost in (line.cost, line.cost_cpu)),
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
