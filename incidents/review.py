"""The review of an incident: a draft that is half written, which a person finishes.

A draft is a template with its places filled in from what is known: `{{ impact }}` stands for the section's text.
Everything that comes from outside is escaped: in Markdown nothing of it is obeyed. What a person wrote is never
overwritten by a draft.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from incidents import charts
from incidents.charts import Chart
from incidents.export import escaped
from incidents.impact import Facts, percent
from incidents.lifecycle import durations
from incidents.model import Entry, Incident, Part
from incidents.tasks import Task
from schemas.duration import format_duration

TEMPLATE_FILE = "review.md"
"""A file of `templates:` with this name is the template instead of ours."""

TEMPLATE: Final = """\
# {{ title }}

{{ facts }}

## Summary

{{ summary }}

## Impact

{{ impact }}

## Detection and response

{{ response }}

## Charts

{{ charts }}

## What automation did

{{ automation }}

## Contributing factors

{{ factors }}

## What went well

{{ well }}

## What went not so well

{{ badly }}

## Timeline

{{ timeline }}
"""

ACTIONS_BEGIN: Final = "<!-- action items: the desk keeps them; `tidegauge incident action` adds and ticks off -->"
ACTIONS_END: Final = "<!-- action items: end -->"
_ENTRIES_MAX = 200
_QUIET: Final = ("review", "message", "task")  # kinds that a review's timeline does without
_PLACE = re.compile(r"\{\{ *([a-z]+) *\}\}")
_VERSION = re.compile(r"\s*<!-- review of INC-\d+, version (\d{1,9}) -->\n?")
_SLOW_ACK_S, _SLOW_DETECT_S = 15 * 60.0, 5 * 60.0
Step = Literal["none", "draft", "refresh", "redraft", "keep"]


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One version. by: who wrote it, empty: it is our draft. resolved_s: of the incident that it was written about.

    seen: the incident's version that a draft was made from. kept_s: a resolution later than `resolved_s` for which no
    new draft was made, as a person had written this one.
    """

    incident: int
    version: int
    text: str
    by: str = ""
    note: str = ""
    written_s: float
    resolved_s: float | None = None
    seen: int = 0
    kept_s: float | None = None
    charts: list[Chart] = []


@dataclass(frozen=True)
class Material:
    """What a draft is made from. facts: None where there are no alerts. paged: names of people and how often."""

    incident: Incident
    parts: Sequence[Part]
    entries: Sequence[Entry]
    charts: Sequence[Chart]
    facts: Facts | None
    paged: dict[str, int]
    now_s: float


def step(incident: Incident, newest: Review | None) -> Step:
    """What is to be done: a first draft when it resolves; fresh ones until a person writes; then never again.

    refresh: the draft's text in its place. redraft: it was open again, and now it is over. keep: likewise, but a
    person wrote the review: it stays, and that is said.
    """
    if not incident.is_over or incident.resolved_s is None or incident.merged_into is not None:
        return "none"
    if newest is None:
        return "draft"
    is_same_end = incident.resolved_s == newest.resolved_s
    if newest.by:
        return "none" if is_same_end or newest.kept_s == incident.resolved_s else "keep"
    if not is_same_end:
        return "redraft"
    return "refresh" if newest.seen != incident.version else "none"


def drafted(material: Material, template: str = TEMPLATE) -> str:
    """Places that nobody knows stay as they are."""
    return _PLACE.sub(lambda found: PLACES[found[1]](material) if found[1] in PLACES else found[0], template)


def whole(review: Review, actions: Sequence[Task]) -> str:
    """As it is given to a person to write on: which version it is, its text, and the action items as they stand now."""
    version = f"<!-- review of INC-{review.incident}, version {review.version} -->"
    return "\n".join([version, review.text.rstrip(), "", ACTIONS_BEGIN, "", items(actions), ACTIONS_END, ""])


def items(actions: Sequence[Task]) -> str:
    """The section about what is to be done."""
    lines = ["## Action items", ""]
    if actions:
        lines += ["| # | what | owner | due | done |", "|---|---|---|---|---|"]
        lines += [
            f"| {task.id} | {_linked(task)} | {escaped(task.owner)} | {_due(task)} | {_done(task)} |"
            for task in actions
        ]
    else:
        lines.append("None yet.")
    return "\n".join([*lines, ""])


def sent_back(text: str) -> tuple[str, int | None]:
    """What a person wrote, without the parts that the desk keeps; and the version that it was made from, if it says.

    >>> sent_back(whole(Review(incident=1, version=3, text="a\\n\\n## b\\n", written_s=0.0), []))
    ('a\\n\\n## b\\n', 3)
    """
    text = text.replace("\r\n", "\n")
    found_version = _VERSION.match(text)
    if found_version:
        text = text[found_version.end() :]
    head, found, rest = text.partition(ACTIONS_BEGIN)
    tail = rest.partition(ACTIONS_END)[2] if found else ""
    own = f"{head.rstrip()}\n\n{tail.strip()}" if tail.strip() else head.rstrip()
    return f"{own.lstrip()}\n", int(found_version[1]) if found_version else None


def _title(m: Material) -> str:
    return f"Review of {m.incident.id}: {escaped(m.incident.title)}"


def _facts(m: Material) -> str:
    incident = m.incident
    responders = sorted({entry.by for entry in m.entries if entry.by and entry.by not in ("tidegauge", "")})
    rows = [
        ("Severity", f"SEV{incident.severity}"),
        ("Service", incident.service),
        ("Team", incident.team),
        ("From", _moment(incident.detected_s)),
        ("To", _moment(incident.resolved_s) if incident.resolved_s is not None else ""),
        ("Roles", ", ".join(f"{role}: {who}" for role, who in sorted(incident.roles.items()) if who)),
        ("Responders", ", ".join(responders)),
        ("Verdict", {"true_positive": "real", "false_positive": "a false alarm"}.get(incident.verdict, "")),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {escaped(value)} |" for name, value in rows if value)])


def _summary(m: Material) -> str:
    incident = m.incident
    names = sorted({part.name for part in m.parts})
    said = f"{escaped(incident.service or 'Something')}: {escaped(', '.join(names[:5])) or 'no alerts'}"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    lasted = f", {_lasted(incident, m.now_s)}. {escaped(incident.severity_reason)}".rstrip()
    own = f"{escaped(incident.summary)}\n\n" if incident.summary else ""
    return f"{own}{said}{more}{lasted}\n\n_In two sentences: what happened, and whom it concerned?_"


def _impact(m: Material) -> str:
    lines = [f"- Lasted {_lasted(m.incident, m.now_s)}, from the first alert's start to its resolution"]
    if m.facts is not None:
        facts = m.facts
        left = sum(part.left_s is not None for part in m.parts)
        lines.append(
            f"- {len(m.parts):,} alert{'s' * (len(m.parts) != 1)} on {facts.series:,} series, the worst {facts.level}"
            + (f"; {left:,} of them went elsewhere" if left else "")
        )
        lines += [f"- Services: {escaped(', '.join(facts.services))}"] if facts.services else []
        lines += [f"- Customers: {facts.customers:,}"] if facts.customers else []
        share = "no alert tells" if facts.share is None else f"{percent(facts.share)} at worst"
        lines.append(f"- Share of traffic that failed: {share}")
        lines += [f"- As if all traffic had failed for {format_duration(facts.outage_s)}"] if facts.outage_s else []
        budget = "no alert tells" if facts.budget is None else percent(facts.budget)
        lines.append(f"- Error budget burned: {budget}")
    judged = [entry for entry in m.entries if entry.what == "severity"]
    lines += ["- Severity over time:"] if judged else []
    lines += [f"  - {_moment(entry.at_s)}: {escaped(entry.text)}" for entry in judged]
    return "\n".join(lines)


def _response(m: Material) -> str:
    took = durations(m.incident)
    rows = (
        ("Detected (MTTD)", took.detect_s, "from the first alert's start to the incident"),
        ("Acknowledged (MTTA)", took.acknowledge_s, "from the incident to the first who took it"),
        ("Mitigated (MTTM)", took.mitigate_s, "from the incident to the end of the harm"),
        ("Resolved (MTTR)", took.resolve_s, "from the incident to its end"),
    )
    lines = ["| | took | |", "|---|---|---|"]
    for name, took_s, of in rows:
        lines.append(f"| {name} | {'-' if took_s is None else format_duration(took_s)} | {of} |")
    if not m.incident.rule:
        lines += ["", "A person opened it, so there is nothing to say of detection."]
    if m.incident.reopened_s is not None:
        lines += ["", f"It was open again from {_moment(m.incident.reopened_s)}; the times count from there."]
    paged = ", ".join(f"{escaped(name)} ({count} times)" for name, count in sorted(m.paged.items()))
    return "\n".join([*lines, "", f"Paged: {paged or 'nobody'}"])


def _charts(m: Material) -> str:
    if not m.charts:
        return "No alert brought enough points to draw."
    return "\n\n".join(
        f"![{escaped(chart.title)}](chart-{number}.svg)\n\n{escaped(chart.title)}: `{charts.line(chart)}`"
        for number, chart in enumerate(m.charts)
    )


def _automation(m: Material) -> str:
    return _listed(m, "act") or "Nothing."


def _factors(m: Material) -> str:
    suspects = [entry for entry in m.entries if entry.what == "change" and entry.details.get("suspect")]
    lines = [f"- {_moment(entry.at_s)}: {escaped(entry.text)}" for entry in suspects]
    return "\n".join([*lines, "- _What made it possible? What made it worse? What hid it?_"])


def _well(m: Material) -> str:
    took = durations(m.incident)
    lines = []
    if took.detect_s is not None and took.detect_s <= _SLOW_DETECT_S:
        lines.append(f"- It was noticed within {format_duration(took.detect_s)}.")
    if took.acknowledge_s is not None and took.acknowledge_s <= _SLOW_ACK_S:
        lines.append(f"- Somebody was on it within {format_duration(took.acknowledge_s)}.")
    return "\n".join([*lines, "- _..._"])


def _badly(m: Material) -> str:
    took, incident = durations(m.incident), m.incident
    lines = []
    if took.detect_s is not None and took.detect_s > _SLOW_DETECT_S:
        lines.append(f"- It went on for {format_duration(took.detect_s)} before anybody could know.")
    if took.acknowledge_s is None:
        lines.append("- Nobody said that they were on it.")
    elif took.acknowledge_s > _SLOW_ACK_S:
        lines.append(f"- Nobody was on it for {format_duration(took.acknowledge_s)}.")
    if incident.reopened_s is not None:
        lines.append("- It was thought to be over when it wasn't.")
    if incident.verdict == "false_positive":
        lines.append("- It was a false alarm.")
    return "\n".join([*lines, "- _..._"])


def _timeline(m: Material) -> str:
    told = [entry for entry in m.entries if entry.what not in _QUIET]
    lines = ["| time (UTC) | what | | by |", "|---|---|---|---|"]
    # The end is as telling as the beginning; what lies between stands in the export.
    first, last = told[: _ENTRIES_MAX // 2], told[_ENTRIES_MAX // 2 :][-_ENTRIES_MAX // 2 :]
    left_out = len(told) - len(first) - len(last)
    for entry in first:
        lines.append(_row(entry))
    if left_out:
        lines.append(f"| ... | | {left_out:,} more: `tidegauge incident export {m.incident.id}` | |")
    return "\n".join([*lines, *map(_row, last)])


PLACES: dict[str, Callable[[Material], str]] = {
    "title": _title,
    "facts": _facts,
    "summary": _summary,
    "impact": _impact,
    "response": _response,
    "charts": _charts,
    "automation": _automation,
    "factors": _factors,
    "well": _well,
    "badly": _badly,
    "timeline": _timeline,
}
"""What may stand in a template, and what it becomes."""


def _row(entry: Entry) -> str:
    return f"| {_moment(entry.at_s)} | {entry.what} | {escaped(entry.text)} | {escaped(entry.by)} |"


def _listed(m: Material, what: str) -> str:
    found = [entry for entry in m.entries if entry.what == what]
    return "\n".join(f"- {_moment(entry.at_s)}: {escaped(entry.text)}" for entry in found)


def _lasted(incident: Incident, now_s: float) -> str:
    end_s = now_s if incident.resolved_s is None else incident.resolved_s
    return format_duration(max(0.0, end_s - incident.detected_s))


def _moment(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S}"


def _linked(task: Task) -> str:
    return f"{escaped(task.text)} ({escaped(task.link)})" if task.link else escaped(task.text)


def _due(task: Task) -> str:
    return "" if task.due_s is None else f"{datetime.fromtimestamp(task.due_s, UTC):%Y-%m-%d}"


def _done(task: Task) -> str:
    if task.done_s is None:
        return ""
    return f"{datetime.fromtimestamp(task.done_s, UTC):%Y-%m-%d} by {escaped(task.done_by)}"
