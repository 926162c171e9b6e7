"""Which incident an alert belongs to: one that it was in before, one of its kind, one of a service below, or a new one.

An alert is taken when somebody was told of it, one after the other, so that how they are cut into batches is no matter.
An episode that is in an incident is never taken again: neither a repeat nor a replay opens a second one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec

from incidents import lifecycle
from incidents.model import Incident, Line, Part
from schemas.desk import Dependency
from schemas.levels import LEVELS, LevelName
from schemas.response.incidents import IncidentPlan, IncidentRule

TITLE_CHARS_MAX = 200
AUTOMATION = "automation"
"""`Incident.rule` of one that was opened so that what a remedy does has a timeline."""
SEVERITY_OF_LEVEL: dict[LevelName, int] = {"critical": 2, "warning": 3, "info": 4}
"""Until it is triaged."""
_LEVEL_SAID = re.compile(rf"^(?:({'|'.join(LEVELS)})(?: \(was \w+\))?|resolved from \w+): ", re.IGNORECASE)
_FIELD = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")
_RANK = {level: rank for rank, level in enumerate(LEVELS)}
_Kind = tuple[str, tuple[tuple[str, str], ...]]  # of incidents that the same alerts join: the rule, its `by` labels


@dataclass
class Board:
    """What there is to decide by. Changed by whoever applies a decision, before the next is asked for.

    incidents: those that aren't over, and those resolved lately, by number. episodes: in which incident each is.
    before: fingerprint -> numbers of incidents that it has been in. waiting: alerts that somebody was told of, that
    fire and are in no incident; only rules that want several look at them.
    """

    plan: IncidentPlan
    dependencies: Sequence[Dependency] = ()
    service_label: str = "service"
    incidents: dict[int, Incident] = field(default_factory=dict)
    episodes: dict[str, int] = field(default_factory=dict)
    before: dict[str, set[int]] = field(default_factory=dict)
    waiting: dict[str, Part] = field(default_factory=dict)
    _kinds: dict[_Kind, set[int]] = field(default_factory=dict)
    _live: dict[str, set[int]] = field(default_factory=dict)  # service -> those that aren't over

    def of_kind(self, rule: str, labels: Mapping[str, str]) -> list[Incident]:
        """Newest first."""
        numbers = self._kinds.get((rule, tuple(sorted(labels.items()))), ())
        return [self.incidents[number] for number in sorted(numbers, reverse=True)]

    def about(self, service: str) -> list[Incident]:
        """Those that aren't over, oldest first."""
        return [self.incidents[number] for number in sorted(self._live.get(service, ()))]

    def broken(self) -> list[str]:
        """Services that an incident which isn't over is about."""
        return [service for service, numbers in self._live.items() if numbers]

    def wait(self, alert: Part) -> None:
        self.waiting[alert.episode] = alert

    def put(self, incident: Incident, parts: Iterable[Part] = ()) -> None:
        self._kinds.setdefault((incident.rule, tuple(sorted(incident.labels.items()))), set()).add(incident.number)
        was = self.incidents.get(incident.number)
        if was is not None:
            self._live.get(was.service, set()).discard(incident.number)
        if incident.service and not incident.is_over:
            self._live.setdefault(incident.service, set()).add(incident.number)
        self.incidents[incident.number] = incident
        for part in parts:
            self.episodes[part.episode] = incident.number
            self.before.setdefault(part.fingerprint, set()).add(incident.number)
            self.waiting.pop(part.episode, None)


@dataclass(frozen=True)
class Join:
    """It goes into an incident that there is: as it is from now on, and what its timeline says."""

    incident: Incident
    part: Part
    lines: list[Line]


@dataclass(frozen=True)
class Open:
    """A new incident, its number not yet known. related: by number, what others' timelines say to it."""

    incident: Incident
    parts: list[Part]
    lines: list[Line]
    related: dict[int, Line]


@dataclass(frozen=True)
class Adopt:
    """The incident that automation opened for it is a rule's from now on; parts: what joins it besides."""

    incident: Incident
    parts: list[Part]
    lines: list[Line]


@dataclass(frozen=True)
class Wait:
    """A rule wants more alerts."""

    rule: str
    alerts: int
    alerts_min: int


@dataclass(frozen=True)
class Nothing:
    """No incident because of it, and why."""

    reason: str


Answer = Join | Open | Adopt | Wait | Nothing


def decide(board: Board, alert: Part, now_s: float) -> Answer:
    """What to do about one alert that somebody was told of."""
    seen = alert.matchable()
    rules = [r for r in board.plan.rules if _RANK[alert.level] >= _RANK[r.level] and r.matchers.matches(seen)]
    if alert.episode in board.episodes:
        incident = board.incidents.get(board.episodes[alert.episode])
        adopted = _adopted(board, incident, alert, rules, now_s) if incident is not None else None
        return adopted or Nothing(f"it is in INC-{board.episodes[alert.episode]}")
    if not alert.is_firing:
        return Nothing("it is over")
    found = _again(board, alert, rules, now_s) or _of_a_kind(board, alert, rules, now_s)
    if found is None and rules:
        found = _below(board, alert)
    if found is not None:
        return joined(*found, alert, now_s)
    for rule in rules:
        parts = _together(board, alert, rule)
        if len(parts) >= rule.alerts_min:
            return _opened(board, rule, parts, now_s)
    if rules:
        most = min(rules, key=lambda rule: rule.alerts_min - len(_together(board, alert, rule)))
        return Wait(most.name, len(_together(board, alert, most)), most.alerts_min)
    return Nothing("no rule of incidents.rules matches it at its level")


def joined(incident: Incident, reason: str, alert: Part, now_s: float) -> Join:
    """The incident with the alert in it. Raises Refused where it is closed."""
    now = lifecycle.after(incident, "alert", now_s)
    part = msgspec.structs.replace(alert, incident=incident.number, joined_s=now_s)
    lines = [joining(part, reason)]
    if now.state != incident.state:
        again = "open again" if now.state == "open" else f"{now.state} again"
        lines.append(state_line("alert", incident, now, f"{again}, was {incident.state}: {alert.name} fires"))
    return Join(now, part, lines)


def joining(part: Part, reason: str, by: str = "tidegauge", source: str = "desk") -> Line:
    details = {
        "episode": part.episode,
        "fingerprint": part.fingerprint,
        "labels": part.labels,
        "level": part.level,
        "value": part.value,
        "starts_at_s": part.starts_at_s,
    }
    text = f"{shown(part)} is {part.level}{because(part)}; {reason}"
    return Line(what="joined", text=text, by=by, source=source, details=details)


def state_line(act: str, was: Incident, now: Incident, text: str, by: str = "tidegauge", source: str = "desk") -> Line:
    details = {"act": act, "from": was.state, "to": now.state}
    return Line(what="state", text=text, by=by, source=source, details=details)


def shown(part: Part) -> str:
    """The alert in a sentence.

    >>> shown(Part(incident=1, episode="e", fingerprint="f", labels={"alertname": "cpu", "host": "a", "metric": "m"},
    ...     level="warning", worst="warning", is_firing=True, starts_at_s=0, first_seen_s=0, joined_s=0, updated_s=0))
    'cpu {host=a}'
    """
    rest = ", ".join(f"{n}={v}" for n, v in sorted(part.labels.items()) if n not in ("alertname", "metric"))
    return f"{part.name} {{{rest}}}" if rest else part.name


def because(part: Part) -> str:
    """Its reason as the end of a sentence that has said its level.

    >>> because(Part(incident=1, episode="e", fingerprint="f", labels={}, level="critical", worst="critical",
    ...     is_firing=True, starts_at_s=0, first_seen_s=0, joined_s=0, updated_s=0,
    ...     why="Critical (was warning): value 0.08 is above 0.05, since 2026-11-24T04:45:14Z (2 s)."))
    ': value 0.08 is above 0.05, since 2026-11-24T04:45:14Z (2 s)'
    """
    why = _LEVEL_SAID.sub("", part.why).rstrip(". ")
    return f": {why}" if why else ""


def titled(template: str, labels: Mapping[str, str]) -> str:
    """
    >>> titled("{alertname} in {service}", {"alertname": "errors"})
    'errors in'
    """
    return " ".join(_FIELD.sub(lambda found: labels.get(found[1], ""), template).split())[:TITLE_CHARS_MAX]


def runbook_of(rules: Iterable[IncidentRule], incident: Incident) -> str:
    """The address that the incident's rule names, with its labels filled in; empty where it names none.

    >>> from schemas.matchers import Matchers
    >>> rule = IncidentRule("down", Matchers(), runbook_url="https://runbooks.example/{service}")
    >>> hostile = Incident(number=1, title="", rule="down", service="a/../b?c", severity=1, opened_s=0, detected_s=0,
    ...     updated_s=0)
    >>> runbook_of([rule], hostile)
    'https://runbooks.example/a%2F..%2Fb%3Fc'
    """
    written = next((rule.runbook_url for rule in rules if rule.name == incident.rule), "")
    labels = {"service": incident.service, **incident.labels}
    return _FIELD.sub(lambda found: quote(labels.get(found[1], ""), safe=""), written)


def chain_to(service: str, dependencies: Sequence[Dependency], wanted: Iterable[str]) -> list[str] | None:
    """The shortest way from a service down to one of those wanted; the first by name of several.

    >>> chain_to("shop", [Dependency("shop", ("api",)), Dependency("api", ("db",))], {"db"})
    ['shop', 'api', 'db']
    """
    below: dict[str, set[str]] = {}
    for one in dependencies:
        below.setdefault(one.service, set()).update(one.depends_on)
    targets, seen, edge = set(wanted) - {service}, {service}, [[service]]
    while edge:
        wider = []
        for way in edge:
            for other in sorted(below.get(way[-1], set()) - seen):
                if other in targets:
                    return [*way, other]
                seen.add(other)
                wider.append([*way, other])
        edge = sorted(wider)
    return None


def _adopted(
    board: Board, incident: Incident, alert: Part, rules: Sequence[IncidentRule], now_s: float
) -> Adopt | None:
    """Automation looks at an alert before anybody was told of it. Whoever answers for it by a rule must be paged all
    the same, at the time at which the rule would have opened an incident."""
    if incident.rule != AUTOMATION or incident.is_over or not alert.is_firing:
        return None
    for rule in rules:
        parts = _together(board, alert, rule)
        if len(parts) < rule.alerts_min:
            continue
        labels = _by(rule, alert)
        others = [msgspec.structs.replace(one, incident=incident.number, joined_s=now_s) for one in parts[:-1]]
        taken = msgspec.structs.replace(
            incident,
            rule=rule.name,
            labels=labels,
            policy=rule.policy,
            team=rule.team,
            title=(titled(rule.title, alert.labels) if rule.title else "") or incident.title,
            severity=rule.severity or incident.severity,
            severity_reason=f"SEV{rule.severity}: rule {rule.name} says so" if rule.severity else "",  # triage judges
        )
        text = f"rule {rule.name}{_in_words(labels)} answers for it from now on; automation had opened it"
        lines = [Line(what="edited", text=text, details={"rule": rule.name, "labels": labels})]
        return Adopt(taken, others, [*lines, *(joining(one, f"rule {rule.name}") for one in others)])
    return None


_Found = tuple[Incident, str]


def _again(board: Board, alert: Part, rules: Sequence[IncidentRule], now_s: float) -> _Found | None:
    """The alert was in it before. One that is over opens again only at a level that would have opened it."""
    for number in sorted(board.before.get(alert.fingerprint, ()), reverse=True):
        incident = board.incidents.get(number)
        if incident is None:
            continue
        if not incident.is_over:
            return incident, "it was in this incident before"
        is_bad = not incident.rule or any(rule.name == incident.rule for rule in rules)
        if is_bad and _is_recent(board, incident, now_s):
            return incident, "it was in this incident before and has come back"
    return None


def _of_a_kind(board: Board, alert: Part, rules: Sequence[IncidentRule], now_s: float) -> _Found | None:
    for rule in rules:
        labels = _by(rule, alert)
        for incident in board.of_kind(rule.name, labels):
            if not incident.is_over or _is_recent(board, incident, now_s):
                return incident, f"rule {rule.name}{_in_words(labels)}"
    return None


def _below(board: Board, alert: Part) -> _Found | None:
    """One of a service without which the alert's own can't work."""
    service = alert.labels.get(board.service_label, "")
    if not service or not board.dependencies:
        return None
    way = chain_to(service, board.dependencies, board.broken())
    if way is None:
        return None
    return board.about(way[-1])[0], f"{service} depends on {way[-1]}, which this is about: {' -> '.join(way)}"


def _is_recent(board: Board, incident: Incident, now_s: float) -> bool:
    if incident.state != "resolved" or incident.resolved_s is None:
        return False
    return now_s <= incident.resolved_s + board.plan.reopen_within_s


def _together(board: Board, alert: Part, rule: IncidentRule) -> list[Part]:
    """Alerts that would make an incident of the rule with this one, which comes last."""
    if rule.alerts_min == 1:
        return [alert]
    labels = _by(rule, alert)
    others = [
        part
        for part in board.waiting.values()
        if part.episode != alert.episode
        and part.episode not in board.episodes
        and _RANK[part.level] >= _RANK[rule.level]
        and _by(rule, part) == labels
        and rule.matchers.matches(part.matchable())
    ]
    return [*sorted(others, key=lambda part: (part.first_seen_s, part.starts_at_s, part.episode)), alert]


def _opened(board: Board, rule: IncidentRule, parts: Sequence[Part], now_s: float) -> Open:
    labels = _by(rule, parts[0])
    # Labels in which all agree can be in the title; those in which they differ would be one alert's only.
    common = {n: v for n, v in parts[0].labels.items() if all(part.labels.get(n) == v for part in parts)}
    service = common.get(board.service_label, "")
    worst = max((part.level for part in parts), key=_RANK.__getitem__)
    names = sorted({part.name for part in parts})
    default = f"{', '.join(names[:3])}{_in_words(labels)}"
    incident = Incident(
        number=0,
        title=(titled(rule.title, common) if rule.title else "") or default[:TITLE_CHARS_MAX],
        severity=rule.severity or SEVERITY_OF_LEVEL[worst],
        severity_reason=f"SEV{rule.severity}: rule {rule.name} says so" if rule.severity else "",  # triage judges
        service=service,
        labels=labels,
        rule=rule.name,
        policy=rule.policy,
        team=rule.team,
        summary=parts[0].annotations.get("summary", ""),
        opened_by="tidegauge",
        opened_s=now_s,
        detected_s=min(now_s, *(part.starts_at_s for part in parts)),
        updated_s=now_s,
    )
    count = f"{len(parts)} alerts" if len(parts) > 1 else "an alert"
    because = f"rule {rule.name}{_in_words(labels)}: {count} at {rule.level} or above"
    lines = [Line(what="opened", text=f"opened by {because}", details={"rule": rule.name, "labels": labels})]
    lines += [joining(part, f"rule {rule.name}") for part in parts]
    related: dict[int, Line] = {}
    for above in sorted({dependency.service for dependency in board.dependencies}) if service else ():
        way = chain_to(above, board.dependencies, {service})
        for other in board.about(above) if way is not None else ():
            chain = " -> ".join(way or ())
            lines.append(_related(other, f"may come of this one: {chain}; merge it if so"))
            related[other.number] = Line(what="related", text=f"may come of what is wrong with {service}: {chain}")
    return Open(incident, list(parts), lines, related)


def _related(other: Incident, text: str) -> Line:
    return Line(what="related", text=f"{other.id} ({other.title}) {text}", details={"incident": other.id})


def _by(rule: IncidentRule, part: Part) -> dict[str, str]:
    """A label that is missing is the empty text, as everywhere."""
    return {name: part.labels.get(name, "") for name in rule.by}


def _in_words(labels: Mapping[str, str]) -> str:
    """
    >>> _in_words({"service": "shop", "zone": ""}), _in_words({})
    (' with service=shop', '')
    """
    given = ", ".join(f"{name}={value}" for name, value in labels.items() if value)
    return f" with {given}" if given else ""
