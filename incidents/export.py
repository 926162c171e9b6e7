"""A whole incident for whoever keeps or reads it elsewhere: as Markdown for people, as JSON for programs.

Everything in it may be hostile text: in Markdown nothing of it is obeyed, a table stays a table.
"""

from collections.abc import Sequence
from typing import Any, Final

from incidents import timeline
from incidents.cdevents import state_of
from incidents.lifecycle import durations
from incidents.model import Entry, Incident, Part
from schemas.alert import rfc3339
from schemas.duration import format_duration

_SPECIAL: Final = "\\`*_{}[]<>#|!~&"
Json = dict[str, Any]


def as_json(incident: Incident, parts: Sequence[Part], entries: Sequence[Entry]) -> Json:
    """The timeline's entries as they were chained, so that this alone tells whether anything in it was changed."""
    return {
        "schema": "tidegauge.incident-export/1",
        "id": incident.id,
        "incident": state_of(incident),
        "durations": durations(incident),
        "alerts": [part_json(part) for part in parts],
        "timeline": list(entries),
        "broken_at": timeline.broken_at(entries),
    }


def part_json(part: Part) -> Json:
    return {
        "id": part.episode,
        "fingerprint": part.fingerprint,
        "labels": part.labels,
        "annotations": part.annotations,
        "status": "firing" if part.is_firing else "resolved",
        "level": part.level,
        "worst": part.worst,
        "starts_at": rfc3339(part.starts_at_s),
        "ends_at": _at(part.ends_at_s),
        "joined_at": rfc3339(part.joined_s),
        "left_at": _at(part.left_s),
        "value": part.value,
        "expected": part.expected,
        "why": part.why,
    }


def as_markdown(incident: Incident, parts: Sequence[Part], entries: Sequence[Entry]) -> str:
    lasted = durations(incident)
    facts = [
        ("State", incident.state + (f", merged into INC-{incident.merged_into}" if incident.merged_into else "")),
        ("Severity", f"SEV{incident.severity} ({incident.severity_reason})"),
        ("Service", incident.service),
        ("Team", incident.team),
        ("Opened", f"{moment(incident.opened_s)} by {incident.opened_by}"),
        ("First alert", moment(incident.detected_s)),
        ("Acknowledged", _after(lasted.acknowledge_s, incident.acknowledged_by)),
        ("Mitigated", _after(lasted.mitigate_s)),
        ("Resolved", _after(lasted.resolve_s)),
        ("Roles", ", ".join(f"{role}: {who}" for role, who in sorted(incident.roles.items()))),
    ]
    lines = [f"# {incident.id}: {escaped(incident.title)}", ""]
    lines += [escaped(incident.summary), ""] if incident.summary else []
    lines += ["| | |", "|---|---|", *(f"| {name} | {escaped(value)} |" for name, value in facts if value)]
    lines += ["", "## Alerts", "", "| alert | level | from | to |", "|---|---|---|---|"]
    for part in parts:
        labels = ", ".join(f"{name}={value}" for name, value in sorted(part.labels.items()) if name != "alertname")
        until = (moment(part.ends_at_s) if part.ends_at_s else "") or ("" if part.is_firing else "over")
        left = ", left" if part.left_s is not None else ""
        name = escaped(f"{part.name} {{{labels}}}")
        lines.append(f"| {name} | {part.worst}{left} | {moment(part.starts_at_s)} | {until} |")
    lines += ["", "## Timeline", "", "| # | time | what | | by |", "|---|---|---|---|---|"]
    for entry in entries:
        by = escaped(entry.by if entry.source in ("desk", entry.by) else f"{entry.by} ({entry.source})")
        lines.append(f"| {entry.seq} | {moment(entry.at_s)} | {entry.what} | {escaped(entry.text)} | {by} |")
    broken = timeline.broken_at(entries)
    whole = "Nothing in it was changed" if broken is None else f"**It was changed: the chain breaks at {broken}**"
    lines += ["", f"{whole}; hash of the last entry: `{entries[-1].hash if entries else timeline.FIRST}`", ""]
    return "\n".join(lines)


def moment(unix_s: float) -> str:
    """For a person: to the second.

    >>> moment(1795412000.9)
    '2026-11-23 05:33:20 UTC'
    """
    return f"{rfc3339(unix_s)[:19].replace('T', ' ')} UTC"


def escaped(text: str) -> str:
    r"""One line in which Markdown and HTML find nothing to do.

    >>> escaped("a|b\n<img> [x](y)")
    'a\\|b \\<img\\> \\[x\\](y)'
    """
    one_line = " ".join(text.split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in one_line)
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in shown)


def _after(seconds: float | None, by: str = "") -> str:
    if seconds is None:
        return ""
    return f"after {format_duration(seconds)}" + (f" by {by}" if by else "")


def _at(unix_s: float | None) -> str | None:
    return None if unix_s is None else rfc3339(unix_s)
