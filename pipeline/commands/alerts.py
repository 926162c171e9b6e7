"""`tidegauge ack`, `snooze` and `unack`: what a person says to one alert."""

import getpass
import time
from typing import Annotated

import typer

from pipeline.commands.common import DEFAULT_CONFIG, WRONG_USE, ConfigPath, fail, out
from pipeline.commands.desk_client import DeskClient, DeskUrl
from pipeline.commands.explain import AlertId, alert_id
from schemas.alert import rfc3339
from schemas.duration import parse_duration_s

Comment = Annotated[str, typer.Option("-m", "--comment", help="What others should know.")]
By = Annotated[str | None, typer.Option(help="Who says so (default: who is logged in; a token says it for you).")]


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
    body = {"comment": comment, "by": by or getpass.getuser()}
    if duration is not None:
        try:
            body["until"] = rfc3339(time.time() + parse_duration_s(duration))
        except ValueError as error:
            fail(f"{act}: --duration: {error}", WRONG_USE)
    found = client.post(f"/api/desk/alerts/{alert_id(alert, act)}/{act}", body)
    until = f" until {found['until']}" if found.get("until") else ""
    done = {"ack": "acknowledged", "snooze": "snoozed", "unack": "taken back"}[act]
    out().print(f"{alert}  {done}{until}")
