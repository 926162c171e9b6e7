"""What Alertmanager has not: why an alert was told or wasn't, acknowledgements, snoozes, what waits to be sent."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TypeVar, cast

import msgspec
import structlog
from sqlalchemy import Connection, select
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alerting.alert import Alert, Decision, Group, Member, Muted
from pipeline.desk import acks, alerts, groups, log, outbox, rounds, settling, tables
from pipeline.desk.http import posted, times
from pipeline.desk.http.errors import ApiError, answer
from pipeline.desk.http.posted import Ack
from pipeline.desk.http.service import Service, allow, service_of
from pipeline.desk.http.view import Standing
from pipeline.desk.incidents import people
from pipeline.desk.outbox import Line, State
from pipeline.desk.payloads import unpacked
from schemas.alert import rfc3339

logger = structlog.get_logger(__name__)
T = TypeVar("T")
_STATES = ("due", "sent", "failed", "replaced", "skipped")
_LIMIT_MAX = 1000
_KINDS: tuple[acks.Kind, ...] = ("acknowledged", "snooze")
_MESSAGE = re.compile(r"\bmessage (\d{1,9})\b")
_MESSAGES_MAX = 50  # the newest that are looked through; one of a storm has thousands of alerts
_TEXT_CHARS_MAX = 10_000


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to "why was this sent, or not". Times are RFC 3339; decisions in the order they were made."""

    id: str
    fingerprint: str
    status: str
    level: str
    labels: dict[str, str]
    starts_at: str
    ends_at: str | None
    first_seen: str
    state: str
    held_back_by: list[str]
    routes: list[dict[str, str]]
    groups: list[dict[str, object]]
    decisions: list[dict[str, str | None]]
    deliveries: list[dict[str, object]]
    detection: dict[str, object]  # what the newest alert event says of the point that made it


async def post_ack(request: Request) -> Response:
    """No repeats until it ends, or until a time."""
    service, who, sent = await _asked(request)
    until_s = _until_s(sent, service.clock())

    def acknowledge(conn: Connection) -> acks.Ack:
        episode, now_s = _episode(conn, request), service.clock()
        return people.acknowledge_alert(conn, service.desk, episode, who, now_s, comment=sent.comment, until_s=until_s)

    made = await _written(request, acknowledge)
    response = answer(_ack(made))
    if service.taken is not None:
        response.background = BackgroundTask(service.taken.tell, made)
    return response


async def post_snooze(request: Request) -> Response:
    """Not a word until a time."""
    service, who, sent = await _asked(request)
    until_s = _until_s(sent, service.clock())
    if until_s is None:
        raise ApiError(400, "a snooze needs `until`: a time in the future, such as 2026-11-23T05:00:00Z")

    def snooze(conn: Connection) -> object:
        return _ack(acks.snooze(conn, _episode(conn, request), who, sent.comment, until_s, service.clock()))

    return await _changed(request, snooze)


async def post_unack(request: Request) -> Response:
    """Takes back an acknowledgement, and a snooze."""
    service, who, _ = await _asked(request)

    def withdraw(conn: Connection) -> object:
        episode, now_s = _episode(conn, request), service.clock()
        gone = [kind for kind in _KINDS if acks.withdraw(conn, kind, episode, who, now_s)]
        if not gone:
            raise ApiError(404, "it is neither acknowledged nor snoozed")
        return {"withdrawn": gone}

    return await _changed(request, withdraw)


async def get_explain(request: Request) -> Response:
    allow(request, "viewer")
    service = service_of(request)
    shown = await service.view.get()

    def read(conn: Connection) -> Explained:
        alert = _alert(conn, request)
        standing = shown.standings.get(alert.fingerprint)
        if standing is not None and standing.routed.alert.episode != alert.episode:
            standing = None
        reasons: list[Muted] = []
        if standing is not None:
            muters = rounds.muters(conn, service.desk, service.clock())
            found = [m for route in standing.routed.routes for m in muters.all_reasons(alert, route)]
            reasons = list(dict.fromkeys(found))
        return explained(conn, alert, standing, reasons)

    return answer(await service.read(read))


async def get_outbox(request: Request) -> Response:
    """What waits, what was sent, dead letters (`status=failed`); the newest first."""
    allow(request, "viewer")
    service = service_of(request)
    query = request.query_params
    status, integration = query.get("status"), query.get("integration")
    if status is not None and status not in _STATES:
        raise ApiError(422, f"status must be one of {', '.join(_STATES)}")
    limit = query.get("limit", "100")
    if not limit.isdecimal() or not 0 < int(limit) <= _LIMIT_MAX:
        raise ApiError(422, f"limit must be a number from 1 to {_LIMIT_MAX}")

    def read(conn: Connection) -> tuple[dict[tuple[str, str], int], list[Line]]:
        wanted = cast(State | None, status)
        return outbox.counted(conn), outbox.listed(conn, status=wanted, integration=integration, limit=int(limit))

    counted, lines = await service.read(read)
    counts: dict[str, dict[str, int]] = {}
    for (name, state), count in sorted(counted.items()):
        counts.setdefault(name, dict.fromkeys(_STATES, 0))[state] = count
    return answer({"counts": counts, "lines": [_line(line) for line in lines]})


async def post_retry(request: Request) -> Response:
    """Sends a dead letter again, or what waits now and not later."""
    user = allow(request, "admin")
    service, id_ = service_of(request), int(request.path_params["id"])
    outcome = await service.write(lambda conn: settling.again(conn, id_, user or "somebody", service.clock()))
    if outcome == "unknown":
        raise ApiError(404, f"no message {id_} in the outbox")
    if outcome != "due":
        raise ApiError(409, {"sent": "it was sent", "newer": "a newer message of its group took its place"}[outcome])
    if service.courier is not None:
        service.courier.wake()
    return answer({"id": id_, "status": "due"})


def explained(conn: Connection, alert: Alert, standing: Standing | None, reasons: Sequence[Muted]) -> Explained:
    own = log.of(conn, episode=alert.episode)
    places = [
        (group, member)
        for group, member in groups.memberships(conn, alert.fingerprint)
        if member.episode == alert.episode
    ]
    ids = list(dict.fromkeys([d.group for d in own if d.group] + [group.id for group, _ in places]))
    messages = _messages(conn, ids, alert)
    decisions = sorted([*own, *_of_messages(conn, ids, messages, alert)], key=lambda d: d.at_s)
    lines = [line for id_ in ids for line in outbox.listed(conn, group=id_) if line.notification in messages]
    state = standing.status.state if standing is not None else "resolved" if not alert.is_firing else "active"
    routes = standing.routed.routes if standing is not None else ()
    return Explained(
        id=alert.episode,
        fingerprint=alert.fingerprint,
        status=alert.status,
        level=alert.level,
        labels=alert.labels,
        starts_at=rfc3339(alert.starts_at_s),
        ends_at=None if alert.ends_at_s is None else rfc3339(alert.ends_at_s),
        first_seen=times.written(alert.first_seen_s),
        state=state,
        held_back_by=[str(reason) for reason in reasons],
        routes=[{"path": route.path, "key": route.key, "receiver": route.receiver} for route in routes],
        groups=[_place(group, member) for group, member in places],
        decisions=[_decision(decision) for decision in decisions],
        deliveries=[_line(line) for line in sorted(lines, key=lambda line: line.id)],
        detection=_detection(alert),
    )


def _detection(alert: Alert) -> dict[str, object]:
    names = ("rule", "detector", "value", "expected", "lower", "upper", "score", "deviation", "why")
    evidence = [{"at": rfc3339(t), "value": v} for t, v in zip(alert.evidence_t, alert.evidence_v, strict=False)]
    return {**{name: getattr(alert, name) for name in names}, "evidence": evidence}


def _messages(conn: Connection, ids: Sequence[str], alert: Alert) -> dict[str, int]:
    """Those of its groups that said something of the alert: id of the notification -> its number."""
    n = tables.notifications.c
    asked = select(n.body).where(n.group_id.in_(ids), n.at_s >= alert.first_seen_s).order_by(n.id.desc())
    notes = [unpacked(body) for body in conn.execute(asked.limit(_MESSAGES_MAX)).scalars()]
    return {note.id: note.number for note in notes if any(told.alert.episode == alert.episode for told in note.alerts)}


def _of_messages(conn: Connection, ids: Sequence[str], messages: Mapping[str, int], alert: Alert) -> list[Decision]:
    """What became of those messages: lines of the log that are no one alert's, but name the message."""
    numbers = set(messages.values())
    return [
        decision
        for id_ in ids
        for decision in log.of(conn, group=id_)
        if decision.episode is None
        and decision.at_s >= alert.first_seen_s
        and (named := _MESSAGE.search(decision.text)) is not None
        and int(named[1]) in numbers
    ]


def _place(group: Group, member: Member) -> dict[str, object]:
    return {
        "id": group.id,
        "kind": group.kind,
        "key": group.key,
        "receiver": group.receiver,
        "next_look": times.written(group.next_flush_s),
        "told": member.told_status,
        "told_level": member.told_level,
        "held_back": member.muted,
    }


def _decision(decision: Decision) -> dict[str, str | None]:
    return {
        "at": times.written(decision.at_s),
        "what": decision.what,
        "text": decision.text,
        "receiver": decision.receiver,
        "integration": decision.integration,
        "group": decision.group,
        "by": decision.by,
        "ref": decision.ref,
    }


def _line(line: Line) -> dict[str, object]:
    written = asdict(line)
    for name in ("created_s", "due_s", "settled_s"):
        at_s = written.pop(name)
        written[name.removesuffix("_s")] = None if at_s is None else times.written(at_s)
    return written


async def _asked(request: Request) -> tuple[Service, str, Ack]:
    """A token says who it is; without one the body may."""
    user = allow(request, "responder")
    sent: Ack = await posted.body_of(request, posted.ack_of)
    if max(len(sent.comment), len(sent.by)) > _TEXT_CHARS_MAX:
        raise ApiError(400, f"a text is longer than {_TEXT_CHARS_MAX} characters")
    return service_of(request), user or sent.by or "somebody", sent


async def _changed(request: Request, do: Callable[[Connection], object]) -> Response:
    return answer(await _written(request, do))


async def _written(request: Request, do: Callable[[Connection], T]) -> T:
    made = await service_of(request).write(do)
    logger.info("acknowledged or snoozed", alert=request.path_params["id"], act=request.url.path.rsplit("/", 1)[-1])
    return made


def _ack(made: acks.Ack) -> dict[str, str | None]:
    return {
        "kind": made.kind,
        "id": made.episode,
        "by": made.by,
        "comment": made.comment,
        "at": times.written(made.at_s),
        "until": None if made.until_s is None else times.written(made.until_s),
    }


def _until_s(sent: Ack, now_s: float) -> float | None:
    try:
        until_s = times.read(sent.until)
    except ValueError as error:
        raise ApiError(400, f"until: {error}") from None
    if until_s is not None and until_s <= now_s:
        raise ApiError(400, "until: is over already; choose a time in the future")
    return until_s


def _alert(conn: Connection, request: Request) -> Alert:
    """By the id of an episode, or by a fingerprint: its newest episode."""
    ref: str = request.path_params["id"]
    found = alerts.by_episode(conn, ref) or alerts.get(conn, ref)
    if found is None:
        raise ApiError(404, f"no alert {ref[:64]}")
    return found


def _episode(conn: Connection, request: Request) -> str:
    return _alert(conn, request).episode


ROUTES = (
    Route("/api/desk/alerts/{id}/explain", get_explain, methods=["GET"]),
    Route("/api/desk/alerts/{id}/ack", post_ack, methods=["POST"]),
    Route("/api/desk/alerts/{id}/snooze", post_snooze, methods=["POST"]),
    Route("/api/desk/alerts/{id}/unack", post_unack, methods=["POST"]),
    Route("/api/desk/outbox", get_outbox, methods=["GET"]),
    Route("/api/desk/outbox/{id:int}/retry", post_retry, methods=["POST"]),
)
