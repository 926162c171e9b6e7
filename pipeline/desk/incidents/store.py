"""Incidents, their alerts and timelines in the database. Every change goes through `save`, with what it writes down."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from incidents import timeline as chain
from incidents.model import STATES, Entry, Incident, Line, Part, State
from pipeline.desk import tables
from pipeline.desk.bulk import chunks, upsert

_i, _p, _t = tables.incidents.c, tables.parts.c, tables.timeline.c
_encode = msgspec.json.Encoder().encode
_incident = msgspec.json.Decoder(Incident)
_part = msgspec.json.Decoder(Part)
_entry = msgspec.json.Decoder(Entry)
NOT_OVER: tuple[State, ...] = ("open", "acknowledged", "mitigated")


def create(conn: Connection, draft: Incident, lines: Sequence[Line], now_s: float) -> Incident:
    """The draft under a number of its own (its `number` is not looked at), to be looked at at once."""
    row = _row(draft, look_s=now_s)
    number = conn.execute(insert(tables.incidents).values(row)).inserted_primary_key
    if number is None:
        raise RuntimeError("the database gave the incident no number")
    made = msgspec.structs.replace(draft, number=number[0], updated_s=now_s)
    conn.execute(update(tables.incidents).where(_i.number == made.number).values(_row(made, look_s=now_s)))
    append(conn, made.number, lines, now_s)
    return made


def save(conn: Connection, changed: Incident, lines: Sequence[Line], now_s: float) -> Incident:
    """The incident as it is from now on, its version grown by one, to be looked at at once."""
    saved = msgspec.structs.replace(changed, version=changed.version + 1, updated_s=now_s)
    conn.execute(update(tables.incidents).where(_i.number == saved.number).values(_row(saved, look_s=now_s)))
    append(conn, saved.number, lines, now_s)
    return saved


def look_again(conn: Connection, number: int, at_s: float | None) -> None:
    """None: not before it changes."""
    conn.execute(update(tables.incidents).where(_i.number == number).values(look_s=at_s))


def get(conn: Connection, number: int) -> Incident | None:
    body = conn.execute(select(_i.body).where(_i.number == number)).scalar()
    return None if body is None else _incident.decode(body)


def listed(
    conn: Connection,
    states: Collection[State] = STATES,
    limit: int = 1000,
    *,
    severities: Collection[int] = (),
    services: Collection[str] = (),
) -> list[Incident]:
    """Newest first; of these severities and services, where any are given."""
    asked = select(_i.body).where(_i.state.in_(list(states))).order_by(_i.number.desc()).limit(limit)
    if severities:
        asked = asked.where(_i.severity.in_(list(severities)))
    if services:
        asked = asked.where(_i.service.in_(list(services)))
    return [_incident.decode(body) for body in conn.execute(asked).scalars()]


def lately(conn: Connection, since_s: float) -> list[Incident]:
    """Those that aren't over, and those resolved at `since_s` or later, by number."""
    asked = select(_i.body).where(_i.state.in_(NOT_OVER) | ((_i.state == "resolved") & (_i.updated_s >= since_s)))
    return [_incident.decode(body) for body in conn.execute(asked.order_by(_i.number)).scalars()]


def touch(conn: Connection, fingerprints: Collection[str], now_s: float) -> None:
    """Something about these alerts is new: whoever has them in it is looked at."""
    for chunk in chunks(sorted(fingerprints)):
        having = select(_p.incident).where(_p.fingerprint.in_(chunk), _p.left_s.is_(None))
        changed = update(tables.incidents).where(_i.number.in_(having), _i.state != "closed")
        conn.execute(changed.values(look_s=now_s))


def due(conn: Connection, now_s: float, limit: int) -> list[int]:
    """Numbers of those that somebody has to look at, longest due first."""
    asked = select(_i.number).where(_i.look_s <= now_s).order_by(_i.look_s, _i.number).limit(limit)
    return list(conn.execute(asked).scalars())


def parts(conn: Connection, number: int, *, with_left: bool = False) -> list[Part]:
    """Its alerts in the order in which they joined."""
    asked = select(_p.body).where(_p.incident == number)
    if not with_left:
        asked = asked.where(_p.left_s.is_(None))
    found = [_part.decode(body) for body in conn.execute(asked).scalars()]
    return sorted(found, key=lambda part: (part.joined_s, part.starts_at_s, part.episode))


def holding(conn: Connection, episodes: Collection[str]) -> dict[str, int]:
    """Episodes -> the incident that each is in."""
    found: dict[str, int] = {}
    for chunk in chunks(sorted(episodes)):
        asked = select(_p.episode, _p.incident).where(_p.episode.in_(chunk), _p.left_s.is_(None))
        found.update((row.episode, row.incident) for row in conn.execute(asked.order_by(_p.incident)))
    return found


def put_parts(conn: Connection, changed: Sequence[Part]) -> None:
    rows = [
        {
            "incident": part.incident,
            "episode": part.episode,
            "fingerprint": part.fingerprint,
            "left_s": part.left_s,
            "updated_s": part.updated_s,
            "body": _encode(part),
        }
        for part in changed
    ]
    upsert(conn, tables.parts, rows)


def append(conn: Connection, number: int, lines: Sequence[Line], now_s: float) -> list[Entry]:
    """Writes them at the end of the incident's timeline."""
    if not lines:
        return []
    last = conn.execute(select(_t.seq, _t.hash).where(_t.incident == number).order_by(_t.seq.desc()).limit(1)).first()
    seq, previous = (0, chain.FIRST) if last is None else (last.seq + 1, last.hash)
    entries = chain.chained(number, lines, seq, previous, now_s)
    conn.execute(
        insert(tables.timeline),
        [
            {
                "incident": number,
                "seq": entry.seq,
                "at_s": entry.at_s,
                "what": entry.what,
                "hash": entry.hash,
                "published": False,
                "body": _encode(entry),
            }
            for entry in entries
        ],
    )
    return entries


def entries(conn: Connection, number: int, *, what: str | None = None) -> list[Entry]:
    """The whole timeline, as it was written; or the entries of one kind."""
    asked = select(_t.body).where(_t.incident == number).order_by(_t.seq)
    if what is not None:
        asked = asked.where(_t.what == what)
    return [_entry.decode(body) for body in conn.execute(asked).scalars()]


def unpublished(conn: Connection, limit: int) -> list[tuple[Incident, Entry]]:
    """Entries that the topic hasn't, each incident's in their order, with the incident as it stands."""
    asked = select(_t.body, _i.body.label("of")).join(tables.incidents, _i.number == _t.incident)
    rows = conn.execute(asked.where(_t.published.is_(False)).order_by(_t.incident, _t.seq).limit(limit))
    return [(_incident.decode(row.of), _entry.decode(row.body)) for row in rows]


def published(conn: Connection, done: Sequence[Entry]) -> None:
    newest: dict[int, int] = {}
    for entry in done:
        newest[entry.incident] = max(entry.seq, newest.get(entry.incident, 0))
    for number, seq in newest.items():
        here = update(tables.timeline).where(_t.incident == number, _t.seq <= seq, _t.published.is_(False))
        conn.execute(here.values(published=True))


def count_unpublished(conn: Connection) -> int:
    return conn.execute(select(func.count()).select_from(tables.timeline).where(_t.published.is_(False))).scalar_one()


def count_by_state(conn: Connection) -> dict[tuple[State, int], int]:
    """By state and severity."""
    asked = select(_i.state, _i.severity, func.count()).group_by(_i.state, _i.severity)
    return {(row[0], row[1]): row[2] for row in conn.execute(asked)}


def next_look_s(conn: Connection) -> float | None:
    found: float | None = conn.execute(select(func.min(_i.look_s))).scalar_one()
    return found


def _row(incident: Incident, look_s: float | None) -> dict[str, Any]:
    return {
        "state": incident.state,
        "severity": incident.severity,
        "rule": incident.rule,
        "service": incident.service,
        "opened_s": incident.opened_s,
        "updated_s": incident.updated_s,
        "look_s": look_s,
        "body": _encode(incident),
    }
