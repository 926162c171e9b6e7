"""Alertmanager's /api/v2/silences and /api/v2/silence/ID, and what of silences is ours: preview, and what one hid."""

import uuid
from collections.abc import Mapping
from dataclasses import replace

import msgspec
import structlog
from sqlalchemy import Connection, func, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alerting.noise import silences as rules
from alerting.noise.silences import Silence
from pipeline.desk import alerts, groups, log, silences, tables
from pipeline.desk.http import posted, times
from pipeline.desk.http.errors import JSON, ApiError, answer, required
from pipeline.desk.http.posted import PostedMatcher, PostedSilence
from pipeline.desk.http.service import allow, flag, matchers_of, service_of, uuid_of
from schemas.matchers import ApiMatcher, Matchers

logger = structlog.get_logger(__name__)
_HID_MAX = 1000
TEXT_CHARS_MAX = 10_000  # of a comment, an author, an annotation


class _Matchers(msgspec.Struct):
    matchers: list[PostedMatcher] | None = None


async def get_silences(request: Request) -> Response:
    """The active that end first, then the pending that start first, then the expired, the newest first."""
    allow(request, "viewer")
    service = service_of(request)
    wanted = matchers_of(request)
    states = {state for state in ("active", "pending", "expired") if flag(request, state)}
    now_s = service.clock()
    found = [
        one
        for one in await service.read(silences.listed)
        if one.state(now_s) in states and wanted.matches({m.name: m.value for m in one.matchers.matchers})
    ]
    return answer([_shown(one, now_s) for one in sorted(found, key=lambda one: _order(one, now_s))])


async def get_silence(request: Request) -> Response:
    allow(request, "viewer")
    service, id_ = service_of(request), uuid_of(request)
    found = await service.read(lambda conn: silences.get(conn, id_))
    if found is None:
        raise _unknown(id_)
    return answer(_shown(found, service.clock()))


async def post_silence(request: Request) -> Response:
    user = allow(request, "responder")
    service = service_of(request)
    sent: PostedSilence = await posted.body_of(request, posted.silence_of)
    now_s = service.clock()
    wanted = _read(sent, now_s)

    def put(conn: Connection) -> Silence:
        old = silences.get(conn, sent.id) if sent.id else None
        if sent.id and old is None:
            raise _unknown(sent.id)
        new = _follows(old, wanted, now_s)
        if old is not None and new.id != old.id:
            silences.expire(conn, old.id, now_s)
        silences.put(conn, new)
        if old is not None:
            groups.look_soon(conn, "silence", old.id, now_s)
        return new

    made = await service.write(put)
    logger.info("silence", id=made.id, matchers=str(made.matchers), by=made.created_by, token=user)
    return answer({"silenceID": made.id})


async def delete_silence(request: Request) -> Response:
    """Ends it: what it held back is told at once.

    0.25 fails with 500 where there is none; the specification says 404.
    """
    user = allow(request, "responder")
    service, id_ = service_of(request), uuid_of(request)

    def expire(conn: Connection) -> bool:
        groups.look_soon(conn, "silence", id_, service.clock())
        return silences.expire(conn, id_, service.clock())

    if not await service.write(expire):
        raise _unknown(id_)
    logger.info("silence ended", id=id_, token=user)
    return Response(b"", media_type=JSON)


async def post_preview(request: Request) -> Response:
    """What a silence with these matchers would hide now. Changes nothing."""
    allow(request, "viewer")
    service = service_of(request)
    sent = await posted.body_of(request, msgspec.json.Decoder(_Matchers).decode)
    now_s = service.clock()
    imagined = Silence("", _matchers(sent.matchers), now_s, now_s + 1, "preview", "preview", now_s)
    _check(imagined, now_s)
    shown = await service.view.get()
    hidden = [one for one in shown.standings.values() if imagined.matchers.matches(one.routed.labels)]
    named = [{"id": one.routed.alert.episode, "labels": one.routed.labels} for one in hidden[:_HID_MAX]]
    already = sum(one.status.state == "suppressed" for one in hidden)
    return answer({"count": len(hidden), "already_suppressed": already, "alerts": named})


async def get_hid(request: Request) -> Response:
    """The alerts it has held back so far, and how many."""
    allow(request, "viewer")
    service, id_ = service_of(request), uuid_of(request)

    def read(conn: Connection) -> tuple[Silence | None, int, list[dict[str, object]]]:
        return silences.get(conn, id_), log.count_muted_by(conn, "silence", id_), _hid(conn, id_)

    found, count, hid = await service.read(read)
    if found is None:
        raise _unknown(id_)
    return answer({"silence": _shown(found, service.clock()), "count": count, "alerts": hid})


def _hid(conn: Connection, id_: str) -> list[dict[str, object]]:
    d = tables.decisions.c
    asked = (
        select(d.fingerprint, func.min(d.at_s).label("since_s"))
        .where(d.what == "muted", d.by == "silence", d.ref == id_)
        .group_by(d.fingerprint)
        .order_by(func.min(d.at_s), d.fingerprint)
        .limit(_HID_MAX)
    )
    rows = conn.execute(asked).all()
    known = alerts.many(conn, [row.fingerprint for row in rows])
    return [
        {
            "fingerprint": row.fingerprint,
            "since": times.written(row.since_s),
            "labels": known[row.fingerprint].matchable() if row.fingerprint in known else {},
        }
        for row in rows
    ]


def _read(sent: PostedSilence, now_s: float) -> Silence:
    """Raises ApiError, in Alertmanager's words and numbers."""
    for name in ("matchers", "startsAt", "endsAt", "createdBy", "comment"):
        if getattr(sent, name) is None:
            raise required(name)
    try:
        starts_at_s, ends_at_s = times.read(sent.startsAt), times.read(sent.endsAt)
    except ValueError as error:
        raise ApiError(400, f"can't read the body: {error}") from None
    texts = (sent.createdBy or "", sent.comment or "", *(sent.annotations or {}).values())
    if max(map(len, texts)) > TEXT_CHARS_MAX:
        raise ApiError(400, f"a text is longer than {TEXT_CHARS_MAX} characters", is_text=True)
    if ends_at_s is None:
        raise ApiError(400, "invalid silence: invalid zero end timestamp", is_text=True)
    wanted = Silence(
        id=sent.id or "",
        matchers=_matchers(sent.matchers),
        starts_at_s=_to_ms(starts_at_s if starts_at_s is not None else now_s),
        ends_at_s=ends_at_s,
        created_by=sent.createdBy or "",
        comment=sent.comment or "",
        updated_at_s=now_s,
        annotations=sent.annotations or {},
    )
    _check(wanted, now_s)
    return wanted


def _check(silence: Silence, now_s: float) -> None:
    try:
        rules.check(silence, now_s)
    except ValueError as error:
        raise ApiError(400, f"invalid silence: {error}", is_text=True) from None


def _matchers(sent: list[PostedMatcher] | None) -> Matchers:
    if sent is None:
        raise required("matchers")
    if not sent:
        raise ApiError(422, "matchers in body should have at least 1 items", 612)
    made: list[ApiMatcher] = []
    for number, one in enumerate(sent):
        for name in ("name", "value", "isRegex"):
            if getattr(one, name) is None:
                raise required(f"matchers.{number}.{name}")
        is_equal = True if one.isEqual is None else one.isEqual
        made.append(
            {"name": one.name or "", "value": one.value or "", "isRegex": bool(one.isRegex), "isEqual": is_equal}
        )
    if not all(one["name"] for one in made):
        raise ApiError(400, "invalid silence: a matcher without a name", is_text=True)
    try:
        return Matchers.from_api(made)
    except ValueError as error:
        raise ApiError(400, f"invalid silence: {error}", is_text=True) from None


def _follows(old: Silence | None, wanted: Silence, now_s: float) -> Silence:
    """With its id where it may keep that, else a new one that starts now at the earliest."""
    if old is not None and rules.can_become(old, wanted, now_s):
        return wanted
    return replace(wanted, id=str(uuid.uuid4()), starts_at_s=max(wanted.starts_at_s, _to_ms(now_s)))


def _to_ms(at_s: float) -> float:
    """As it is written to clients: who sends back what it was given has not changed the start."""
    return times.read(times.written(at_s)) or 0.0


def _order(silence: Silence, now_s: float) -> tuple[int, float, str]:
    state = silence.state(now_s)
    if state == "active":
        return 0, silence.ends_at_s, silence.id
    return (1, silence.starts_at_s, silence.id) if state == "pending" else (2, -silence.ends_at_s, silence.id)


def _shown(silence: Silence, now_s: float) -> Mapping[str, object]:
    return {
        "id": silence.id,
        "status": {"state": silence.state(now_s)},
        "updatedAt": times.written(silence.updated_at_s),
        "annotations": dict(silence.annotations),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": times.written(silence.ends_at_s),
        "matchers": silence.matchers.as_api(),
        "startsAt": times.written(silence.starts_at_s),
    }


def _unknown(id_: str) -> ApiError:
    return ApiError(404, f"no silence {id_[:60]}", is_text=True)


ROUTES = (
    Route("/api/v2/silences", get_silences, methods=["GET"]),
    Route("/api/v2/silences", post_silence, methods=["POST"]),
    Route("/api/v2/silence/{id}", get_silence, methods=["GET"]),
    Route("/api/v2/silence/{id}", delete_silence, methods=["DELETE"]),
    Route("/api/desk/silences/preview", post_preview, methods=["POST"]),
    Route("/api/desk/silences/{id}/hid", get_hid, methods=["GET"]),
)
