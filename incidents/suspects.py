"""Which changes may have caused an incident, likeliest first, and why: by service, time and kind.

A change after the start is no suspect: clocks differ by a minute at most.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from schemas.change import Change, Kind
from schemas.duration import format_duration

CLOCKS_DIFFER_S = 60.0
HALF_LIFE_S = 1800.0

RELATIONS: dict[str, float] = {
    "the same service": 1.0,
    "a service that it depends on": 0.6,
    "what those depend on": 0.35,
    "it names no service": 0.2,
}
"""How a change concerns an incident -> how much that weighs."""

WEIGHTS: dict[Kind, float] = {
    "deployment": 1.0,
    "config": 0.9,
    "feature": 0.9,
    "infrastructure": 0.7,
    "other": 0.5,
}


@dataclass(frozen=True)
class Suspect:
    """score: 0 to 1; no probability. before_s: of the start."""

    change: Change
    score: float
    before_s: float
    reason: str


def concerns(change: Change, services: Collection[str], depends_on: Mapping[str, Sequence[str]]) -> str | None:
    """A key of RELATIONS; None: nothing to do with the services of the incident.

    >>> graph = {"checkout": ["cart"], "cart": ["db"]}
    >>> changes = [Change(id="1", service=name, at="") for name in ("checkout", "cart", "db", "x", "")]
    >>> [concerns(change, {"checkout"}, graph) for change in changes]
    ['the same service', 'a service that it depends on', 'what those depend on', None, 'it names no service']
    """
    same, direct, further, unnamed = RELATIONS
    if not change.service:
        return unnamed
    if change.service in services:
        return same
    below = {other for service in services for other in depends_on.get(service, ())}
    if change.service in below:
        return direct
    seen, todo = set(below), list(below)
    while todo:
        for other in depends_on.get(todo.pop(), ()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return further if change.service in seen else None


def ranked(
    changes: Sequence[Change],
    services: Collection[str],
    depends_on: Mapping[str, Sequence[str]],
    start_s: float,
    within_s: float,
) -> list[Suspect]:
    """start_s: event time at which the incident's first alert began. Each half an hour before it halves the score.

    >>> one = Change(id="1", service="checkout", at="2026-11-23T05:33:20Z")
    >>> ranked([one], {"checkout"}, {}, 1795412240.0, 3600.0)[0].reason
    'deployment of checkout, 4 min before the start: the same service'
    """
    found = []
    for change in changes:
        before_s = start_s - change.at_s
        relation = concerns(change, services, depends_on)
        if relation is None or not -CLOCKS_DIFFER_S <= before_s <= within_s:
            continue
        score = RELATIONS[relation] * WEIGHTS[change.kind] * 0.5 ** (max(before_s, 0.0) / HALF_LIFE_S)
        when = f"{format_duration(before_s)} before the start" if before_s >= 1.0 else "at the start"
        what = change.kind + (f" of {change.service}" if change.service else "")
        found.append(Suspect(change, round(score, 4), before_s, f"{what}, {when}: {relation}"))
    return sorted(found, key=lambda one: (-one.score, one.before_s, one.change.id))
