"""`tidegauge silence`: holding alerts back for a while, and seeing what that does."""

import json
import re
import time
from typing import Annotated, Any

import typer

from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, AsJson, ConfigPath, fail, logged_in, out
from pipeline.commands.desk_client import DeskClient, DeskUrl
from pipeline.commands.rendering import plain
from schemas.alert import rfc3339
from schemas.duration import format_duration, parse_duration_s
from schemas.formats.times import rfc3339_s
from schemas.matchers import Matchers

app = typer.Typer(help="Silences: alerts that nobody is to be told of for a while.", no_args_is_help=True)

MatcherTexts = Annotated[list[str], typer.Argument(metavar="MATCHER...", help="Such as team=db or host=~'web-.*'.")]
_SHOWN = 20
_ID_CHARS = 36  # of a UUID
_BARE = re.compile(r"[A-Za-z0-9_.:/-]+")


@app.command()
def add(
    matchers: MatcherTexts,
    comment: Annotated[str, typer.Option("-m", "--comment", help="Why, and until what is done.")],
    duration: Annotated[str, typer.Option("-d", "--duration", help="For how long, such as 2h or 90m.")] = "1h",
    start: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339; now if left out.")] = None,
    author: Annotated[str | None, typer.Option(help="Whose silence it is (default: who is logged in).")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Hold back alerts that match all of these. Prints the silence's id; says what it hides now."""
    wanted = _matchers(matchers)
    starts_at_s = time.time() if start is None else _moment(start)
    body = {
        "matchers": wanted.as_api(),
        "startsAt": rfc3339(starts_at_s),
        "endsAt": rfc3339(starts_at_s + _seconds(duration)),
        "createdBy": author or logged_in(),
        "comment": comment,
    }
    client = DeskClient("silence", config, desk)
    made = client.post("/api/v2/silences", body)["silenceID"]
    hides = client.post("/api/desk/silences/preview", {"matchers": wanted.as_api()})["count"]
    if as_json:
        typer.echo(json.dumps({"id": made, "hides": hides}))
    else:
        out().print(f"{made}  {plain(str(wanted))} for {format_duration(_seconds(duration))}, hides {hides:,} now")


@app.command("list")
def list_(
    expired: Annotated[bool, typer.Option("--expired", help="Show those that are over too.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show silences: those that end first on top."""
    found = DeskClient("silence", config, desk).get("/api/v2/silences", expired=str(expired).lower())
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        matchers = Matchers.from_api(one["matchers"])
        ends = f"{one['status']['state']}, {_ends(one)}"
        out().print(plain(f"{one['id']}  {matchers}  {ends}  by {one['createdBy']}: {one['comment']}"))
    if not found:
        out().print("no silences")


@app.command()
def expire(
    ids: Annotated[list[str], typer.Argument(metavar="ID...")],
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
) -> None:
    """End silences now. What they held back is told if it still fires."""
    client = DeskClient("silence", config, desk)
    for one in ids:
        client.delete(f"/api/v2/silence/{_id(one, client)}")
        out().print(f"{one}  ended")


@app.command()
def preview(
    matchers: MatcherTexts, config: ConfigPath = DEFAULT_CONFIG, desk: DeskUrl = None, as_json: AsJson = False
) -> None:
    """Show which alerts a silence with these matchers would hide now. Changes nothing."""
    wanted = _matchers(matchers)
    found = DeskClient("silence", config, desk).post("/api/desk/silences/preview", {"matchers": wanted.as_api()})
    if as_json:
        typer.echo(json.dumps(found))
        return
    held = f", {found['already_suppressed']:,} of them held back already" if found["already_suppressed"] else ""
    out().print(f"{plain(str(wanted))} would hide {found['count']:,} firing alerts{held}")
    _print_alerts(found["alerts"], found["count"])


@app.command()
def hid(
    id_: Annotated[str, typer.Argument(metavar="ID")],
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show which alerts a silence has held back so far, also one that is over."""
    client = DeskClient("silence", config, desk)
    found = client.get(f"/api/desk/silences/{_id(id_, client)}/hid")
    if as_json:
        typer.echo(json.dumps(found))
        return
    matchers = plain(str(Matchers.from_api(found["silence"]["matchers"])))
    out().print(f"{matchers} ({found['silence']['status']['state']}) has held back {found['count']:,} alerts")
    _print_alerts(found["alerts"], found["count"])


def _print_alerts(alerts: list[dict[str, Any]], count: int) -> None:
    for one in alerts[:_SHOWN]:
        since = f"{one['since']}  " if "since" in one else ""
        out().print(plain(f"  {since}{labels_text(one['labels'])}"))
    if count > _SHOWN:
        out().print(f"  and {count - min(_SHOWN, len(alerts)):,} more (--json shows up to {len(alerts):,})")


def labels_text(labels: dict[str, str]) -> str:
    """
    >>> labels_text({"level": "critical", "alertname": "errors", "host": "a b"})
    'errors {host="a b", level=critical}'
    """
    rest = [f"{n}={v if _BARE.fullmatch(v) else json.dumps(v)}" for n, v in sorted(labels.items()) if n != "alertname"]
    return f"{labels.get('alertname', 'alert')} {{{', '.join(rest)}}}"


def _matchers(texts: list[str]) -> Matchers:
    try:
        return Matchers.parse(texts)
    except ValueError as error:
        fail(f"silence: {error}", WRONG_USE)


def _seconds(duration: str) -> float:
    try:
        seconds = parse_duration_s(duration)
    except ValueError as error:
        fail(f"silence: --duration: {error}", WRONG_USE)
    if seconds <= 0:
        fail("silence: --duration must be longer than nothing", WRONG_USE)
    return seconds


def _moment(text: str) -> float:
    try:
        return rfc3339_s(text)
    except ValueError:
        fail(f"silence: --start {text!r} is no RFC 3339 time; write for example 2026-11-23T03:00:00Z", WRONG_USE)


def _id(text: str, client: DeskClient) -> str:
    """A whole id as it is; the beginning of one that only one silence has."""
    if not re.fullmatch(r"[0-9a-fA-F-]{1,64}", text):
        fail(f"silence: {text!r} is no id of a silence; see `tidegauge silence list`", PROBLEMS)
    if len(text) == _ID_CHARS:
        return text
    known = client.get("/api/v2/silences", expired="true")
    found = [one["id"] for one in known if one["id"].startswith(text.lower())]
    if len(found) != 1:
        fail(f"silence: {len(found)} silences begin with {text}; see `tidegauge silence list --expired`", PROBLEMS)
    return str(found[0])


def _ends(silence: dict[str, Any]) -> str:
    if silence["status"]["state"] == "expired":
        return f"ended {silence['endsAt']}"
    return f"ends in {format_duration(max(0.0, rfc3339_s(silence['endsAt']) - time.time()))}"
