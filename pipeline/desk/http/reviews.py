"""Reviews and figures by HTTP: as JSON, as Markdown, and as a page for people."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from incidents import charts
from incidents.figures import Figures
from incidents.lifecycle import Refused
from incidents.model import Incident
from incidents.review import Review, items, whole
from incidents.tasks import Task
from pipeline.desk.http import posted, times
from pipeline.desk.http.errors import ApiError, answer
from pipeline.desk.http.incidents import number
from pipeline.desk.http.review_page import POLICY, page
from pipeline.desk.http.service import Service, allow, flag, service_of
from pipeline.desk.incidents import reviewing, reviews, store, tasks
from schemas.alert import rfc3339
from schemas.duration import parse_duration_s

T = TypeVar("T")
_SINCE = "30d"


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """text: Markdown, with or without the parts that the desk keeps. version: that it was made from."""

    text: str
    version: int | None = None
    note: str = ""
    by: str = ""


class _Item(msgspec.Struct, forbid_unknown_fields=True):
    """due: RFC 3339."""

    text: str
    owner: str = ""
    due: str = ""
    link: str = ""
    by: str = ""


class Shown(msgspec.Struct, frozen=True):
    """A review as JSON. by: empty where it is a draft of ours. markdown: all of it, the action items too.

    is_stale: the incident was open again after it was written, or is open now.
    """

    incident: str
    version: int
    by: str
    note: str
    written: str
    is_stale: bool
    markdown: str


_written_of = msgspec.json.Decoder(_Written).decode
_item_of = msgspec.json.Decoder(_Item).decode
_Found = tuple[Incident, Review, list[Task]]


async def get_review(request: Request) -> Response:
    """`version`: an older one; `draft=true`: what a draft would be now; `format=md`: its Markdown alone."""
    allow(request, "viewer")
    kind = request.query_params.get("format", "json")
    if kind not in ("json", "md"):
        raise ApiError(422, f"format must be json or md, got {kind[:40]!r}")
    found = await _found(request)
    if kind == "md":
        return Response(whole(*found[1:]), media_type="text/markdown; charset=utf-8")
    return answer(_shown(*found))


async def put_review(request: Request) -> Response:
    user = allow(request, "responder")
    sent: _Written = await posted.body_of(request, _written_of)
    service, wanted = service_of(request), number(request)

    def write(conn: Connection) -> _Found:
        reviewing.written(
            conn,
            service.desk,
            wanted,
            sent.text,
            user or sent.by or "somebody",
            service.clock(),
            note=sent.note[:1000],
            version=sent.version,
        )
        return _newest(conn, wanted)

    return answer(_shown(*await _done(service, write)))


async def get_versions(request: Request) -> Response:
    """Without their texts; oldest first."""
    allow(request, "viewer")
    wanted = number(request)
    found = await service_of(request).read(partial(reviews.versions, number=wanted))
    return answer(
        [{"version": one.version, "by": one.by, "note": one.note, "written": rfc3339(one.written_s)} for one in found]
    )


async def post_action(request: Request) -> Response:
    """An action item; it is ticked off as any task of the incident."""
    user = allow(request, "responder")
    sent: _Item = await posted.body_of(request, _item_of)
    service, wanted = service_of(request), number(request)
    try:
        due_s = times.read(sent.due)
    except ValueError as error:
        raise ApiError(422, f"due: {error}") from None

    def write(conn: Connection) -> Task:
        return reviewing.action(
            conn,
            service.desk,
            wanted,
            sent.text,
            user or sent.by or "somebody",
            service.clock(),
            owner=sent.owner,
            due_s=due_s,
            link=sent.link,
        )

    return answer(await _done(service, write), 201)


async def get_page(request: Request) -> Response:
    allow(request, "viewer")
    incident, found, actions = await _found(request)
    banners = []
    if not incident.is_over:
        banners.append(f"{incident.id} is {incident.state}: this isn't its end.")
    elif _is_stale(incident, found):
        banners.append(f"{incident.id} was open again after this was written, so it may lack what came then.")
    if not found.by:
        banners.append("A draft, made by itself: nobody has looked at it yet.")
    made = f"Version {found.version}, by {found.by or 'tidegauge'}, {times.written(found.written_s)}"
    text = page(f"Review of {incident.id}", f"{found.text}\n\n{items(actions)}", found.charts, banners, made)
    return Response(text, media_type="text/html", headers={"Content-Security-Policy": POLICY})


async def get_chart(request: Request) -> Response:
    """For those who read the Markdown elsewhere."""
    allow(request, "viewer")
    _, found, _ = await _found(request)
    at = int(request.path_params["chart"])
    if at >= len(found.charts):
        raise ApiError(404, f"it has {len(found.charts)} charts")
    headers = {"Content-Security-Policy": "default-src 'none'"}
    return Response(charts.svg(found.charts[at]), media_type="image/svg+xml", headers=headers)


async def get_figures(request: Request) -> Response:
    """`since`: a duration, such as 30d, or a time; `until`: a time, else now."""
    allow(request, "viewer")
    service = service_of(request)
    since = request.query_params.get("since") or _SINCE
    try:
        to_s = times.read(request.query_params.get("until")) or service.clock()
        from_s = to_s - parse_duration_s(since) if since[-1:].isalpha() and since[-1] != "Z" else times.read(since)
    except ValueError as error:
        raise ApiError(422, f"since, until: {error}") from None
    if from_s is None or not from_s < to_s:
        raise ApiError(422, "since must be before until; write for example 30d")

    def read(conn: Connection) -> Figures:
        return reviews.figures_of(conn, service.desk, from_s, to_s)

    return answer(await service.read(read))


async def _found(request: Request) -> _Found:
    """The version that is asked for, the newest, or a draft. Raises ApiError."""
    service, wanted = service_of(request), number(request)
    version = request.query_params.get("version")
    if version is not None and not (version.isdecimal() and version.isascii() and len(version) < 10):
        raise ApiError(422, "version must be a number")
    is_draft = flag(request, "draft", default=False)

    def read(conn: Connection) -> _Found:
        if is_draft:
            return _with_actions(conn, reviewing.drafted(conn, service.desk, wanted, service.clock()))
        found = reviews.get(conn, wanted, int(version)) if version is not None else None
        if version is not None and found is None:
            raise LookupError(f"INC-{wanted} has no version {version} of a review")
        return _with_actions(conn, found) if found is not None else _newest(conn, wanted)

    try:
        return await service.read(read)
    except LookupError as error:
        raise ApiError(404, str(error)) from None


def _newest(conn: Connection, wanted: int) -> _Found:
    found = reviews.newest(conn, wanted)
    if found is None:
        incident = store.get(conn, wanted)
        if incident is None:
            raise LookupError(f"no incident INC-{wanted}")
        hint = "`tidegauge incident review --draft` shows what is known by now"
        raise LookupError(f"{incident.id} is {incident.state} and has no review yet; {hint}")
    return _with_actions(conn, found)


def _with_actions(conn: Connection, found: Review) -> _Found:
    incident = store.get(conn, found.incident)
    if incident is None:
        raise LookupError(f"no incident INC-{found.incident}")
    return incident, found, tasks.listed(conn, found.incident, kind="action")


def _shown(incident: Incident, found: Review, actions: list[Task]) -> Shown:
    return Shown(
        incident=incident.id,
        version=found.version,
        by=found.by,
        note=found.note,
        written=rfc3339(found.written_s),
        is_stale=_is_stale(incident, found),
        markdown=whole(found, actions),
    )


def _is_stale(incident: Incident, found: Review) -> bool:
    return not incident.is_over or found.resolved_s != incident.resolved_s


async def _done(service: Service, write: Callable[[Connection], T]) -> T:
    try:
        return await service.write(write)
    except LookupError as error:
        raise ApiError(404, str(error)) from None
    except Refused as error:
        raise ApiError(409, str(error)) from None
    except ValueError as error:
        raise ApiError(422, str(error)) from None


ROUTES = (
    Route("/api/desk/incidents/{id}/review", get_review, methods=["GET"]),
    Route("/api/desk/incidents/{id}/review", put_review, methods=["PUT"]),
    Route("/api/desk/incidents/{id}/review/versions", get_versions, methods=["GET"]),
    Route("/api/desk/incidents/{id}/actions", post_action, methods=["POST"]),
    Route("/incidents/{id}/review", get_page, methods=["GET"]),
    Route("/incidents/{id}/chart-{chart:int}.svg", get_chart, methods=["GET"]),
    Route("/api/desk/figures", get_figures, methods=["GET"]),
)
