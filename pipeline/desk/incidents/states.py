"""What its alerts do to an incident: they end, come back, get worse. And what time does: it settles, it grows old."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, func, select

from incidents.following import ended, follow
from incidents.lifecycle import refusal
from incidents.model import Part
from pipeline.desk import tables
from pipeline.desk.bulk import chunks
from pipeline.desk.incidents import store
from pipeline.desk.incidents.acting import act
from pipeline.desk.incidents.scene import Scene
from schemas.alert import AlertEvent, decode_alert
from schemas.duration import format_duration

_a, _e = tables.alerts.c, tables.events.c


def attend(scene: Scene) -> float | None:
    """Its alerts as they stand now, and what follows for its state."""
    if scene.incident.state == "closed":
        return None
    _follow(scene)
    incident, plan = scene.incident, scene.desk.response.incidents
    if scene.parts and not scene.firing and incident.quiet_since_s is None:
        is_news = incident.state in ("open", "acknowledged")
        act(scene, "quiet", "mitigated: all its alerts are over" if is_news else "all its alerts are over")
    incident = scene.incident
    quiet_s, after_s = incident.quiet_since_s, plan.resolve_after_s
    if quiet_s is not None and after_s is not None and refusal(incident.state, "settled") is None:
        if scene.now_s < quiet_s + after_s:
            return quiet_s + after_s
        act(scene, "settled", f"resolved: all its alerts have been over for {format_duration(after_s)}")
        incident = scene.incident
    if plan.close_after_s is not None and incident.resolved_s is not None and refusal(incident.state, "aged") is None:
        if scene.now_s < incident.resolved_s + plan.close_after_s:
            return incident.resolved_s + plan.close_after_s
        act(scene, "aged", f"closed: it has been resolved for {format_duration(plan.close_after_s)}")
    return None


def _follow(scene: Scene) -> None:
    news = _transitions(scene.conn, scene.parts)
    gone = _replaced(scene.conn, [part for part in scene.firing if part.episode not in news])
    changed, worse = [], []
    for part in scene.parts:
        now = part
        if part.episode in news:
            now, lines, is_worse = follow(part, news[part.episode], scene.now_s)
            scene.lines += lines
            worse += [now] if is_worse else []
        elif part.episode in gone:
            now, line = ended(part, "a later episode of it is known", scene.now_s)
            scene.lines.append(line)
        changed += [now] if now is not part else []
    store.put_parts(scene.conn, changed)
    by_episode = {part.episode: part for part in changed}
    scene.parts = [by_episode.get(part.episode, part) for part in scene.parts]
    if worse and scene.firing and refusal(scene.incident.state, "alert") is None:
        state = scene.incident.state
        if state in ("mitigated", "resolved"):
            act(scene, "alert", f"open again, was {state}: {worse[0].name} is {worse[0].level}")


def _transitions(conn: Connection, parts: Sequence[Part]) -> dict[str, list[AlertEvent]]:
    """By episode: all of those of which there are some that the part hasn't seen."""
    newest: dict[str, int] = {}
    for chunk in chunks(part.episode for part in parts):
        asked = select(_e.episode, func.max(_e.seq)).where(_e.episode.in_(chunk)).group_by(_e.episode)
        newest.update(dict(conn.execute(asked).all()))
    behind = [part.episode for part in parts if newest.get(part.episode, -1) > part.seq]
    found: dict[str, list[AlertEvent]] = {}
    for chunk in chunks(behind):
        asked = select(_e.episode, _e.body).where(_e.episode.in_(chunk)).order_by(_e.episode, _e.seq)
        for row in conn.execute(asked):
            found.setdefault(row.episode, []).append(decode_alert(row.body))
    return found


def _replaced(conn: Connection, parts: Sequence[Part]) -> Collection[str]:
    """Episodes that ended without a word: the alert stands at another one now, or isn't known any more."""
    standing: dict[str, str] = {}
    for chunk in chunks(part.fingerprint for part in parts):
        rows = conn.execute(select(_a.fingerprint, _a.episode).where(_a.fingerprint.in_(chunk)))
        standing.update(dict(rows.all()))
    return {part.episode for part in parts if standing.get(part.fingerprint) != part.episode}
