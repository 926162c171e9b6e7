"""Groups and their members: in the database, and in memory while a transaction works on them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, and_, delete, select

from alerting.alert import Alert, Decision, Group, Member
from alerting.noise import flush
from alerting.noise.flush import Change
from alerting.noise.routing import Place
from pipeline.desk import alerts, tables
from pipeline.desk.bulk import chunks, upsert
from schemas.desk import Route

_g, _m = tables.groups.c, tables.members.c
_encode = msgspec.json.Encoder().encode
_group = msgspec.json.Decoder(Group)


def get(conn: Connection, id: str) -> Group | None:
    body = conn.execute(select(_g.body).where(_g.id == id)).scalar()
    return None if body is None else _group.decode(body)


def listed(conn: Connection) -> list[tuple[Group, list[tuple[Member, Alert]]]]:
    """All of them, by id, each with its members by fingerprint; alerts without evidence."""
    found = [_group.decode(body) for body in conn.execute(select(_g.body).order_by(_g.id)).scalars()]
    members = members_of(conn, [group.id for group in found])
    return [(group, members.get(group.id, [])) for group in found]


def members_of(conn: Connection, ids: Collection[str]) -> dict[str, list[tuple[Member, Alert]]]:
    """By group."""
    found: dict[str, list[tuple[Member, Alert]]] = defaultdict(list)
    decode = alerts.decode
    for chunk in chunks(ids):
        asked = (
            select(tables.members, tables.alerts.c.body)
            .join(tables.alerts, tables.alerts.c.fingerprint == _m.fingerprint)
            .where(_m.group_id.in_(chunk))
            .order_by(_m.group_id, _m.fingerprint)
        )
        for row in conn.execute(asked).mappings():
            found[row["group_id"]].append((_member(row), decode(row["body"])))
    return found


def memberships(conn: Connection, fingerprint: str) -> list[tuple[Group, Member]]:
    """Of one alert."""
    asked = select(tables.members, _g.body).join(tables.groups, _g.id == _m.group_id)
    rows = conn.execute(asked.where(_m.fingerprint == fingerprint).order_by(_g.id)).mappings()
    return [(_group.decode(row["body"]), _member(row)) for row in rows]


class Working:
    """The groups and members that one transaction touches: loaded in bulk, changed in memory, saved in bulk."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.groups: dict[str, Group] = {}
        self.members: dict[tuple[str, str], Member] = {}  # by group and fingerprint
        self.of_alert: dict[str, set[str]] = defaultdict(set)  # fingerprint -> groups
        self._old_groups: dict[str, Group] = {}
        self._old_members: dict[tuple[str, str], Member] = {}

    def load(self, ids: Iterable[str], fingerprints: Iterable[str]) -> None:
        """The groups of these ids, as far as there are any; all memberships of these alerts, and their groups."""
        wanted = set(ids)
        for chunk in chunks(sorted(fingerprints)):
            for row in self._conn.execute(select(tables.members).where(_m.fingerprint.in_(chunk))).mappings():
                self._add(row["group_id"], _member(row))
                wanted.add(row["group_id"])
        for chunk in chunks(sorted(wanted)):
            for body in self._conn.execute(select(_g.body).where(_g.id.in_(chunk))).scalars():
                group = _group.decode(body)
                self.groups[group.id] = group
        self._old_groups, self._old_members = dict(self.groups), dict(self.members)

    def place(self, alert: Alert, places: Iterable[Place], what: Change, now_s: float) -> list[Decision]:
        """The alert, which fires, belongs to exactly these groups from now on; what is new of it decides their time.

        Where a storm has taken it in for a receiver, it stays there.
        """
        found: list[Decision] = []
        stays: set[str] = set()
        storms = {group.receiver: group.id for group in self._groups_of(alert) if group.kind == "storm"}
        for place in places:
            id = storms.get(place.route.receiver, place.id)
            if id in stays:
                continue
            stays.add(id)
            if id not in self.groups:
                self.groups[id] = _new(place, now_s)
            elif id == place.id:
                self._reschedule(id, what, now_s, place.route)
            else:
                self._reschedule(id, what, now_s)
            member = self.members.get((id, alert.fingerprint))
            if member is None:
                self._add(id, Member(fingerprint=alert.fingerprint, episode=alert.episode, joined_s=now_s))
                found.append(_decision(self.groups[id], alert, now_s, "routed", f"joined {self.groups[id].key}"))
            elif member.departed:
                self._add(id, msgspec.structs.replace(member, departed=False))
        for group in self._groups_of(alert):
            member = self.members[group.id, alert.fingerprint]
            if group.id not in stays and not member.departed:
                self._add(group.id, msgspec.structs.replace(member, departed=True))
                self._reschedule(group.id, "departed", now_s)
                found.append(_decision(group, alert, now_s, "moved", f"left {group.key}: its routes lead elsewhere"))
        return found

    def ended(self, fingerprint: str, now_s: float) -> None:
        """The alert has resolved: its groups are told when their time comes."""
        for id in self.of_alert.get(fingerprint, ()):
            self._reschedule(id, "resolved", now_s)

    def save(self) -> None:
        """Writes what is new or different."""
        old_groups, old_members = self._old_groups, self._old_members
        save(self._conn, [group for id, group in self.groups.items() if old_groups.get(id) != group])
        changed = [(key[0], member) for key, member in self.members.items() if old_members.get(key) != member]
        save_members(self._conn, changed)

    def _add(self, id: str, member: Member) -> None:
        self.members[id, member.fingerprint] = member
        self.of_alert[member.fingerprint].add(id)

    def _groups_of(self, alert: Alert) -> list[Group]:
        return [self.groups[id] for id in sorted(self.of_alert.get(alert.fingerprint, ()))]

    def _reschedule(self, id: str, what: Change, now_s: float, route: Route | None = None) -> None:
        group = self.groups[id]
        at_s = flush.next_flush_on_change(group, what, now_s, route.group_wait_s if route else 0.0)
        path = route.path if route else group.route
        if at_s != group.next_flush_s or path != group.route:
            self.groups[id] = msgspec.structs.replace(group, next_flush_s=at_s, route=path)


def save(conn: Connection, changed: Iterable[Group]) -> None:
    rows = [
        {
            "id": group.id,
            "kind": group.kind,
            "receiver": group.receiver,
            "next_flush_s": group.next_flush_s,
            "body": _encode(group),
        }
        for group in changed
    ]
    upsert(conn, tables.groups, rows)


def save_members(conn: Connection, changed: Iterable[tuple[str, Member]]) -> None:
    """Group and member each."""
    upsert(conn, tables.members, [{"group_id": id, **msgspec.structs.asdict(member)} for id, member in changed])


def members_among(conn: Connection, ids: Collection[str], fingerprints: Iterable[str]) -> set[tuple[str, str]]:
    """Group and fingerprint, of those alerts that are members of those groups."""
    found: set[tuple[str, str]] = set()
    for chunk in chunks(fingerprints):
        asked = select(_m.group_id, _m.fingerprint).where(_m.group_id.in_(list(ids)), _m.fingerprint.in_(chunk))
        found.update((group, print_) for group, print_ in conn.execute(asked))
    return found


def remove_members(conn: Connection, gone: Mapping[str, Collection[str]]) -> None:
    """Group -> fingerprints."""
    for id, fingerprints in gone.items():
        for chunk in chunks(fingerprints):
            conn.execute(delete(tables.members).where(and_(_m.group_id == id, _m.fingerprint.in_(chunk))))


def remove(conn: Connection, ids: Collection[str]) -> None:
    """With their members."""
    for chunk in chunks(ids):
        conn.execute(delete(tables.members).where(_m.group_id.in_(chunk)))
        conn.execute(delete(tables.groups).where(_g.id.in_(chunk)))


def look_soon(conn: Connection, by: str, ref: str, now_s: float) -> None:
    """At the groups with an alert that this silence, snooze, acknowledgement held back at their last look.

    A digest keeps its time.
    """
    held = select(_m.group_id).where(_m.muted.startswith(f"{by} {ref}: ", autoescape=True))
    asked = select(_g.body).where(_g.id.in_(held), _g.kind != "digest", _g.next_flush_s > now_s)
    found = [_group.decode(body) for body in conn.execute(asked.order_by(_g.id)).scalars()]
    save(conn, [msgspec.structs.replace(group, next_flush_s=now_s) for group in found])


def due(conn: Connection, now_s: float, limit: int) -> list[Group]:
    """Those to look at now, the longest overdue first."""
    asked = select(_g.body).where(_g.next_flush_s <= now_s).order_by(_g.next_flush_s, _g.id).limit(limit)
    return [_group.decode(body) for body in conn.execute(asked).scalars()]


def _new(place: Place, now_s: float) -> Group:
    return Group(
        id=place.id,
        kind=place.kind,
        key=place.key,
        receiver=place.route.receiver,
        route=place.route.path,
        labels=place.labels,
        first_seen_s=now_s,
        next_flush_s=flush.first_flush_s(place.route, now_s),
    )


def _member(row: RowMapping) -> Member:
    fields: dict[str, Any] = {name: row[name] for name in Member.__struct_fields__}
    return Member(**fields)


def _decision(group: Group, alert: Alert, now_s: float, what: str, text: str) -> Decision:
    return Decision(
        at_s=now_s,
        what=what,
        text=text,
        episode=alert.episode,
        fingerprint=alert.fingerprint,
        group=group.id,
        receiver=group.receiver,
    )
