"""What is so now, from the database, for the guards that are asked about an act."""

from collections.abc import Iterable
from functools import cached_property

from sqlalchemy import Connection

from alerting.alert import Alert
from alerting.noise import intervals, routing
from alerting.noise.muting import Muters
from incidents.remedies.guards import Facts
from incidents.remedies.model import Act
from incidents.remedies.plan import Candidate, Seen
from pipeline.desk import alerts, rounds
from pipeline.desk.automation import acts, switch
from schemas.desk import Desk
from schemas.response.automation import RemedyRule


class World:
    """At one moment, in one transaction. What takes long is read when it is first asked for."""

    def __init__(self, conn: Connection, desk: Desk, now_s: float, fingerprints: Iterable[str]) -> None:
        self._conn, self._desk, self._now_s = conn, desk, now_s
        self._plan = desk.response.automation
        self._alerts = alerts.many(conn, sorted(set(fingerprints)))

    @cached_property
    def _muters(self) -> Muters:
        return rounds.muters(self._conn, self._desk, self._now_s)

    @cached_property
    def paused(self) -> str:
        found = switch.paused(self._conn)
        return "" if found is None else str(found)

    @cached_property
    def _acts(self) -> list[Act]:
        windows = [max(rule.limit.window_s, rule.limit_all.window_s, rule.cooldown_s) for rule in self._plan.remedies]
        return acts.since(self._conn, self._now_s - max([self._plan.storm.window_s, *windows]))

    @cached_property
    def _wanted(self) -> frozenset[str]:
        return switch.wanted(self._conn)

    def seen(self) -> list[Seen]:
        """Those of the alerts that fire, but for those about ourselves."""
        found = sorted(self._alerts.values(), key=lambda alert: alert.fingerprint)
        return [seen_of(alert) for alert in found if alert.is_firing and alert.origin != "self"]

    def forget_acts(self) -> None:
        """After one was changed."""
        self.__dict__.pop("_acts", None)

    def facts(self, act: Act, rule: RemedyRule | None, candidate: Candidate | None, *, is_over: bool) -> Facts:
        alert = self._alerts.get(act.fingerprint)
        is_firing = alert is not None and alert.is_firing
        touched = [
            (other.target, at_s)
            for other in self._acts
            if other.id != act.id and other.remedy == act.remedy and (at_s := other.touched_s) is not None
        ]
        return Facts(
            now_s=self._now_s,
            mode="off" if rule is None else self._plan.mode_of(rule),
            storm=self._plan.storm,
            is_firing=is_firing,
            level=alert.level if alert is not None else act.level,
            first_seen_s=alert.first_seen_s if alert is not None else act.made_s,
            is_incident_over=is_over,
            paused=self.paused,
            muted=why_muted(self._desk, self._muters, alert) if alert is not None and is_firing else "",
            hours="" if rule is None else why_not_now(self._desk, rule, self._now_s),
            busy=self._busy(act),
            problem="" if candidate is None else candidate.problem,
            target_times=[at_s for target, at_s in touched if target == act.target],
            remedy_times=[at_s for _, at_s in touched],
            storm_targets=self._storm_targets(act),
        )

    def _busy(self, act: Act) -> str:
        others = (one for one in self._acts if one.id != act.id and one.target == act.target and one.is_touching)
        other = next(others, None)
        return "" if other is None else f"{other.name} is {other.state} (INC-{other.incident})"

    def _storm_targets(self, act: Act) -> int:
        since_s = self._now_s - self._plan.storm.window_s
        touched = {one.target for one in self._acts if (at_s := one.touched_s) is not None and at_s > since_s}
        return len(touched | self._wanted | {act.target})


def seen_of(alert: Alert) -> Seen:
    return Seen(
        alert.fingerprint, alert.episode, alert.matchable(), alert.level, alert.first_seen_s, alert.value, alert.why
    )


def why_muted(desk: Desk, muters: Muters, alert: Alert) -> str:
    """What holds it back on all of its routes; empty where on one of them nothing does.

    When a route may speak is no objection: a remedy has hours of its own.
    """
    reasons = []
    for route in routing.routes_for(desk.route, alert.matchable()) or [desk.route]:
        found = [muted for muted in muters.all_reasons(alert, route) if muted.by != "time_interval"]
        if not found:
            return ""
        reasons.append(str(found[0]))
    return reasons[0]


def why_not_now(desk: Desk, rule: RemedyRule, now_s: float) -> str:
    names = rule.active_time_intervals
    if not names or any(intervals.contains(one, now_s) for name in names for one in desk.time_intervals.get(name, ())):
        return ""
    return f"only during {' or '.join(names)}"
