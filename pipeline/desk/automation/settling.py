"""What came of an act, into the database: its row, its incident's timeline, and that somebody looks at the incident."""

from typing import Any

import msgspec
from sqlalchemy import Connection

from incidents.remedies import telling
from incidents.remedies.lifecycle import FINAL, Verb, after
from incidents.remedies.model import Act
from pipeline.desk.automation import acts
from pipeline.desk.incidents import store


def settle(
    conn: Connection,
    act: Act,
    verb: Verb,
    now_s: float,
    *,
    by: str = "automation",
    source: str = "desk",
    next_s: float | None = None,
    **fields: Any,
) -> Act | None:
    """None where somebody has changed it since it was read: then nothing is written. Raises NotNow."""
    changed = msgspec.structs.replace(act, state=after(act.state, verb), **fields)
    if changed.state in FINAL and changed.ended_s is None:
        changed = msgspec.structs.replace(changed, ended_s=now_s)
    saved = acts.save(conn, changed, next_s)
    if saved is not None:
        store.append(conn, saved.incident, [telling.line(saved, by, source)], now_s)
        store.look_again(conn, saved.incident, now_s)
    return saved
