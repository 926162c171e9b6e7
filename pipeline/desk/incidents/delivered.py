"""What became of an incident's messages, for its timeline: who has a page, who couldn't be reached, and why not."""

from sqlalchemy import Connection

from alerting.alert import Notification
from incidents.model import Line
from pipeline.desk.incidents import paging, store
from pipeline.desk.outbox import Delivery


def told(conn: Connection, delivery: Delivery, now_s: float) -> None:
    note, name = delivery.notification, delivery.integration
    if note.says == "acknowledge":
        text = f"{name} was told that it is acknowledged by {note.by}"
    elif note.says == "unacknowledge":
        text = f"{name} was told that nobody is on it any more"
    else:
        text = f"{name} has the page" if note.firing else f"{name} was told the end"
    _write(conn, delivery, text, now_s)


def postponed(conn: Connection, delivery: Delivery, reason: str, now_s: float) -> None:
    """The first time only: a service that is down for an hour is one line."""
    if delivery.attempts == 1:
        _write(conn, delivery, f"{delivery.integration} hasn't taken {_what(delivery)} yet: {reason}", now_s)


def given_up(conn: Connection, delivery: Delivery, reason: str, now_s: float) -> None:
    """Where nobody of the newest step can be reached, the next needn't wait."""
    _write(conn, delivery, f"{delivery.integration} didn't get {_what(delivery)}: {reason}", now_s)
    number, note = number_of(delivery.notification), delivery.notification
    if number is not None and note.says == "tell" and note.firing:
        paging.unreached(conn, number, note.group.id, now_s)


def number_of(note: Notification) -> int | None:
    """The incident that a page is about; None: it is none."""
    digits = note.group.labels.get("incident", "").removeprefix("INC-")
    return int(digits) if note.group.kind == "incident" and note.group.key.endswith("/page") and digits else None


def _what(delivery: Delivery) -> str:
    note = delivery.notification
    return "the acknowledgement" if note.says != "tell" else "the page" if note.firing else "the end"


def _write(conn: Connection, delivery: Delivery, text: str, now_s: float) -> None:
    number = number_of(delivery.notification)
    if number is None or store.get(conn, number) is None:
        return
    details = {"integration": delivery.integration, "message": delivery.notification.id}
    store.append(conn, number, [Line(what="page", text=text, details=details)], now_s)
