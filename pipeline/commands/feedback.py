"""`tidegauge feedback`: what a person says to an alert, so that its series is judged by it from then on."""

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pipeline.commands.clients import Bootstrap, Sender, assign_whole, consumer, place, read_to_end, told
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, ConfigPath, err, fail, load, logged_in, out
from pipeline.commands.rendering import plain
from pipeline.control_reader import PARTITION
from pipeline.feedback import NotFound, alert_called, control_about, rule_for, series_named, undoing
from schemas.alert import AlertEvent, decode_alert, rfc3339
from schemas.control import Control, ControlError, ForeignKind, Verdict, decode_control, encode_control
from schemas.formats.times import rfc3339_s

app = typer.Typer(
    help="What you say to an alert teaches the rule about that one series, and nothing else.\n\n"
    "noise: no alert was due; the series' bar rises. normal: this is how it is now; it is learned anew. "
    "missed: an alert was due, or due earlier; the bar falls. undo takes any of them back.\n\n"
    "It counts from an event time on (now, or --from), is kept in the topic tidegauge-control, survives restarts, and "
    "`tidegauge replay --control FILE` shows beforehand what it would change. Find ids with `tidegauge alerts` or "
    "`tidegauge tail`.",
    no_args_is_help=True,
)

AlertId = Annotated[
    str, typer.Argument(metavar="ALERT_ID", help="The alert event's id, its beginning, or the alert's fingerprint.")
]
Note = Annotated[str, typer.Option("-m", "--note", help="Why, for others.")]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="Event time from which it counts, RFC 3339 (default: now)."),
]
By = Annotated[str | None, typer.Option(help="Who says so (default: who is logged in).")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the record, and send nothing.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="Append the record to this file instead of sending it.")
]
AlertsFile = Annotated[
    Path | None,
    typer.Option("--alerts", help="Look for the alert in this file, as `replay -o` writes it, instead of in Kafka."),
]
ControlFile = Annotated[
    Path | None, typer.Option("--control", help="Look in this file instead of in the control topic.")
]


@dataclass(frozen=True)
class _Said:
    """What all the commands take."""

    config: Path
    bootstrap: str | None
    note: str
    from_: str | None
    by: str | None
    dry_run: bool
    output: Path | None

    def holds_from_s(self, default_s: float | None = None) -> float:
        return _moment("--from", self.from_) if self.from_ else default_s if default_s is not None else time.time()

    @property
    def author(self) -> str:
        return self.by or logged_in()


@app.command()
def noise(
    alert: AlertId,
    note: Note = "",
    from_: From = None,
    by: By = None,
    dry_run: DryRun = False,
    output: Output = None,
    alerts: AlertsFile = None,
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
) -> None:
    """Say that no alert was due: the series' bar rises, so that the same again doesn't alert."""
    _about_alert("noise", alert, alerts, _Said(config, bootstrap, note, from_, by, dry_run, output))


@app.command()
def normal(
    alert: AlertId,
    note: Note = "",
    from_: From = None,
    by: By = None,
    dry_run: DryRun = False,
    output: Output = None,
    alerts: AlertsFile = None,
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
) -> None:
    """Say that this is how the series is from now on: what is expected of it is learned anew."""
    _about_alert("normal", alert, alerts, _Said(config, bootstrap, note, from_, by, dry_run, output))


@app.command()
def missed(
    alert: Annotated[
        str | None, typer.Argument(metavar="[ALERT_ID]", help="An alert that came too late or too mild.")
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(help="The series of a fault for which there was no alert, such as 'cpu_usage{host=\"web-1\"}'."),
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When that fault was, RFC 3339.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="The rule that should have told (not needed where one rule watches the series).")
    ] = None,
    note: Note = "",
    from_: From = None,
    by: By = None,
    dry_run: DryRun = False,
    output: Output = None,
    alerts: AlertsFile = None,
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
) -> None:
    """Say that an alert was due: the series' bar falls. A fault without an alert is named by --series and --at."""
    said = _Said(config, bootstrap, note, from_, by, dry_run, output)
    if alert is not None and series is None and at is None and rule is None:
        _about_alert("missed", alert, alerts, said)
        return
    if alert is not None or series is None or at is None:
        fail("feedback: name either an alert's id, or a fault that had none: --series SERIES --at TIME", WRONG_USE)
    at_s = _moment("--at", at)
    try:
        named = series_named(series)
    except ValueError as error:
        fail(f"feedback: --series: {error}", WRONG_USE)
    try:
        chosen = rule_for(named, load(config).rules, rule)
    except NotFound as error:
        fail(f"feedback: {error}", PROBLEMS)
    _give(
        Control(
            id=_new_id(),
            verdict="missed",
            rule=chosen,
            metric=named.metric,
            labels=dict(named.labels),
            at=rfc3339(at_s),
            holds_from=rfc3339(said.holds_from_s()),
            by=said.author,
            note=note,
        ),
        said,
    )


@app.command()
def undo(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the verdict, or its beginning: `feedback list`.")],
    note: Note = "",
    from_: From = None,
    by: By = None,
    dry_run: DryRun = False,
    output: Output = None,
    control: ControlFile = None,
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
) -> None:
    """Take a verdict back: the series is judged as if it had not been said, from now on or from --from."""
    said = _Said(config, bootstrap, note, from_, by, dry_run, output)
    known = _known(said, control)
    found = [one for one in known if one.id.startswith(id_)]
    if len(found) != 1:
        fail(
            f"feedback: {len(found)} verdicts begin with {plain(id_)!r}; `tidegauge feedback list` shows them", PROBLEMS
        )
    default_s = found[0].holds_from_s if control is not None else None
    try:
        _give(undoing(found[0], _new_id(), known, said.holds_from_s(default_s), said.author, note), said)
    except NotFound as error:
        fail(f"feedback: {error}", PROBLEMS)


@app.command("list")
def list_(
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
    control: ControlFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as they are, one a line.")] = False,
) -> None:
    """Show what was said, oldest first, and what of it was taken back. --json is what `replay --control` reads."""
    known = _known(_Said(config, bootstrap, "", None, None, False, None), control)
    if as_json:
        for one in known:
            typer.echo(encode_control(one).decode())
        return
    taken_back = {one.undo: one for one in known if isinstance(one.undo, str)}
    for one in known:
        what = f"undo of {one.undo}" if isinstance(one.undo, str) else one.verdict
        line = f"{one.id}  {what:<7} {one.rule}  {one.series}  from {one.holds_from}"
        line += f"  by {one.by}" if one.by else ""
        line += f": {one.note}" if one.note else ""
        line += f"  (taken back by {taken_back[one.id].id})" if one.id in taken_back else ""
        out().print(plain(line))
    if not known:
        out().print("nobody has said anything yet; `tidegauge feedback noise ALERT_ID` does")


def _about_alert(verdict: Verdict, alert: str, file: Path | None, said: _Said) -> None:
    if not re.fullmatch("[0-9a-f]{4,32}", alert):
        fail(f"feedback: {plain(alert)!r} is no id of an alert: 32 hex digits, or the first few of them", WRONG_USE)
    try:
        event = _find(alert, file, said)
        # In a file all is past: there it counts from the alert's newest transition on.
        holds_from_s = said.holds_from_s(rfc3339_s(event.at) if file is not None else None)
        control = control_about(event, verdict, _new_id(), holds_from_s, said.author, said.note)
    except NotFound as error:
        fail(f"feedback: {plain(str(error))}", PROBLEMS)
    _give(control, said)


def _find(text: str, file: Path | None, said: _Said) -> AlertEvent:
    if file is not None:
        event = alert_called(text, _alerts_of(file))
        if event is None:
            raise NotFound(f"no alert {text} in {file}")
        return event
    where = place(said.config, said.bootstrap)
    # The state topic has the newest alert of each series; one that ended long ago is only in the other.
    for topic in (where.topics.state, where.topics.alerts):
        with told("feedback", where.bootstrap), closing(consumer(where.bootstrap)) as client:
            values = (record.value for record in read_to_end(client, assign_whole(client, topic, "beginning")))
            event = alert_called(text, _decoded(values))
        if event is not None:
            return event
    raise NotFound(
        f"no alert {text} in the topics {where.topics.state} and {where.topics.alerts}; `tidegauge alerts` and "
        "`tidegauge tail --from beginning` show ids; a fault without an alert is told with "
        "`tidegauge feedback missed --series SERIES --at TIME`"
    )


def _alerts_of(file: Path) -> Iterator[AlertEvent]:
    try:
        yield from _decoded(iter(file.read_bytes().splitlines()))
    except OSError as error:
        fail(f"feedback: {file}: {error.strerror or error}", WRONG_USE)


def _decoded(values: Iterator[bytes | None]) -> Iterator[AlertEvent]:
    for value in values:
        try:
            if value:
                yield decode_alert(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            err().print("feedback: a record that is no alert event is passed over")


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


def _known(said: _Said, file: Path | None) -> list[Control]:
    if file is not None:
        return load_controls("feedback", file)
    where = place(said.config, said.bootstrap)
    found: dict[str, Control] = {}
    with told("feedback", where.bootstrap), closing(consumer(where.bootstrap)) as client:
        for record in read_to_end(client, assign_whole(client, where.topics.control, "beginning")):
            try:
                one = decode_control(record.value)
                found.setdefault(one.id, one)
            except (ControlError, ForeignKind) as error:
                err().print(f"feedback: {record.topic}:{record.partition}:{record.offset} passed over: {error}")
    return list(found.values())


def _give(control: Control, said: _Said) -> None:
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


def _new_id() -> str:
    return secrets.token_hex(8)


def _moment(option: str, text: str) -> float:
    try:
        return rfc3339_s(text)
    except ValueError:
        fail(f"feedback: {option} {text!r} is no RFC 3339 time; write for example 2026-11-23T03:00:00Z", WRONG_USE)
