"""The desk's HTTP: one line an address. Who may ask is `guard.py`'s business, what is answered the others'."""

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
    Route("/api/v2/alerts", alerts_v2.get_alerts, methods=["GET"]),
    Route("/api/v2/alerts", alerts_v2.post_alerts, methods=["POST"]),
    Route("/api/v2/alerts/groups", alerts_v2.get_groups, methods=["GET"]),
    Route("/api/v2/silences", silences_v2.get_silences, methods=["GET"]),
    Route("/api/v2/silences", silences_v2.post_silence, methods=["POST"]),
    Route("/api/v2/silence/{id}", silences_v2.get_silence, methods=["GET"]),
    Route("/api/v2/silence/{id}", silences_v2.delete_silence, methods=["DELETE"]),
    Route("/api/v2/status", status_v2.get_status, methods=["GET"]),
    Route("/api/v2/receivers", status_v2.get_receivers, methods=["GET"]),
    Route("/api/v1/webhook", alerts_v2.post_webhook, methods=["POST"]),
    Route("/api/desk/alerts/{id}/explain", ours.get_explain, methods=["GET"]),
    Route("/api/desk/alerts/{id}/ack", ours.post_ack, methods=["POST"]),
    Route("/api/desk/alerts/{id}/snooze", ours.post_snooze, methods=["POST"]),
    Route("/api/desk/alerts/{id}/unack", ours.post_unack, methods=["POST"]),
    Route("/api/desk/silences/preview", silences_v2.post_preview, methods=["POST"]),
    Route("/api/desk/silences/{id}/hid", silences_v2.get_hid, methods=["GET"]),
    Route("/api/desk/scaling/{name}", scaling.get_scaling, methods=["GET"]),
    Route("/api/desk/automation", automation.get_automation, methods=["GET"]),
    Route("/api/desk/automation/pause", automation.post_pause, methods=["POST"]),
    Route("/api/desk/automation/resume", automation.post_resume, methods=["POST"]),
    Route("/api/desk/automation/dry-run", automation.post_dry_run, methods=["POST"]),
    Route("/api/desk/automation/acts", automation.get_acts, methods=["GET"]),
    Route("/api/desk/automation/acts/{id}", automation.get_act, methods=["GET"]),
    Route("/api/desk/automation/acts/{id}/approve", automation.post_approve, methods=["POST"]),
    Route("/api/desk/automation/acts/{id}/reject", automation.post_reject, methods=["POST"]),
    *triage.ROUTES,
    Route("/api/desk/outbox", ours.get_outbox, methods=["GET"]),
    Route("/api/desk/outbox/{id:int}/retry", ours.post_retry, methods=["POST"]),
    Route("/api/desk/oncall", oncall.get_now, methods=["GET"]),
    Route("/api/desk/oncall/spans", oncall.get_spans, methods=["GET"]),
    Route("/api/desk/oncall/overrides", oncall.get_overrides, methods=["GET"]),
    Route("/api/desk/oncall/overrides", oncall.post_override, methods=["POST"]),
    Route("/api/desk/oncall/overrides/{id}", oncall.delete_override, methods=["DELETE"]),
    Route("/api/desk/oncall/swap", oncall.post_swap, methods=["POST"]),
    Route("/api/desk/oncall/{name:path}.ics", oncall.get_calendar, methods=["GET"]),
    Route("/hooks/pagerduty", hooks.post_pagerduty, methods=["POST"]),
    Route("/hooks/opsgenie", hooks.post_opsgenie, methods=["POST"]),
    Route("/hooks/slack", hooks.post_slack, methods=["POST"]),
    Route("/links/{link}", links.get_link, methods=["GET"]),
    Route("/links/{link}", links.post_link, methods=["POST"]),
    Route("/api/desk/incidents", incidents.get_incidents, methods=["GET"]),
    Route("/api/desk/incidents", incident_acts.post_incident, methods=["POST"]),
    Route("/api/desk/incidents/{id}", incidents.get_incident, methods=["GET"]),
    Route("/api/desk/incidents/{id}/review", reviews.get_review, methods=["GET"]),
    Route("/api/desk/incidents/{id}/review", reviews.put_review, methods=["PUT"]),
    Route("/api/desk/incidents/{id}/review/versions", reviews.get_versions, methods=["GET"]),
    Route("/api/desk/incidents/{id}/actions", reviews.post_action, methods=["POST"]),
    Route("/incidents/{id}/review", reviews.get_page, methods=["GET"]),
    Route("/incidents/{id}/chart-{chart:int}.svg", reviews.get_chart, methods=["GET"]),
    Route("/api/desk/figures", reviews.get_figures, methods=["GET"]),
    Route("/api/desk/incidents/{id}/export", incidents.get_export, methods=["GET"]),
    Route("/api/desk/incidents/{id}/verify", incidents.get_verify, methods=["GET"]),
    Route("/api/desk/incidents/{id}/comment", incident_acts.post_comment, methods=["POST"]),
    Route("/api/desk/incidents/{id}/edit", incident_acts.post_edit, methods=["POST"]),
    Route("/api/desk/incidents/{id}/merge", incident_acts.post_merge, methods=["POST"]),
    Route("/api/desk/incidents/{id}/split", incident_acts.post_split, methods=["POST"]),
    *(
        Route(f"/api/desk/incidents/{{id}}/{act}", incident_acts.post_act, methods=["POST"])
        for act in incident_acts.ACTS
    ),
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
