"""`tidegauge route`: where would an alert with these labels go, and would anything planned hold it back?"""

import json
import time
from typing import Annotated

import typer
from rich.table import Table

from alerting.alert import Alert
from alerting.noise.muting import Muters
from alerting.noise.routing import Place, places
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, AsJson, ConfigPath, fail, load_desk, out
from pipeline.commands.rendering import plain
from pipeline.desk.external import level_of
from schemas.alert import fingerprint
from schemas.config.errors import suggestion
from schemas.desk import Desk
from schemas.duration import format_duration
from schemas.formats.times import rfc3339_s
from schemas.levels import LEVELS


def route(
    labels: Annotated[list[str], typer.Argument(help="NAME=VALUE ...; `level` is one of info, warning, critical.")],
    config: ConfigPath = DEFAULT_CONFIG,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="RFC 3339; now if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell which receivers an alert with these labels goes to, in which groups, and what holds it back then.

    Looks at the config alone: routes, time intervals and maintenance windows. Silences and other alerts are the desk's
    to know: `tidegauge silence preview`, `tidegauge explain`. Exit 1 where nobody would be told.
    """
    desk = load_desk(config).desk
    told = dict(_pair(text) for text in labels)
    now_s = _moment(at)
    alert = _alert(told, now_s)
    muters = Muters(desk, (), (), (), (), now_s)
    found = [(place, muters.why(alert, place.route)) for place in places(desk.route, alert)]
    if as_json:
        typer.echo(json.dumps([{**_row(place, desk), "muted": muted and str(muted)} for place, muted in found]))
    else:
        for place, muted in found:
            table = Table(box=None, show_header=False)
            for name, value in _row(place, desk).items():
                table.add_row(name.replace("_", " "), plain(value if isinstance(value, str) else ", ".join(value)))
            if muted:
                table.add_row("held back", plain(str(muted)), style="yellow")
            out().print(table)
    if not any(desk.receivers[place.route.receiver].integrations and muted is None for place, muted in found):
        raise typer.Exit(PROBLEMS)


def _row(place: Place, desk: Desk) -> dict[str, str | list[str]]:
    node = place.route
    names = [integration.name for integration in desk.receivers[node.receiver].integrations]
    waits = [("first after", node.group_wait_s), ("news every", node.group_interval_s)]
    times = ", ".join(f"{what} {format_duration(seconds)}" for what, seconds in waits)
    return {
        "receiver": node.receiver,
        "told_by": names or "nothing: the receiver has no way to tell anybody",
        "route": node.key,
        "group": place.key,
        "times": f"{times}, again after {format_duration(node.repeat_interval_s)}",
    }


def _pair(text: str) -> tuple[str, str]:
    name, equal, value = text.partition("=")
    if not equal or not name:
        fail(f"route: not a label: {text!r}; write NAME=VALUE, for example team=db", WRONG_USE)
    return name, value.strip('"')


def _moment(at: str | None) -> float:
    if at is None:
        return time.time()
    try:
        return rfc3339_s(at)
    except ValueError:
        fail(f"route: --at {at!r} is no RFC 3339 time; write for example 2026-11-23T03:00:00Z", WRONG_USE)


def _alert(labels: dict[str, str], now_s: float) -> Alert:
    """As the desk takes an alert of others: `severity` says the level, unless `level` is given."""
    written = labels.pop("level", None)
    if written is not None and written not in LEVELS:
        fail(f"route: no level {written!r}; {suggestion(written, LEVELS)}", WRONG_USE)
    return Alert(
        fingerprint=fingerprint(labels), episode="0" * 32, seq=0, status="firing",
        level=next((name for name in LEVELS if name == written), level_of(labels)), labels=labels, annotations={},
        starts_at_s=now_s, ends_at_s=None, first_seen_s=now_s, updated_s=now_s,
    )  # fmt: skip
