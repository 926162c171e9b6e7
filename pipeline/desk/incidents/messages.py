"""What people are told of an incident besides pages: updates to stakeholders, reminders. Through the outbox as all is.

An incident is shown as an alert of its own. Of one `key` each receiver has one conversation: a thread, an incident of a
pager; its end is told to whoever was told of its beginning.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from alerting.alert import Alert, Group, Notification, Told
from alerting.notifiers import KINDS
from incidents.model import Incident
from pipeline.desk import outbox, tables
from pipeline.desk.outbox import Entry
from schemas.alert import fingerprint
from schemas.desk import Desk
from schemas.levels import LevelName

LEVELS: dict[int, LevelName] = {1: "critical", 2: "critical", 3: "warning", 4: "warning", 5: "info"}
"""What a severity looks like where only levels are known."""
_n = tables.notifications.c


@dataclass(frozen=True)
class Message:
    """key: which conversation, such as `update`. title: a line; text: all of it. is_end: nothing comes after it."""

    key: str
    title: str
    text: str
    level: LevelName
    is_end: bool = False


def send(
    conn: Connection,
    desk: Desk,
    incident: Incident,
    receivers: Sequence[str],
    message: Message,
    now_s: float,
    *,
    with_pagers: bool = True,
) -> tuple[str, ...]:
    """Names of the receivers that will hear it: known ones, with a way to be told; an end only where there was a
    beginning. with_pagers: also by ways that would open an incident of their own.
    """
    life_s = incident.opened_s if incident.reopened_s is None else incident.reopened_s
    told = []
    for name in dict.fromkeys(receivers):
        receiver = desk.receivers.get(name)
        ways = [] if receiver is None else receiver.integrations
        whom = {one.name: one.send_resolved for one in ways if with_pagers or not KINDS[one.kind].keeps_incident}
        if not whom:
            continue
        id_ = hashlib.blake2b(f"{incident.number}\0{message.key}\0{name}".encode(), digest_size=16).hexdigest()
        here = select(func.count()).where(_n.group_id == id_)
        number = int(conn.execute(here).scalar_one()) + 1
        if message.is_end and number == 1:
            continue
        group = Group(
            id=id_,
            kind="incident",
            key=f"incident/{incident.id}/{message.key}",
            receiver=name,
            route="",
            labels={"incident": incident.id},
            first_seen_s=life_s,
            next_flush_s=now_s,
            last_told_s=now_s,
            told_count=number,
        )
        note = Notification(
            id=hashlib.blake2b(f"{id_}\0{number}".encode(), digest_size=16).hexdigest(),
            number=number,
            group=group,
            reason="all_resolved" if message.is_end else "first_notification" if number == 1 else "new_alerts",
            alerts=[Told(_shown(incident, message, now_s), "resolved" if message.is_end else "new")],
            at_s=now_s,
            repeat_interval_s=0.0,
        )
        outbox.put_all(conn, [Entry(note, whom)], now_s)
        told.append(name)
    return tuple(told)


def _shown(incident: Incident, message: Message, now_s: float) -> Alert:
    labels = {"alertname": "Incident", "incident": incident.id, "severity": f"sev{incident.severity}"}
    if incident.service:
        labels["service"] = incident.service
    return Alert(
        fingerprint=fingerprint({"incident": incident.id, "about": message.key}),
        episode=hashlib.blake2b(f"{incident.number}\0{message.key}".encode(), digest_size=16).hexdigest(),
        seq=0,
        status="resolved" if message.is_end else "firing",
        level=message.level,
        labels=labels,
        annotations={"summary": message.title, "description": message.text},
        starts_at_s=incident.opened_s,
        ends_at_s=now_s if message.is_end else None,
        first_seen_s=incident.opened_s,
        updated_s=now_s,
        origin="self",
    )
