"""`tidegauge init`: a config to start from, made from what is there."""

import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from detectors import LEVELS_ON, PARAMS
from pipeline.commands.common import PROBLEMS, WRONG_USE, err, fail
from pipeline.replay import read_file
from pipeline.starting.survey import Survey, format_of
from pipeline.starting.text import Place, start_config
from pipeline.topic_range import TopicRange, partitions_of, records_of
from pipeline.topics import TopicsError
from schemas.config import Kafka, load_config
from schemas.csv_events import CsvError
from schemas.duration import parse_duration_s
from schemas.formats import Decoder

_PAYLOADS_JUDGED = 2_000  # to tell the format


def init(
    source: Annotated[
        str, typer.Argument(help="A topic, or a file as `tidegauge replay` takes it.", metavar="TOPIC|FILE")
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write it here, not to the terminal.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of -o where there is one.")] = False,
    bootstrap: Annotated[
        str, typer.Option("--bootstrap", help="Kafka's address. Default: KAFKA_BOOTSTRAP, else 127.0.0.1:9092.")
    ] = "",
    since: Annotated[str, typer.Option("--since", help="How far back to look on a topic.")] = "1h",
    events: Annotated[int, typer.Option("--events", help="Look at no more events than this.", min=1)] = 500_000,
) -> None:
    """Write a commented config from what is on a topic or in a file: formats, metrics by kind, what stops.

    It checks clean, and is a start: read it, take away what you don't need, then `tidegauge replay` shows what it would
    have told. A name that is a file is read as one; else it is a topic.
    """
    if output is not None and output.exists() and not force:
        fail(f"init: {output} is there already; name another with -o, or say --force", WRONG_USE)
    if output is not None and not output.parent.is_dir():
        fail(f"init: there is no folder {output.parent} to write {output.name} to", WRONG_USE)
    told = bootstrap or os.environ.get("KAFKA_BOOTSTRAP") or Kafka().bootstrap
    survey, console = Survey(), err()

    def tell() -> None:
        progress.update(task, completed=survey.events)

    columns = SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,.0f} events")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"reading {source!r}", total=None)
        try:
            if Path(source).is_file():
                place = _file(Path(source), survey, events, told, tell)
            else:
                place = _topic(source, since, survey, events, told, tell)
        except CsvError as error:
            fail(f"init: {error}", PROBLEMS)
        except TopicsError as error:
            fail(f"init: {error}; a file by that name isn't there either", PROBLEMS)
        except OSError as error:
            fail(f"init: {error.filename or source}: {error.strerror or error}", WRONG_USE)
    if not survey.events:
        rejected = ", ".join(f"{reason} {count:,}" for reason, count in survey.rejected.most_common())
        fail(f"init: no events in {source}" + (f": all were rejected: {rejected}" if rejected else ""), PROBLEMS)
    text = start_config(survey, place)
    config = load_config(text, str(output or source), PARAMS, LEVELS_ON)  # what is written, checks clean
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        fail(f"init: {output}: {error.strerror or error}", WRONG_USE)
    console.print(f"{output}: {len(config.rules)} rules for {len(survey.series):,} series; read it, then change it")


def _file(path: Path, survey: Survey, events: int, bootstrap: str, told: Callable[[], None]) -> Place:
    for columns in read_file(path, Decoder("auto", survey.intern), survey.intern):
        survey.add(columns)
        told()
        if survey.events >= events:
            break
    format = "auto"
    if path.suffix.lower() != ".csv":
        with path.open("rb") as lines:
            format = format_of([line for line in islice(lines, _PAYLOADS_JUDGED) if line.strip()])
    return Place(str(path), None, format, bootstrap)


def _topic(name: str, since: str, survey: Survey, events: int, bootstrap: str, told: Callable[[], None]) -> Place:
    try:
        wanted = TopicRange(name, from_s=time.time() - parse_duration_s(since))
    except ValueError as error:
        fail(f"init: --since: {error}", WRONG_USE)
    partitions = partitions_of(name, bootstrap)
    decoders: dict[int, Decoder] = {}
    homes: dict[int, set[int]] = {}  # series -> the partitions it came on
    payloads: list[bytes] = []
    for partition, records in records_of(wanted, bootstrap):
        decoder = decoders.setdefault(partition, Decoder("auto", survey.intern))
        values = [record.value for record in records]
        columns = decoder.decode(values)
        survey.add(columns)
        told()
        for series in set(columns.series.tolist()):
            homes.setdefault(series, set()).add(partition)
        payloads += [value for value in values if value][: _PAYLOADS_JUDGED - len(payloads)]
        if survey.events >= events:
            break
    if not payloads:
        fail(f"init: nothing came on {name} in the last {since}; look further back with --since 7d", PROBLEMS)
    keyed = all(len(home) == 1 for home in homes.values()) if partitions > 1 else None
    return Place(f"topic {name}", name, format_of(payloads), bootstrap, partitions, keyed)
