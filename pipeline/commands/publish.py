"""`tidegauge publish`: metrics of this machine or of files, by kafka-python, as any user's own service would."""

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.commands.clients import Bootstrap, Place, Sender, place, told
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, ConfigPath, err, fail, out
from pipeline.commands.feed import Feed, Item, shifted
from pipeline.commands.host_metrics import Host
from schemas.csv_events import CsvError
from schemas.duration import parse_duration_s

app = typer.Typer(help="Publish metrics to Kafka.", no_args_is_help=True)

Topic = Annotated[str | None, typer.Option(help="Topic to publish to (default: the config's first input).")]


def seconds(text: str | float) -> float:
    """`30`, `30s` or `1h30m`; a default comes as the number that it is."""
    if isinstance(text, float):
        return text
    try:
        value = float(text) if text.replace(".", "", 1).isdigit() else parse_duration_s(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return value


@app.command()
def host(
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
    topic: Topic = None,
    every: Annotated[float, typer.Option(parser=seconds, metavar="DURATION", help="Time between samples.")] = 1.0,
    duration: Annotated[
        float | None, typer.Option(parser=seconds, metavar="DURATION", help="Stop after so long (default: never).")
    ] = None,
    name: Annotated[str | None, typer.Option("--host", help="The label host (default: this machine's name).")] = None,
) -> None:
    """Publish this machine's processor, memory, disk and network metrics until Ctrl-C.

    Native JSON events, one a record, keyed by series: host_cpu_percent, host_load1, host_memory_used_percent,
    host_disk_used_percent, host_network_received_bytes_per_s and so on. What the system counts upwards is published as
    a rate (kind gauge), from the second sample on.
    """
    if every <= 0:
        raise typer.BadParameter("must be more than 0 s", param_hint="--every")
    where, topic = _target(config, bootstrap, topic)
    machine = Host(name)
    with told("publish", where.bootstrap), closing(Sender(where.bootstrap, topic)) as sender:
        started_s = time.monotonic()
        ticks = 0
        try:
            while duration is None or ticks * every <= duration:
                for event in machine.sample(time.time()):
                    sender.send(event.encode(), event.key())
                # Not `sleep(every)`: samples would drift; and none is made up for where this machine was asleep.
                ticks = max(ticks + 1, int((time.monotonic() - started_s) / every))
                if duration is None or ticks * every <= duration:
                    time.sleep(max(0.0, started_s + ticks * every - time.monotonic()))
        except KeyboardInterrupt:
            pass
        sender.flush()
    out().print(f"published {sender.sent:,} events to {topic} at {where.bootstrap}")


@app.command()
def file(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, metavar="FILE...", help="Lines in any accepted format, or .csv."),
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
    topic: Topic = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Keep the events' own distances, so many times faster.")
    ] = None,
    as_fast_as_possible: Annotated[
        bool, typer.Option("--as-fast-as-possible", help="Don't wait between events (the default).")
    ] = False,
    shift_to_now: Annotated[
        bool,
        typer.Option("--shift-to-now", help="Move all times alike, so that the newest event goes out at its own time."),
    ] = False,
) -> None:
    """Publish files: each line as a record's value as it is, each row of a CSV as a native event.

    A CSV has the columns timestamp, value and metric (without it: the file's name); every other column is a label. One
    event a record is keyed by its series (name and labels), so that it stays on one partition; batches have no key.
    Several files are merged by time.
    """
    if speed is not None and as_fast_as_possible:
        raise typer.BadParameter("--speed and --as-fast-as-possible exclude each other")
    where, topic = _target(config, bootstrap, topic)
    feed = Feed(files)
    keyless = 0
    try:
        by_s = _shift_s(files, speed) if shift_to_now else 0.0
        with (
            told("publish", where.bootstrap),
            closing(Sender(where.bootstrap, topic)) as sender,
            _progress() as progress,
        ):
            task = progress.add_task(topic, total=sum(path.stat().st_size for path in files) or None)
            pace = Pace(speed)
            try:
                for item in feed.items(lambda read: progress.advance(task, read)):
                    pace.wait(item)
                    sender.send(shifted(item.value, by_s) if by_s else item.value, item.key)
                    keyless += item.key is None
            except KeyboardInterrupt:
                pass
            sender.flush()
    except CsvError as error:
        fail(f"publish: {error}", PROBLEMS)
    except OSError as error:
        fail(f"publish: {error.filename or ''}: {error.strerror or error}", WRONG_USE)
    out().print(f"published {sender.sent:,} records to {topic} at {where.bootstrap}" + _remarks(keyless, feed.left_out))


class Pace:
    """Waits so that events go out at their own distances, `speed` times faster; None: never waits."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._start: tuple[float, float] | None = None  # monotonic time and event time of the first

    def wait(self, item: Item) -> None:
        if self._speed is None or item.first_s == float("-inf"):
            return
        began_s, first_s = self._start = self._start or (time.monotonic(), item.first_s)
        time.sleep(max(0.0, began_s + (item.first_s - first_s) / self._speed - time.monotonic()))


def _shift_s(files: list[Path], speed: float | None) -> float:
    first_s, last_s = float("inf"), float("-inf")
    for item in Feed(files).items():
        first_s, last_s = min(first_s, item.first_s), max(last_s, item.last_s)
    if last_s == float("-inf"):
        return 0.0
    takes_s = (last_s - first_s) / speed if speed and first_s > float("-inf") else 0.0
    return time.time() + takes_s - last_s


def _target(config: Path, bootstrap: str | None, topic: str | None) -> tuple[Place, str]:
    where = place(config, bootstrap)
    return where, topic or where.inputs[0].topic


def _progress() -> Progress:
    console = err()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _remarks(keyless: int, left_out: int) -> str:
    remarks = ""
    if keyless:
        remarks += f"; {keyless:,} without a key (batches, or no event)"
    if left_out:
        remarks += f"; {left_out:,} rows left out (no number or no time)"
    return remarks
