"""Every fault on a real broker with real workers, and what a consumer saw of it: `python -m tests.chaos`.

A row is a fault. Exit code 1 where an alert is missing or conflicting, or the state is not that of one uninterrupted
run over the same events. A run of all faults writes a file under benchmarks/results/, from which
`python -m benchmarks.table chaos --write` makes the table in docs/guarantees.md.
"""

import argparse
import math
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.results import machine, save
from tests.chaos import rows, surroundings
from tests.chaos.bed import Bed, Measured, bed
from tests.chaos.oracle import Verdict
from tests.chaos.own_broker import OwnBroker, own_broker
from tests.chaos.rows import Row

console = Console(width=170)


@dataclass(frozen=True)
class Fault:
    row: Row
    options: Mapping[str, Any] = field(default_factory=dict)  # of `bed`


FAULTS: Final = {
    "kill-9-mid-batch": Fault(rows.kill_mid_batch),
    "kill-9-after-applied": Fault(rows.failpoint("applied", 60)),
    "kill-9-after-published": Fault(rows.failpoint("published", 60)),
    "kill-9-after-flushed": Fault(rows.failpoint("flushed", 3)),
    "kill-9-after-saved": Fault(rows.failpoint("saved", 3)),
    "kill-9-after-committed": Fault(rows.failpoint("committed", 3)),
    "sigterm-under-load": Fault(rows.sigterm),
    "scale-1-2-3-1": Fault(rows.scale),
    "zombie": Fault(rows.zombie),
    "rebalance-storm": Fault(rows.storm),
    "rolling-restart": Fault(rows.rolling_restart),
    "newest-snapshot-corrupt": Fault(rows.corrupt_newest),
    "topic-made-anew": Fault(surroundings.made_anew),
    "topic-made-anew-longer": Fault(partial(surroundings.made_anew, longer=True)),
    "topic-made-anew-live": Fault(surroundings.made_anew_live),
    "retention-passed": Fault(surroundings.retention_passed),
    "disk-full": Fault(surroundings.disk_full, {"disk_mb": 16}),
    "strangers-1m": Fault(
        surroundings.strangers, {"partitions": 1, "limits": f"max_series: {surroundings.MAX_SERIES}"}
    ),
    "takeover-100k": Fault(surroundings.takeover, {"snapshot_every_s": 5.0}),
    "broker-killed-30s": Fault(surroundings.broker_away),
}
"""In the order in which they run."""


@dataclass
class Result:
    name: str
    took_s: float
    verdict: Verdict | None = None
    measured: Measured | None = None
    failed: str | None = None

    @property
    def good(self) -> bool:
        return self.failed is None and self.verdict is not None and self.verdict.exact


def run(name: str, fault: Fault, broker: OwnBroker, seconds: float, rate: float) -> Result:
    folder = Path(tempfile.mkdtemp(prefix=f"tidegauge-chaos-{name}-"))
    began_s = time.monotonic()
    ours: Bed | None = None
    verdict: Verdict | None = None
    failed: str | None = None
    try:
        with bed(broker, folder, name, seconds=seconds, rate=rate, **fault.options) as ours:
            fault.row(ours)
            verdict = ours.finish()
            within_s = ours.measured.alerts_within_s or math.inf
            assert verdict.slowest_alert_s < within_s, f"an alert took {verdict.slowest_alert_s:.1f} s"
    except Exception as error:  # the next fault has its own topics and workers
        failed = f"{type(error).__name__}: {error}"
    result = Result(name, time.monotonic() - began_s, verdict, ours.measured if ours else None, failed)
    if result.good:
        shutil.rmtree(folder)
    else:
        console.print(f"[red]{name}[/]: logs of the workers in {folder}")
        console.print(failed or verdict, markup=False)
    return result


def table(results: list[Result]) -> Table:
    shown = Table(title="Faults beside one uninterrupted run over the same events", title_justify="left")
    for name in ("fault", "events in", "state"):
        shown.add_column(name, justify="right" if name == "events in" else "left", no_wrap=True)
    for name in ("alerts expected", "unique", "missing", "same-id doubles", "conflicting"):
        shown.add_column(name, justify="right")
    for name in ("dead letters", "lost", "slowest alert s", "recovered s"):
        shown.add_column(name, justify="right")
    for result in results:
        v, measured = result.verdict, result.measured or Measured()
        if v is None:
            shown.add_row(f"[red]{result.name}[/]", *["-"] * 11)
            continue
        conflicting = v.conflicting + v.unexpected
        shown.add_row(
            result.name if result.good else f"[red]{result.name}[/]",
            f"{v.events:,}",
            "equal" if not v.state else f"[red]{len(v.state)} differ[/]",
            *(f"{n:,}" for n in (v.expected, v.unique, v.missing, v.doubles, conflicting, v.dead_expected)),
            f"{v.dead_missing:,}",
            f"{v.slowest_alert_s:.1f}",
            f"{max(measured.recovered_s):.1f}" if measured.recovered_s else "-",
        )
    return shown


def notes(result: Result) -> list[str]:
    """What the row's numbers don't say."""
    v, told = result.verdict, list(result.measured.notes if result.measured else [])
    if v is not None and v.state:
        told.append("differs: " + ", ".join(v.state[:3]))
    if v is not None and v.stale_states:
        told.append(f"{v.stale_states} stale in alerts-state")
    if result.failed:
        told.append(result.failed.splitlines()[0])
    return told


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="names of faults, with commas between", metavar="NAME,...")
    parser.add_argument("--list", action="store_true", help="the names, and nothing else")
    parser.add_argument("--seconds-a-row", type=float, default=15.0, help="of load around each fault")
    parser.add_argument("--rate", type=float, default=1_000.0, help="records a second")
    given = parser.parse_args()
    if given.list:
        console.print("\n".join(FAULTS))
        return 0
    chosen = given.only.split(",") if given.only else list(FAULTS)
    unknown = set(chosen) - set(FAULTS)
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; --list names them")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # our broker and workers must not outlive us
    about, results = machine(), []
    with own_broker() as broker:
        for name in chosen:
            result = run(name, FAULTS[name], broker, given.seconds_a_row, given.rate)
            console.print(f"{'ok    ' if result.good else 'FAILED'} {name}, {result.took_s:.0f} s")
            results.append(result)
    console.print(table(results))
    for result in results:
        for note in notes(result):
            console.print(f"  {result.name}: {note}", markup=False, highlight=False)
    parameters = {"seconds_a_row": given.seconds_a_row, "rate": given.rate, "faults": chosen}
    lines = [{**asdict(result), "good": result.good, "notes": notes(result)} for result in results]
    console.print(f"written: {save('chaos', about, parameters, {'lines': lines}, quick=len(chosen) < len(FAULTS))}")
    return 0 if all(result.good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
