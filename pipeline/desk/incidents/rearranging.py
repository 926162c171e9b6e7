"""Incidents that people open, merge and split. An alert is in one incident at a time, before and after."""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection

from incidents import lifecycle
from incidents.lifecycle import Refused
from incidents.model import OVER, SEVERITIES, Incident, Line, Part
from incidents.opening import TITLE_CHARS_MAX, joined, joining, shown
from pipeline.desk import alerts
from pipeline.desk.incidents import store
from pipeline.desk.incidents.acting import acknowledge_parts, act
from pipeline.desk.incidents.names import check_names, policy_of
from pipeline.desk.incidents.opening import part_of
from pipeline.desk.incidents.scene import scene_of
from schemas.desk import Desk

_NEW = 3  # severity of an incident that nobody has judged


def open_by_hand(
    conn: Connection,
    desk: Desk,
    by: str,
    now_s: float,
    *,
    title: str,
    source: str = "api",
    severity: int | None = None,
    service: str = "",
    summary: str = "",
    policy: str = "",
    team: str = "",
    alert_ids: Sequence[str] = (),
) -> Incident:
    """alert_ids: episodes or fingerprints of alerts that belong to it. severity: None is judged later."""
    check_names(desk, policy, team)
    if not title.strip():
        raise ValueError("title: must not be empty")
    if severity is not None and severity not in SEVERITIES:
        raise ValueError(f"severity: must be 1 to 5, got {severity}")
    parts = [_free(conn, one, now_s) for one in dict.fromkeys(alert_ids)]
    draft = Incident(
        number=0,
        title=title.strip()[:TITLE_CHARS_MAX],
        severity=severity or _NEW,
        severity_by=by if severity else "",
        severity_reason=f"SEV{severity}, says {by}" if severity else "",  # else triage judges it
        service=service or _common(parts, desk.service_label),
        policy=policy_of(desk, policy, team),
        team=team,
        summary=summary,
        opened_by=by,
        opened_s=now_s,
        detected_s=min([now_s, *(part.starts_at_s for part in parts)]),
        updated_s=now_s,
    )
    lines = [Line(what="opened", text=f"opened by {by}" + (f": {summary}" if summary else ""), by=by, source=source)]
    return _created(conn, draft, lines, parts, f"added by {by}", by, now_s, source)


def merge(
    conn: Connection,
    desk: Desk,
    number: int,
    into: int,
    by: str,
    now_s: float,
    *,
    source: str = "api",
    comment: str = "",
) -> Incident:
    """All alerts of `number` go into `into`, which is returned; `number` is closed."""
    if number == into:
        raise Refused(f"INC-{number} can't be merged into itself")
    gone, kept = scene_of(conn, desk, number, now_s), scene_of(conn, desk, into, now_s)
    if kept.incident.state in OVER:
        raise Refused(f"{kept.incident.id} is {kept.incident.state}; only one that isn't over takes another in")
    moving = gone.parts
    act(gone, "merge", f"merged into {kept.incident.id} by {by}", by=by, source=source, comment=comment)
    gone.change(merged_into=into)
    gone.write("merged", f"its {len(moving)} alerts are in {kept.incident.id} now", by=by, source=source)
    gone.save()
    store.put_parts(conn, [msgspec.structs.replace(part, left_s=now_s) for part in moving])
    details = {"from": gone.incident.id, "title": gone.incident.title}
    said = f"{gone.incident.id} ({gone.incident.title}) was merged into this by {by}"
    kept.write("merged", f"{said}: {comment}" if comment else said, by=by, source=source, details=details)
    for part in moving:
        if part.is_firing:
            answer = joined(kept.incident, f"with {gone.incident.id}", part, now_s)
            kept.change(**{name: getattr(answer.incident, name) for name in answer.incident.__struct_fields__})
            kept.lines += answer.lines
        else:
            kept.lines.append(joining(part, f"with {gone.incident.id}"))
    kept.change(detected_s=min(kept.incident.detected_s, gone.incident.detected_s))
    arrived = [msgspec.structs.replace(part, incident=into, joined_s=now_s) for part in moving]
    store.put_parts(conn, arrived)
    if kept.incident.state == "acknowledged":
        acknowledge_parts(kept, [part for part in arrived if part.is_firing])
    kept.is_changed = True
    kept.save()
    return kept.incident


def split(
    conn: Connection,
    desk: Desk,
    number: int,
    alert_ids: Collection[str],
    by: str,
    now_s: float,
    *,
    title: str = "",
    source: str = "api",
    comment: str = "",
) -> Incident:
    """These alerts of `number` (episodes or fingerprints) get an incident of their own, which is returned."""
    scene = scene_of(conn, desk, number, now_s)
    was = scene.incident
    leaving = [part for part in scene.parts if part.episode in alert_ids or part.fingerprint in alert_ids]
    unknown = set(alert_ids) - {id_ for part in leaving for id_ in (part.episode, part.fingerprint)}
    if unknown:
        raise LookupError(f"{was.id} has no alert {min(unknown)}")
    if not leaving or len(leaving) == len(scene.parts):
        raise Refused(f"{was.id}: name some of its {len(scene.parts)} alerts, not {'all' if leaving else 'none'}")
    lifecycle.after(was, "split", now_s)
    draft = Incident(
        number=0,
        title=(title.strip() or f"{leaving[0].name}, split off {was.id}")[:TITLE_CHARS_MAX],
        severity=was.severity,
        severity_reason=f"as {was.id}",
        service=_common(leaving, desk.service_label),
        policy=was.policy,
        team=was.team,
        opened_by=by,
        opened_s=now_s,
        detected_s=min([now_s, *(part.starts_at_s for part in leaving)]),
        updated_s=now_s,
    )
    store.put_parts(conn, [msgspec.structs.replace(part, left_s=now_s) for part in leaving])
    said = f"split off {was.id} ({was.title}) by {by}" + (f": {comment}" if comment else "")
    lines = [Line(what="split", text=said, by=by, source=source, details={"from": was.id})]
    made = _created(conn, draft, lines, leaving, f"from {was.id}", by, now_s, source)
    for part in leaving:
        details = {"episode": part.episode, "fingerprint": part.fingerprint, "to": made.id}
        scene.write("left", f"{shown(part)} was split off into {made.id}", by=by, source=source, details=details)
    scene.is_changed = True
    scene.save()
    return made


def _created(
    conn: Connection,
    draft: Incident,
    lines: list[Line],
    parts: Sequence[Part],
    reason: str,
    by: str,
    now_s: float,
    source: str,
) -> Incident:
    lines = lines + [joining(part, reason, by, source) for part in parts]
    made = store.create(conn, draft, lines, now_s)
    store.put_parts(conn, [msgspec.structs.replace(part, incident=made.number, joined_s=now_s) for part in parts])
    return made


def _free(conn: Connection, id_: str, now_s: float) -> Part:
    alert = alerts.by_episode(conn, id_) or alerts.get(conn, id_)
    if alert is None:
        raise LookupError(f"no alert {id_[:64]}")
    held = store.holding(conn, [alert.episode]).get(alert.episode)
    if held is not None:
        raise Refused(f"alert {id_[:64]} is in INC-{held}; split it off there first")
    return part_of(alert, now_s)


def _common(parts: Sequence[Part], label: str) -> str:
    values = {part.labels.get(label, "") for part in parts}
    return values.pop() if len(values) == 1 else ""
