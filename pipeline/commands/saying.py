"""What each command takes that says something to the workers, and how it is said: to Kafka, a file, or only shown."""

import inspect
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.commands.clients import Bootstrap, Sender, place, told
from pipeline.commands.common import DEFAULT_CONFIG, WRONG_USE, ConfigPath, err, fail, logged_in, out
from pipeline.commands.rendering import plain
from pipeline.control_reader import PARTITION
from schemas.control import Control, ControlError, ForeignKind, decode_control, encode_control
from schemas.formats.times import rfc3339_s


@dataclass(frozen=True)
class Said:
    """Those options as given."""

    config: Path
    bootstrap: str | None
    note: str
    from_: str | None
    by: str | None
    dry_run: bool
    output: Path | None

    def holds_from_s(self, past_s: float | None = None) -> float:
        """Unix seconds. past_s: of what is judged; in a file all is past, and it counts from there on."""
        if self.from_:
            return moment("--from", self.from_)
        return past_s if past_s is not None else time.time()

    @property
    def author(self) -> str:
        return self.by or logged_in()


def _said(
    note: Annotated[str, typer.Option("-m", "--note", help="Why, for others.")] = "",
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Event time from which it counts, RFC 3339 (default: now; with -o, that of what is judged).",
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who says so (default: who is logged in).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the record, and send nothing.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Append the record to this file instead of sending it.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
) -> Said:
    return Said(config, bootstrap, note, from_, by, dry_run, output)


def says(command: Callable[..., None]) -> Callable[..., None]:
    """A command that has these options beside its own, and takes them as its argument `said`."""
    shared = inspect.signature(_said, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters
    taken = [*(parameter for name, parameter in own.items() if name != "said"), *shared.values()]

    @wraps(command)
    def run(**given: Any) -> None:
        said = {name: given.pop(name) for name in shared}
        command(said=_said(**said), **given)

    vars(run)["__signature__"] = inspect.Signature(taken)  # typer reads the options off it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
    return run


def give(control: Control, said: Said) -> None:
    """Sends the record, or does with it what the options say."""
    record = encode_control(control)
    try:
        decode_control(record)  # what a worker would refuse is never sent
    except ControlError as error:
        fail(f"feedback: {error}", WRONG_USE)
    if said.dry_run:
        typer.echo(record.decode())
        return
    what = f"undo of {control.undo}" if isinstance(control.undo, str) else control.verdict
    words = f"{control.id}  {what}: {control.rule} on {control.series}, from {control.holds_from} on"
    if said.output is not None:
        try:
            with said.output.open("ab") as file:
                file.write(record + b"\n")
        except OSError as error:
            fail(f"feedback: {said.output}: {error.strerror or error}", WRONG_USE)
        out().print(plain(f"{words}; try it: tidegauge replay --control {said.output} INPUT"))
        return
    where = place(said.config, said.bootstrap)
    with told("feedback", where.bootstrap), closing(Sender(where.bootstrap, where.topics.control)) as sender:
        sender.send(record, control.id.encode(), partition=PARTITION)
        sender.flush()
    out().print(plain(f"{words}; `tidegauge feedback undo {control.id}` takes it back"))


def moment(option: str, text: str) -> float:
    """Unix seconds."""
    try:
        return rfc3339_s(text)
    except ValueError:
        fail(f"feedback: {option} {text!r} is no RFC 3339 time; write for example 2026-11-23T03:00:00Z", WRONG_USE)


def read_controls(file: Path) -> list[Control]:
    """Of a file with a record a line. Raises OSError; ControlError with the line."""
    found = []
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                found.append(decode_control(line))
            except ControlError as error:
                raise ControlError(f"{file}:{number}: {error}") from None
            except ForeignKind as other:
                err().print(
                    f"{file}:{number}: passed over, of a kind that this program doesn't know: {plain(str(other))}"
                )
    return found


def load_controls(command: str, file: Path) -> list[Control]:
    try:
        return read_controls(file)
    except ControlError as error:
        fail(f"{command}: {error}", WRONG_USE)
    except OSError as error:
        fail(f"{command}: {file}: {error.strerror or error}", WRONG_USE)
