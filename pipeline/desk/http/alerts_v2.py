"""Alertmanager's /api/v2/alerts and /api/v2/alerts/groups, and the webhook intake."""

from collections.abc import Callable

import msgspec
import structlog
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.desk import intake
from pipeline.desk.external import External
from pipeline.desk.http import posted
from pipeline.desk.http.errors import JSON, ApiError, answer
from pipeline.desk.http.service import Service, allow, flag, matchers_of, service_of
from pipeline.desk.http.view import Standing, groups, listed
from schemas.selector import compile_regex

log = structlog.get_logger(__name__)
Keep = Callable[[Standing], bool]
_RECEIVER_CHARS_MAX = 1000


async def get_alerts(request: Request) -> Response:
    allow(request, "viewer")
    service = service_of(request)
    keep = _keep(request)
    shown = await service.view.get()
    if not request.query_params:
        return Response(shown.body, media_type=JSON)
    return Response(listed(one for one in shown.standings.values() if keep(one)), media_type=JSON)


async def get_groups(request: Request) -> Response:
    """Alerts that are told together, as they are told: one in a storm stands in the storm's group."""
    allow(request, "viewer")
    service = service_of(request)
    keep, is_receiver = _keep(request, is_by_group=True), _receiver(request)
    with_muted = flag(request, "muted")
    shown = await service.view.get()
    kept = {
        print_: one for print_, one in shown.standings.items() if keep(one) and (with_muted or not one.status.mutedBy)
    }
    found = []
    for group, members in await service.read(lambda conn: groups(conn, kept)):
        if is_receiver(group.receiver):
            names = {"labels": group.labels, "receiver": {"name": group.receiver}, "routeLabels": {}}
            found.append(msgspec.json.encode(names)[:-1] + b',"alerts":' + listed(members) + b"}")
    return Response(b"[" + b",".join(found) + b"]", media_type=JSON)


async def post_alerts(request: Request) -> Response:
    """Those that are right are taken, also where others of the batch are wrong."""
    allow(request, "responder")
    service = service_of(request)
    sent = await posted.body_of(request, posted.alerts_of)
    right, wrong = posted.judged(sent, service.clock())
    await _take(service, right)
    if wrong:
        raise ApiError(400, "; ".join(wrong)[:2000], is_text=True)
    return Response(b"", media_type=JSON)


async def post_webhook(request: Request) -> Response:
    """Alertmanager gives up on every 4xx and tries again on a 5xx: what is our trouble is 503, never 429."""
    allow(request, "responder")
    service = service_of(request)
    hook = await posted.body_of(request, posted.hook_of)
    if hook.version != "4":
        raise ApiError(400, f"webhook version {hook.version[:10]!r} isn't known; 4 is")
    right, wrong = posted.hooked(hook, service.clock())
    await _take(service, right)
    if hook.truncatedAlerts:
        log.warning("a webhook left alerts out", sender=hook.receiver, left_out=hook.truncatedAlerts)
    if wrong:
        raise ApiError(400, "; ".join(wrong)[:2000])
    return answer({"taken": len(right), "left_out": hook.truncatedAlerts})


async def _take(service: Service, seen: list[External]) -> None:
    if not seen:
        return
    now_s = service.clock()

    def take(conn: Connection) -> None:
        intake.take_external(conn, seen, service.desk, now_s)

    await service.write(take)


def _keep(request: Request, is_by_group: bool = False) -> Keep:
    """What the query asks for."""
    matchers = matchers_of(request)
    is_receiver = None if is_by_group else _receiver(request)
    active, silenced = flag(request, "active"), flag(request, "silenced")
    inhibited, unprocessed = flag(request, "inhibited"), flag(request, "unprocessed")

    def keep(one: Standing) -> bool:
        status = one.status
        if (status.state == "active" and not active) or (status.state == "unprocessed" and not unprocessed):
            return False
        if (status.silencedBy and not silenced) or (status.inhibitedBy and not inhibited):
            return False
        if is_receiver is not None and not any(map(is_receiver, one.routed.receivers)):
            return False
        return matchers.matches(one.routed.labels)

    return keep


def _receiver(request: Request) -> Callable[[str], bool]:
    """`receiver` is a regular expression for the whole name."""
    pattern = request.query_params.get("receiver")
    if not pattern:
        return lambda name: True
    try:
        if len(pattern) > _RECEIVER_CHARS_MAX:
            raise ValueError(f"longer than {_RECEIVER_CHARS_MAX} characters")
        regex = compile_regex(pattern)
    except ValueError as error:
        raise ApiError(400, f"failed to parse receiver param: {error}", is_text=True) from None
    return lambda name: regex(name.encode()) is not None


ROUTES = (
    Route("/api/v2/alerts", get_alerts, methods=["GET"]),
    Route("/api/v2/alerts", post_alerts, methods=["POST"]),
    Route("/api/v2/alerts/groups", get_groups, methods=["GET"]),
    Route("/api/v1/webhook", post_webhook, methods=["POST"]),
)
