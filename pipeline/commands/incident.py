"""`tidegauge incident`: what is wrong, who is on it, what was done; and acting on it."""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from incidents import timeline
from incidents.model import Entry
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, AsJson, ConfigPath, fail, logged_in, out
from pipeline.commands.desk_client import DeskClient, DeskUrl
from pipeline.commands.incident_views import details, overview

app = typer.Typer(help="Incidents: what is wrong, who is on it, what was done.", no_args_is_help=True)

IncidentId = Annotated[str, typer.Argument(metavar="INCIDENT", help="Such as INC-12, or 12.")]
Comment = Annotated[str, typer.Option("-m", "--comment", help="What others should know.")]
By = Annotated[str | None, typer.Option(help="Who says so (default: who is logged in; a token says it for you).")]
AlertIds = Annotated[
    list[str] | None, typer.Option("--alert", metavar="ALERT_ID", help="An alert of it; may be given several times.")
]
_BASE = "/api/desk/incidents"


@app.command("list")
def list_(
    state: Annotated[
        list[str] | None,
        typer.Option(help="open, acknowledged, mitigated, resolved, closed, or `all` (default: those not over)."),
    ] = None,
    severity: Annotated[list[int] | None, typer.Option(min=1, max=5, help="1 is the worst.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="Of this service.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 100,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show incidents, newest first."""
    states = [] if state and "all" in state else state or ["live"]
    found = DeskClient("incident", config, desk).get(
        _BASE, state=states, severity=severity or [], service=service or [], limit=limit
    )
    if as_json:
        typer.echo(json.dumps(found))
    elif found:
        out().print(overview(found))
    else:
        out().print("no incidents" + ("" if not states or state else " that aren't over; see --state all"))


@app.command()
def show(
    incident: IncidentId, config: ConfigPath = DEFAULT_CONFIG, desk: DeskUrl = None, as_json: AsJson = False
) -> None:
    """Show one: how it stands, its alerts, its timeline, and what can be done now."""
    found = DeskClient("incident", config, desk).get(f"{_BASE}/{_id(incident)}")
    if as_json:
        typer.echo(json.dumps(found))
        return
    for piece in details(found):
        out().print(piece)


@app.command("open")
def open_(
    title: Annotated[str, typer.Argument(help="What is wrong, in a few words.")],
    severity: Annotated[int | None, typer.Option(min=1, max=5, help="1 is the worst (default: judged later).")] = None,
    service: Annotated[str, typer.Option(help="The service that it is about.")] = "",
    summary: Annotated[str, typer.Option("-m", "--summary", help="What is known.")] = "",
    policy: Annotated[str, typer.Option(help="Escalation policy (default: the team's).")] = "",
    team: Annotated[str, typer.Option(help="The team that it belongs to.")] = "",
    alert: AlertIds = None,
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Open an incident by hand."""
    body = {
        "title": title,
        "severity": severity,
        "service": service,
        "summary": summary,
        "policy": policy,
        "team": team,
        "alerts": alert or [],
        "by": by or logged_in(),
    }
    _said(DeskClient("incident", config, desk).post(_BASE, body), as_json)


_ACTS = {
    "ack": "Say that you are on it: nobody else is told while that holds.",
    "unack": "Take that back.",
    "mitigate": "Say that it is contained: the harm has stopped, the cause may be there still.",
    "resolve": "Say that it is over.",
    "reopen": "Say that it isn't over after all.",
    "close": "File a resolved one away. That is final.",
}


def _add(name: str, help_: str) -> None:
    @app.command(name, help=help_)
    def act(
        incident: IncidentId,
        comment: Comment = "",
        by: By = None,
        config: ConfigPath = DEFAULT_CONFIG,
        desk: DeskUrl = None,
        as_json: AsJson = False,
    ) -> None:
        _act(name, incident, comment, by, config, desk, as_json)


for _name, _help in _ACTS.items():
    _add(_name, _help)


@app.command()
def comment(
    incident: IncidentId,
    text: Annotated[str, typer.Argument(help="What the timeline should say.")],
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write into its timeline."""
    _act("comment", incident, text, by, config, desk, as_json)


@app.command()
def merge(
    incident: IncidentId,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The incident that takes its alerts.")],
    comment: Comment = "",
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put all alerts of one incident into another. The first is closed."""
    body = {"into": _id(into), "comment": comment, "by": by or logged_in()}
    _said(DeskClient("incident", config, desk).post(f"{_BASE}/{_id(incident)}/merge", body), as_json)


@app.command()
def split(
    incident: IncidentId,
    alert: AlertIds = None,
    title: Annotated[str, typer.Option(help="Of the new incident.")] = "",
    comment: Comment = "",
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give some of its alerts an incident of their own."""
    body = {"alerts": alert or [], "title": title, "comment": comment, "by": by or logged_in()}
    _said(DeskClient("incident", config, desk).post(f"{_BASE}/{_id(incident)}/split", body), as_json)


@app.command()
def edit(
    incident: IncidentId,
    title: Annotated[str | None, typer.Option(help="What is wrong, in a few words.")] = None,
    summary: Annotated[str | None, typer.Option("-m", "--summary", help="What is known.")] = None,
    service: Annotated[str | None, typer.Option(help="The service that it is about.")] = None,
    policy: Annotated[str | None, typer.Option(help="Escalation policy.")] = None,
    team: Annotated[str | None, typer.Option(help="The team that it belongs to.")] = None,
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change what it says. What is left out stays."""
    given = {"title": title, "summary": summary, "service": service, "policy": policy, "team": team}
    if all(value is None for value in given.values()):
        fail("incident: nothing to change; give --title, --summary, --service, --policy or --team", WRONG_USE)
    body = {name: value for name, value in given.items() if value is not None} | {"by": by or logged_in()}
    _said(DeskClient("incident", config, desk).post(f"{_BASE}/{_id(incident)}/edit", body), as_json)


@app.command()
def export(
    incident: IncidentId,
    format_: Annotated[str, typer.Option("--format", help="md or json.")] = "md",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File (default: standard output).")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
) -> None:
    """Write it down whole: as Markdown for people, or as JSON with the chain of its timeline."""
    if format_ not in ("md", "json"):
        fail(f"incident: --format must be md or json, got {format_!r}", WRONG_USE)
    text = DeskClient("incident", config, desk).text(f"{_BASE}/{_id(incident)}/export", format=format_)
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"incident: {output}: {error.strerror or error}", PROBLEMS)
    out().print(f"{output}  written")


@app.command()
def verify(
    incident: Annotated[str, typer.Argument(metavar="INCIDENT|FILE", help="Such as INC-12, or a JSON export.")],
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Walk the chain of its timeline: was anything changed, taken out or put in? Exit 1 where it was."""
    found = _of_file(Path(incident)) if incident.endswith(".json") else None
    if found is None:
        found = DeskClient("incident", config, desk).get(f"{_BASE}/{_id(incident)}/verify")
    if as_json:
        typer.echo(json.dumps(found))
    elif found["broken_at"] is None:
        out().print(f"{found['id']}  whole: {found['entries']:,} entries, the last one's hash is {found['hash']}")
    else:
        out().print(f"{found['id']}  broken: entry {found['broken_at']} isn't what was written, or doesn't follow")
    if found["broken_at"] is not None:
        raise typer.Exit(PROBLEMS)


def _of_file(path: Path) -> dict[str, Any]:
    """Without a desk: an export tells it by itself."""
    try:
        exported = json.loads(path.read_bytes())
        entries = msgspec.convert(exported["timeline"], list[Entry])
        id_ = str(exported["id"])
    except OSError as error:
        fail(f"incident: {path}: {error.strerror or error}", WRONG_USE)
    except (ValueError, KeyError, TypeError) as error:
        fail(f"incident: {path}: no JSON export of an incident: {error}", WRONG_USE)
    last = entries[-1].hash if entries else timeline.FIRST
    return {"id": id_, "entries": len(entries), "broken_at": timeline.broken_at(entries), "hash": last}


def _act(name: str, incident: str, comment: str, by: str | None, config: Path, desk: str | None, as_json: bool) -> None:
    body = {"comment": comment, "by": by or logged_in()}
    _said(DeskClient("incident", config, desk).post(f"{_BASE}/{_id(incident)}/{name}", body), as_json)


def _said(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found))
    else:
        out().print(overview([found], is_headed=False))


def _id(text: str) -> str:
    number = text.upper().removeprefix("INC-")
    if not number.isdecimal() or not number.isascii():
        fail(f"incident: {text!r} is no id of an incident; `tidegauge incident list` shows them", WRONG_USE)
    return number
