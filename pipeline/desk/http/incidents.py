"""Incidents by HTTP: what there are, one of them whole, its export. What people do to them is in `incident_acts.py`."""

import re
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from incidents import export, timeline
from incidents.cdevents import state_of
from incidents.lifecycle import durations, next_acts
from incidents.model import SEVERITIES, STATES, Entry, Incident, Part
from incidents.opening import runbook_of
from pipeline.desk.http.errors import ApiError, answer
from pipeline.desk.http.service import Service, allow, service_of
from pipeline.desk.incidents import store
from schemas.alert import rfc3339
from schemas.desk import Desk

_ID = re.compile(r"(?:INC-)?([1-9][0-9]{0,17})", re.IGNORECASE)
_LIMIT_MAX = 1_000


async def get_incidents(request: Request) -> Response:
    """Newest first. Each filter may be given several times: `state` (or `live`: not over), `severity`, `service`."""
    allow(request, "viewer")
    query = request.query_params
    wanted = set(query.getlist("state"))
    if "live" in wanted:
        wanted = (wanted - {"live"}) | set(store.NOT_OVER)
    if unknown := wanted - set(STATES):
        raise ApiError(422, f"state: no state {min(unknown)[:40]!r}; known: live, {', '.join(STATES)}")
    severities = query.getlist("severity")
    if wrong := set(severities) - {str(one) for one in SEVERITIES}:
        raise ApiError(422, f"severity: must be 1 to 5, got {min(wrong)[:40]!r}")
    limit = query.get("limit", "100")
    if not limit.isdecimal() or not 0 < int(limit) <= _LIMIT_MAX:
        raise ApiError(422, f"limit must be a number from 1 to {_LIMIT_MAX}")
    service = service_of(request)
    read = partial(
        store.listed,
        states=[state for state in STATES if not wanted or state in wanted],
        severities=[int(one) for one in severities],
        services=query.getlist("service"),
        limit=int(limit),
    )
    return answer([shown(one) for one in await service.read(read)])


async def get_incident(request: Request) -> Response:
    """With its alerts, its timeline, and what can be done now."""
    allow(request, "viewer")
    service = service_of(request)
    incident, parts, entries = await _whole(request, service)
    return answer(
        shown(incident)
        | {
            "durations": durations(incident),
            "alerts": [export.part_json(part) for part in parts],
            "timeline": [_entry(entry) for entry in entries],
            "next": next_acts(incident.state),
            "next_by_itself": _by_itself(service.desk, incident),
            "runbook_url": _runbook(service.desk, incident),
        }
    )


async def get_export(request: Request) -> Response:
    allow(request, "viewer")
    kind = request.query_params.get("format", "json")
    if kind not in ("md", "json"):
        raise ApiError(422, f"format must be md or json, got {kind[:40]!r}")
    incident, parts, entries = await _whole(request, service_of(request))
    if kind == "json":
        return answer(export.as_json(incident, parts, entries))
    return Response(export.as_markdown(incident, parts, entries), media_type="text/markdown; charset=utf-8")


async def get_verify(request: Request) -> Response:
    """Whether its timeline holds together, and where it doesn't."""
    allow(request, "viewer")
    incident, _, entries = await _whole(request, service_of(request))
    broken = timeline.broken_at(entries)
    last = entries[-1].hash if entries else timeline.FIRST
    return answer({"id": incident.id, "entries": len(entries), "broken_at": broken, "hash": last})


def number_of(text: str) -> int:
    """Of `INC-12` or `12`. Raises ApiError."""
    found = _ID.fullmatch(text)
    if found is None:
        raise ApiError(404, f"{text[:40]!r} is no id of an incident; one looks like INC-12")
    return int(found[1])


def number(request: Request) -> int:
    return number_of(request.path_params["id"])


async def _whole(request: Request, service: Service) -> tuple[Incident, list[Part], list[Entry]]:
    wanted = number(request)

    def read(conn: Connection) -> tuple[Incident, list[Part], list[Entry]] | None:
        found = store.get(conn, wanted)
        return (
            None if found is None else (found, store.parts(conn, wanted, with_left=True), store.entries(conn, wanted))
        )

    whole = await service.read(read)
    if whole is None:
        raise ApiError(404, f"no incident INC-{wanted}")
    return whole


def shown(incident: Incident) -> dict[str, Any]:
    return {"id": incident.id, "number": incident.number, **msgspec.structs.asdict(state_of(incident))}


def _entry(entry: Entry) -> dict[str, Any]:
    shown = msgspec.structs.asdict(entry)
    del shown["incident"]
    return shown | {"at": rfc3339(entry.at_s), "written_at": rfc3339(entry.written_s)}


def _by_itself(desk: Desk, incident: Incident) -> dict[str, str] | None:
    """What time alone will do, and when."""
    plan = desk.response.incidents
    if incident.state == "mitigated" and incident.quiet_since_s is not None and plan.resolve_after_s is not None:
        return {"act": "resolve", "at": rfc3339(incident.quiet_since_s + plan.resolve_after_s)}
    if incident.state == "resolved" and incident.resolved_s is not None and plan.close_after_s is not None:
        return {"act": "close", "at": rfc3339(incident.resolved_s + plan.close_after_s)}
    return None


def _runbook(desk: Desk, incident: Incident) -> str:
    return runbook_of(desk.response.incidents.rules, incident)


ROUTES = (
    Route("/api/desk/incidents", get_incidents, methods=["GET"]),
    Route("/api/desk/incidents/{id}", get_incident, methods=["GET"]),
    Route("/api/desk/incidents/{id}/export", get_export, methods=["GET"]),
    Route("/api/desk/incidents/{id}/verify", get_verify, methods=["GET"]),
)
