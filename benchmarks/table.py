"""The newest result as a Markdown table: `python -m benchmarks.table throughput [--write]`, into docs/benchmarks.md."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT, console
from benchmarks.results import FOLDER

PAGE = ROOT / "docs" / "benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("benchmark", choices=sorted(TABLES))
    parser.add_argument("--write", action="store_true", help="put it into docs/benchmarks.md")
    given = parser.parse_args()
    files = sorted(f for f in FOLDER.glob(f"{given.benchmark}-*.json") if not f.stem.endswith("quick"))
    if not files:
        console.print(f"no result yet: python -m benchmarks.{given.benchmark}")
        return 1
    text = markdown(files[-1])
    if not given.write:
        print(text)
        return 0
    begin, end = f"<!-- {given.benchmark} -->", f"<!-- end of {given.benchmark} -->"
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page), encoding="utf-8")
    return 0


def markdown(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    machine = result["machine"]
    about = (
        f"{result['at'][:10]}, commit {result['commit']}, {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['memory_gib']} GiB, load before {machine['load_before']}; "
        f"{result['parameters']['series']:,} series, {result['parameters']['runs']} runs. "
        f"All of it: `{file.relative_to(ROOT)}`."
    )
    return "\n".join((about, "", *TABLES[result["benchmark"]](result["lines"])))


def _throughput(lines: list[dict[str, Any]]) -> list[str]:
    rows = [
        "| | what it does | events/s min | median | max | a CPU second | peak MiB | we / it | per CPU |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for line in lines:
        rate = line["rate"]
        ratios = ("" if line[key] is None else f"{line[key]:.2f}" for key in ("ratio", "ratio_cpu"))
        figures = (rate["min"], rate["median"], rate["max"], line["rate_cpu"]["median"], line["rss_peak_bytes"] / 2**20)
        rows.append(f"| {' | '.join((line['name'], line['does'], *(f'{n:,.0f}' for n in figures), *ratios))} |")
    return rows


def _engine(lines: list[dict[str, Any]]) -> list[str]:
    rows = ["| | min | median | max | |", "|---|--:|--:|--:|---|"]
    for line in lines:
        spread = line["spread"]
        digits = 3 if spread["median"] < 100.0 else 0
        figures = (f"{spread[key]:,.{digits}f}" for key in ("min", "median", "max"))
        rows.append(f"| {' | '.join((line['what'], *figures, line['unit']))} |")
    return rows


TABLES = {"throughput": _throughput, "engine": _engine}

if __name__ == "__main__":
    sys.exit(main())
