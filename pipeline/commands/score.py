"""`tidegauge score`: a score for every row of a file."""

import csv
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from detectors.base import Floats, Records
from pipeline.commands.common import PROBLEMS, WRONG_USE, err, fail, load
from pipeline.config import default_group_rules, default_rules
from pipeline.scoring import score_group, score_series
from schemas.config import Limits, Rule
from schemas.csv_events import CsvError, read_series, read_wide
from schemas.metric import Series

BEHIND_SHARE = 0.2  # of the rows; doubled and late rows of one series are fewer
_HEADER = ("timestamp", "value", "expected", "lower", "upper", "score", "deviation")


def score(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="CSV files: timestamp,value; one series a file. See --wide.", metavar="INPUT..."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for NAME.csv of every input.")],
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="Use this config's rules, not the shipped default.")
    ] = None,
    wide: Annotated[
        bool, typer.Option("--wide", help="A file is one group: timestamp, then a column a metric; scored together.")
    ] = False,
) -> None:
    """Write timestamp,value,expected,lower,upper,score,deviation for every row, from that row and earlier ones only.

    A score of 1.0 or more says: an alert would open or get worse here. Empty, NaN, repeated and late rows are legal and
    score 0. With -c the rules that match the file's name as a metric are used, or all where none does; with --wide
    the rules with group_by, and value, expected and upper are the group's joint surprise.
    """
    if config is None:
        rules, limits = default_group_rules() if wide else default_rules(), Limits()
    else:
        checked = load(config)
        rules, limits = tuple(rule for rule in checked.rules if (rule.group_by is not None) == wide), checked.limits
        if not rules:
            fail(f"score: {config}: no rule {'has' if wide else 'is without'} group_by; {_OTHER[wide]}", WRONG_USE)
    _refuse_overwriting(inputs, output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"score: {output}: {error.strerror or error}", WRONG_USE)
    console = err()
    for path in track(inputs, "score", console=console, transient=True, disable=not console.is_terminal):
        try:
            with path.open(encoding="utf-8", newline="") as lines:
                written, verdicts = _scored(lines, path.stem, rules, limits.idle_after_s, wide)
        except CsvError as error:
            fail(f"score: {path}: {error}", PROBLEMS)
        except OSError as error:
            fail(f"score: {path}: {error.strerror or error}", WRONG_USE)
        numbers = np.stack([verdicts[name] for name in _HEADER[2:]], axis=1).tolist()
        with (output / f"{path.stem}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_HEADER)
            writer.writerows(
                (*cells, *(_cell(number) for number in row)) for cells, row in zip(written, numbers, strict=True)
            )


_OTHER = {True: "add one with a detector of groups, or leave out -c", False: "with --wide those that have it are used"}


def _scored(
    lines: Iterable[str], name: str, rules: tuple[Rule, ...], idle_after_s: float, wide: bool
) -> tuple[list[tuple[str, str]], Records]:
    """The cells timestamp and value of every row, and its verdict."""
    if not wide:
        table = read_series(lines)
        _warn_of_several(name, table.t)
        return table.rows, score_series(_rules_for(name, rules), table.t, table.x, idle_after_s)
    group = read_wide(lines)
    values, verdicts = score_group(rules, group.names, group.t, group.x, idle_after_s)
    return list(zip(group.timestamps, map(_cell, values.tolist()), strict=True)), verdicts


def _cell(number: float) -> str:
    return repr(number) if math.isfinite(number) else ""


def _warn_of_several(name: str, t: Floats) -> None:
    """Rows that repeat or go back in time rightly score 0; many of them look like several series in one file."""
    t = t[np.isfinite(t)]
    behind = int(np.count_nonzero(t[1:] <= np.maximum.accumulate(t)[:-1])) if len(t) else 0
    if behind > BEHIND_SHARE * len(t):
        err().print(
            f"score: {name}: {behind:,} of {len(t):,} rows repeat or go back in time, and score 0; "
            "if the file holds several series, split it, or use `tidegauge replay`"
        )


def _refuse_overwriting(inputs: list[Path], output: Path) -> None:
    written: dict[Path, Path] = {}
    for path in inputs:
        target = (output / f"{path.stem}.csv").resolve()
        if target in (other.resolve() for other in inputs):
            fail(f"score: {target} would be overwritten, and it is an input; choose another folder with -o", WRONG_USE)
        if target in written:
            fail(f"score: {written[target]} and {path} would both be written to {target.name}; rename one", WRONG_USE)
        written[target] = path


def _rules_for(name: str, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if rule.selector.matches(Series(name))) or rules
