"""Alerts that somebody was told of open incidents, or join them. Called by the round that told, in its transaction."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, select

from alerting.alert import Alert, Decision, Notification
from incidents import opening as rules
from incidents.following import highest, values_since
from incidents.model import Incident, Line, Part
from incidents.opening import Adopt, Board, Join, Nothing, Open, Wait
from pipeline.desk import alerts, log, tables
from pipeline.desk.bulk import chunks
from pipeline.desk.incidents import store
from pipeline.desk.incidents.acting import acknowledge_parts
from pipeline.desk.incidents.names import policy_of
from pipeline.desk.incidents.scene import Scene
from schemas.desk import Desk

_i, _p, _a, _m = tables.incidents.c, tables.parts.c, tables.alerts.c, tables.members.c


def told(conn: Connection, desk: Desk, notes: Sequence[Notification], now_s: float) -> None:
    """notes: what groups said just now, silences and inhibition regarded; whether anybody receives it is no matter."""
    said = (one.alert for note in notes for one in note.firing)
    firing = {alert.episode: alert for alert in said if alert.is_firing and not _is_ours(alert)}
    if not firing:
        return
    candidates = [part_of(alert, now_s) for alert in firing.values()]
    board = _board(conn, desk, candidates, now_s)
    if not desk.response.incidents.rules and not board.incidents:
        return
    _Taking(conn, desk, board, now_s).run(candidates)


def _is_ours(alert: Alert) -> bool:
    """A reminder about an incident: one that opened the next would be reminded of in its turn, without an end."""
    return alert.origin == "self" and "incident" in alert.labels


def part_of(alert: Alert, now_s: float, incident: int = 0) -> Part:
    return Part(
        incident=incident,
        episode=alert.episode,
        seq=alert.seq,
        fingerprint=alert.fingerprint,
        labels=alert.labels,
        annotations=alert.annotations,
        level=alert.level,
        worst=alert.level,
        is_firing=alert.is_firing,
        starts_at_s=alert.starts_at_s,
        ends_at_s=alert.ends_at_s,
        first_seen_s=alert.first_seen_s,
        joined_s=now_s,
        updated_s=now_s,
        rule=alert.rule,
        value=alert.value,
        highest=highest([alert.value, *values_since(alert.starts_at_s, alert.evidence_t, alert.evidence_v)]),
        expected=alert.expected,
        why=alert.why,
    )


class _Taking:
    """One alert after the other; each incident that changes is written once."""

    def __init__(self, conn: Connection, desk: Desk, board: Board, now_s: float) -> None:
        self._conn, self._desk, self._board, self._now_s = conn, desk, board, now_s
        self._lines: dict[int, list[Line]] = {}
        self._parts: dict[int, list[Part]] = {}
        self._decisions: list[Decision] = []

    def run(self, candidates: Iterable[Part]) -> None:
        for alert in candidates:
            self._take(alert)
        for number, parts in self._parts.items():
            self._save(self._board.incidents[number], parts)
        log.add(self._conn, self._decisions)

    def _take(self, alert: Part) -> None:
        match rules.decide(self._board, alert, self._now_s):
            case Join(incident, part, lines):
                self._board.put(incident, [part])
                self._lines.setdefault(incident.number, []).extend(lines)
                self._parts.setdefault(incident.number, []).append(part)
                self._say(part, f"in {incident.id}: {lines[0].text}")
            case Open() as opened:
                self._open(opened)
            case Adopt(incident, parts, lines):
                owned = msgspec.structs.replace(incident, policy=policy_of(self._desk, incident.policy, incident.team))
                self._board.put(owned, parts)
                self._lines.setdefault(owned.number, []).extend(lines)
                self._parts.setdefault(owned.number, []).extend(parts)
                self._say(alert, f"in {owned.id}: {lines[0].text}")
            case Wait(rule, count, least):
                self._board.wait(alert)
                self._say(alert, f"no incident yet: {count} of the {least} alerts that rule {rule} wants")
            case Nothing():
                pass  # the usual case, and said again with each repeat

    def _open(self, opened: Open) -> None:
        draft = opened.incident
        draft = msgspec.structs.replace(draft, policy=policy_of(self._desk, draft.policy, draft.team))
        made = store.create(self._conn, draft, opened.lines, self._now_s)
        parts = [msgspec.structs.replace(part, incident=made.number, joined_s=self._now_s) for part in opened.parts]
        store.put_parts(self._conn, parts)
        self._board.put(made, parts)
        for number, line in opened.related.items():
            named = msgspec.structs.replace(line, text=f"{made.id} ({made.title}): {line.text}")
            store.append(self._conn, number, [named], self._now_s)
        for part in parts:
            self._say(part, f"{made.id} {opened.lines[0].text}")

    def _save(self, incident: Incident, parts: list[Part]) -> None:
        scene = Scene(self._conn, self._desk, self._now_s, incident, parts, self._lines[incident.number], True)
        store.put_parts(self._conn, parts)
        if incident.state == "acknowledged":
            acknowledge_parts(scene, parts)
        scene.save()

    def _say(self, part: Part, text: str) -> None:
        self._decisions.append(
            Decision(at_s=self._now_s, what="incident", text=text, episode=part.episode, fingerprint=part.fingerprint)
        )


def _board(conn: Connection, desk: Desk, candidates: Sequence[Part], now_s: float) -> Board:
    plan = desk.response.incidents
    board = Board(plan, desk.dependencies, desk.service_label)
    for incident in store.lately(conn, now_s - plan.reopen_within_s):
        board.put(incident)
    board.episodes = store.holding(conn, [part.episode for part in candidates])
    for chunk in chunks(sorted({part.fingerprint for part in candidates})):
        asked = select(_p.fingerprint, _p.incident).where(_p.fingerprint.in_(chunk), _p.left_s.is_(None))
        for row in conn.execute(asked):
            board.before.setdefault(row.fingerprint, set()).add(row.incident)
    if any(rule.alerts_min > 1 for rule in plan.rules):
        waiting = _waiting(conn, now_s)
        held = store.holding(conn, [part.episode for part in waiting])
        board.episodes |= held
        board.waiting = {part.episode: part for part in waiting if part.episode not in held}
        for part in candidates:  # they count one after the other
            board.waiting.pop(part.episode, None)
    return board


def _waiting(conn: Connection, now_s: float) -> list[Part]:
    """All that fires and that somebody was told of."""
    is_told = select(_m.fingerprint).where(
        _m.fingerprint == _a.fingerprint, _m.episode == _a.episode, _m.told_status == "firing", _m.told_s.is_not(None)
    )
    asked = select(_a.body).where(_a.status == "firing", is_told.exists()).order_by(_a.fingerprint)
    known = (alerts.decode(body) for body in conn.execute(asked).scalars())
    return [part_of(alert, now_s) for alert in known if not _is_ours(alert)]
