"""Changes that were announced, in the database: each id once, whichever way and however often it comes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from incidents.suspects import CLOCKS_DIFFER_S, Suspect, concerns, ranked
from pipeline.desk import tables
from pipeline.desk.incidents import store
from pipeline.desk.incidents.scene import Scene
from pipeline.desk.intake import Partition, Span, move_offsets
from schemas.change import Change, ChangeError, decode_change, encode_change
from schemas.desk import Desk

_c, _i, _t = tables.changes.c, tables.incidents.c, tables.timeline.c


@dataclass(frozen=True)
class Taken:
    """Of a batch."""

    new: int = 0
    doubles: int = 0


def take(
    conn: Connection, found: Sequence[Change], offsets: Mapping[Partition, Span], desk: Desk, now_s: float
) -> Taken:
    """Of the topic or the API, in the order they came. Incidents that they may concern are looked at soon.

    Raises OffsetMoved where another desk reads there.
    """
    move_offsets(conn, offsets)
    make = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    new: list[Change] = []
    for change in found:
        row = {
            "id": change.key,
            "service": change.service,
            "at_s": change.at_s,
            "seen_s": now_s,
            "body": encode_change(change),
        }
        put = make(tables.changes).values(row).on_conflict_do_nothing().returning(_c.id)
        if conn.execute(put).first() is not None:  # rowcount is no answer: psycopg has none for it
            new.append(change)
    if new:
        _wake(conn, min(change.at_s for change in new), now_s)
    return Taken(len(new), len(found) - len(new))


def between(conn: Connection, from_s: float, to_s: float) -> list[Change]:
    """By the time at which they took effect, oldest first."""
    asked = select(_c.body).where(_c.at_s >= from_s, _c.at_s <= to_s).order_by(_c.at_s, _c.id)
    return [_known(body) for body in conn.execute(asked).scalars()]


def listed(conn: Connection, *, service: str | None = None, limit: int = 100) -> list[Change]:
    """The newest first."""
    asked = select(_c.body).order_by(_c.at_s.desc(), _c.id).limit(limit)
    if service is not None:
        asked = asked.where(_c.service == service)
    return [_known(body) for body in conn.execute(asked).scalars()]


def concerned(scene: Scene) -> list[Change]:
    """Those that belong into the timeline: of its services or what they depend on, from `within` before the start until
    it was over."""
    until_s = scene.now_s if scene.incident.resolved_s is None else scene.incident.resolved_s
    start_s = scene.incident.detected_s
    found = between(scene.conn, start_s - scene.desk.response.incidents.triage.within_s, until_s + CLOCKS_DIFFER_S)
    services, graph = services_of(scene), depends_on(scene.desk)
    # A change that names no service is no news for an incident once that has begun.
    return [one for one in found if concerns(one, services, graph) and (one.service or one.at_s <= start_s)]


def suspects(scene: Scene) -> list[Suspect]:
    within_s = scene.desk.response.incidents.triage.within_s
    start_s = scene.incident.detected_s
    return ranked(concerned(scene), services_of(scene), depends_on(scene.desk), start_s, within_s)


def services_of(scene: Scene) -> frozenset[str]:
    named = {part.labels.get(scene.desk.service_label, "") for part in scene.parts} | {scene.incident.service}
    return frozenset(named - {""})


def depends_on(desk: Desk) -> dict[str, tuple[str, ...]]:
    return {one.service: one.depends_on for one in desk.dependencies}


def written(conn: Connection, number: int) -> set[str]:
    """Ids of changes that stand in the timeline."""
    return {
        str(entry.details.get("id")) for entry in store.entries(conn, number, what="change") if "id" in entry.details
    }


def _wake(conn: Connection, since_s: float, now_s: float) -> None:
    """Those that are not over, and those that ended after the change was made."""
    recent = (_i.state.in_(store.NOT_OVER)) | (_i.updated_s >= since_s)
    conn.execute(update(tables.incidents).where(recent).values(look_s=now_s))


def _known(body: bytes) -> Change:
    try:
        return decode_change(body)
    except ChangeError as error:
        raise ValueError(f"a change in the database can't be read: {error}") from None
