"""Incidents for a person's eyes. Titles, labels and comments come from strangers: they are shown, never obeyed."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.commands.rendering import STYLES, plain
from pipeline.commands.silence import labels_text
from schemas.duration import format_duration
from schemas.formats.times import rfc3339_s

SEVERITY_STYLES = {1: "bold white on red", 2: "bold red", 3: "bold yellow", 4: "cyan", 5: "dim"}
STATE_STYLES = {
    "open": "bold red",
    "acknowledged": "bold yellow",
    "mitigated": "cyan",
    "resolved": "green",
    "closed": "dim",
}
_ACTS = {"acknowledge": "ack", "unacknowledge": "unack"}
_TITLE_CHARS_MAX = 70


def overview(found: Sequence[dict[str, Any]], *, is_headed: bool = True) -> Table:
    """A row an incident."""
    table = Table("id", "sev", "state", "since", "title", "service", "who", box=None, show_header=is_headed)
    for one in found:
        who = one["acknowledged_by"] or (f"nobody ({one['team']})" if one["team"] else "nobody")
        table.add_row(
            Text(one["id"], "bold"),
            _severity(one),
            _state(one),
            Text(_ago(one["opened_at"]), "dim"),
            Text(_cut(one["title"])),
            Text(plain(one["service"])),
            Text(plain(who)),
        )
    return table


def details(found: dict[str, Any]) -> Iterator[RenderableType]:
    head = Text.assemble(
        _severity(found), "  ", (f"{found['id']}  {plain(found['title'])}", "bold"), "  ", _state(found)
    )
    yield head
    yield from (Text(f"  {line}") for line in _facts(found))
    if found["alerts"]:
        yield Text("\nalerts", "bold")
        yield _alerts(found["alerts"])
    yield Text("\ntimeline (UTC)", "bold")
    yield _timeline(found["timeline"])
    if found["next"]:
        acts = "|".join(_ACTS.get(act, act) for act in found["next"])
        yield Text.assemble("\n", ("next: ", "bold"), f"tidegauge incident {acts} {found['id']}")
    alone = found["next_by_itself"]
    if alone:
        left_s = rfc3339_s(alone["at"]) - time.time()
        yield Text(f"by itself: {alone['act']} in {format_duration(max(0.0, left_s))} unless an alert comes back")


def _facts(found: dict[str, Any]) -> Iterator[str]:
    if found["summary"]:
        yield plain(found["summary"])
    unjudged = "not judged yet" if found["alerts"] else "nobody has said how bad it is, and it has no alerts to tell"
    yield plain(found["severity_reason"]) or f"severity {found['severity']}: {unjudged}"
    named = {"service": found["service"], "team": found["team"], "policy": found["policy"], "rule": found["rule"]}
    named |= dict(sorted(found["roles"].items()))
    if said := ", ".join(f"{name} {plain(value)}" for name, value in named.items() if value):
        yield said
    opened, detected = _moment(found["opened_at"]), _moment(found["detected_at"])
    yield f"opened {opened} by {plain(found['opened_by'])}, first alert {detected}"
    lasted = found["durations"]
    times = [
        f"{word} after {format_duration(lasted[key])}"
        for word, key in (
            (f"acknowledged by {plain(found['acknowledged_by'])}".removesuffix(" by "), "acknowledge_s"),
            ("mitigated", "mitigate_s"),
            ("resolved", "resolve_s"),
        )
        if lasted[key] is not None
    ]
    if times:
        yield ", ".join(times)
    if found["merged_into"]:
        yield f"merged into {found['merged_into']}"
    if found["runbook_url"]:
        yield f"runbook {plain(found['runbook_url'])}"


def _alerts(alerts: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    for one in alerts:
        is_firing = one["status"] == "firing"
        level = Text(f" {one['level'].upper()} ", STYLES[one["level"]]) if is_firing else Text(" over ", "green")
        left = "  left" if one["left_at"] else ""
        until = f" - {_moment(one['ends_at'])}" if one["ends_at"] else ""
        since = f"{_moment(one['starts_at'])}{until}{left}"
        table.add_row(level, Text(plain(labels_text(one["labels"]))), Text(since, "dim"))
    return table


def _timeline(entries: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    for entry in entries:
        by = entry["by"] if entry["source"] in ("desk", entry["by"]) else f"{entry['by']} ({entry['source']})"
        table.add_row(
            Text(_moment(entry["at"]), "dim"),
            Text(entry["what"], "bold"),
            Text(plain(entry["text"])),
            Text(plain(by), "dim"),
        )
    return table


def _severity(one: dict[str, Any]) -> Text:
    return Text(f"SEV{one['severity']}", SEVERITY_STYLES.get(one["severity"], ""))


def _state(one: dict[str, Any]) -> Text:
    return Text(one["state"], STATE_STYLES.get(one["state"], ""))


def _moment(at: str) -> str:
    """
    >>> _moment("2026-11-23T05:33:20.900Z")
    '2026-11-23 05:33:20'
    """
    return plain(at)[:19].replace("T", " ")


def _ago(at: str) -> str:
    return f"{format_duration(max(0.0, time.time() - rfc3339_s(at)))} ago"


def _cut(text: str) -> str:
    shown = plain(text)
    return shown if len(shown) <= _TITLE_CHARS_MAX else shown[: _TITLE_CHARS_MAX - 3] + "..."
