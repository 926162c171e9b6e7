"""What happened, into the database: one transaction a batch, in which offsets, events, alerts, groups move together.

Cutting a stream into other batches, delivering parts of it again, or dying between two batches changes nothing: each
transition is applied by itself and once, by (id, seq).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection, insert, select, update

from alerting.alert import Alert, Decision, Origin
from alerting.noise import routing
from alerting.noise.flush import Change
from alerting.noise.routing import Place
from pipeline.desk import alerts, external, flaps, log, tables
from pipeline.desk.bulk import chunks, upsert
from pipeline.desk.external import External
from pipeline.desk.groups import Working
from pipeline.desk.incidents import store
from schemas.alert import AlertEvent, encode_alert, fingerprint
from schemas.desk import Desk
from schemas.levels import LEVELS

Partition = tuple[str, int]  # topic, number
_RANK = {level: rank for rank, level in enumerate(LEVELS)}


class OffsetMoved(Exception):
    """Another desk has read on from here: what this one holds is behind the database."""


@dataclass(frozen=True)
class Span:
    """Records of one partition: from `first` until before `next`."""

    first: int
    next: int


@dataclass(frozen=True)
class Taken:
    """Of a batch. late: kept as events, but a later state of the alert was known already. seen: sightings that say
    nothing new."""

    new: int = 0
    doubles: int = 0
    late: int = 0
    seen: int = 0


def take(
    conn: Connection, events: Sequence[AlertEvent], offsets: Mapping[Partition, Span], desk: Desk, now_s: float
) -> Taken:
    """Events of the alerts topic in the order they were read. Raises OffsetMoved where another desk reads there."""
    move_offsets(conn, offsets)
    batch = _Batch(conn, desk, now_s)
    doubles = _known(conn, {event.id for event in events})
    batch.load({event.fingerprint for event in events})
    count = 0
    for event in events:
        if (event.id, event.seq) in doubles:
            count += 1
            continue
        doubles.add((event.id, event.seq))
        batch.hear(event)
    return replace(batch.finish(), doubles=count)


def take_external(conn: Connection, seen: Sequence[External], desk: Desk, now_s: float) -> Taken:
    """Alerts that say when they end, or are said again and again."""
    batch = _Batch(conn, desk, now_s)
    batch.load({fingerprint(one.labels) for one in seen})
    for one in seen:
        batch.see(one)
    return batch.finish()


def expire_external(conn: Connection, desk: Desk, now_s: float, limit: int = 1000) -> int:
    """Ends those that were not seen again in time. Returns how many; where it is `limit` there may be more."""
    t = tables.alerts.c
    asked = select(t.fingerprint, t.expires_s).where(t.expires_s <= now_s).order_by(t.expires_s, t.fingerprint)
    rows = conn.execute(asked.limit(limit)).all()
    batch = _Batch(conn, desk, now_s)
    batch.load({row.fingerprint for row in rows})
    for row in rows:
        batch.expire(row.fingerprint, row.expires_s)
    batch.finish()
    return len(rows)


def reroute(conn: Connection, desk: Desk, now_s: float) -> int:
    """All that fires, by the routes of now: for a desk that starts with another config. Returns how many fire."""
    firing = alerts.firing(conn)
    places = {alert.fingerprint: routing.places(desk.route, alert) for alert in firing}
    working = Working(conn)
    working.load((place.id for found in places.values() for place in found), places)
    decisions = [
        decision for alert in firing for decision in working.place(alert, places[alert.fingerprint], "departed", now_s)
    ]
    working.save()
    log.add(conn, decisions)
    return len(firing)


def offset(conn: Connection, topic: str, partition: int) -> int | None:
    """The next record to read; None: nothing was read yet."""
    t = tables.offsets.c
    asked = select(t.next_offset).where(t.topic == topic, t.partition == partition)
    found: int | None = conn.execute(asked).scalar()
    return found


def set_offset(conn: Connection, topic: str, partition: int, next_: int) -> None:
    """For where the topic isn't any more what was read: it was made anew, or its old records are gone."""
    upsert(conn, tables.offsets, [{"topic": topic, "partition": partition, "next_offset": next_}])


@dataclass(frozen=True)
class _Step:
    """A transition that changes how an alert stands. places: where it belongs from now on, None: that stays."""

    alert: Alert
    what: Change | None
    places: list[Place] | None


class _Batch:
    """One transaction's transitions, in their order."""

    def __init__(self, conn: Connection, desk: Desk, now_s: float) -> None:
        self._conn, self._desk, self._now_s = conn, desk, now_s
        self._alerts: dict[str, Alert] = {}
        self._before: dict[str, Alert] = {}
        self._expires_s: dict[str, float] = {}
        self._events: list[AlertEvent] = []
        self._steps: list[_Step] = []
        self._decisions: list[Decision] = []
        self._ignored: dict[str, Alert] = {}  # by episode: sightings of what somebody else tells
        self._late = self._seen = 0

    def load(self, fingerprints: Iterable[str]) -> None:
        self._alerts = alerts.many(self._conn, sorted(fingerprints))
        self._before = dict(self._alerts)

    def hear(self, event: AlertEvent) -> None:
        """One that wasn't heard before."""
        self._events.append(event)
        before = self._alerts.get(event.fingerprint)
        if before is not None and before.origin != "kafka" and event.status == "firing":
            # Its times say nothing beside those of sightings; who has evidence, levels and an end of its own wins.
            if before.is_firing:
                text = f"is told by the alerts topic from now on, no longer by {before.origin}"
                self._log("taken_over", text, event.id, event.fingerprint)
        elif before is not None and not _is_later(event, before):
            self._late += 1
            text = f"came after a later state was known: {event.status}, seq {event.seq}"
            self._log("late", text, event.id, event.fingerprint)
            return
        self._apply(event)

    def see(self, seen: External) -> None:
        """One sighting."""
        before = self._alerts.get(fingerprint(seen.labels))
        is_firing = before is not None and before.is_firing
        if before is not None and is_firing and before.origin not in ("api", seen.origin):
            self._seen += 1
            self._ignored[before.episode] = before
            return
        if seen.ends_at_s is not None and seen.ends_at_s <= self._now_s:
            if before is None or not is_firing:
                self._seen += 1
            else:
                self._end(before, seen.ends_at_s, "")
            return
        if before is None or not is_firing:
            event = external.start(seen, before, self._now_s)
            self._events.append(event)
            self._apply(event, seen.origin, seen.generator_url)
        else:
            self._seen += 1
            self._alerts[before.fingerprint] = msgspec.structs.replace(
                before, annotations=seen.annotations, generator_url=seen.generator_url, origin=seen.origin
            )
        until_s = self._now_s + self._desk.resolve_timeout_s if seen.ends_at_s is None else seen.ends_at_s
        self._expires_s[fingerprint(seen.labels)] = until_s

    def expire(self, print_: str, at_s: float) -> None:
        before = self._alerts[print_]
        self._end(before, at_s, "not seen again in time")

    def finish(self) -> Taken:
        """Writes everything."""
        conn = self._conn
        if self._events:
            conn.execute(insert(tables.events), [_event_row(event, self._now_s) for event in self._events])
        changed = [alert for print_, alert in self._alerts.items() if self._before.get(print_) is not alert]
        alerts.save(conn, changed, self._expires_s)
        self._place()
        self._explain_ignored()
        heard = [step.alert for step in self._steps]
        store.touch(conn, {alert.fingerprint for alert in heard}, self._now_s)
        log.add(conn, self._decisions + flaps.hear(conn, heard, self._desk.flapping, self._now_s))
        return Taken(new=len(self._events) - self._late, late=self._late, seen=self._seen)

    def _end(self, before: Alert, ends_at_s: float, why: str) -> None:
        event = external.end(before, max(ends_at_s, before.starts_at_s), why)
        self._events.append(event)
        self._apply(event, before.origin, before.generator_url)

    def _apply(self, event: AlertEvent, origin: Origin = "kafka", generator_url: str = "") -> None:
        before = self._alerts.get(event.fingerprint)
        same = before if before is not None and before.episode == event.id else None
        alert = alerts.of_event(
            event,
            first_seen_s=same.first_seen_s if same else self._now_s,
            now_s=self._now_s,
            last_level=same.level if same else None,
            origin=origin,
            generator_url=generator_url,
        )
        self._alerts[event.fingerprint] = alert
        what = _change(same, alert)
        is_moved = alert.is_firing and what is not None
        self._steps.append(_Step(alert, what, routing.places(self._desk.route, alert) if is_moved else None))
        why = f": {event.why}" if event.why else ""
        self._log("received", f"{what or 'same'}, {alert.status} {alert.level}{why}", alert.episode, alert.fingerprint)

    def _place(self) -> None:
        working = Working(self._conn)
        ids = {place.id for step in self._steps for place in step.places or ()}
        working.load(ids, {step.alert.fingerprint for step in self._steps})
        for step in self._steps:
            if step.what is None:
                continue
            if step.places is None:
                working.ended(step.alert.fingerprint, self._now_s)
                continue
            self._decisions += working.place(step.alert, step.places, step.what, self._now_s)
            if not step.places:
                self._log("unrouted", "no route matches it", step.alert.episode, step.alert.fingerprint)
        working.save()

    def _explain_ignored(self) -> None:
        """Once an episode: whoever sends them does so every minute."""
        t = tables.decisions.c
        known: set[str | None] = set()
        for chunk in chunks(sorted(self._ignored)):
            asked = select(t.episode).where(t.episode.in_(chunk), t.what == "ignored")
            known.update(self._conn.execute(asked).scalars())
        for episode, alert in self._ignored.items():
            if episode not in known:
                source = "the alerts topic" if alert.origin == "kafka" else "the desk itself"
                text = f"sightings from outside change nothing: {source} tells it and its end"
                self._log("ignored", text, episode, alert.fingerprint)

    def _log(self, what: str, text: str, episode: str, print_: str) -> None:
        decision = Decision(at_s=self._now_s, what=what, text=text, episode=episode, fingerprint=print_)
        self._decisions.append(decision)


def _is_later(event: AlertEvent, known: Alert) -> bool:
    if event.id == known.episode:
        return event.seq > known.seq
    return alerts.unix_s(event.starts_at) > known.starts_at_s


def _change(same: Alert | None, alert: Alert) -> Change | None:
    """same: as it stood before in the same episode."""
    if not alert.is_firing:
        return "resolved"
    if same is None or not same.is_firing:
        return "new"
    step = _RANK[alert.level] - _RANK[same.level]
    return "raised" if step > 0 else "lowered" if step < 0 else None


def _known(conn: Connection, episodes: Iterable[str]) -> set[tuple[str, int]]:
    t = tables.events.c
    found: set[tuple[str, int]] = set()
    for chunk in chunks(sorted(episodes)):
        found.update(
            (row.episode, row.seq) for row in conn.execute(select(t.episode, t.seq).where(t.episode.in_(chunk)))
        )
    return found


def move_offsets(conn: Connection, offsets: Mapping[Partition, Span]) -> None:
    """In the transaction of what was read there. Raises OffsetMoved."""
    t = tables.offsets.c
    for (topic, partition), span in sorted(offsets.items(), key=lambda item: item[0]):
        known = offset(conn, topic, partition)
        if known is not None and known != span.first:
            raise OffsetMoved(f"{topic}[{partition}]: read from {span.first}, the database is at {known}")
        if known is None:
            set_offset(conn, topic, partition, span.next)
        else:
            here = update(tables.offsets).where(t.topic == topic, t.partition == partition)
            conn.execute(here.values(next_offset=span.next))


def _event_row(event: AlertEvent, now_s: float) -> dict[str, object]:
    return {
        "episode": event.id,
        "seq": event.seq,
        "fingerprint": event.fingerprint,
        "at_s": alerts.unix_s(event.at),
        "seen_s": now_s,
        "body": encode_alert(event),
    }
