"""The newest result as a Markdown table: `python -m benchmarks.table throughput [--write]`, into its page in docs/."""

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import ROOT, console
from benchmarks.quality.report import Row
from benchmarks.results import FOLDER

Result = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("benchmark", choices=sorted(TABLES))
    parser.add_argument("--write", action="store_true", help="put it into the page that has its place")
    given = parser.parse_args()
    files = sorted(f for f in FOLDER.glob(f"{given.benchmark}-*.json") if not f.stem.endswith("quick"))
    if not files:
        console.print(f"no result yet: {TABLES[given.benchmark].command}")
        return 1
    text = markdown(files[-1])
    if not given.write:
        print(text)
        return 0
    begin, end = f"<!-- {given.benchmark} -->", f"<!-- end of {given.benchmark} -->"
    page = ROOT / "docs" / TABLES[given.benchmark].page
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    page.write_text(
        pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page.read_text(encoding="utf-8")), encoding="utf-8"
    )
    return 0


def markdown(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    machine = result["machine"]
    about = (
        f"{result['at'][:10]}, commit {result['commit']}, {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['memory_gib']} GiB, load before {machine['load_before']}; {_size(result['parameters'])}. "
        f"All of it: `{file.relative_to(ROOT)}`."
    )
    return "\n".join((about, "", *TABLES[result["benchmark"]].rows(result)))


def _size(parameters: dict[str, Any]) -> str:
    if "parts" in parameters:
        return f"rules: {parameters['config']}"
    if "faults" in parameters:
        return f"{len(parameters['faults'])} faults in one run, {parameters['rate']:,.0f} records a second"
    return f"{parameters['series']:,} series, {parameters['runs']} runs"


def _throughput(result: Result) -> list[str]:
    rows = [
        "| | what it does | events/s min | median | max | a CPU second | peak MiB | we / it | per CPU |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for line in result["lines"]:
        rate = line["rate"]
        ratios = ("" if line[key] is None else f"{line[key]:.2f}" for key in ("ratio", "ratio_cpu"))
        figures = (rate["min"], rate["median"], rate["max"], line["rate_cpu"]["median"], line["rss_peak_bytes"] / 2**20)
        rows.append(f"| {' | '.join((line['name'], line['does'], *(f'{n:,.0f}' for n in figures), *ratios))} |")
    return rows


def _snapshot_cost(result: Result) -> list[str]:
    rows = [
        "| saved every | events/s min | median | max | a CPU second | snapshots of a partition | MB written "
        "| cost | of CPU time |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for line in result["lines"]:
        rate = line["rate"]
        rates = (rate["min"], rate["median"], rate["max"], line["rate_cpu"]["median"])
        figures = (*rates, median(line["snapshots"]), median(line["megabytes"]))
        costs = ("" if line[key] is None else f"{line[key]:.1%}" for key in ("cost", "cost_cpu"))
        rows.append(f"| {' | '.join((line['name'], *(f'{n:,.0f}' for n in figures), *costs))} |")
    return rows


def _engine(result: Result) -> list[str]:
    rows = ["| | min | median | max | |", "|---|--:|--:|--:|---|"]
    for line in result["lines"]:
        spread = line["spread"]
        digits = 3 if spread["median"] < 100.0 else 0
        figures = (f"{spread[key]:,.{digits}f}" for key in ("min", "median", "max"))
        rows.append(f"| {' | '.join((line['what'], *figures, line['unit']))} |")
    return rows


def _chaos(result: Result) -> list[str]:
    rows = [
        "| fault | events in | state equal | alerts expected | unique | missing | same-id doubles | conflicting "
        "| dead letters expected / missing | seconds to recover | slowest alert, s | |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for line in result["lines"]:
        verdict = line["verdict"]
        name = line["name"] if line["good"] else f"**{line['name']}: FAILED**"
        notes = "; ".join(line["notes"]).replace("|", "\\|")
        if verdict is None:
            rows.append(f"| {name} {'| ' * 10}| {notes} |")
            continue
        alerts = (verdict[key] for key in ("expected", "unique", "missing", "doubles"))
        cells = (
            name,
            f"{verdict['events']:,}",
            "no" if verdict["state"] else "yes",
            *(f"{count:,}" for count in (*alerts, verdict["conflicting"] + verdict["unexpected"])),
            f"{verdict['dead_expected']:,} / {verdict['dead_missing']:,}",
            ", ".join(f"{seconds:.1f}" for seconds in line["measured"]["recovered_s"]),
            f"{verdict['slowest_alert_s']:.1f}",
            notes,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _desk(result: Result) -> list[str]:
    rows = [
        "| grouped by | series | in the database | after s | messages in a minute | API ms p50 | p99 | max "
        "| whole list ms p50 | max | its MB | RSS MB | CPU s |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for line in result["lines"]:
        api, whole = line["api"], line["api_all"]
        cells = (
            f"`{line['group_by']}`",
            *(f"{line[key]:,}" for key in ("series", "in_database", "all_there_s", "messages")),
            *(f"{asked[key]:,.0f}" for asked, keys in ((api, _TIMES), (whole, _TIMES[::2])) for key in keys),
            f"{whole['bytes_max'] / 1e6:.1f}",
            f"{line['rss_max_mb']:,.0f}",
            f"{line['cpu_s']:,.0f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


_TIMES = ("p50_ms", "p99_ms", "max_ms")


def _quality(result: Result) -> list[str]:
    rows = []
    for name, part in result["parts"].items():
        rows += ["", f"**{name}**", "", "| measure | floor | goal | measured | even half | odd half |"]
        rows.append("|---|--:|--:|--:|--:|--:|")
        rows += [f"| {' | '.join((row.measure, row.floor, row.goal, *row.cells()))} |" for row in map(_row, part)]
    return rows[1:]


def _row(line: dict[str, Any]) -> Row:
    return Row(**{**line, "figures": tuple(line["figures"])})


@dataclass(frozen=True)
class Made:
    """A table: the rows of a result, the page in docs/ that shows it, and the command that makes the result."""

    rows: Callable[[Result], list[str]]
    page: str
    command: str


TABLES = {
    "throughput": Made(_throughput, "benchmarks.md", "python -m benchmarks.throughput"),
    "engine": Made(_engine, "benchmarks.md", "python -m benchmarks.engine"),
    "snapshot_cost": Made(_snapshot_cost, "benchmarks.md", "python -m benchmarks.snapshot_cost"),
    "desk": Made(_desk, "benchmarks.md", "python -m benchmarks.desk"),
    "quality": Made(_quality, "quality.md", "python -m benchmarks.quality --data DIR"),
    "chaos": Made(_chaos, "guarantees.md", "make chaos"),
}

if __name__ == "__main__":
    sys.exit(main())
