"""What people do to an incident: one function an act, whoever asks for it (API, commands, chat, pagers' webhooks).

Each is one transaction's part: it changes the incident, its alerts' acknowledgements, and the timeline. Each raises
`Refused` with the reason of `incidents.lifecycle`, LookupError where there is no such incident or alert.
"""

from sqlalchemy import Connection

from incidents import lifecycle
from incidents.lifecycle import Act, Refused
from incidents.model import Incident, Line
from pipeline.desk.incidents import store
from schemas.desk import Desk

__all__ = ["Refused"]


def acknowledge(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    """Somebody is on it; its alerts are acknowledged too."""
    return _act(conn, number, "acknowledge", by, now_s, source, comment)


def unacknowledge(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    """Takes it back, of its alerts too."""
    return _act(conn, number, "unacknowledge", by, now_s, source, comment)


def mitigate(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    return _act(conn, number, "mitigate", by, now_s, source, comment)


def resolve(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    return _act(conn, number, "resolve", by, now_s, source, comment)


def reopen(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    return _act(conn, number, "reopen", by, now_s, source, comment)


def close(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    return _act(conn, number, "close", by, now_s, source, comment)


def comment(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str
) -> Incident:
    """Goes into the timeline of any incident, a closed one too."""
    incident = _known(conn, number)
    return store.save(conn, incident, [Line(what="comment", text=comment, by=by, source=source)], now_s)


def acknowledge_alert(
    conn: Connection,
    desk: Desk,
    episode: str,
    by: str,
    now_s: float,
    *,
    source: str = "api",
    comment: str = "",
    until_s: float | None = None,
) -> Incident | None:
    """As `acks.acknowledge`, and of the open incident that the alert is in, which it returns."""
    raise NotImplementedError


def _act(conn: Connection, number: int, act: Act, by: str, now_s: float, source: str, comment: str) -> Incident:
    was = _known(conn, number)
    now = lifecycle.after(was, act, now_s, by)
    text = f"{lifecycle.DONE[now.state]} by {by}" + (f": {comment}" if comment else "")
    return store.save(conn, now, [Line(what="state", text=text, by=by, source=source)], now_s)


def _known(conn: Connection, number: int) -> Incident:
    found = store.get(conn, number)
    if found is None:
        raise LookupError(f"no incident INC-{number}")
    return found
