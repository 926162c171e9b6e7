"""The firing alerts as the API shows them: what holds each back, whom it is for, and its JSON, kept for a second.

Ten thousand alerts are asked for again and again, and change little between: a refresh reads the keys of all of them
and the rest of those that changed, and asks what holds an alert back only where that may have changed. Readers get
what is there; only who has just changed something through this API waits for what comes after it.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import msgspec
from sqlalchemy import Connection, select

from alerting.alert import Alert, Group, Muted
from alerting.noise import routing
from alerting.noise.muting import Muters, Snooze
from alerting.noise.silences import Silence
from pipeline.desk import acks, alerts, flaps, silences, tables
from pipeline.desk.bulk import IN_MAX
from pipeline.desk.database import Database
from pipeline.desk.http import times
from pipeline.desk.threads import Pool
from schemas.desk import Desk, Route

State = Literal["active", "suppressed", "unprocessed"]
FRESH_S = 1.0
STALE_MAX_S = 5.0  # older is not shown while a refresh is under way, but waited for
_ENDS_EVERY_S = 60.0
_WINDOWS_EVERY_S = 10.0  # a maintenance window or a time interval shows so late at most
_a = tables.alerts.c
_group = msgspec.json.Decoder(Group).decode
_Key = tuple[str, int, float, float | None]  # episode, seq, updated_s, expires_s


class Status(msgspec.Struct, frozen=True):
    state: State
    silencedBy: list[str]
    inhibitedBy: list[str]
    mutedBy: list[str]


class Named(msgspec.Struct, frozen=True):
    name: str


class Shown(msgspec.Struct, frozen=True):
    """Alertmanager's `gettableAlert`, of the newest version's fields."""

    annotations: dict[str, str]
    endsAt: str
    fingerprint: str
    receivers: list[Named]
    startsAt: str
    status: Status
    updatedAt: str
    generatorURL: str
    labels: dict[str, str]


@dataclass(frozen=True)
class Routed:
    """An alert and where it goes; both last until it changes. labels: what matchers see."""

    key: _Key
    alert: Alert
    labels: dict[str, str]
    routes: tuple[Route, ...]
    receivers: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """body: its JSON."""

    routed: Routed
    status: Status
    ends_at_s: float
    body: bytes


@dataclass(frozen=True)
class Snapshot:
    """at_s: of the database. standings: by fingerprint, in its order."""

    at_s: float
    standings: dict[str, Standing]
    holds: "Holds"
    version: int = 0

    @cached_property
    def body(self) -> bytes:
        """All of them as one JSON array."""
        return listed(self.standings.values())


@dataclass(frozen=True)
class Holds:
    """All that decides what holds alerts back, but the alerts. Windows and intervals open and close: `step`."""

    silences: tuple[Silence, ...]
    snoozes: tuple[Snooze, ...]
    flapping: frozenset[str]
    step: int


def listed(standings: Iterable[Standing]) -> bytes:
    return b"[" + b",".join([one.body for one in standings]) + b"]"


class View:
    """`get` in the event loop; its work is done in threads."""

    def __init__(self, db: Database, desk: Desk, clock: "Clock") -> None:
        self._db, self._desk, self._clock = db, desk, clock
        self._aside = Pool("view", 1)
        self._last: Snapshot | None = None
        self._asked_version = 0
        self._refreshing: asyncio.Task[Snapshot] | None = None

    def changed(self) -> None:
        """By ourselves, just now: whoever asks next sees it."""
        self._asked_version += 1

    @property
    def last(self) -> Snapshot | None:
        """However old; None: nobody has asked yet."""
        return self._last

    async def get(self) -> Snapshot:
        last = self._last
        if last is None or last.version < self._asked_version:
            return await self._at_least(self._asked_version)
        age_s = self._clock() - last.at_s
        if 0 <= age_s <= FRESH_S:
            return last
        if 0 <= age_s <= STALE_MAX_S:
            self._start()
            return last
        return await asyncio.shield(self._start())

    async def _at_least(self, version: int) -> Snapshot:
        while True:
            found = await asyncio.shield(self._start())
            if found.version >= version:
                return found

    def _start(self) -> "asyncio.Task[Snapshot]":
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())
        return self._refreshing

    async def _refresh(self) -> Snapshot:
        version, before, now_s = self._asked_version, self._last, self._clock()
        self._last = await self._aside(
            lambda: self._db.read(lambda conn: snapshot(conn, self._desk, now_s, before, version))
        )
        return self._last


class Clock(Protocol):
    """Unix seconds, for whoever is told the time by calling."""

    def __call__(self) -> float: ...


def snapshot(conn: Connection, desk: Desk, now_s: float, before: Snapshot | None, version: int) -> Snapshot:
    known = {} if before is None else before.standings
    routed = _routed(conn, desk, known)
    holds = _holds(conn, now_s)
    unchanged = sum((was := known.get(one.alert.fingerprint)) is not None and was.routed is one for one in routed)
    is_any_news = not len(routed) == len(known) == unchanged
    # Rules look from one alert at others: then any change may matter to each of them.
    are_bound = bool(desk.inhibit_rules or desk.dependencies)
    is_as_before = before is not None and before.holds == holds and not (are_bound and is_any_news)
    firing = [one.alert for one in routed] if are_bound and not is_as_before else []
    muters = Muters(desk, holds.silences, holds.snoozes, firing, holds.flapping, now_s)
    # In steps, so that a body needn't be made anew each second because its alert ends "in five minutes".
    ends_at_s = now_s - now_s % _ENDS_EVERY_S + _ENDS_EVERY_S + desk.resolve_timeout_s
    standings = {}
    for one in routed:
        was = known.get(one.alert.fingerprint)
        if was is not None and was.routed is not one:
            was = None
        status = was.status if was is not None and is_as_before else _status(one, muters)
        until_s = one.key[3] if one.key[3] is not None else ends_at_s
        if was is None or was.status != status or was.ends_at_s != until_s:
            was = Standing(one, status, until_s, _encode(_shown(one, status, until_s)))
        standings[one.alert.fingerprint] = was
    return Snapshot(now_s, standings, holds, version)


def groups(conn: Connection, standings: Mapping[str, Standing]) -> list[tuple[Group, list[Standing]]]:
    """Each with those of its members that fire and are its receiver's still; groups without any of them are left out.

    Asked for a few of ten thousand, it reads the groups of those few.
    """
    m, g = tables.members.c, tables.groups.c
    are_few = len(standings) <= IN_MAX
    asked = select(m.group_id, m.fingerprint).where(m.departed.is_(False)).order_by(m.fingerprint)
    members: dict[str, list[Standing]] = {}
    for row in conn.execute(asked.where(m.fingerprint.in_(list(standings))) if are_few else asked):
        standing = standings.get(row.fingerprint)
        if standing is not None:
            members.setdefault(row.group_id, []).append(standing)
    bodies = select(g.id, g.body)
    rows = conn.execute(bodies.where(g.id.in_(list(members))) if len(members) <= IN_MAX else bodies)
    found = [(_group(row.body), members[row.id]) for row in rows if row.id in members]
    return sorted(found, key=lambda pair: (sorted(pair[0].labels.items()), pair[0].receiver, pair[0].id))


def _routed(conn: Connection, desk: Desk, known: Mapping[str, Standing]) -> list[Routed]:
    asked = select(_a.fingerprint, _a.episode, _a.seq, _a.updated_s, _a.expires_s)
    keys: dict[str, _Key] = {
        row[0]: (row[1], row[2], row[3], row[4])
        for row in conn.execute(asked.where(_a.status == "firing").order_by(_a.fingerprint))
    }
    new = {print_ for print_, key in keys.items() if print_ not in known or known[print_].routed.key != key}
    if len(new) > len(keys) // 2:
        loaded = {alert.fingerprint: alert for alert in alerts.firing(conn)}
    else:
        loaded = alerts.many(conn, sorted(new))
    found = []
    for print_, key in keys.items():
        if print_ not in new:
            found.append(known[print_].routed)
        elif print_ in loaded:
            found.append(_route(key, loaded[print_], desk))
    return found


def _route(key: _Key, alert: Alert, desk: Desk) -> Routed:
    labels = alert.matchable()
    routes = tuple(routing.routes_for(desk.route, labels))
    return Routed(key, alert, labels, routes, tuple(dict.fromkeys(route.receiver for route in routes)))


def _holds(conn: Connection, now_s: float) -> Holds:
    active = tuple(one for one in silences.listed(conn, now_s) if one.state(now_s) == "active")
    snoozes = tuple(
        Snooze(episode=ack.episode, until_s=ack.until_s, by=ack.by, comment=ack.comment)
        for ack in acks.listed(conn, now_s, kind="snooze")
        if ack.until_s is not None
    )
    return Holds(active, snoozes, flaps.flapping_now(conn), int(now_s // _WINDOWS_EVERY_S))


def _status(one: Routed, muters: Muters) -> Status:
    if not one.routes:
        return _UNPROCESSED
    by_route = [muters.all_reasons(one.alert, route) for route in one.routes]
    if not any(by_route):
        return _ACTIVE
    # What holds it back on one of its ways only doesn't hold it back.
    reasons = [reason for reason in by_route[0] if all(reason in others for others in by_route[1:])]
    partly = {reason.ref for reasons in by_route for reason in reasons if reason.by == "time_interval"}
    silenced = [silence.id for silence in muters.silences_of(one.alert)]
    inhibited = [reason.ref for reason in reasons if reason.by == "inhibition"]
    muted = sorted({_muted_by(reason) for reason in reasons if reason.by not in ("silence", "inhibition")} | partly)
    return Status("suppressed" if reasons else "active", silenced, inhibited, muted)


def _muted_by(reason: Muted) -> str:
    """Alertmanager knows names of time intervals here; what it doesn't have says what it is."""
    return reason.ref if reason.by == "time_interval" else f"{reason.by}:{reason.ref}"


def _shown(one: Routed, status: Status, ends_at_s: float) -> Shown:
    alert = one.alert
    return Shown(
        annotations=alert.annotations,
        endsAt=times.written(ends_at_s),
        fingerprint=alert.fingerprint,
        receivers=[Named(name) for name in one.receivers],
        startsAt=times.written(alert.starts_at_s),
        status=status,
        updatedAt=times.written(alert.updated_s),
        generatorURL=alert.generator_url,
        labels=one.labels,
    )


_ACTIVE = Status("active", [], [], [])
_UNPROCESSED = Status("unprocessed", [], [], [])
_encode = msgspec.json.Encoder().encode
