"""The default words of a notification: what a person reads at three in the morning, most telling word first.

    CRITICAL: errors on checkout, 4 alerts (1 critical, 3 warning)
    CRITICAL (was warning): latency (http_request_seconds) on checkout, eu-1
    STILL CRITICAL: errors on checkout, for 4 h
    RESOLVED: errors on checkout, after 12 min
    FLAPPING, WARNING: latency on checkout
    STORM, CRITICAL: errors, latency and 4 more, 212 alerts
    DIGEST: disk on db-1, db-2 and 7 more, 9 alerts (9 info)

Plain text: whoever puts it into a message escapes it for the channel (`escaping.py`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from alerting.alert import Alert, Notification, Reason, Told, What
from alerting.words.escaping import clip, line, web_address
from alerting.words.sparkline import sparkline
from alerting.words.subjects import common_labels as common_labels
from alerting.words.subjects import name as name
from alerting.words.subjects import subject
from schemas.alert import rfc3339
from schemas.duration import format_duration
from schemas.levels import LEVELS, LevelName

Link = Callable[[str, str], str]
TITLE_CHARS_MAX = 200
COLOURS: dict[LevelName | None, str] = {"critical": "#d92d20", "warning": "#f79009", "info": "#2e90fa", None: "#12b76a"}
ICONS: dict[LevelName | None, str] = {"critical": "🔴", "warning": "🟠", "info": "🔵", None: "🟢"}

REASONS: dict[Reason, str] = {
    "first_notification": "first message",
    "new_alerts": "new alerts",
    "level_raised": "level raised",
    "level_lowered": "level lowered",
    "some_resolved": "some resolved",
    "all_resolved": "all resolved",
    "repeat_interval": "still firing",
    "flapping_started": "starts to flap: no more messages of each change until it settles",
    "flapping_stopped": "flaps no more",
    "escalation": "somebody is needed",
    "taken_back": "nobody is on it any more",
}
_NEWS: dict[What, str] = {
    "new": "new",
    "raised": "raised",
    "lowered": "lowered",
    "same": "as before",
    "flapping": "flapping",
    "resolved": "resolved",
    "departed": "moved to another group",
}


def level(note: Notification) -> LevelName | None:
    """The highest that fires; None where all of it has ended."""
    return max((told.alert.level for told in note.firing), key=LEVELS.index, default=None)


def title(note: Notification, limit: int = TITLE_CHARS_MAX) -> str:
    """One line: how bad, what, where, how many."""
    if note.group.kind == "incident" and note.alerts:
        return clip(_incident(note), limit)
    told = note.firing or note.alerts
    what = subject(told)
    count = f", {_alerts(len(told))}" if len(told) > 1 else ""
    return clip(f"{_status(note)}: {line(what)}{count}{_tail(note, told)}", limit)


def summary(alert: Alert) -> str:
    """One line of one alert: its own summary where it has one, then the numbers."""
    own = line(alert.annotations.get("summary", ""), 300) or f"{name(alert)}: {_labels(alert.labels)}"
    numbers = values(alert)
    return f"{own}: {numbers}" if numbers else own


def head(told: Told) -> str:
    """One alert's heading: level, rule, where."""
    alert = told.alert
    if told.what in ("resolved", "departed"):
        word = "Resolved" if told.what == "resolved" else "Moved"
    elif told.what == "flapping":
        word = f"{alert.level.capitalize()}, flapping"
    elif told.previous_level and told.what in ("raised", "lowered"):
        word = f"{alert.level.capitalize()} (was {told.previous_level})"
    else:
        word = alert.level.capitalize()
    return f"{word}: {subject([told])}"


def values(alert: Alert) -> str:
    """The value against what was expected; empty where the alert came without numbers."""
    if alert.value is None:
        return ""
    words = f"{alert.value:.6g}"
    if alert.expected is not None:
        words += f", expected {alert.expected:.6g}"
    if alert.lower is not None and alert.upper is not None:
        words += f" ({alert.lower:.6g} to {alert.upper:.6g})"
    if alert.deviation is not None and alert.expected is not None:
        side = "above" if alert.deviation > 0 else "below"
        words += f", {abs(alert.deviation):.3g} sigmas {side}"
    return words


def since(alert: Alert, now_s: float) -> str:
    """When it began and how long it has lasted, or lasted."""
    began = moment(alert.starts_at_s, now_s)
    if alert.is_firing:
        lasted_s = now_s - alert.starts_at_s
        return f"since {began}" + (f" ({format_duration(lasted_s)})" if lasted_s > 0 else "")
    ended_s = alert.updated_s if alert.ends_at_s is None else alert.ends_at_s
    lasted = f", after {format_duration(ended_s - alert.starts_at_s)}" if ended_s > alert.starts_at_s else ""
    return f"from {began} to {moment(ended_s, now_s)}{lasted}"


def moment(unix_s: float, now_s: float) -> str:
    """The time in UTC, with its date where that is not the day of `now_s`.

    >>> moment(1795412000.0, 1795412600.0), moment(1795412000.0, 1795512600.0)
    ('05:33:20 UTC', '2026-11-23 05:33:20 UTC')
    """
    day, clock = rfc3339(unix_s)[:19].split("T")
    return f"{clock} UTC" if rfc3339(now_s).startswith(day) else f"{day} {clock} UTC"


def spark(alert: Alert) -> str:
    return sparkline(alert.evidence_v)


def links(alert: Alert, link: Link | None = None) -> list[tuple[str, str]]:
    """(words, address): our page, the runbook, what Prometheus or another sender linked to. Only web addresses."""
    named = [
        # Only what the desk itself says: anybody's alert may have such an annotation.
        ("Acknowledge", alert.annotations.get("acknowledge_url", "") if alert.origin == "self" else ""),
        ("Open", _own_page(alert, link) if link else ""),
        ("Runbook", alert.annotations.get("runbook_url", "")),
        ("Dashboard", alert.annotations.get("dashboard_url", "")),
        ("Source", alert.generator_url),
    ]
    return [(words, address) for words, address in named if web_address(address)]


def page(note: Notification, link: Link) -> str:
    """Address of what the whole message is about."""
    incident = note.group.labels.get("incident", "") if note.group.kind == "incident" else ""
    return link("incident", incident) if incident else link("group", note.group.id)


def _own_page(alert: Alert, link: Link) -> str:
    incident = alert.labels.get("incident", "") if alert.origin == "self" else ""
    return link("incident", incident) if incident else link("alert", alert.fingerprint)


def facts(told: Told, now_s: float) -> list[str]:
    """An alert's lines below its heading: summary, numbers, why, since when, spark line, labels."""
    alert = told.alert
    described = line(alert.annotations.get("summary", ""), 300)
    lines = [
        "" if described == f"{name(alert)}: {_labels(alert.labels)}" else described,
        line(alert.annotations.get("description", ""), 600),
        values(alert),
        line(alert.why, 400),
        f"{since(alert, now_s)} {spark(alert)}".rstrip(),
        clip(_labels(alert.labels), 600),
    ]
    return [text for text in lines if text]


def details(note: Notification, limit: int, link: Link | None = None) -> list[str]:
    """Lines, with their line breaks at most `limit` characters: each alert's heading and facts, what is new first.

    What found no room is counted in the last line.
    """
    lines: list[str] = []
    left = limit - len(_more(len(note.alerts), note.muted)) - 1
    shown = 0
    for told in by_news(note.alerts):
        block = [head(told)] + [f"  {text}" for text in facts(told, note.at_s)]
        block += [f"  {words}: {address}" for words, address in links(told.alert, link)]
        size = sum(len(text) + 1 for text in block)
        if size > left:
            if not lines and left > len(block[0]):  # of a single long one, what fits
                while size > left:
                    size -= len(block.pop()) + 1
                lines, shown = block, 1
            break
        lines += block
        left -= size
        shown += 1
    more = _more(len(note.alerts) - shown, note.muted)
    return [*lines, clip(more, limit)] if more else lines


def by_news(told: Sequence[Told]) -> list[Told]:
    """What is new first, the worst of it first; what ended last."""
    return sorted(told, key=lambda one: (_ORDER[one.what], -LEVELS.index(one.alert.level)))


_ORDER: dict[What, int] = {"raised": 0, "new": 0, "lowered": 1, "flapping": 2, "same": 3, "resolved": 4, "departed": 5}


def news(note: Notification) -> str:
    """What this message says that the one before did not: `level raised: 1 raised, 2 new, 3 resolved`."""
    counts: Counter[What] = Counter(told.what for told in note.alerts if told.what != "same")
    said = ", ".join(f"{counts[what]} {_NEWS[what]}" for what in _ORDER if counts[what])
    return f"{REASONS[note.reason]}: {said}" if said else REASONS[note.reason]


def counted(told: Sequence[Told]) -> str:
    """`1 critical, 3 warning`."""
    counts = Counter(one.alert.level for one in told)
    return ", ".join(f"{counts[of]} {of}" for of in reversed(LEVELS) if counts[of])


def _incident(note: Notification) -> str:
    """An incident is told as one alert, whose summary is its headline."""
    words = line(note.alerts[0].alert.annotations.get("summary", "")) or "incident"
    return words if note.firing else f"RESOLVED: {words}{_tail(note, note.alerts)}"


def _status(note: Notification) -> str:
    now = level(note)
    if now is None:
        is_moved = all(told.what == "departed" for told in note.alerts)
        return "MOVED" if is_moved and note.alerts else "RESOLVED"
    word = now.upper()
    if note.group.kind == "digest":
        return "DIGEST"
    if note.group.kind == "storm":
        return f"STORM, {word}"
    if note.reason in _STATUS:
        return _STATUS[note.reason].format(word)
    if note.reason in ("level_raised", "level_lowered"):
        before = [told.previous_level for told in note.alerts if told.previous_level and told.alert.level == now]
        highest = max(before, key=LEVELS.index, default=now)
        return f"{word} (was {highest})" if highest != now else word
    return word


_STATUS: dict[Reason, str] = {
    "repeat_interval": "STILL {}",
    "flapping_started": "FLAPPING, {}",
    "flapping_stopped": "{}, settled",
}


def _tail(note: Notification, told: Sequence[Told]) -> str:
    if not note.firing:
        lasted_s = max((_ended_s(one.alert) - one.alert.starts_at_s for one in told), default=0.0)
        return f", after {format_duration(lasted_s)}" if lasted_s > 0 else ""
    tail = f" ({counted(told)})" if len({one.alert.level for one in told}) > 1 or note.group.kind == "digest" else ""
    if note.reason == "repeat_interval":
        tail += f", for {format_duration(max(note.at_s - min(one.alert.starts_at_s for one in told), 0.0))}"
    elif note.resolved:
        tail += f", {len(note.resolved)} resolved"
    return tail


def _ended_s(alert: Alert) -> float:
    return alert.updated_s if alert.ends_at_s is None else alert.ends_at_s


def _labels(labels: Mapping[str, str]) -> str:
    return line(", ".join(f"{label}={value}" for label, value in sorted(labels.items()) if label != "alertname"))


def _alerts(count: int) -> str:
    return f"{count} alert{'s' if count != 1 else ''}"


def _more(count: int, muted: int) -> str:
    left = [f"and {count} more" if count else "", f"{muted} held back" if muted else ""]
    return ", ".join(text for text in left if text)
