"""`tidegauge explain`: why somebody was told of an alert, or nobody was."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, AsJson, ConfigPath, fail, out
from pipeline.commands.desk_client import DeskClient, DeskUrl
from pipeline.commands.explain_detection import Asked, detection
from pipeline.commands.explain_views import detection_lines, told_lines
from pipeline.commands.rendering import STYLES, moment, plain
from pipeline.commands.silence import labels_text

AlertId = Annotated[
    str,
    typer.Argument(
        metavar="ALERT_ID",
        help="The alert event's id, or as `tidegauge alerts` shows it: an id, its beginning, or the name.",
    ),
]
Target = Annotated[
    str,
    typer.Argument(
        metavar="ALERT_ID|SERIES",
        help="The alert event's id, or as `tidegauge alerts` shows it: an id, its beginning, or the name. With INPUT "
        "also a series: 'cpu_usage{host=\"web-1\"}'.",
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[INPUT]...", help="Files, or kafka://TOPIC[?from=TIME&to=TIME]: detection runs again."),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Event time, RFC 3339 or Unix seconds (default: where the alert opened; the newest point)."
    ),
]
_WHAT_WIDTH = 12


def explain(
    target: Target,
    inputs: Inputs = None,
    at: At = None,
    rule: Annotated[str | None, typer.Option(help="Only this rule.")] = None,
    rows: Annotated[int, typer.Option(min=1, max=500, help="Points before TIME that are looked at closely.")] = 20,
    control: Annotated[
        Path | None, typer.Option(help="Verdicts of people, one a line: `tidegauge feedback list --json`.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Why an alert was told, or not: what the desk did, step by step; with INPUT what the detection saw.

    With INPUT those events run through the worker's engine once more: points and band, what each detector and part
    said, and for each level what opened it or held it back (border, for, back-off, budget, warm-up). The input should
    begin where the worker began, or some days before: what is learned comes from it.
    """
    if inputs:
        found = detection(Asked(target, inputs, at, rule, rows, config, control))
        if as_json:
            typer.echo(json.dumps(found))
            return
        for line in detection_lines(found, rows):
            out().print(line)
        return
    if at is not None or not _NAMED.fullmatch(target):
        fail(
            "explain: a series or --at needs the events: tidegauge explain SERIES --at TIME INPUT, where INPUT is "
            "a file or kafka://TOPIC?from=TIME",
            WRONG_USE,
        )
    client = DeskClient("explain", config, desk)
    found = client.get(f"/api/desk/alerts/{alert_id(target, 'explain', client)}/explain")
    if as_json:
        typer.echo(json.dumps(found))
        return
    for line in lines_of(found):
        out().print(line)


_NAMED = re.compile(r"[\w .:-]{1,200}")


def alert_id(text: str, command: str, client: DeskClient) -> str:
    """An id or a fingerprint as it is; else that of the one firing alert whose id begins so, or that is named so."""
    if re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{32}", text):
        return text
    if not _NAMED.fullmatch(text):
        fail(f"{command}: {text!r} is no id and no name of an alert; `tidegauge alerts` lists them", WRONG_USE)
    firing = client.get("/api/v2/alerts")
    found = [
        one["fingerprint"]
        for one in firing
        if one["fingerprint"].startswith(text) or one["labels"].get("alertname") == text
    ]
    if len(found) != 1:
        count = f"{len(found):,} firing alerts are" if found else "no firing alert is"
        fail(
            f"{command}: {count} called or begin with {text!r}; `tidegauge alerts` lists them with their ids", PROBLEMS
        )
    return str(found[0])


def lines_of(found: dict[str, Any]) -> list[Text]:
    """For a person. What labels say is shown, never obeyed."""
    head = Text()
    is_firing = found["status"] == "firing"
    head.append(f" {(found['level'] if is_firing else 'resolved').upper()} ", STYLES.get(found["level"], "bold"))
    head.append(f" {plain(labels_text(found['labels']))}", "bold")
    until = f" until {moment(found['ends_at'])}" if found["ends_at"] else ""
    lines = [head, Text(f"  since {moment(found['starts_at'])}{until}; known here since {moment(found['first_seen'])}")]
    lines += told_lines(found.get("detection") or {})
    lines += [Text(f"  now held back by {plain(reason)}", "yellow") for reason in found["held_back_by"]]
    for group in found["groups"]:
        told = f"told {group['told']}" if group["told"] else "not told yet"
        text = f"  in {group['kind']} {group['key']} for {group['receiver']}: {told}"
        lines.append(Text(plain(f"{text}; next look {moment(group['next_look'])}")))
    for decision in found["decisions"]:
        line = Text(f"  {moment(decision['at'])}  ", "dim")
        line.append(f"{plain(decision['what']):<{_WHAT_WIDTH}} ", "bold")
        whom = decision["integration"] or decision["receiver"]
        line.append(f"{plain(decision['text'])}{f'  [{plain(whom)}]' if whom else ''}", "default")
        lines.append(line)
    for delivery in found["deliveries"]:
        note = f": {delivery['note']}" if delivery["note"] else ""
        text = f"  message {delivery['number']} to {delivery['integration']}: {delivery['status']}"
        tries = f" after {delivery['attempts']} tries" if delivery["attempts"] > 1 else ""
        lines.append(Text(plain(f"{text}{tries}{note}")))
    return lines
