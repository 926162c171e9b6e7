"""The desk's HTTP, put together: each module here has its addresses. Who may ask is `guard.py`'s business."""

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipeline.desk.automation.advisers import Advisers
from pipeline.desk.automation.runner import Runner
from pipeline.desk.courier import Courier
from pipeline.desk.database import Database
from pipeline.desk.http import (
    alerts_v2,
    automation,
    hooks,
    incident_acts,
    incidents,
    links,
    oncall,
    ours,
    reviews,
    scaling,
    silences_v2,
    status_v2,
    triage,
)
from pipeline.desk.http.errors import ApiError, on_api_error, on_http_error
from pipeline.desk.http.guard import Guard
from pipeline.desk.http.service import Service, allow, service_of
from pipeline.desk.http.view import Clock, View
from pipeline.desk.lane import Sender
from pipeline.desk.metrics import ChangesRead, Meters
from pipeline.desk.taken import Taken
from schemas.desk import Desk

if TYPE_CHECKING:
    from pipeline.desk.feed import Feed
    from pipeline.desk.incidents.change_feed import ChangeFeed
    from pipeline.desk.incidents.publishing import Publisher


READY_WITHIN_S = 8.0
"""By then it answers from what the database holds, though Kafka may be away or long to read."""


async def healthy(request: Request) -> Response:
    return PlainTextResponse("OK")


async def ready(request: Request) -> Response:
    if service_of(request).is_ready():
        return PlainTextResponse("OK")
    return PlainTextResponse("not ready: reading what was missed\n", 503)


async def metrics(request: Request) -> Response:
    allow(request, "viewer")
    service = service_of(request)
    await service.view.get()
    body = await service.aside(partial(generate_latest, request.app.state.meters.registry))
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


ROUTES = (
    Route("/-/healthy", healthy, methods=["GET"]),
    Route("/-/ready", ready, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
    *alerts_v2.ROUTES,
    *silences_v2.ROUTES,
    *status_v2.ROUTES,
    *ours.ROUTES,
    *incidents.ROUTES,
    *incident_acts.ROUTES,
    *triage.ROUTES,
    *reviews.ROUTES,
    *oncall.ROUTES,
    *automation.ROUTES,
    *scaling.ROUTES,
    *hooks.ROUTES,
    *links.ROUTES,
)


def app(
    db: Database,
    desk: Desk,
    clock: Clock,
    *,
    courier: Courier | None = None,
    taken: Taken | None = None,
    advisers: Advisers | None = None,
    sender: Sender | None = None,
    feed: "Feed | None" = None,
    changes: "ChangeFeed | None" = None,
    meters: Meters | None = None,
    publisher: "Publisher | None" = None,
    runner: Runner | None = None,
) -> Starlette:
    """courier, taken, advisers, feed, publisher, runner: of this process. Raises ValueError where it'd stand open."""
    started_s = clock()
    service = Service(
        db=db,
        desk=desk,
        clock=clock,
        view=View(db, desk, clock),
        courier=courier,
        taken=taken,
        advisers=advisers,
        sender=sender,
        runner=runner,
        started_s=started_s,
        is_ready=lambda: feed is None or not feed.is_catching_up or clock() > started_s + READY_WITHIN_S,
    )
    meters = meters or Meters()
    meters.register(service, feed.progress if feed is not None else None, publisher)
    if changes is not None:
        meters.registry.register(ChangesRead(changes.progress))
    made = Starlette(
        routes=ROUTES,
        middleware=[Middleware(Guard, server=desk.server)],
        exception_handlers={ApiError: on_api_error, HTTPException: on_http_error},
    )
    made.state.service, made.state.meters = service, meters
    return made
