"""`tidegauge incident review`, `action`, `figures`: what is learnt from incidents."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Group
from rich.table import Table

from incidents.figures import Figures, Spread, Times
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, AsJson, ConfigPath, fail, logged_in, out
from pipeline.commands.desk_client import DeskClient, DeskUrl
from pipeline.commands.rendering import moment, plain
from schemas.duration import format_duration

IncidentId = Annotated[str, typer.Argument(metavar="INCIDENT", help="Such as INC-12, or 12.")]
By = Annotated[str | None, typer.Option(help="Who says so (default: who is logged in; a token says it for you).")]
_ROWS_MAX = 12


def register(app: typer.Typer) -> None:
    """With the other commands about incidents."""
    for command in (review, action, figures):
        app.command()(command)


def review(
    incident: IncidentId,
    edit: Annotated[
        Path | None, typer.Option("--edit", metavar="FILE", help="Make this Markdown the next version.")
    ] = None,
    note: Annotated[str, typer.Option("-m", "--note", help="What was changed, with --edit.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there: .md, or .html for the page.")
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="What a draft would say now.")] = False,
    version: Annotated[int | None, typer.Option(min=1, help="An older one.")] = None,
    versions: Annotated[bool, typer.Option("--versions", help="List them.")] = False,
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the review, write it to a file, or send back what you made of it.

    Usually: `review INC-12 -o review.md`, write, `review INC-12 --edit review.md`. The desk serves it as a page at
    /incidents/INC-12/review.
    """
    client = DeskClient("incident", config, desk)
    at = f"/api/desk/incidents/{_id(incident)}/review"
    if edit is not None:
        found = client.put(at, {"text": _text(edit), "note": note, "by": by or logged_in()})
        if as_json:
            typer.echo(json.dumps(found))
        else:
            out().print(plain(f"{found['incident']}  version {found['version']} of its review, by {found['by']}"))
        return
    if versions:
        _print_versions(client.get(f"{at}/versions"), as_json)
        return
    asked: dict[str, Any] = {"draft": str(draft).lower(), **({} if version is None else {"version": version})}
    if output is not None and output.suffix.lower() in (".html", ".htm"):
        _write(output, client.text(f"/incidents/{_id(incident)}/review", **asked))
        return
    found = client.get(at, **asked)
    if output is not None:
        _write(output, found["markdown"])
    elif as_json:
        typer.echo(json.dumps(found))
    else:
        out().print("\n".join(map(plain, found["markdown"].splitlines())))
        if found["is_stale"]:
            out().print(f"{plain(found['incident'])} was open again after this was written", style="yellow")


def action(
    incident: IncidentId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be done.")],
    owner: Annotated[str, typer.Option(metavar="PERSON", help="Who does it; this one is reminded.")] = "",
    due: Annotated[str | None, typer.Option(metavar="DATE", help="Such as 2026-12-01, 9:00 UTC; or RFC 3339.")] = None,
    link: Annotated[str, typer.Option(metavar="URL", help="Where it is kept elsewhere.")] = "",
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add an action item to the review. Its owner is reminded when it is due, and each day after."""
    body = {"text": text, "owner": owner, "due": _due(due), "link": link, "by": by or logged_in()}
    found = DeskClient("incident", config, desk).post(f"/api/desk/incidents/{_id(incident)}/actions", body)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        whose = f" for {found['owner']}" if found["owner"] else ""
        out().print(plain(f"task {found['id']}{whose}: {found['text']}"))


def figures(
    since: Annotated[str, typer.Option(metavar="DURATION", help="How far back, such as 30d; or RFC 3339.")] = "30d",
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how fast incidents were met, how many were noise, what comes again, and whom it woke."""
    answer = DeskClient("incident", config, desk).get("/api/desk/figures", since=since)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        out().print(_drawn(msgspec.convert(answer, Figures)))


def _drawn(found: Figures) -> Group:
    times = Table(box=None, header_style="bold")
    for column in ("median (90 %)", "incidents", "MTTD", "MTTA", "MTTM", "MTTR"):
        times.add_column(column, justify="left" if column == "median (90 %)" else "right")
    _add(times, "all", found.all)
    for groups in (found.by_severity, found.by_service, found.by_team):
        for name, one in sorted(groups.items(), key=lambda item: (-item[1].incidents, item[0]))[:_ROWS_MAX]:
            _add(times, f"  {plain(name)}", one)
    noise = found.noise
    said = (
        f"\nnoise: {noise.share:.0%} of {noise.over:,} that are over: {noise.false_positives:,} false alarms, "
        f"{noise.unattended:,} on which nobody acted\n"
    )
    pieces: list[Table | str] = [times, said]
    if found.repeats:
        repeats = Table("comes again", "service", "incidents", "false", "lasted", box=None, header_style="bold")
        for again in found.repeats[:_ROWS_MAX]:
            row = (plain(again.rule), plain(again.service), f"{again.incidents:,}", f"{again.false_positives:,}")
            repeats.add_row(*row, format_duration(again.total_s))
        pieces += [repeats, ""]
    if found.load:
        load = Table("paged", "pages", "at night", "incidents", box=None, header_style="bold")
        for each in found.load[:_ROWS_MAX]:
            load.add_row(plain(each.person), f"{each.pages:,}", f"{each.night:,}", f"{each.incidents:,}")
        pieces.append(load)
    return Group(*pieces)


def _add(table: Table, name: str, found: Times) -> None:
    spreads = (found.detect, found.acknowledge, found.mitigate, found.resolve)
    table.add_row(name, f"{found.incidents:,}", *map(_spread, spreads))


def _spread(found: Spread | None) -> str:
    return "-" if found is None else f"{format_duration(found.median_s)} ({format_duration(found.p90_s)})"


def _print_versions(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        note = f": {one['note']}" if one["note"] else ""
        out().print(plain(f"{one['version']}  {moment(one['written'])}  {one['by'] or 'a draft'}{note}"))
    if not found:
        out().print("no review yet")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        fail(f"incident: {path}: {error.strerror or error}", WRONG_USE)
    except UnicodeDecodeError:
        fail(f"incident: {path}: not UTF-8; save it as UTF-8", WRONG_USE)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"incident: {path}: {error.strerror or error}", PROBLEMS)
    out().print(f"{path}  written")


def _due(text: str | None) -> str:
    """A day's work is due in its morning."""
    if text is None or "T" in text:
        return text or ""
    try:
        return datetime.fromisoformat(text).replace(hour=9, tzinfo=UTC).isoformat()
    except ValueError:
        fail(f"incident: --due {text!r} is no date; write for example 2026-12-01", WRONG_USE)


def _id(text: str) -> str:
    number = text.upper().removeprefix("INC-")
    if not number.isdecimal() or not number.isascii():
        fail(f"incident: {text!r} is no id of an incident; `tidegauge incident list` shows them", WRONG_USE)
    return number
