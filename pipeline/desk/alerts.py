"""Alerts as they stand, and every transition that led there."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from alerting.alert import Alert, Origin, Status
from pipeline.desk import tables
from pipeline.desk.bulk import chunks, upsert
from schemas.alert import AlertEvent, decode_alert

Points = tuple[list[float], list[float]]  # Unix seconds and values

_encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Alert).decode
_points = msgspec.json.Decoder(Points)
_t = tables.alerts.c


def get(conn: Connection, fingerprint: str) -> Alert | None:
    """With its evidence."""
    row = conn.execute(select(_t.body, _t.evidence).where(_t.fingerprint == fingerprint)).first()
    return None if row is None else _whole(row.body, row.evidence)


def by_episode(conn: Connection, episode: str) -> Alert | None:
    """Also one that a later episode of the same alert has taken the place of: as its last transition left it."""
    row = conn.execute(select(_t.body, _t.evidence).where(_t.episode == episode)).first()
    if row is not None:
        return _whole(row.body, row.evidence)
    e = tables.events.c
    found = conn.execute(select(e.body, e.seen_s).where(e.episode == episode).order_by(e.seq)).all()
    if not found:
        return None
    story = [decode_alert(row.body) for row in found]
    level = next((event.level for event in reversed(story) if event.level), None)
    return of_event(story[-1], first_seen_s=min(row.seen_s for row in found), now_s=found[-1].seen_s, last_level=level)


def firing(conn: Connection) -> list[Alert]:
    """Without evidence, by fingerprint."""
    return listed(conn, status="firing")


def listed(conn: Connection, *, status: Status | None = None, since_s: float | None = None) -> list[Alert]:
    """Without evidence, by fingerprint; those that changed at `since_s` or later."""
    asked = select(_t.body).order_by(_t.fingerprint)
    if status is not None:
        asked = asked.where(_t.status == status)
    if since_s is not None:
        asked = asked.where(_t.updated_s >= since_s)
    return [decode(body) for body in conn.execute(asked).scalars()]


def many(conn: Connection, fingerprints: Iterable[str]) -> dict[str, Alert]:
    """Without evidence. Those that there are."""
    found = {}
    for chunk in chunks(fingerprints):
        for row in conn.execute(select(_t.fingerprint, _t.body).where(_t.fingerprint.in_(chunk))):
            found[row.fingerprint] = decode(row.body)
    return found


def evidence(conn: Connection, fingerprints: Sequence[str]) -> dict[str, Points]:
    """Last points of those that have any."""
    asked = select(_t.fingerprint, _t.evidence).where(_t.fingerprint.in_(fingerprints), _t.evidence.is_not(None))
    return {row.fingerprint: _points.decode(row.evidence) for row in conn.execute(asked)}


def events(conn: Connection, episode: str) -> list[bytes]:
    """Every transition as it was read, by seq."""
    e = tables.events.c
    return list(conn.execute(select(e.body).where(e.episode == episode).order_by(e.seq)).scalars())


def episodes(conn: Connection, fingerprint: str) -> list[str]:
    """Ids, oldest first."""
    e = tables.events.c
    asked = select(e.episode, e.at_s).where(e.fingerprint == fingerprint).order_by(e.at_s, e.seq)
    return list(dict.fromkeys(conn.execute(asked).scalars()))


def save(conn: Connection, changed: Sequence[Alert], expires_s: Mapping[str, float]) -> None:
    """expires_s: by fingerprint, of alerts that end unless they are seen again."""
    upsert(
        conn,
        tables.alerts,
        [
            {
                "fingerprint": alert.fingerprint,
                "episode": alert.episode,
                "seq": alert.seq,
                "status": alert.status,
                "level": alert.level,
                "origin": alert.origin,
                "starts_at_s": alert.starts_at_s,
                "first_seen_s": alert.first_seen_s,
                "updated_s": alert.updated_s,
                "expires_s": expires_s.get(alert.fingerprint) if alert.is_firing else None,
                "body": _encode(msgspec.structs.replace(alert, evidence_t=[], evidence_v=[])),
                "evidence": _encode((alert.evidence_t, alert.evidence_v)) if alert.evidence_t else None,
            }
            for alert in changed
        ],
    )


def of_event(
    event: AlertEvent,
    *,
    first_seen_s: float,
    now_s: float,
    last_level: str | None = None,
    origin: Origin = "kafka",
    generator_url: str = "",
) -> Alert:
    """last_level: what it stood at before, for an event that says it has ended."""
    level = event.level or event.previous_level or last_level or "info"
    return Alert(
        fingerprint=event.fingerprint,
        episode=event.id,
        seq=event.seq,
        status=event.status,
        level=msgspec.convert(level, type=Alert.__annotations__["level"]),
        labels=event.labels,
        annotations=event.annotations,
        starts_at_s=unix_s(event.starts_at),
        ends_at_s=None if event.ends_at is None else unix_s(event.ends_at),
        first_seen_s=first_seen_s,
        updated_s=now_s,
        origin=origin,
        generator_url=generator_url,
        rule=event.rule,
        detector=event.detector,
        value=event.value,
        expected=event.expected,
        lower=event.lower,
        upper=event.upper,
        score=event.score,
        deviation=event.deviation,
        direction=event.direction,
        why=event.why,
        evidence_t=event.evidence.t,
        evidence_v=event.evidence.v,
    )


def unix_s(rfc3339: str) -> float:
    """
    >>> unix_s("1970-01-01T00:00:01.500Z")
    1.5

    Raises ValueError.
    """
    return datetime.fromisoformat(rfc3339).timestamp()


def _whole(body: bytes, evidence: bytes | None) -> Alert:
    alert = decode(body)
    if evidence is None:
        return alert
    t, v = _points.decode(evidence)
    return msgspec.structs.replace(alert, evidence_t=t, evidence_v=v)
