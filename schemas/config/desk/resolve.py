"""The desk's part as written to `Desk`: each piece by its own file, and here what lies between them."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath

from schemas.config.checking import Checking
from schemas.config.desk.alertmanager import (
    UNUSED_GLOBALS,
    AlertmanagerPart,
    FileInhibitRule,
    FileInterval,
)
from schemas.config.desk.automation import automation_of
from schemas.config.desk.escalation import check_reach, escalation_of
from schemas.config.desk.incidents import incidents_of
from schemas.config.desk.lints import warn_of
from schemas.config.desk.names import Names, known
from schemas.config.desk.oncall import oncall_of
from schemas.config.desk.own import OwnPart
from schemas.config.desk.planned import dependencies_of, maintenance_of
from schemas.config.desk.receivers import FILE, Receivers
from schemas.config.desk.remedies import Kinds
from schemas.config.desk.routes import NOBODY, ROOT, Routes, joined
from schemas.config.desk.server import server_of
from schemas.config.desk.spec import Notifiers
from schemas.config.desk.words import LOCAL
from schemas.config.errors import Path, shown, suggestion
from schemas.config.machine import Machine
from schemas.desk import Desk, Flapping, InhibitRule, Receiver, Span, Storm, TimeInterval
from schemas.response import Response


def without_unused_globals(data: dict[str, object], checking: Checking) -> None:
    """Takes out of `global` what belongs to kinds that aren't here, and what is empty, as Alertmanager does."""
    shared = data.get("global")
    if isinstance(shared, dict):
        for key in [key for key in shared if key in UNUSED_GLOBALS]:
            checking.warn(("global", key), "is not used here: no kind of receiver takes it")
            del shared[key]
        for key in [key for key, value in shared.items() if value == ""]:
            del shared[key]


def desk_of(
    theirs: AlertmanagerPart,
    ours: OwnPart,
    shared: Mapping[str, object],
    notifiers: Notifiers,
    checking: Checking,
    machine: Machine,
    remedies: Kinds,
) -> Desk | None:
    """None where something was wrong. shared: `global` as it is written."""
    for key in [key for key in shared if f"{key}{FILE}" in shared]:
        checking.report(("global", f"{key}{FILE}"), f"given beside {key}; keep one of them")
    pieces = _Pieces(theirs, checking, machine)
    resolving = Receivers(notifiers, shared, checking)
    receivers = {
        each.name: resolving.receiver(each, ("receivers", position)) for position, each in enumerate(theirs.receivers)
    }
    pieces.check_names("receivers", [each.name for each in theirs.receivers])
    pieces.check_fallbacks(receivers)
    intervals = pieces.intervals()
    is_time_lost = pieces.is_name_lost("time_intervals") or pieces.is_name_lost("mute_time_intervals")
    known_receivers = None if pieces.is_name_lost("receivers") else receivers
    known_times = None if is_time_lost else intervals
    routes = Routes(known_receivers, known_times, checking)
    if theirs.route is None and receivers:
        checking.report(("receivers",), f"no route leads to them; add route: {{receiver: {next(iter(receivers))}}}")
    root = routes.root(theirs.route) if theirs.route else ROOT
    flapping = ours.flapping
    if flapping.stop_percent >= flapping.start_percent and not checking.broken(("flapping",)):
        message = f"must be below start_percent ({flapping.start_percent:g}), got {flapping.stop_percent:g}"
        checking.report(("flapping", "stop_percent"), message)
    desk = Desk(
        route=root,
        receivers=receivers or {NOBODY.name: NOBODY},
        inhibit_rules=pieces.inhibit_rules(),
        time_intervals=intervals,
        maintenance=maintenance_of(ours.maintenance, checking),
        dependencies=dependencies_of(ours.dependencies, checking),
        service_label=ours.desk.service_label,
        flapping=Flapping(flapping.start_percent, flapping.stop_percent, flapping.enabled),
        storm=Storm(ours.storm.groups_max, ours.storm.window_s, ours.storm.enabled),
        templates=pieces.templates(),
        resolve_timeout_s=theirs.global_.resolve_timeout_s,
        server=server_of(ours.desk, checking, machine),
        response=_response(ours, known_receivers, known_times, remedies, checking, machine),
    )
    if not checking.problems:
        check_reach(ours.escalation, desk.response, desk.receivers, checking)
    if checking.problems:
        return None
    warn_of(theirs, desk, checking)
    return desk


def _response(
    ours: OwnPart,
    receivers: Mapping[str, Receiver] | None,
    times: Collection[str] | None,
    remedies: Kinds,
    checking: Checking,
    machine: Machine,
) -> Response:
    names = Names(
        receivers,
        people=known(ours.oncall.people, ("oncall", "people"), checking),
        teams=known(ours.oncall.teams, ("oncall", "teams"), checking),
        schedules=known(ours.oncall.schedules, ("oncall", "schedules"), checking),
        policies=known(ours.escalation.policies, ("escalation", "policies"), checking),
        time_intervals=times,
    )
    return Response(
        incidents=incidents_of(ours.incidents, names, checking),
        oncall=oncall_of(ours.oncall, names, checking, machine),
        escalation=escalation_of(ours.escalation, names, checking),
        automation=automation_of(ours.automation, remedies, names, checking),
    )


class _Pieces:
    """Lists of Alertmanager's part, one by one."""

    def __init__(self, theirs: AlertmanagerPart, checking: Checking, machine: Machine) -> None:
        self._theirs = theirs
        self._checking = checking
        self._machine = machine

    def is_name_lost(self, key: str) -> bool:
        """Whether a name in this list couldn't be read, so that who uses it can't be judged."""
        entries = getattr(self._theirs, key)
        places: list[Path] = [(key, position, "name") for position in range(len(entries))]
        return (key,) in self._checking.cut or any(
            place in self._checking.cut or place[:2] in self._checking.cut for place in places
        )

    def check_names(self, key: str, names: Sequence[str]) -> None:
        for position, name in enumerate(names):
            at: Path = (key, position, "name")
            first = names.index(name)
            if first < position and not self._checking.broken(at):
                line = self._checking.written.line((key, first, "name"))
                self._checking.report(at, f"{shown(name)} is on line {line} already; give each its own name")

    def check_fallbacks(self, receivers: Mapping[str, Receiver]) -> None:
        for position, each in enumerate(self._theirs.receivers):
            at: Path = ("receivers", position, "fallback")
            if each.fallback is not None and each.fallback not in receivers:
                hint = suggestion(each.fallback, receivers)
                self._checking.report(at, f"no receiver {shown(each.fallback)}; {hint}")
            way, following = [each.name], each.fallback
            while following is not None and following in receivers and following not in way:
                way.append(following)
                following = receivers[following].fallback
            if following == each.name:
                self._checking.report(at, f"leads back to itself: {' -> '.join((*way, each.name))}")

    def inhibit_rules(self) -> tuple[InhibitRule, ...]:
        return tuple(
            self._inhibit_rule(each, ("inhibit_rules", position))
            for position, each in enumerate(self._theirs.inhibit_rules)
        )

    def _inhibit_rule(self, written: FileInhibitRule, at: Path) -> InhibitRule:
        source = joined(written.source_matchers, written.source_match, written.source_match_re, at, self._checking)
        target = joined(written.target_matchers, written.target_match, written.target_match_re, at, self._checking)
        return InhibitRule(source, target, written.equal, written.name or f"inhibit_rules[{at[-1]}]")

    def intervals(self) -> dict[str, tuple[TimeInterval, ...]]:
        found: dict[str, tuple[TimeInterval, ...]] = {}
        both = (
            ("mute_time_intervals", self._theirs.mute_time_intervals),
            ("time_intervals", self._theirs.time_intervals),
        )
        for key, written in both:
            self.check_names(key, [each.name for each in written])
            for position, each in enumerate(written):
                if key == "time_intervals" and any(each.name == old.name for old in self._theirs.mute_time_intervals):
                    message = f"{shown(each.name)} stands in mute_time_intervals too; give each its own name"
                    self._checking.report((key, position, "name"), message)
                found[each.name] = tuple(
                    self._interval(one, (key, position, "time_intervals", index))
                    for index, one in enumerate(each.time_intervals)
                )
        return found

    def _interval(self, written: FileInterval, at: Path) -> TimeInterval:
        for index, times in enumerate(written.times):
            if times.start_time >= times.end_time:
                message = "ends before it begins; for a night write two parts, one up to 24:00 and one from 00:00"
                self._checking.report((*at, "times", index), message)
        return TimeInterval(
            times=tuple(Span(times.start_time, times.end_time) for times in written.times),
            weekdays=written.weekdays,
            days_of_month=written.days_of_month,
            months=written.months,
            years=written.years,
            location=self._machine.time_zone if written.location == LOCAL else written.location,
        )

    def templates(self) -> dict[str, str]:
        """Patterns are beside the file that they stand in."""
        found: dict[str, str] = {}
        for position, pattern in enumerate(self._theirs.templates):
            at: Path = ("templates", position)
            files = self._machine.find(str(PurePath(self._checking.written.file(at)).parent / pattern))
            if not files:
                self._checking.warn(at, f"no file is named so: {pattern}")
            for file in files:
                try:
                    found[file] = self._machine.read(file)
                except ValueError as error:
                    self._checking.report(at, f"{file}: {error}")
        return found
