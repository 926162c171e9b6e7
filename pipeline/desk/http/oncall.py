"""Who is on call, by HTTP: now, in a span, as a calendar to subscribe to; overrides and swaps."""

import uuid
from dataclasses import replace

import msgspec
import structlog
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from incidents.oncall import ical
from incidents.oncall.overrides import Override, refusal, swapped
from incidents.oncall.schedule import turn_at
from pipeline.desk.http import posted, times
from pipeline.desk.http.errors import ApiError, answer
from pipeline.desk.http.service import Service, allow, service_of
from pipeline.desk.incidents import duty, rota
from schemas.config.errors import suggestion
from schemas.response.oncall import OnCallPlan, Schedule

logger = structlog.get_logger(__name__)
_WEEK_S = 7 * rota.DAY_S
_LOOK_S = 400 * rota.DAY_S  # overrides that have a part so far around a moment are asked for


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """Of an override. start: now if left out. Times are RFC 3339."""

    schedule: str
    person: str
    end: str
    start: str = ""
    instead_of: str = ""
    note: str = ""
    by: str = ""


class _Swap(msgspec.Struct, forbid_unknown_fields=True):
    """first, second: a moment in each of the two turns."""

    schedule: str
    first: str
    second: str
    note: str = ""
    by: str = ""


_asked_of = msgspec.json.Decoder(_Asked).decode
_swap_of = msgspec.json.Decoder(_Swap).decode


async def get_now(request: Request) -> Response:
    """Every schedule at a moment (`at`, else now)."""
    allow(request, "viewer")
    service = service_of(request)
    plan, at_s = service.desk.response.oncall, _moment(request.query_params.get("at"), "at", service.clock())
    overrides = await service.read(lambda conn: duty.overrides(conn, at_s - _LOOK_S, at_s + _LOOK_S))
    known = duty.effective(plan, overrides)
    return answer([rota.standing(plan, schedule, known, at_s) for schedule in plan.schedules.values()])


async def get_spans(request: Request) -> Response:
    """One schedule from a moment (`from`, else now) to another (`to`, else a week later)."""
    allow(request, "viewer")
    service = service_of(request)
    plan = service.desk.response.oncall
    schedule = _schedule(plan, request.query_params.get("schedule", ""))
    from_s = _moment(request.query_params.get("from"), "from", service.clock())
    to_s = _moment(request.query_params.get("to"), "to", from_s + _WEEK_S)
    if not from_s < to_s <= from_s + rota.SPANS_DAYS_MAX * rota.DAY_S:
        raise ApiError(422, f"to must be later than from, by at most {rota.SPANS_DAYS_MAX} days")
    overrides = await service.read(lambda conn: duty.overrides(conn, from_s, to_s))
    return answer(rota.rota(schedule, duty.effective(plan, overrides), from_s, to_s))


async def get_calendar(request: Request) -> Response:
    """iCalendar; of one person with `person`."""
    allow(request, "viewer")
    service = service_of(request)
    plan, now_s = service.desk.response.oncall, service.clock()
    schedule = _schedule(plan, request.path_params["name"])
    overrides = await service.read(lambda conn: duty.overrides(conn, now_s - _LOOK_S, now_s + _LOOK_S))
    text = rota.calendar(schedule, duty.effective(plan, overrides), request.query_params.get("person"), now_s)
    return Response(text.encode(), media_type=ical.MEDIA_TYPE)


async def get_overrides(request: Request) -> Response:
    """Those that aren't over; with `all=true` all that are kept. `is_void`: the config knows the person no more."""
    allow(request, "viewer")
    service = service_of(request)
    from_s = 0.0 if request.query_params.get("all") == "true" else service.clock()
    found = await service.read(lambda conn: duty.overrides(conn, from_s, from_s + 1e11))
    known = duty.effective(service.desk.response.oncall, found)
    return answer([{**rota.override_row(one), "is_void": one not in known} for one in found])


async def post_override(request: Request) -> Response:
    user = allow(request, "responder")
    service = service_of(request)
    asked: _Asked = await posted.body_of(request, _asked_of)
    now_s = service.clock()
    made = Override(
        id=str(uuid.uuid4()),
        schedule=asked.schedule,
        person=asked.person,
        start_s=max(now_s, _moment(asked.start, "start", now_s)),
        end_s=_moment(asked.end, "end", now_s),
        instead_of=asked.instead_of,
        by=user or asked.by or "somebody",
        made_s=now_s,
        note=asked.note,
    )
    return await _put(service, [made], now_s)


async def post_swap(request: Request) -> Response:
    user = allow(request, "responder")
    service = service_of(request)
    asked: _Swap = await posted.body_of(request, _swap_of)
    now_s = service.clock()
    plan = service.desk.response.oncall
    schedule = _schedule(plan, asked.schedule)
    moments = [_moment(asked.first, "first", now_s), _moment(asked.second, "second", now_s)]
    found = await service.read(lambda conn: duty.overrides(conn, min(moments) - _LOOK_S, max(moments) + _LOOK_S))
    turns = [turn_at(schedule, duty.effective(plan, found), at_s) for at_s in moments]
    first, second = (replace(turn, start_s=max(turn.start_s, now_s)) if turn else None for turn in turns)
    if first is None or second is None:
        raise ApiError(422, "nobody is on call at one of these moments, so there is nothing to swap")
    by = user or asked.by or "somebody"
    template = Override(str(uuid.uuid4()), schedule.name, "", 0.0, 0.0, by=by, made_s=now_s, note=asked.note)
    try:
        return await _put(service, list(swapped(first, second, template, str(uuid.uuid4()))), now_s)
    except ValueError as error:
        raise ApiError(422, str(error)) from None


async def delete_override(request: Request) -> Response:
    """One that is to come is gone with its swap's other half; one that has begun ends now: what was is kept."""
    user = allow(request, "responder") or request.query_params.get("by", "") or "somebody"
    service, id_ = service_of(request), request.path_params["id"]
    now_s = service.clock()

    def remove(conn: Connection) -> list[Override]:
        return duty.withdraw(conn, id_, now_s)

    found = await service.write(remove)
    if not found:
        raise ApiError(404, f"no override {id_[:40]} that isn't over; see `tidegauge oncall list-overrides`")
    for one in found:
        logger.info("override removed", override=one.id, schedule=one.schedule, person=one.person, by=user)
    return answer([rota.override_row(one) for one in found])


async def _put(service: Service, made: list[Override], now_s: float) -> Response:
    for one in made:
        refused = refusal(one, service.desk.response.oncall, now_s)
        if refused:
            raise ApiError(422, refused)

    def put(conn: Connection) -> None:
        for one in made:
            duty.put(conn, one)

    await service.write(put)
    for one in made:
        logger.info("override made", override=one.id, schedule=one.schedule, person=one.person, by=one.by)
    return answer([rota.override_row(one) for one in made], 201)


def _schedule(plan: OnCallPlan, name: str) -> Schedule:
    if name not in plan.schedules:
        raise ApiError(404, f"no schedule {name[:60]!r}; {suggestion(name, plan.schedules)}")
    return plan.schedules[name]


def _moment(text: str | None, what: str, default_s: float) -> float:
    try:
        at_s = times.read(text)
    except ValueError as error:
        raise ApiError(422, f"{what}: {error}") from None
    if at_s is not None and at_s > 7_000_000_000.0:
        raise ApiError(422, f"{what}: is too far away; choose a time before 2190")
    return default_s if at_s is None else at_s


ROUTES = (
    Route("/api/desk/oncall", get_now, methods=["GET"]),
    Route("/api/desk/oncall/spans", get_spans, methods=["GET"]),
    Route("/api/desk/oncall/overrides", get_overrides, methods=["GET"]),
    Route("/api/desk/oncall/overrides", post_override, methods=["POST"]),
    Route("/api/desk/oncall/overrides/{id}", delete_override, methods=["DELETE"]),
    Route("/api/desk/oncall/swap", post_swap, methods=["POST"]),
    Route("/api/desk/oncall/{name:path}.ics", get_calendar, methods=["GET"]),
)
