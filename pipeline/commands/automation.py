"""`tidegauge automation`: what is done without a person, and a person's yes, no and stop."""

import json
from typing import Annotated, Any

import typer

from pipeline.commands.common import DEFAULT_CONFIG, AsJson, ConfigPath, logged_in, out
from pipeline.commands.desk_client import DeskClient, DeskUrl
from pipeline.commands.rendering import moment, plain

app = typer.Typer(
    help="Automation: what is done about alerts without a person, and what waits for one.", no_args_is_help=True
)

ActId = Annotated[str, typer.Argument(metavar="ACT", help="Id of an act, or its beginning.")]
Comment = Annotated[str, typer.Option("-m", "--comment", help="Why.")]
By = Annotated[str | None, typer.Option(help="Who says it (default: who is logged in).")]
_ID_CHARS = 8
_SHOWN = ("means", "mode", "attempt", "approved_by", "intended", "began", "done", "ended", "text", "undone", "why")


@app.command("list")
def list_(
    remedy: Annotated[str | None, typer.Option(help="Only of this remedy.")] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state, such as suggested or verified.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show remedies, what they have done, and what waits for a yes."""
    client = DeskClient("automation", config, desk)
    chosen = {name: value for name, value in (("remedy", remedy), ("state", state)) if value is not None}
    if chosen:
        acts = client.get("/api/desk/automation/acts", **chosen)
        if as_json:
            typer.echo(json.dumps(acts))
        else:
            _print_acts(acts, "no such acts")
        return
    found = client.get("/api/desk/automation")
    if as_json:
        typer.echo(json.dumps(found))
        return
    paused = found["paused"]
    why = f", paused by {paused['by']} since {moment(paused['since'])}: {paused['comment']}" if paused else ""
    out().print(plain(f"automation is {found['mode']}{why.rstrip(': ')}"))
    for one in found["remedies"]:
        done = ", ".join(f"{count} {state}" for state, count in one["acts"].items()) or "nothing yet"
        out().print(plain(f"  {one['name']}  {one['mode']}  {one['kind']}  for {one['matchers']}  {done}"))
    if not found["remedies"]:
        out().print("  no remedies")
    refused = ", ".join(f"{count} by {guard}" for guard, count in found["refusals"].items() if count)
    if refused:
        out().print(f"refused: {refused}")
    if found["waiting"]:
        out().print("waiting for `tidegauge automation approve` or `reject`:")
        _print_acts(found["waiting"], "")
    if found["lately"]:
        out().print("lately:")
        _print_acts(found["lately"], "")


@app.command()
def show(act: ActId, config: ConfigPath = DEFAULT_CONFIG, desk: DeskUrl = None, as_json: AsJson = False) -> None:
    """Show all that is known of an act."""
    found = DeskClient("automation", config, desk).get(f"/api/desk/automation/acts/{act}")
    if as_json:
        typer.echo(json.dumps(found))
        return
    _print_acts([found], "")
    for name in (
        "means",
        "mode",
        "attempt",
        "approved_by",
        "intended",
        "began",
        "done",
        "ended",
        "text",
        "undone",
        "why",
    ):
        if found[name] not in (None, ""):
            out().print(plain(f"  {name.replace('_', ' ')}: {found[name]}"))
    for name in ("plan", "before", "after"):
        if found[name]:
            out().print(plain(f"  {name}: {json.dumps(found[name])}"))


@app.command()
def approve(
    act: ActId,
    comment: Comment = "",
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say yes to a suggestion: it is done once, if the guards still let it pass."""
    _say("approve", act, comment, by, DeskClient("automation", config, desk), as_json)


@app.command()
def reject(
    act: ActId,
    comment: Comment = "",
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say no to a suggestion; it isn't made again for this alert."""
    _say("reject", act, comment, by, DeskClient("automation", config, desk), as_json)


@app.command("dry-run")
def dry_run(
    remedy: Annotated[str, typer.Argument(help="Name of a remedy.")],
    alert: Annotated[str, typer.Argument(metavar="ALERT_ID", help="For this alert; see `tidegauge alerts`.")],
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say what a remedy would do about an alert now, and which guards would refuse. Changes nothing."""
    client = DeskClient("automation", config, desk)
    found = client.post("/api/desk/automation/dry-run", {"remedy": remedy, "alert": alert})
    if as_json:
        typer.echo(json.dumps(found))
        return
    out().print(plain(f"{found['remedy']} on {found['target'] or 'nothing'}: {found['would']}"))
    for one in found["refused"]:
        out().print(plain(f"  refused now by {one['guard']}: {one['reason']}"))


@app.command()
def pause(
    comment: Comment = "",
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Stop all automation now, of all desks, until somebody resumes it."""
    body = {"by": logged_in() if by is None else by, "comment": comment}
    found = DeskClient("automation", config, desk).post("/api/desk/automation/pause", body)
    said = found["paused"]
    if as_json:
        typer.echo(json.dumps(found))
    else:
        out().print(plain(f"paused by {said['by']} since {moment(said['since'])}"))


@app.command()
def resume(by: By = None, config: ConfigPath = DEFAULT_CONFIG, desk: DeskUrl = None, as_json: AsJson = False) -> None:
    """Let automation go on."""
    body = {"by": logged_in() if by is None else by}
    found = DeskClient("automation", config, desk).post("/api/desk/automation/resume", body)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        out().print("resumed" if found["was_paused"] else "it wasn't paused")


def _say(what: str, act: str, comment: str, by: str | None, client: DeskClient, as_json: bool) -> None:
    body = {"by": logged_in() if by is None else by, "comment": comment}
    found = client.post(f"/api/desk/automation/acts/{act}/{what}", body)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _print_acts([found], "")


def _print_acts(acts: list[dict[str, Any]], none: str) -> None:
    for one in acts:
        name = f"{one['id'][:_ID_CHARS]}  {one['incident']}  {one['remedy']} on {one['target'] or 'nothing'}"
        reason = f": {one['reason']}" if one["reason"] else ""
        out().print(plain(f"  {name}  {one['state']}{reason}"))
    if not acts:
        out().print(none)
