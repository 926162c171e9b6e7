"""Figures over incidents: how fast, how noisy, what comes again and again, and what it costs people."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from zoneinfo import ZoneInfo

import msgspec

from incidents.lifecycle import durations
from incidents.model import Incident

NIGHT_FROM_H, NIGHT_TO_H = 22, 7
"""Hours of a person's own wall clock between which a page is a night page."""

_REPEATS_MIN = 2


class Spread(msgspec.Struct, frozen=True):
    """Seconds. count: of how many incidents that got so far."""

    count: int
    median_s: float
    p90_s: float


class Times(msgspec.Struct, frozen=True):
    """detect, acknowledge, mitigate, resolve: None where no incident got so far."""

    incidents: int
    detect: Spread | None
    acknowledge: Spread | None
    mitigate: Spread | None
    resolve: Spread | None


class Noise(msgspec.Struct, frozen=True):
    """over: incidents that have ended, which the shares are of. unattended: nobody acted on them before they ended."""

    over: int
    false_positives: int
    unattended: int
    share: float


class Repeat(msgspec.Struct, frozen=True):
    """What opened several incidents. total_s: from the first alert's start to the end, all together."""

    rule: str
    service: str
    incidents: int
    total_s: float
    false_positives: int


class Load(msgspec.Struct, frozen=True):
    """What a person was told by escalation. night: between 22:00 and 7:00 where this person lives."""

    person: str
    pages: int
    night: int
    incidents: int


class Figures(msgspec.Struct, frozen=True):
    """Of incidents that were opened in [from, to) and not merged into others; of pages in the same time."""

    from_s: float
    to_s: float
    all: Times
    by_severity: dict[str, Times]
    by_service: dict[str, Times]
    by_team: dict[str, Times]
    noise: Noise
    repeats: list[Repeat]
    load: list[Load]


@dataclass(frozen=True)
class Page:
    """person: empty where a receiver was told that is nobody's own."""

    incident: int
    person: str
    at_s: float


def figures(
    incidents: Sequence[Incident],
    touched: Collection[int],
    pages: Sequence[Page],
    zones: Mapping[str, str],
    from_s: float,
    to_s: float,
) -> Figures:
    """touched: numbers of those about which a person did something. zones: people -> IANA name of where they live."""
    counted = [one for one in incidents if from_s <= one.opened_s < to_s and one.merged_into is None]
    return Figures(
        from_s=from_s,
        to_s=to_s,
        all=_times(counted),
        by_severity=_by(counted, lambda one: f"SEV{one.severity}"),
        by_service=_by(counted, lambda one: one.service),
        by_team=_by(counted, lambda one: one.team),
        noise=_noise(counted, touched),
        repeats=_repeats(counted, to_s),
        load=_load([page for page in pages if from_s <= page.at_s < to_s], zones),
    )


def is_unattended(incident: Incident, touched: Collection[int]) -> bool:
    """It ended by itself: no person acknowledged it, judged it, or did anything else about it."""
    if not incident.is_over or incident.responded_s is not None or incident.verdict:
        return False
    return incident.number not in touched


def spread(values: Iterable[float | None]) -> Spread | None:
    """Nearest rank: a number that some incident really had. Of an even number the lower middle.

    >>> spread([4.0, 1.0, None, 2.0, 3.0])
    Spread(count=4, median_s=2.0, p90_s=4.0)
    """
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    return Spread(len(known), known[ceil(len(known) * 0.5) - 1], known[ceil(len(known) * 0.9) - 1])


def is_night(at_s: float, time_zone: str) -> bool:
    """
    >>> is_night(0.0, "UTC"), is_night(12 * 3600.0, "UTC"), is_night(12 * 3600.0, "Pacific/Auckland")
    (True, False, True)
    """
    hour = datetime.fromtimestamp(at_s, ZoneInfo(time_zone)).hour
    return hour >= NIGHT_FROM_H or hour < NIGHT_TO_H


def _times(incidents: Sequence[Incident]) -> Times:
    took = [durations(one) for one in incidents]
    return Times(
        len(incidents),
        spread(one.detect_s for one in took),
        spread(one.acknowledge_s for one in took),
        spread(one.mitigate_s for one in took),
        spread(one.resolve_s for one in took),
    )


def _by(incidents: Sequence[Incident], key: Callable[[Incident], str]) -> dict[str, Times]:
    """Without those that have none."""
    found: dict[str, list[Incident]] = defaultdict(list)
    for one in incidents:
        found[key(one)].append(one)
    return {name: _times(found[name]) for name in sorted(found) if name}


def _noise(incidents: Sequence[Incident], touched: Collection[int]) -> Noise:
    over = [one for one in incidents if one.is_over]
    false = sum(one.verdict == "false_positive" for one in over)
    unattended = sum(is_unattended(one, touched) for one in over)
    return Noise(len(over), false, unattended, (false + unattended) / len(over) if over else 0.0)


def _repeats(incidents: Sequence[Incident], now_s: float) -> list[Repeat]:
    """Most incidents first."""
    found: dict[tuple[str, str], list[Incident]] = defaultdict(list)
    for one in incidents:
        if one.rule:
            found[one.rule, one.service].append(one)
    made = [
        Repeat(
            rule,
            service,
            len(group),
            sum((now_s if one.resolved_s is None else one.resolved_s) - one.detected_s for one in group),
            sum(one.verdict == "false_positive" for one in group),
        )
        for (rule, service), group in found.items()
        if len(group) >= _REPEATS_MIN
    ]
    return sorted(made, key=lambda one: (-one.incidents, -one.total_s, one.rule, one.service))


def _load(pages: Sequence[Page], zones: Mapping[str, str]) -> list[Load]:
    """Most pages first."""
    found: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        if page.person:
            found[page.person].append(page)
    made = [
        Load(
            person,
            len(group),
            sum(is_night(page.at_s, zones.get(person, "UTC")) for page in group),
            len({page.incident for page in group}),
        )
        for person, group in found.items()
    ]
    return sorted(made, key=lambda one: (-one.pages, -one.night, one.person))
