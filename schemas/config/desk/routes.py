"""The routing tree: what a child leaves out filled in from its parent, as Alertmanager does."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from schemas.config.checking import Checking
from schemas.config.desk.alertmanager import FileRoute
from schemas.config.desk.words import ALL_LABELS
from schemas.config.errors import Path, shown, suggestion
from schemas.desk import Desk, Receiver, Route
from schemas.duration import format_duration
from schemas.matchers import Matchers
from schemas.selector import Matcher

NOBODY = Receiver("none", ())
# Alertmanager's defaults (dispatch/route.go).
ROOT = Route(
    key="{}",
    path="0",
    receiver=NOBODY.name,
    matchers=Matchers(),
    group_by=(),
    group_wait_s=30.0,
    group_interval_s=300.0,
    repeat_interval_s=14_400.0,
)


def desk_without_route() -> Desk:
    """Everything goes to one receiver without integrations."""
    return Desk(route=ROOT, receivers={NOBODY.name: NOBODY})


class Routes:
    """Resolves the tree. Mistakes go to `checking`. A collection is None where its names couldn't all be read."""

    def __init__(
        self, receivers: Collection[str] | None, intervals: Collection[str] | None, checking: Checking
    ) -> None:
        self._receivers = receivers
        self._intervals = intervals
        self._checking = checking

    def root(self, written: FileRoute) -> Route:
        at: Path = ("route",)
        if written.receiver is None and not self._checking.broken((*at, "receiver")):
            self._checking.report(at, "has no receiver; alerts that no child takes go to the one of the first route")
        asks = "matches every alert: move its conditions into a route under routes"
        for key, given in (("matchers", written.matchers), ("match", written.match), ("match_re", written.match_re)):
            if given:
                self._checking.report((*at, key), f"the first route {asks}")
        for key, names in (
            ("mute_time_intervals", written.mute_time_intervals),
            ("active_time_intervals", written.active_time_intervals),
        ):
            if names:
                self._checking.report((*at, key), "the first route always speaks; give a route under routes its times")
        if written.continues:
            self._checking.report((*at, "continue"), "the first route has no siblings to go on to; remove it")
        return self._route(written, at, ROOT)

    def _route(self, written: FileRoute, at: Path, inherited: Route) -> Route:
        """inherited: the parent, with the key, path and matchers that are this one's."""
        self._check_names(written, at)
        route = replace(
            inherited,
            receiver=written.receiver or inherited.receiver,
            group_by=self._group_by(written.group_by, (*at, "group_by")) if written.group_by else inherited.group_by,
            group_wait_s=_or(written.group_wait_s, inherited.group_wait_s),
            group_interval_s=_or(written.group_interval_s, inherited.group_interval_s),
            repeat_interval_s=_or(written.repeat_interval_s, inherited.repeat_interval_s),
            continues=written.continues,
            mute_time_intervals=written.mute_time_intervals,
            active_time_intervals=written.active_time_intervals,
            digest_s=inherited.digest_s if written.digest_s is None else written.digest_s or None,
            routes=(),
        )
        self._check_times(written, route, at)
        children: list[Route] = []
        for position, child in enumerate(written.routes):
            child_at: Path = (*at, "routes", position)
            matchers = self._matchers(child, child_at)
            own = replace(
                route, key=f"{route.key}/{matchers}", path=f"{route.path}.{position}", matchers=matchers, routes=()
            )
            children.append(self._route(child, child_at, own))
            self._check_reachable(children, child_at)
        return replace(route, routes=tuple(children))

    def _matchers(self, written: FileRoute, at: Path) -> Matchers:
        return joined(written.matchers, written.match, written.match_re, at, self._checking)

    def _group_by(self, names: tuple[str, ...], at: Path) -> tuple[str, ...] | None:
        if ALL_LABELS in names:
            if len(set(names)) > 1:
                self._checking.report(at, f"{shown(ALL_LABELS)} means every label; leave the others out")
            return None
        for position, name in enumerate(names):
            if name in names[:position]:
                self._checking.report((*at, position), f"{shown(name)} is there already; leave it out")
        return tuple(sorted(names))

    def _check_names(self, written: FileRoute, at: Path) -> None:
        name, known = written.receiver, self._receivers
        if name is not None and known is not None and name not in known:
            self._checking.report((*at, "receiver"), f"no receiver {shown(name)}; {suggestion(name, known)}")
        for key, names in (
            ("mute_time_intervals", written.mute_time_intervals),
            ("active_time_intervals", written.active_time_intervals),
        ):
            for position, interval in enumerate(names if self._intervals is not None else ()):
                if interval not in (self._intervals or ()):
                    hint = suggestion(interval, self._intervals or ())
                    self._checking.report((*at, key, position), f"no time interval {shown(interval)}; {hint}")

    def _check_times(self, written: FileRoute, route: Route, at: Path) -> None:
        given = written.repeat_interval_s is not None or written.group_interval_s is not None
        if given and route.repeat_interval_s < route.group_interval_s:
            key = "repeat_interval" if written.repeat_interval_s is not None else "group_interval"
            repeat, interval = format_duration(route.repeat_interval_s), format_duration(route.group_interval_s)
            self._checking.warn(
                (*at, key), f"repeat_interval ({repeat}) is shorter than group_interval ({interval}), which decides"
            )

    def _check_reachable(self, children: list[Route], at: Path) -> None:
        *before, route = children
        conditions = set(route.matchers.matchers)
        for position, sibling in enumerate(before):
            if not sibling.continues and conditions >= set(sibling.matchers.matchers):
                every = "takes every alert" if not sibling.matchers.matchers else f"takes all of {sibling.matchers}"
                line = self._checking.written.line((*at[:-1], position))
                self._checking.warn(at, f"is never reached: the route on line {line} {every}, and has no continue")
                return


def joined(
    matchers: tuple[Matchers, ...],
    match: Mapping[str, str],
    match_re: Mapping[str, str],
    at: Path,
    checking: Checking,
) -> Matchers:
    """Conditions of both spellings."""
    found: list[Matcher] = [one for each in matchers for one in each.matchers]
    try:
        return Matchers((*Matchers.of(match, match_re).matchers, *found))
    except ValueError as error:
        checking.report(at, str(error))
        return Matchers()


def _or(own: float | None, inherited: float) -> float:
    return inherited if own is None else own
