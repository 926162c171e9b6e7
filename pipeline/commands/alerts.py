"""`tidegauge alerts`, `ack`, `snooze` and `unack`: what fires, and what a person says to one alert."""

import json
import time
from typing import Annotated, Any

import typer
from rich.text import Text

from pipeline.commands.common import DEFAULT_CONFIG, WRONG_USE, AsJson, ConfigPath, fail, logged_in, out
from pipeline.commands.desk_client import DeskClient, DeskUrl
from pipeline.commands.explain import AlertId, alert_id
from pipeline.commands.rendering import STYLES, moment, plain
from pipeline.commands.silence import labels_text
from schemas.alert import rfc3339
from schemas.duration import parse_duration_s
from schemas.levels import LEVELS

Comment = Annotated[str, typer.Option("-m", "--comment", help="What others should know.")]
By = Annotated[str | None, typer.Option(help="Who says so (default: who is logged in; a token says it for you).")]


def alerts(
    matchers: Annotated[
        list[str] | None, typer.Argument(metavar="[MATCHER]...", help="Only those; such as team=db or level=critical.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what fires, worst and newest first, with the id that the other commands take."""
    found = DeskClient("alerts", config, desk).get("/api/v2/alerts", filter=matchers or [])
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in sorted(found, key=lambda one: (_rank(one), one["startsAt"]), reverse=True):
        labels = one["labels"]
        line = Text(f" {labels.get('level', '').upper():<8} ", STYLES.get(labels.get("level", ""), "bold"))
        line.append(f" {one['fingerprint']}  since {one['startsAt']}  ", "dim")
        shown = {name: value for name, value in labels.items() if name not in ("level", "severity")}
        line.append(plain(labels_text(shown)), "default")
        if one["status"]["state"] == "suppressed":
            line.append("  held back", "yellow")
        out().print(line)
    out().print(f"{len(found):,} alerts fire")


def _rank(alert: dict[str, Any]) -> int:
    return next((rank for rank, name in enumerate(LEVELS) if name == alert["labels"].get("level")), -1)


def ack(
    alert: AlertId,
    comment: Comment = "",
    duration: Annotated[
        str | None, typer.Option("-d", "--duration", help="Repeat it again after so long, such as 4h.")
    ] = None,
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
) -> None:
    """Say that you are on it: it isn't repeated while it lasts. What changes is still told."""
    _say("ack", alert, comment, duration, by, DeskClient("ack", config, desk))


def snooze(
    alert: AlertId,
    duration: Annotated[str, typer.Option("-d", "--duration", help="For how long, such as 30m.")],
    comment: Comment = "",
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
) -> None:
    """Hear nothing of it for a while, but its end."""
    _say("snooze", alert, comment, duration, by, DeskClient("snooze", config, desk))


def unack(alert: AlertId, by: By = None, config: ConfigPath = DEFAULT_CONFIG, desk: DeskUrl = None) -> None:
    """Take back an acknowledgement or a snooze."""
    _say("unack", alert, "", None, by, DeskClient("unack", config, desk))


def _say(act: str, alert: str, comment: str, duration: str | None, by: str | None, client: DeskClient) -> None:
    body = {"comment": comment, "by": by or logged_in()}
    if duration is not None:
        try:
            body["until"] = rfc3339(time.time() + parse_duration_s(duration))
        except ValueError as error:
            fail(f"{act}: --duration: {error}", WRONG_USE)
    found = client.post(f"/api/desk/alerts/{alert_id(alert, act, client)}/{act}", body)
    until = f" until {moment(found['until'])}" if found.get("until") else ""
    done = {"ack": "acknowledged", "snooze": "snoozed", "unack": "taken back"}[act]
    out().print(f"{alert}  {done}{until}")
