"""What of an older message is still so: it may be told again, much later than it was made."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, false, select

from alerting.alert import Notification, Told
from incidents.model import OVER
from pipeline.desk import tables
from pipeline.desk.bulk import chunks
from schemas.levels import LevelName


@dataclass(frozen=True)
class Standing:
    """groups: that there are still. members: group and fingerprint of what fires in them. levels: receiver,
    fingerprint and level of the same."""

    groups: frozenset[str]
    members: frozenset[tuple[str, str]]
    levels: frozenset[tuple[str, str, LevelName]]

    @classmethod
    def of(cls, conn: Connection, notes: Sequence[Notification]) -> "Standing":
        """As the alerts of these stand now."""
        g, m, a = tables.groups.c, tables.members.c, tables.alerts.c
        groups: set[str] = set()
        for chunk in chunks(sorted({note.group.id for note in notes})):
            groups.update(conn.execute(select(g.id).where(g.id.in_(chunk))).scalars())
        members = _of_incidents(conn, [note for note in notes if note.group.kind == "incident"])
        groups |= {group for group, _ in members}
        levels: set[tuple[str, str, LevelName]] = set()
        asked = (
            select(m.group_id, m.fingerprint, g.receiver, a.level)
            .join(tables.groups, g.id == m.group_id)
            .join(tables.alerts, a.fingerprint == m.fingerprint)
            .where(a.status == "firing", m.departed == false())
        )
        for chunk in chunks(sorted({told.alert.fingerprint for note in notes for told in note.firing})):
            for row in conn.execute(asked.where(m.fingerprint.in_(chunk))):
                members.add((row.group_id, row.fingerprint))
                levels.add((row.receiver, row.fingerprint, row.level))
        return cls(frozenset(groups), frozenset(members), frozenset(levels))

    def only(self, note: Notification) -> Notification:
        """Without what it says fires and doesn't, or not in that group any more; its ends stay."""
        alerts = [told for told in note.alerts if told.what in ("resolved", "departed") or self._fires(told, note)]
        return note if len(alerts) == len(note.alerts) else msgspec.structs.replace(note, alerts=alerts)

    def _fires(self, told: Told, note: Notification) -> bool:
        alert, group = told.alert, note.group
        if group.id in self.groups:
            return (group.id, alert.fingerprint) in self.members
        # A digest of what was missed is no group of its own: its alerts are members of others.
        is_digest = group.kind == "digest"
        return is_digest and (group.receiver, alert.fingerprint, alert.level) in self.levels


def _of_incidents(conn: Connection, notes: Sequence[Notification]) -> set[tuple[str, str]]:
    """Group and fingerprint of those whose incident isn't over: it is told as an alert that no table has."""
    i = tables.incidents.c
    numbers = {note.group.labels.get("incident", "").removeprefix("INC-"): note for note in notes}
    lasting: set[str] = set()
    for chunk in chunks(sorted(int(number) for number in numbers if number.isdecimal())):
        asked = select(i.number).where(i.number.in_(chunk), i.state.not_in(list(OVER)))
        lasting.update(f"INC-{number}" for number in conn.execute(asked).scalars())
    return {
        (note.group.id, told.alert.fingerprint)
        for note in notes
        if note.group.labels.get("incident") in lasting
        for told in note.firing
    }
