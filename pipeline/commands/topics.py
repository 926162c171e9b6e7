"""`tidegauge topics`: the topics that a config names."""

import json
from typing import Annotated

import typer
from rich.table import Table

from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, ConfigPath, fail, load, out
from pipeline.topics import Outcome, TopicsError, ensure_topics

app = typer.Typer(help="The topics that the config names.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group even while it has one command: `tidegauge topics create`."""


@app.command()
def create(
    config: ConfigPath = DEFAULT_CONFIG,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of every new topic but inputs that are not keyed by series (default 4 keyed inputs, 1 others)."
        ),
    ] = None,
    replication: Annotated[int | None, typer.Option(min=1, help="Copies (default: the broker's own).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what is missing, and make nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead of a table.")] = False,
) -> None:
    """Create the topics that are missing. Those that exist are never changed; exit 1 where one isn't as it must be."""
    read = load(config)
    try:
        outcomes = ensure_topics(
            read.kafka.bootstrap, read, partitions=partitions, replication=replication, dry_run=dry_run
        )
    except TopicsError as error:
        fail(f"topics: {error}", PROBLEMS)
    if as_json:
        typer.echo(json.dumps([_row(outcome) for outcome in outcomes]))
    else:
        out().print(_table(outcomes))
    if any(outcome.problem for outcome in outcomes):
        raise typer.Exit(1)


def _row(outcome: Outcome) -> dict[str, str | int | None]:
    topic = outcome.topic
    # The partitions of a topic that was there already are its owner's, not ours.
    partitions = None if outcome.what == "exists" else topic.partitions
    return {
        "topic": topic.name,
        "role": topic.role,
        "outcome": outcome.what,
        "partitions": partitions,
        "problem": outcome.problem,
    }


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("topic", "for", "is", "partitions", "problem", box=None)
    for outcome in outcomes:
        table.add_row(*("" if cell is None else str(cell) for cell in _row(outcome).values()))
    return table
