"""`tidegauge replay`: what would these events have made a worker publish?"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, AsJson, ConfigPath, err, fail, load, out
from pipeline.commands.rendering import render
from pipeline.commands.saying import load_controls
from pipeline.replay import Replay, Report
from pipeline.topic_range import TopicRange
from pipeline.topics import TopicsError
from schemas.csv_events import CsvError

_TOPIC = "kafka://"


def replay(
    inputs: Annotated[
        list[str], typer.Argument(help="Files, or kafka://TOPIC[?from=TIME&to=TIME].", metavar="INPUT...")
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the alert events here, one a line.")
    ] = None,
    control: Annotated[
        Path | None,
        typer.Option(help="Verdicts of people (docs/feedback.md), one a line: `tidegauge feedback list --json`."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run events through the worker's engine, and write the alert events it would publish, sorted by (id, seq).

    On a terminal and without -o they are shown for a person instead, in the order of their time. INPUT is a CSV with
    the columns timestamp, value, metric (every other column is a label), text or JSON in any accepted format, or a
    topic. The same events and config give the same bytes, live or replayed (but for `source`); with --control, the same
    verdicts too.
    """
    checked = load(config)
    if output is not None and not output.parent.is_dir():
        fail(f"replay: there is no folder {output.parent} to write {output.name} to", WRONG_USE)
    ranges = _ranges(inputs)
    run = Replay(checked, load_controls("replay", control) if control is not None else ())
    total = sum(Path(name).stat().st_size for name in inputs if name not in ranges and Path(name).is_file())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    console = err()
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("replay", total=total or None)
            for name in inputs:
                if name in ranges:
                    run.add_topic(ranges[name], checked.kafka.bootstrap)
                else:
                    run.add_file(Path(name), checked.inputs[0].format, lambda read: progress.advance(task, read))
    except CsvError as error:
        fail(f"replay: {error}", PROBLEMS)
    except OSError as error:
        fail(f"replay: {error.filename or ''}: {error.strerror or error}", WRONG_USE)
    except TopicsError as error:
        fail(f"replay: {error}", PROBLEMS)
    report = run.report()
    if output is not None:
        output.write_bytes(report.ndjson())
    if as_json:
        typer.echo(json.dumps(report.summary()))
    elif output is not None:
        out().print(_table(report))
    else:
        if out().is_terminal:
            for event in sorted(report.alerts, key=lambda event: (event.at, event.id, event.seq)):
                out().print(render(event))
        else:
            typer.echo(report.ndjson().decode(), nl=False)
        console.print(_table(report))


def _ranges(inputs: list[str]) -> dict[str, TopicRange]:
    try:
        return {name: TopicRange.parse(name) for name in inputs if name.startswith(_TOPIC)}
    except ValueError as error:
        fail(f"replay: {error}", WRONG_USE)


def _table(report: Report) -> Table:
    table = Table("what", "how many", box=None)
    table.add_row("events read", f"{report.read:,}")
    table.add_row("series", f"{report.series:,}")
    for outcome, count in sorted(report.controls.items()):
        table.add_row(f"verdicts: {outcome}", f"{count:,}")
    for what, counts in (("ignored", report.ignored), ("rejected", report.rejected), ("skipped", report.skipped)):
        for reason, count in sorted(counts.items()):
            table.add_row(f"{what}: {reason}", f"{count:,}")
    table.add_row("alerts", f"{len({event.id for event in report.alerts}):,}")
    table.add_row("alert events", f"{len(report.alerts):,}")
    return table
