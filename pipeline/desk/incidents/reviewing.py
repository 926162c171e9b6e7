"""The review of an incident that is over: drafted by itself, finished by people, followed up by action items."""

import hashlib

from msgspec.structs import replace
from sqlalchemy import Connection

from incidents import review
from incidents.lifecycle import Refused
from incidents.review import Review
from incidents.tasks import Task
from pipeline.desk.incidents import reviews, store, tasks
from pipeline.desk.incidents.scene import Scene, scene_of
from schemas.desk import Desk

TEXT_CHARS_MAX = 200_000
_ITEM_CHARS_MAX = 1_000


def attend(scene: Scene) -> float | None:
    """Drafts once nothing more changes in this look; a change comes back as another."""
    if not scene.incident.is_over:
        return None
    if scene.is_changed:
        return scene.now_s
    newest = reviews.newest(scene.conn, scene.incident.number)
    match review.step(scene.incident, newest):
        case "draft":
            _draft(scene, 1, "its review is drafted")
        case "redraft" if newest is not None:
            _draft(scene, newest.version + 1, "it was open again: its review is drafted anew")
        case "refresh" if newest is not None:
            reviews.put(scene.conn, _made(scene, newest.version))
        case "keep" if newest is not None:
            reviews.put(scene.conn, replace(newest, kept_s=scene.incident.resolved_s))
            text = (
                f"it was open again: the review that {newest.by} wrote (version {newest.version}) is kept; "
                f"`tidegauge incident review {scene.incident.id} --draft` shows a draft of what is known now"
            )
            scene.write("review", text, details={"version": newest.version, "kept": True})
    return None


def drafted(conn: Connection, desk: Desk, number: int, now_s: float) -> Review:
    """What a draft would be now, of any incident. Raises LookupError."""
    return _made(scene_of(conn, desk, number, now_s), 0)


def written(
    conn: Connection,
    desk: Desk,
    number: int,
    text: str,
    by: str,
    now_s: float,
    *,
    note: str = "",
    version: int | None = None,
    source: str = "api",
) -> Review:
    """A person's text is the next version. version: the one that it was made from, where that is known.

    Raises LookupError where there is no such incident, `Refused` where there is a newer version, ValueError where the
    text can't be one.
    """
    scene = scene_of(conn, desk, number, now_s)
    own, said = review.sent_back(text)
    made_from = version if version is not None else said
    newest = reviews.newest(conn, number)
    if newest is not None and made_from is not None and made_from != newest.version:
        who = newest.by or "a draft"
        raise Refused(
            f"{scene.incident.id}: there is version {newest.version} of its review, by {who}, and this was made from "
            f"version {made_from}; put both together, and send it again"
        )
    if not own.strip():
        raise ValueError("a review must not be empty")
    if len(own) > TEXT_CHARS_MAX:
        raise ValueError(f"a review has at most {TEXT_CHARS_MAX:,} characters, got {len(own):,}")
    if newest is not None and newest.by and newest.text == own:
        return newest
    made = Review(
        incident=number,
        version=1 if newest is None else newest.version + 1,
        text=own,
        by=by,
        note=note,
        written_s=now_s,
        resolved_s=scene.incident.resolved_s,
        seen=scene.incident.version,
        charts=newest.charts if newest is not None else reviews.drawn(conn, scene.parts),
    )
    reviews.put(conn, made)
    _log(scene, made, f"{by} wrote version {made.version} of its review{f': {note}' if note else ''}", by, source)
    store.append(conn, number, scene.lines, now_s)
    return made


def action(
    conn: Connection,
    desk: Desk,
    number: int,
    text: str,
    by: str,
    now_s: float,
    *,
    owner: str = "",
    due_s: float | None = None,
    link: str = "",
    source: str = "api",
) -> Task:
    """An action item: its owner is reminded when it is due, and each day after. Raises LookupError, ValueError."""
    scene = scene_of(conn, desk, number, now_s)
    if not text.strip() or max(len(text), len(owner), len(link)) > _ITEM_CHARS_MAX:
        raise ValueError(f"an action item needs a text; no text of it is longer than {_ITEM_CHARS_MAX:,} characters")
    draft = Task(
        incident=number, kind="action", text=text.strip(), owner=owner, link=link, created_s=now_s, due_s=due_s
    )
    (made,) = tasks.add(conn, [draft])
    details = {"task": made.id, "kind": "action", "owner": owner, "due_s": due_s}
    said = f"{by} adds an action item for {owner or 'nobody yet'}: {made.text}"
    scene.write("task", said, by=by, source=source, details=details)
    store.append(conn, number, scene.lines, now_s)
    store.look_again(conn, number, now_s)
    return made


def _draft(scene: Scene, version: int, text: str) -> None:
    made = _made(scene, version)
    reviews.put(scene.conn, made)
    _log(scene, made, text, "tidegauge", "desk")


def _made(scene: Scene, version: int) -> Review:
    known = reviews.material(scene.conn, scene.desk, scene.incident, scene.now_s)
    return Review(
        incident=scene.incident.number,
        version=version,
        text=review.drafted(known, reviews.template_of(scene.desk)),
        written_s=scene.now_s,
        resolved_s=scene.incident.resolved_s,
        seen=scene.incident.version,
        charts=list(known.charts),
    )


def _log(scene: Scene, made: Review, text: str, by: str, source: str) -> None:
    digest = hashlib.sha256(made.text.encode("utf-8", "replace")).hexdigest()
    details = {"version": made.version, "sha256": digest, "characters": len(made.text)}
    scene.write("review", text, by=by, source=source, details=details)
