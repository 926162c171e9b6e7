"""How good detection is, on labelled series and faults put into real ones: `python -m benchmarks.quality --data DIR`.

`--only injected` (or several, by commas) for a look; the whole run leaves a file in benchmarks/results/, from which
`python -m benchmarks.table quality --write` fills docs/quality.md. No Kafka: the scores of
`tidegauge score`, in this process.
"""

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.common import SetupError, console
from benchmarks.quality import data
from benchmarks.quality.parts import PARTS, Work
from benchmarks.quality.report import table
from benchmarks.quality.scores import scorer
from benchmarks.results import machine, save
from schemas.config import ConfigErrors


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help=f"folder of labelled series (else {data.VARIABLE}): docs/quality.md")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, by commas, of {', '.join(PARTS)}")
    parser.add_argument("--config", type=Path, help="score by this config's rules instead of the shipped default")
    parser.add_argument("--halves", action="store_true", help="show the even and the odd half of the series apart")
    given = parser.parse_args()
    wanted = given.only.split(",")
    if unknown := sorted(set(wanted) - PARTS.keys()):
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    try:
        work = Work(data.folder(given.data), scorer(given.config))
    except (SetupError, ConfigErrors) as error:
        console.print(str(error))
        return 1
    about = machine()
    rows, seconds = {}, {}
    for name in wanted:
        started_s = time.perf_counter()
        try:
            rows[name] = PARTS[name](work)
        except SetupError as error:
            console.print(f"{name} is left out: {error}")
            continue
        seconds[name] = round(time.perf_counter() - started_s, 1)
        Console().print(table(f"{name} ({seconds[name]:.0f} s)", rows[name], given.halves))
    body = {"seconds": seconds, "parts": {name: [asdict(row) for row in found] for name, found in rows.items()}}
    parameters = {"parts": list(rows), "config": str(given.config.name) if given.config else "shipped default"}
    console.print(f"written: {save('quality', about, parameters, body, quick=set(wanted) != PARTS.keys())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
