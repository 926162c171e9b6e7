"""`tidegauge feedback`: what a person says to an alert, so that its series is judged by it from then on."""

import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from pydantic import BaseModel

from pipeline.commands.clients import Bootstrap, assign_whole, consumer, place, read_to_end, told
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, ConfigPath, err, fail, load, load_desk, out
from pipeline.commands.rendering import plain
from pipeline.commands.saying import Said, give, load_controls, moment, says
from pipeline.feedback import NotFound, alert_called, control_about, refusal, rule_for, series_named, undoing
from schemas.alert import AlertEvent, decode_alert, rfc3339
from schemas.control import Control, ControlError, ForeignKind, Verdict, decode_control, encode_control
from schemas.formats.times import rfc3339_s

app = typer.Typer(
    help="What you say to an alert teaches the rule about that one series or group, and nothing else.\n\n"
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
AlertsFile = Annotated[
    Path | None,
    typer.Option("--alerts", help="Look for the alert in this file, as `replay -o` writes it, instead of in Kafka."),
]
ControlFile = Annotated[
    Path | None, typer.Option("--control", help="Look in this file instead of in the control topic.")
]
Detectors = list[tuple[str, BaseModel | None]]  # kind and, where a config says them, settings


@app.command()
@says
def noise(alert: AlertId, said: Said, alerts: AlertsFile = None) -> None:
    """Say that no alert was due: the series' bar rises, so that the same again doesn't alert."""
    _about_alert("noise", alert, alerts, said)


@app.command()
@says
def normal(alert: AlertId, said: Said, alerts: AlertsFile = None) -> None:
    """Say that this is how the series is from now on: what is expected of it is learned anew."""
    _about_alert("normal", alert, alerts, said)


@app.command()
@says
def missed(
    said: Said,
    alert: Annotated[
        str | None, typer.Argument(metavar="[ALERT_ID]", help="An alert that came too late or too mild.")
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            help="The series of a fault for which there was no alert, such as 'cpu_usage{host=\"web-1\"}'; of a rule "
            "with group_by the rule's name and the group's labels."
        ),
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When that fault was, RFC 3339.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="The rule that should have told (not needed where one rule watches the series).")
    ] = None,
    alerts: AlertsFile = None,
) -> None:
    """Say that an alert was due: the series' bar falls. A fault without an alert is named by --series and --at."""
    if alert is not None and series is None and at is None and rule is None:
        _about_alert("missed", alert, alerts, said)
        return
    if alert is not None or series is None or at is None:
        fail("feedback: name either an alert's id, or a fault that had none: --series SERIES --at TIME", WRONG_USE)
    at_s = moment("--at", at)
    try:
        named = series_named(series)
    except ValueError as error:
        fail(f"feedback: --series: {error}", WRONG_USE)
    try:
        chosen = rule_for(named, load(said.config).rules, rule)
    except NotFound as error:
        fail(f"feedback: {error}", PROBLEMS)
    _unless_refused("missed", chosen.name, [(spec.kind, spec.params) for spec in chosen.detectors])
    give(
        Control(
            id=_new_id(),
            verdict="missed",
            rule=chosen.name,
            metric=named.metric,
            labels=dict(named.labels),
            at=rfc3339(at_s),
            holds_from=rfc3339(said.holds_from_s(at_s if said.output is not None else None)),
            by=said.author,
            note=said.note,
        ),
        said,
    )


@app.command()
@says
def undo(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the verdict, or its beginning: `feedback list`.")],
    said: Said,
    control: ControlFile = None,
) -> None:
    """Take a verdict back: the series is judged as if it had not been said, from now on or from --from.

    It changes what is expected and the bar, as the verdict did; an alert that the verdict ended doesn't open again by
    that alone, but where a value scores anew.
    """
    known = _known(said.config, said.bootstrap, control)
    found = [one for one in known if one.id.startswith(id_)]
    if len(found) != 1:
        fail(
            f"feedback: {len(found)} verdicts begin with {plain(id_)!r}; `tidegauge feedback list` shows them", PROBLEMS
        )
    past_s = found[0].holds_from_s if control is not None or said.output is not None else None
    try:
        give(undoing(found[0], _new_id(), known, said.holds_from_s(past_s), said.author, said.note), said)
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
    known = _known(config, bootstrap, control)
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


def _about_alert(verdict: Verdict, alert: str, file: Path | None, said: Said) -> None:
    if not re.fullmatch("[0-9a-f]{4,32}", alert):
        fail(f"feedback: {plain(alert)!r} is no id of an alert: 32 hex digits, or the first few of them", WRONG_USE)
    try:
        event = _find(alert, file, said)
        # In a file all is past: there it counts from the alert's newest transition on.
        in_file = file is not None or said.output is not None
        holds_from_s = said.holds_from_s(rfc3339_s(event.at) if in_file else None)
        detectors = _detectors_of(event, said)
        control = control_about(event, verdict, _new_id(), holds_from_s, said.author, said.note, detectors)
    except NotFound as error:
        fail(f"feedback: {plain(str(error))}", PROBLEMS)
    give(control, said)


def _detectors_of(event: AlertEvent, said: Said) -> Detectors:
    """Of the detectors that a verdict on this alert goes to: the rule's; where no config has it, the alert's own."""
    has_config = said.config != DEFAULT_CONFIG or said.config.exists()
    rules = load_desk(said.config).rules if has_config else ()
    specs = [spec for rule in rules if rule.name == event.rule for spec in rule.detectors]
    return [(spec.kind, spec.params) for spec in specs] or [(event.detector, None)]


def _unless_refused(verdict: Verdict, rule: str, detectors: Detectors) -> None:
    """What a worker would only count as refused is said before it is sent."""
    if reason := refusal(verdict, detectors):
        fail(f"feedback: rule {plain(rule)}: {reason}", PROBLEMS)


def _find(text: str, file: Path | None, said: Said) -> AlertEvent:
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


def _known(config: Path, bootstrap: str | None, file: Path | None) -> list[Control]:
    if file is not None:
        return load_controls("feedback", file)
    where = place(config, bootstrap)
    found: dict[str, Control] = {}
    with told("feedback", where.bootstrap), closing(consumer(where.bootstrap)) as client:
        for record in read_to_end(client, assign_whole(client, where.topics.control, "beginning")):
            try:
                one = decode_control(record.value)
                found.setdefault(one.id, one)
            except (ControlError, ForeignKind) as error:
                err().print(f"feedback: {record.topic}:{record.partition}:{record.offset} passed over: {error}")
    return list(found.values())


def _new_id() -> str:
    return secrets.token_hex(8)
