"""Alerts, routes and groups for tests of the rules: what a test doesn't name has a dull value."""

from alerting.alert import Alert, Group, Member
from alerting.noise.routing import group_id
from schemas.desk import Dependency, Desk, InhibitRule, Maintenance, Receiver, Route, TimeInterval
from schemas.levels import LevelName
from schemas.matchers import Matchers


def alert(
    fingerprint: str = "a",
    level: LevelName = "warning",
    ends_at_s: float | None = None,
    episode: str | None = None,
    starts_at_s: float = 0.0,
    first_seen_s: float | None = None,
    **labels: str,
) -> Alert:
    """Firing, or resolved at `ends_at_s`."""
    return Alert(
        fingerprint=fingerprint,
        episode=episode or f"{fingerprint}-1",
        seq=0,
        status="firing" if ends_at_s is None else "resolved",
        level=level,
        labels={"alertname": fingerprint, **labels},
        annotations={},
        starts_at_s=starts_at_s,
        ends_at_s=ends_at_s,
        first_seen_s=starts_at_s if first_seen_s is None else first_seen_s,
        updated_s=starts_at_s,
    )


def route(
    matchers: str = "",
    routes: tuple[Route, ...] = (),
    receiver: str = "ops",
    group_by: tuple[str, ...] | None = (),
    group_wait_s: float = 30.0,
    group_interval_s: float = 300.0,
    repeat_interval_s: float = 3600.0,
    continues: bool = False,
    mute_time_intervals: tuple[str, ...] = (),
    active_time_intervals: tuple[str, ...] = (),
    digest_s: float | None = None,
) -> Route:
    return Route(
        key="{}",
        path="0",
        receiver=receiver,
        matchers=Matchers.parse(matchers),
        group_by=group_by,
        group_wait_s=group_wait_s,
        group_interval_s=group_interval_s,
        repeat_interval_s=repeat_interval_s,
        continues=continues,
        mute_time_intervals=mute_time_intervals,
        active_time_intervals=active_time_intervals,
        digest_s=digest_s,
        routes=routes,
    )


def group(first_seen_s: float = 0.0, told_count: int = 0, last_told_s: float | None = None, name: str = "g") -> Group:
    return Group(
        id=group_id("group", "ops", "{}", {"name": name}),
        kind="group",
        key="{}:{}",
        receiver="ops",
        route="0",
        labels={},
        first_seen_s=first_seen_s,
        next_flush_s=first_seen_s + 30.0,
        last_told_s=last_told_s,
        told_count=told_count,
    )


def member(of: Alert, told: LevelName | None = None, told_s: float | None = 50.0, muted: str | None = None) -> Member:
    """Told at that level, or never."""
    return Member(
        fingerprint=of.fingerprint,
        episode=of.episode,
        joined_s=0.0,
        told_status="firing" if told else None,
        told_level=told,
        told_s=told_s if told else None,
        muted=muted,
    )


def desk(
    root: Route | None = None,
    inhibit_rules: tuple[InhibitRule, ...] = (),
    time_intervals: dict[str, tuple[TimeInterval, ...]] | None = None,
    maintenance: tuple[Maintenance, ...] = (),
    dependencies: tuple[Dependency, ...] = (),
) -> Desk:
    return Desk(
        route=root or route(),
        receivers={"ops": Receiver("ops", ())},
        inhibit_rules=inhibit_rules,
        time_intervals=time_intervals or {},
        maintenance=maintenance,
        dependencies=dependencies,
    )
