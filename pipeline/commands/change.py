"""`tidegauge change`: telling the desk of deployments and other changes, and seeing those it knows."""

import json
from typing import Annotated

import typer

from pipeline.commands.common import DEFAULT_CONFIG, WRONG_USE, AsJson, ConfigPath, fail, logged_in, out
from pipeline.commands.desk_client import DeskClient, DeskUrl
from pipeline.commands.rendering import plain
from schemas.change import KINDS, ChangeError, decode_change
from schemas.config.errors import suggestion
from schemas.formats.times import rfc3339_s

app = typer.Typer(
    help="Deployments and other changes. They stand in the timeline of incidents, and count as suspects.",
    no_args_is_help=True,
)


@app.command()
def add(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="What was changed.")],
    summary: Annotated[str, typer.Option("-m", "--summary", help="What was done, in a line.")] = "",
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(KINDS)}.")] = "deployment",
    version: Annotated[str, typer.Option(help="What runs from then on.")] = "",
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it took effect, RFC 3339 (default: now).")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who did it (default: who is logged in).")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="A second change with this id is a double.")] = None,
    link: Annotated[list[str] | None, typer.Option(help="Where there is more to read.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tell the desk of a change. A pipeline may write the same to the topic `changes`, or post it to /hooks/changes."""
    if kind not in KINDS:
        fail(f"change: no kind {plain(kind)!r}; {suggestion(kind, KINDS)}", WRONG_USE)
    body = {
        "service": service,
        "summary": summary,
        "kind": kind,
        "version": version,
        "by": logged_in() if by is None else by,
        "links": [{"href": address} for address in link or []],
        **({"id": id_} if id_ else {}),
    }
    if at is not None:
        try:
            rfc3339_s(at)
        except ValueError:
            fail(f"change: --at {at!r} is no RFC 3339 time; write for example 2026-11-23T03:00:00Z", WRONG_USE)
        body["at"] = at
    made = DeskClient("change", config, desk).post("/api/desk/changes", body)
    if as_json:
        typer.echo(json.dumps(made))
    else:
        out().print(plain(f"{made['id']}  {'is known now' if made['new'] else 'was known already'}"))


@app.command("list")
def list_(
    service: Annotated[str | None, typer.Option(help="Of this service alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many at most.")] = 50,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show changes, the newest first."""
    asked = {"limit": limit, **({"service": service} if service else {})}
    found = DeskClient("change", config, desk).get("/api/desk/changes", **asked)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        try:
            change = decode_change(json.dumps(one).encode())
        except ChangeError as error:
            fail(f"change: the desk answers with something that is no change: {error}", WRONG_USE)
        out().print(plain(f"{change.at}  {change.words()}  ({change.id})"))
    if not found:
        out().print("no changes are known; `tidegauge change add SERVICE` tells of one")
