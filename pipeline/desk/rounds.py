"""Looks at the groups whose time has come: what to tell goes into the outbox with everything that follows from it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from msgspec.structs import replace
from sqlalchemy import Connection, and_, func, select

from alerting.alert import Alert, Decision, Group, Member, Muted, Notification
from alerting.noise import digest, flush, routing, storm
from alerting.noise.flush import Flush
from alerting.noise.muting import Muters, Snooze
from alerting.notifiers import KINDS
from pipeline.desk import acks, alerts, flaps, groups, log, outbox, silences, tables
from pipeline.desk.database import Database, passes
from pipeline.desk.incidents import opening
from pipeline.desk.outbox import Entry
from pipeline.desk.payloads import unpacked, with_points
from schemas.desk import Desk, Route

GROUPS_MAX = 500  # of one transaction
EVIDENCE_MAX = 20  # alerts of a notification that carry their last points
_POSTPONED_S = 60.0
_GATHER = 0.25  # of a storm's window: so that its message has all of it, not what broke in the first second
logger = structlog.get_logger(__name__)
_Pairs = list[tuple[Member, Alert]]


def flush_due(db: Database, desk: Desk, now_s: float, limit: int = GROUPS_MAX) -> int:
    """One transaction. Returns how many groups were looked at; where it is `limit` there may be more."""
    return db.write(lambda conn: look(conn, desk, now_s, limit))


def flush_each(db: Database, desk: Desk, now_s: float, limit: int = GROUPS_MAX) -> int:
    """As `flush_due`, each group in a transaction of its own: one that can't be looked at holds up no other."""
    due = db.read(lambda conn: groups.due(conn, now_s, limit))
    for group in due:
        try:
            db.write(partial(_look_at, desk=desk, group=group, now_s=now_s))
        except Exception as error:
            if passes(error):
                raise
            logger.exception("a group can't be looked at", group=group.key, again_after_s=_POSTPONED_S)
            again = replace(group, next_flush_s=now_s + _POSTPONED_S)
            db.write(partial(groups.save, changed=[again]))
    return len(due)


def _look_at(conn: Connection, desk: Desk, group: Group, now_s: float) -> None:
    known = groups.get(conn, group.id)
    if known is not None and known.next_flush_s <= now_s:  # nobody was faster
        _Round(conn, desk, now_s).run([known])


def next_s(conn: Connection) -> float | None:
    """When there is something to do next, if nothing happens until then."""
    times = (
        conn.execute(select(func.min(tables.groups.c.next_flush_s))).scalar_one(),
        conn.execute(select(func.min(tables.alerts.c.expires_s))).scalar_one(),
        flaps.next_s(conn),
    )
    return min((at_s for at_s in times if at_s is not None), default=None)


def look(conn: Connection, desk: Desk, now_s: float, limit: int) -> int:
    """As `flush_due`, inside a transaction."""
    due = groups.due(conn, now_s, limit)
    if due:
        _Round(conn, desk, now_s).run(due)
    return len(due)


def muters(conn: Connection, desk: Desk, now_s: float) -> Muters:
    """Everything that holds alerts back now."""
    # Silences may be asked of any alert, what fires only where a rule looks at other alerts.
    firing = alerts.firing(conn) if desk.inhibit_rules or desk.dependencies else []
    snoozes = [
        Snooze(episode=ack.episode, until_s=ack.until_s, by=ack.by, comment=ack.comment)
        for ack in acks.listed(conn, now_s, kind="snooze")
        if ack.until_s is not None
    ]
    return Muters(desk, silences.listed(conn, now_s), snoozes, firing, flaps.flapping_now(conn), now_s)


def bundle_stale(conn: Connection, desk: Desk, now_s: float) -> int:
    """First messages that nobody could send for too long (the desk was down) become one digest an integration.

    Later messages of a group are left alone, and all that go where an incident is kept: its end will come under the
    group's own key, so its start must. Returns how many were bundled.
    """
    bundled_to = [
        integration.name
        for receiver in desk.receivers.values()
        for integration in receiver.integrations
        if not KINDS[integration.kind].keeps_incident
    ]
    o, n = tables.outbox.c, tables.notifications.c
    too_old = and_(n.number == 1, n.status == "firing", n.kind != "digest", n.at_s < now_s - desk.server.max_page_age_s)
    asked = select(o.id, o.integration, o.with_resolved, n.receiver, n.body).join(
        tables.notifications, n.id == o.notification_id
    )
    untried = and_(o.status == "due", o.owner.is_(None), o.attempts == 0, o.integration.in_(bundled_to))
    by_integration: dict[tuple[str, bool, str], list[tuple[int, Notification]]] = defaultdict(list)
    for row in conn.execute(asked.where(untried, too_old).order_by(o.id)):
        by_integration[row.integration, row.with_resolved, row.receiver].append((row.id, unpacked(row.body)))
    for (integration, with_resolved, receiver), stale in by_integration.items():
        bundled = digest.bundle([note for _, note in stale], receiver, now_s)
        outbox.put(conn, bundled, integration, now_s, with_resolved=with_resolved)
        outbox.replace(conn, [id for id, _ in stale], "too old to page: in a digest", now_s)
    return sum(len(stale) for stale in by_integration.values())


@dataclass
class _Outcome:
    """What a round writes at its end."""

    groups: list[Group] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    members: list[tuple[str, Member]] = field(default_factory=list)
    gone: dict[str, list[str]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    told: list[Notification] = field(default_factory=list)


class _Round:
    def __init__(self, conn: Connection, desk: Desk, now_s: float) -> None:
        self._conn, self._desk, self._now_s = conn, desk, now_s
        self._routes = {route.path: route for route in walk(desk.route)}
        self._out = _Outcome()

    def run(self, due: Sequence[Group]) -> None:
        pairs = groups.members_of(self._conn, [group.id for group in due])
        muting = muters(self._conn, self._desk, self._now_s)
        acknowledged = acks.acknowledged(self._conn, self._now_s)

        def look_at(group: Group, joined: _Pairs) -> Flush:
            return self._flush(group, [*pairs.get(group.id, []), *joined], muting, acknowledged)

        looked = [(group, look_at(group, [])) for group in due if group.kind != "storm"]
        storms = self._bundled([group for group, answer in looked if _is_first(group, answer)])
        joined = self._joined(storms, pairs)
        for group, answer in looked:
            if group.id in storms:
                self._out.ended.append(group.id)
            else:
                self._keep(group, answer, pairs.get(group.id, []))
        for group in due:
            if group.kind == "storm":
                self._keep(group, look_at(group, joined.pop(group.id, [])), pairs.get(group.id, []))
        self._out.members += [(id, member) for id, waiting in joined.items() for member, _ in waiting]
        self._save()

    def _flush(self, group: Group, pairs: _Pairs, muting: Muters, acknowledged: frozenset[str]) -> Flush:
        # A route that the config has no more: its members have departed, and are told so with the root's times.
        route = self._routes.get(group.route, self._desk.route)
        mutes = {a.fingerprint: muted for _, a in pairs if (muted := self._muted(group, a, route, muting)) is not None}
        return flush.flush(group, pairs, route, mutes, acknowledged, self._now_s)

    def _muted(self, group: Group, alert: Alert, route: Route, muting: Muters) -> Muted | None:
        """A storm has members of several routes: each is held back by what its own routes say."""
        if group.kind != "storm":
            return muting.why(alert, route)
        found = routing.routes_for(self._desk.route, alert.matchable())
        own = [one for one in found if one.receiver == group.receiver] or [route]
        reasons = [muting.why(alert, one) for one in own]
        return None if None in reasons else reasons[0]

    def _bundled(self, first: Sequence[Group]) -> dict[str, Group]:
        """Groups that join a storm -> the storm's group."""
        by_receiver: dict[str, list[Group]] = defaultdict(list)
        for group in first:
            by_receiver[group.receiver].append(group)
        n = tables.notifications.c
        since_s = self._now_s - self._desk.storm.window_s
        recently = and_(n.at_s > since_s, n.number == 1, n.kind == "group", n.receiver.in_(list(by_receiver)))
        asked = select(n.receiver, func.count()).where(recently).group_by(n.receiver)
        told: dict[str, int] = dict(self._conn.execute(asked).all()) if by_receiver else {}
        found: dict[str, Group] = {}
        for receiver, waiting in by_receiver.items():
            _, joining = storm.bundle(waiting, told.get(receiver, 0), self._desk.storm)
            if joining:
                route = self._routes.get(joining[0].route, self._desk.route)
                at_s = self._now_s + _GATHER * self._desk.storm.window_s
                fresh = replace(storm.storm_group(receiver, route, self._now_s), next_flush_s=at_s)
                known = groups.get(self._conn, fresh.id)
                self._out.groups += [] if known else [fresh]
                found.update((group.id, known or fresh) for group in joining)
        return found

    def _joined(self, storms: dict[str, Group], pairs: dict[str, _Pairs]) -> dict[str, _Pairs]:
        """Members of the groups in `storms` that are new to the storm, by its id."""
        prints = {alert.fingerprint for id in storms for _, alert in pairs.get(id, [])}
        ids = {storm.id for storm in storms.values()}
        there = groups.members_among(self._conn, ids, sorted(prints)) if storms else set()
        found: dict[str, _Pairs] = defaultdict(list)
        for id, into in storms.items():
            for member, alert in pairs.get(id, []):
                if (into.id, alert.fingerprint) not in there:
                    there.add((into.id, alert.fingerprint))
                    found[into.id].append((member, alert))
                    self._out.decisions.append(_bundling(into, alert, self._desk, self._now_s))
        return found

    def _keep(self, group: Group, answer: Flush, pairs: _Pairs) -> None:
        out = self._out
        out.decisions += answer.decisions
        if answer.notification is not None:
            self._tell(answer.notification)
        if answer.group is None:
            out.ended.append(group.id)
            return
        out.groups.append(answer.group)
        before = {member.fingerprint: member for member, _ in pairs}
        out.members += [(group.id, member) for member in answer.members if before.get(member.fingerprint) != member]
        gone = before.keys() - {member.fingerprint for member in answer.members}
        if gone:
            out.gone[group.id] = sorted(gone)

    def _tell(self, note: Notification) -> None:
        self._out.told.append(note)
        receiver = self._desk.receivers.get(note.group.receiver)
        if receiver is None or not receiver.integrations:
            why = "is no longer in the config" if receiver is None else "has no integrations"
            self._out.decisions.append(
                Decision(
                    at_s=self._now_s,
                    what="skipped",
                    text=f"message {note.number} goes nowhere: receiver {note.group.receiver} {why}",
                    group=note.group.id,
                    receiver=note.group.receiver,
                )
            )
            return
        whom = {integration.name: integration.send_resolved for integration in receiver.integrations}
        shown = [told.alert.fingerprint for told in note.alerts[:EVIDENCE_MAX]]
        self._out.entries.append(Entry(with_points(note, alerts.evidence(self._conn, shown)), whom))

    def _save(self) -> None:
        conn, out = self._conn, self._out
        groups.save(conn, out.groups)
        groups.remove_members(conn, out.gone)
        groups.save_members(conn, out.members)
        groups.remove(conn, out.ended)
        outbox.put_all(conn, out.entries, self._now_s)
        log.add(conn, out.decisions)
        opening.told(conn, self._desk, out.told, self._now_s)


def walk(route: Route) -> Iterator[Route]:
    """The route and all below it."""
    yield route
    for child in route.routes:
        yield from walk(child)


def _is_first(group: Group, answer: Flush) -> bool:
    """Whether a storm may take it: a group of its own that would be told for the first time."""
    return answer.notification is not None and group.told_count == 0 and group.kind == "group"


def _bundling(into: Group, alert: Alert, desk: Desk, now_s: float) -> Decision:
    return Decision(
        at_s=now_s,
        what="bundled",
        text=f"joined {into.key}: more than {desk.storm.groups_max} groups at once",
        episode=alert.episode,
        fingerprint=alert.fingerprint,
        group=into.id,
        receiver=into.receiver,
    )
