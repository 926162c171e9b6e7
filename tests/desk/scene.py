"""Alert events, desks and snapshots of a database, for tests."""

from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import Connection, delete, select

from alerting.alert import Notification
from pipeline.desk import tables
from pipeline.desk.database import Database
from pipeline.desk.payloads import unpacked
from schemas.alert import AlertEvent, Evidence, alert_id, fingerprint, rfc3339
from schemas.desk import Desk, DeskServer, Flapping, Integration, Receiver, Route, Storm
from schemas.levels import LevelName
from schemas.matchers import Matchers
from schemas.metric import Series

START_S = 1_800_000_000.0
TOPIC = "alerts"
_VOLATILE = {"id", "notification_id", "attempts", "owner", "lease_until_s", "deadline_s"}


class Nothing(BaseModel):
    """Settings of an integration that nobody sends to."""


def event(
    name: str = "a",
    *,
    seq: int = 0,
    level: LevelName | None = "warning",
    previous: LevelName | None = None,
    starts_s: float = START_S,
    at_s: float | None = None,
    **labels: str,
) -> AlertEvent:
    """A transition of the alert `name`; level None ends it."""
    whole = {"alertname": "Latency", "series": name, **labels}
    at_s = starts_s + seq if at_s is None else at_s
    status: Literal["firing", "resolved"] = "firing" if level else "resolved"
    return AlertEvent(
        id=alert_id("Latency", Series(name, ()), starts_s),
        seq=seq,
        status=status,
        level=level,
        previous_level=previous,
        rule="Latency",
        detector="baseline",
        fingerprint=fingerprint(whole),
        labels=dict(sorted(whole.items())),
        annotations={"summary": f"Latency: {name}"},
        starts_at=rfc3339(starts_s),
        at=rfc3339(at_s),
        ends_at=None if level else rfc3339(at_s),
        value=float(seq),
        expected=0.0,
        lower=-1.0,
        upper=1.0,
        score=3.0,
        deviation=4.0,
        direction="above",
        evidence=Evidence([at_s], [float(seq)]),
        why="it is so.",
        source=None,
        config="",
    )


def desk(
    *,
    group_by: tuple[str, ...] | None = ("alertname",),
    wait_s: float = 10.0,
    interval_s: float = 60.0,
    routes: tuple[Route, ...] = (),
    integrations: int = 1,
    send_resolved: bool = True,
    storm: Storm | None = None,
    flapping: Flapping | None = None,
    **server: Any,
) -> Desk:
    """Everything to the receiver `ops`, with so many webhooks; `routes` may lead to `pager`."""
    root = Route("{}", "0", "ops", Matchers(), group_by, wait_s, interval_s, 3600.0, routes=routes)
    receivers = {
        name: Receiver(name, tuple(Integration(name, "webhook", i, Nothing(), send_resolved) for i in range(count)))
        for name, count in (("ops", integrations), ("pager", 1))
    }
    return Desk(
        route=root,
        receivers=receivers,
        storm=storm or Storm(),
        flapping=flapping or Flapping(enabled=False),
        server=DeskServer(**server),
    )


def branch(matchers: str, receiver: str = "pager", **fields: Any) -> Route:
    """A child of the root."""
    parsed = Matchers.parse(matchers)
    route = Route(f"{{}}/{parsed}", "0.0", receiver, parsed, ("alertname",), 10.0, 60.0, 3600.0)
    return replace(route, **fields)


def empty(address: str) -> None:
    """No rows, tables as they are."""

    def clear(conn: Connection) -> None:
        for table in reversed(tables.metadata.sorted_tables):
            conn.execute(delete(table))

    database = Database.open(address)
    database.write(clear)
    database.close()


def told(conn: Connection) -> list[Notification]:
    """All that was ever to be sent, oldest first."""
    bodies = conn.execute(select(tables.notifications.c.body).order_by(tables.notifications.c.id)).scalars()
    return [unpacked(body) for body in bodies]


def story(conn: Connection) -> dict[str, list[str]]:
    """Everything in the database that must not depend on how it came there: rows without numbers, sorted."""
    found = {}
    for table in tables.metadata.sorted_tables:
        if table.name == "offsets":
            continue
        kept = [column for column in table.c if column.name not in _VOLATILE or table.name in ("groups", "silences")]
        found[table.name] = sorted(repr(_plain(dict(row))) for row in conn.execute(select(*kept)).mappings())
    return found


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    if "body" in row and "notification" in row:
        row["body"] = unpacked(row["body"])
    return row
