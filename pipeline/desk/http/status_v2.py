"""Alertmanager's /api/v2/status and /api/v2/receivers. What stands in the config is shown without its secrets."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import yaml
from starlette import routing
from starlette.requests import Request
from starlette.responses import Response

from pipeline.desk.http import times
from pipeline.desk.http.errors import answer
from pipeline.desk.http.service import allow, service_of
from schemas.config.values import duration_text
from schemas.desk import Desk, Receiver, Route


async def get_receivers(request: Request) -> Response:
    allow(request, "viewer")
    return answer([{"name": name} for name in service_of(request).desk.receivers])


async def get_status(request: Request) -> Response:
    """`config.original` is the routing tree as amtool reads it: `amtool config routes show` works on it."""
    allow(request, "viewer")
    service = service_of(request)
    ours = version("tidegauge")
    return answer(
        {
            "cluster": {"status": "disabled", "name": "", "peers": []},
            "config": {"original": config_text(service.desk)},
            "uptime": times.written(service.started_s),
            "versionInfo": {
                "branch": "tidegauge",
                "buildDate": "",
                "buildUser": "",
                "goVersion": "",
                "revision": "",
                "version": ours,
            },
        }
    )


def config_text(desk: Desk) -> str:
    """An alertmanager.yml with routes and names of receivers; what they are sent with is left out."""
    written = {
        "route": _route(desk.route, None),
        "receivers": [_receiver(receiver) for receiver in desk.receivers.values()],
        "time_intervals": [{"name": name, "time_intervals": []} for name in desk.time_intervals],
    }
    text: str = yaml.safe_dump({key: value for key, value in written.items() if value}, sort_keys=False)
    return text


def _receiver(receiver: Receiver) -> dict[str, str]:
    return {"name": receiver.name}


def _route(route: Route, parent: Route | None) -> Mapping[str, object]:
    """Only what differs from its parent, as people write it."""
    written: dict[str, Any] = {}
    if parent is None or route.receiver != parent.receiver:
        written["receiver"] = route.receiver
    if parent is None or route.group_by != parent.group_by:
        written["group_by"] = ["..."] if route.group_by is None else list(route.group_by)
    if route.matchers.matchers:
        written["matchers"] = [str(matcher) for matcher in route.matchers.matchers]
    for name in ("group_wait", "group_interval", "repeat_interval"):
        seconds = getattr(route, f"{name}_s")
        if parent is None or seconds != getattr(parent, f"{name}_s"):
            written[name] = duration_text(seconds)
    if route.continues:
        written["continue"] = True
    for name in ("mute_time_intervals", "active_time_intervals"):
        if getattr(route, name):
            written[name] = list(getattr(route, name))
    if route.routes:
        written["routes"] = [_route(child, route) for child in route.routes]
    return written


ROUTES = (
    routing.Route("/api/v2/status", get_status, methods=["GET"]),
    routing.Route("/api/v2/receivers", get_receivers, methods=["GET"]),
)
