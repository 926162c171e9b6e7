"""`tidegauge score`: a score for every row of a file."""

import csv
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from pipeline.commands.common import PROBLEMS, WRONG_USE, err, fail, load
from pipeline.config import default_rules
from pipeline.scoring import score_series
from schemas.config import Limits, Rule
from schemas.csv_events import CsvError, read_series
from schemas.metric import Series

_HEADER = ("timestamp", "value", "expected", "lower", "upper", "score", "deviation")


def score(
    inputs: Annotated[
        list[Path], typer.Argument(help="CSV files: timestamp,value; one series a file.", metavar="INPUT...")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for NAME.csv of every input.")],
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="Use this config's rules, not the shipped default.")
    ] = None,
) -> None:
    """Write timestamp,value,expected,lower,upper,score,deviation for every row, from that row and earlier ones only.

    A score of 1.0 or more says: an alert would open or get worse here. Empty, NaN, repeated and late rows are legal and
    score 0. With -c the rules that match the file's name as a metric are used, or all where none does.
    """
    if config is None:
        rules, limits = default_rules(), Limits()
    else:
        checked = load(config)
        rules, limits = checked.rules, checked.limits
    _refuse_overwriting(inputs, output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"score: {output}: {error.strerror or error}", WRONG_USE)
    console = err()
    for path in track(inputs, "score", console=console, transient=True, disable=not console.is_terminal):
        try:
            with path.open(encoding="utf-8", newline="") as lines:
                table = read_series(lines)
        except CsvError as error:
            fail(f"score: {path}: {error}", PROBLEMS)
        except OSError as error:
            fail(f"score: {path}: {error.strerror or error}", WRONG_USE)
        verdicts = score_series(_rules_for(path.stem, rules), table.t, table.x, limits.idle_after_s)
        numbers = np.stack([verdicts[name] for name in _HEADER[2:]], axis=1).tolist()
        with (output / f"{path.stem}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_HEADER)
            writer.writerows(
                (*written, *(repr(number) if math.isfinite(number) else "" for number in row))
                for written, row in zip(table.rows, numbers, strict=True)
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
