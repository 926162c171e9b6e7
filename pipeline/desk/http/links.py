"""The page behind a page's link: a question and a button. Looking at it changes nothing, however often and by whom."""

from functools import partial
from html import escape

from sqlalchemy import Connection
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from incidents.lifecycle import Refused
from incidents.model import Incident
from pipeline.desk import links
from pipeline.desk.http import incident_acts
from pipeline.desk.http.service import service_of
from pipeline.desk.incidents import pages, people, store
from pipeline.desk.links import Link
from pipeline.desk.secrets import NoSecret
from schemas.desk import Desk

_HEADERS = {
    "content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    # Without a referrer a browser would send the form with the origin `null`, which is refused as another site's.
    "referrer-policy": "same-origin",
    "x-robots-tag": "noindex",
}
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"></head>'
    "<body><h1>{title}</h1><p>{text}</p>{form}</body></html>"
)


class _Answer(Exception):
    """Instead of what was asked for: a status and what to say."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(text)
        self.status, self.title, self.text = status, title, text


async def get_link(request: Request) -> Response:
    service = service_of(request)
    look = partial(_found, desk=service.desk, text=request.path_params["link"], now_s=service.clock())
    try:
        link, incident = await service.read(look)
    except _Answer as other:
        return _page(other.status, other.title, other.text)
    state = incident.state + (f" by {incident.acknowledged_by}" if incident.state == "acknowledged" else "")
    form = f'<form method="post"><button type="submit">Acknowledge as {escape(link.by)}</button></form>'
    return _page(200, f"{incident.id}: {incident.title}", f"SEV{incident.severity}, {state}.", form)


async def post_link(request: Request) -> Response:
    service = service_of(request)
    do = partial(_act, desk=service.desk, text=request.path_params["link"], now_s=service.clock())
    try:
        incident = await service.write(do)
    except _Answer as other:
        return _page(other.status, other.title, other.text)
    response = _page(200, f"{incident.id}: {incident.title}", f"Acknowledged by {incident.acknowledged_by}.")
    if service.courier is not None:
        service.courier.wake()
    if service.taken is not None:
        found = await service.read(lambda conn: incident_acts.to_tell(conn, incident.number))
        response.background = BackgroundTask(incident_acts.tell, service.taken, found)
    return response


def _found(conn: Connection, desk: Desk, text: str, now_s: float) -> tuple[Link, Incident]:
    """Raises _Answer."""
    try:
        key = links.known_key(conn, desk)
    except NoSecret:
        raise _Answer(503, "Not now", "The desk can't check this link now; try again in a moment.") from None
    try:
        link = links.read(text, key or b"", now_s) if key else None
    except ValueError as error:
        raise _Answer(403, "This link doesn't work", f"{error}.") from None
    incident = None if link is None else store.get(conn, link.incident)
    if link is None or incident is None:
        raise _Answer(404, "This link doesn't work", "The desk doesn't know the incident any more.")
    if link.life_s != pages.life_s(incident):
        text = f"{incident.id} was opened again since; a newer message has a newer link."
        raise _Answer(409, "This link is too old", text)
    return link, incident


def _act(conn: Connection, desk: Desk, text: str, now_s: float) -> Incident:
    link, incident = _found(conn, desk, text, now_s)
    if incident.state == "acknowledged" and incident.acknowledged_by == link.by:
        return incident  # pressed twice
    try:
        return people.acknowledge(conn, desk, incident.number, link.by, now_s, source="link")
    except Refused as no:
        raise _Answer(409, f"{incident.id}: {incident.title}", f"{no}.") from None


def _page(status: int, title: str, text: str, form: str = "") -> Response:
    return HTMLResponse(_PAGE.format(title=escape(title), text=escape(text), form=form), status, headers=_HEADERS)


ROUTES = (
    Route("/links/{link}", get_link, methods=["GET"]),
    Route("/links/{link}", post_link, methods=["POST"]),
)
