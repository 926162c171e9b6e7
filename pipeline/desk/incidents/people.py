"""What people do to an incident: one function an act, whoever asks for it (API, commands, chat, pagers' webhooks).

Each is part of the caller's transaction: it changes the incident, its alerts' acknowledgements, and the timeline. Each
raises `Refused` with the reason of `incidents.lifecycle`, LookupError where there is no such incident or alert,
ValueError where a name isn't in the config.
"""

from sqlalchemy import Connection

from incidents.lifecycle import Act, Refused
from incidents.model import Incident, Line
from pipeline.desk import acks
from pipeline.desk.acks import Ack
from pipeline.desk.incidents import store
from pipeline.desk.incidents.acting import acknowledge_parts, act
from pipeline.desk.incidents.names import check_names
from pipeline.desk.incidents.rearranging import merge, open_by_hand, split
from pipeline.desk.incidents.scene import Scene, scene_of
from schemas.desk import Desk

__all__ = [
    "Refused",
    "acknowledge",
    "acknowledge_alert",
    "close",
    "comment",
    "edit",
    "merge",
    "mitigate",
    "open_by_hand",
    "reopen",
    "resolve",
    "split",
    "unacknowledge",
]


def acknowledge(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    """Somebody is on it, so on its alerts too. Again: from now on it is this one, and its age counts anew."""
    return _act(conn, desk, number, "acknowledge", f"acknowledged by {by}", by, now_s, source, comment)


def unacknowledge(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    """Takes it back, of its alerts too."""
    return _act(conn, desk, number, "unacknowledge", f"{by} says that nobody is on it", by, now_s, source, comment)


def mitigate(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    return _act(conn, desk, number, "mitigate", f"mitigated, says {by}", by, now_s, source, comment)


def resolve(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    return _act(conn, desk, number, "resolve", f"resolved by {by}", by, now_s, source, comment)


def reopen(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    return _act(conn, desk, number, "reopen", f"opened again by {by}", by, now_s, source, comment)


def close(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str = ""
) -> Incident:
    return _act(conn, desk, number, "close", f"closed by {by}", by, now_s, source, comment)


def comment(
    conn: Connection, desk: Desk, number: int, by: str, now_s: float, *, source: str = "api", comment: str
) -> Incident:
    """Goes into the timeline of any incident, a closed one too."""
    scene = scene_of(conn, desk, number, now_s)
    return store.save(conn, scene.incident, [Line(what="comment", text=comment, by=by, source=source)], now_s)


def edit(
    conn: Connection,
    desk: Desk,
    number: int,
    by: str,
    now_s: float,
    *,
    source: str = "api",
    title: str | None = None,
    summary: str | None = None,
    service: str | None = None,
    policy: str | None = None,
    team: str | None = None,
) -> Incident:
    """None: as it is. Severity and roles have acts of their own."""
    scene = scene_of(conn, desk, number, now_s)
    was = scene.incident
    if was.state == "closed":
        raise Refused(f"{was.id} is closed, and that is final")
    check_names(desk, policy or "", team or "")
    if title is not None and not title.strip():
        raise ValueError("title: must not be empty")
    wanted = {"title": title, "summary": summary, "service": service, "policy": policy, "team": team}
    changed = {name: new for name, new in wanted.items() if new is not None and new != getattr(was, name)}
    if not changed:
        return was
    told = "; ".join(
        f"{name}: {getattr(was, name) or 'nothing'} -> {new or 'nothing'}" for name, new in changed.items()
    )
    before = {name: getattr(was, name) for name in changed}
    scene.change(**changed)
    scene.write("edited", f"{by} changed {told}", by=by, source=source, details={"before": before, "after": changed})
    scene.save()
    return scene.incident


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
) -> Ack:
    """As `acks.acknowledge`; an open incident that the alert is in is acknowledged with it, so its other alerts too."""
    made = acks.acknowledge(conn, episode, by, comment, until_s, now_s)
    number = store.holding(conn, [episode]).get(episode)
    scene = None if number is None else scene_of(conn, desk, number, now_s)
    if scene is not None and scene.incident.state == "open":
        act(scene, "acknowledge", f"acknowledged by {by}, with one of its alerts", by=by, source=source)
        acknowledge_parts(scene, [part for part in scene.firing if part.episode == episode], comment, until_s)
        scene.save()
    return made


def _act(
    conn: Connection, desk: Desk, number: int, what: Act, text: str, by: str, now_s: float, source: str, comment: str
) -> Incident:
    scene: Scene = scene_of(conn, desk, number, now_s)
    act(scene, what, text, by=by, source=source, comment=comment)
    scene.save()
    return scene.incident
