"""Events of files or topics through a replay, with a progress bar where a terminal is there, and errors in words."""

from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn

from pipeline.commands.common import PROBLEMS, WRONG_USE, err, fail
from pipeline.replay import Replay
from pipeline.topic_range import TopicRange
from pipeline.topics import TopicsError
from schemas.config import Config
from schemas.csv_events import CsvError

_TOPIC = "kafka://"


def rerun(command: str, run: Replay, inputs: Sequence[str], config: Config) -> None:
    """Takes all inputs; ends the command where one can't be read."""
    try:
        ranges = {name: TopicRange.parse(name) for name in inputs if name.startswith(_TOPIC)}
    except ValueError as error:
        fail(f"{command}: {error}", WRONG_USE)
    total = sum(Path(name).stat().st_size for name in inputs if name not in ranges and Path(name).is_file())
    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(command, total=total or None)
            for name in inputs:
                if name in ranges:
                    run.add_topic(ranges[name], config.kafka.bootstrap)
                else:
                    run.add_file(Path(name), config.inputs[0].format, lambda read: progress.advance(task, read))
    except (CsvError, TopicsError) as error:
        fail(f"{command}: {error}", PROBLEMS)
    except OSError as error:
        fail(f"{command}: {error.filename or ''}: {error.strerror or error}", WRONG_USE)
