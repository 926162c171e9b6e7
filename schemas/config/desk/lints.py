"""What is right as it is in the desk's part, but is seldom meant."""

from collections.abc import Iterator

from schemas.config.checking import Checking
from schemas.config.desk.alertmanager import AlertmanagerPart, FileRoute
from schemas.config.desk.receivers import LITERAL, is_in_place, secrets_in
from schemas.config.errors import Path
from schemas.desk import Desk

_OLDER = {
    "match": "matchers",
    "match_re": "matchers",
    "source_match": "source_matchers",
    "source_match_re": "source_matchers",
    "target_match": "target_matchers",
    "target_match_re": "target_matchers",
}


def warn_of(theirs: AlertmanagerPart, desk: Desk, checking: Checking) -> None:
    routes = list(_routes(theirs.route, ("route",))) if theirs.route else []
    for route, at in routes:
        _warn_of_older(route, at, checking)
    for position, rule in enumerate(theirs.inhibit_rules):
        at = ("inhibit_rules", position)
        _warn_of_older(rule, at, checking)
        resolved = desk.inhibit_rules[position]
        if not rule.equal:
            checking.warn(at, "has no equal, so one alert that matches hides those of every cluster and service")
        for side, matchers in (("source", resolved.source), ("target", resolved.target)):
            if not matchers.matchers:
                checking.warn(at, f"has no {side}_matchers, so every alert matches")
    if theirs.mute_time_intervals:
        checking.warn(("mute_time_intervals",), "older name; write time_intervals")
    if theirs.tracing is not None:
        checking.warn(("tracing",), "is not used here")
    _warn_of_unused(theirs, desk, [route for route, _ in routes], checking)
    for key, secret in secrets_in(theirs.global_):
        if is_in_place(secret):
            checking.warn(("global", *key), LITERAL)


def _routes(route: FileRoute, at: Path) -> Iterator[tuple[FileRoute, Path]]:
    yield route, at
    for position, child in enumerate(route.routes):
        yield from _routes(child, (*at, "routes", position))


def _warn_of_older(written: object, at: Path, checking: Checking) -> None:
    for key, newer in _OLDER.items():
        if getattr(written, key, None):
            checking.warn((*at, key), f"older spelling; write {newer}")


def _warn_of_unused(theirs: AlertmanagerPart, desk: Desk, routes: list[FileRoute], checking: Checking) -> None:
    steps = [step for policy in desk.response.escalation.policies.values() for step in policy.steps]
    told = {route.receiver for route in routes} | {each.fallback for each in theirs.receivers}
    told |= {name for person in desk.response.oncall.people.values() for name in person.receivers}
    told |= {target.name for step in steps for target in step.targets if target.kind == "receiver"}
    told |= {name for row in desk.response.incidents.triage.updates.schedule for name in row.receivers}
    times = {name for route in routes for name in (*route.mute_time_intervals, *route.active_time_intervals)}
    times |= {name for step in steps for name in step.time_intervals}
    for position, receiver in enumerate(theirs.receivers):
        if receiver.name not in told:
            checking.warn(("receivers", position, "name"), "no route leads here")
    for key, intervals in (
        ("time_intervals", theirs.time_intervals),
        ("mute_time_intervals", theirs.mute_time_intervals),
    ):
        for position, interval in enumerate(intervals):
            if interval.name not in times:
                checking.warn((key, position, "name"), "no route uses it")
