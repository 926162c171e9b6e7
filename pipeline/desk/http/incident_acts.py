"""What people do to incidents by HTTP. The rules are elsewhere; here is only who asks for what, and how one says no."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from incidents.lifecycle import Refused
from incidents.model import Incident
from pipeline.desk import acks, groups
from pipeline.desk.acks import Ack
from pipeline.desk.http import posted
from pipeline.desk.http.errors import ApiError, answer
from pipeline.desk.http.incidents import number, number_of, shown
from pipeline.desk.http.service import Service, allow, service_of
from pipeline.desk.incidents import people, store
from pipeline.desk.taken import Taken

logger = structlog.get_logger(__name__)
T = TypeVar("T")
_TEXT_CHARS_MAX = 10_000
_ALERTS_MAX = 10_000


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """Of every act. by: who, where no token says it."""

    comment: str = ""
    by: str = ""


class Opened(Said):
    title: str = ""
    severity: int | None = None
    service: str = ""
    summary: str = ""
    policy: str = ""
    team: str = ""
    alerts: list[str] = []


class Edited(Said):
    title: str | None = None
    summary: str | None = None
    service: str | None = None
    policy: str | None = None
    team: str | None = None


class Merged(Said):
    into: str = ""


class Split(Said):
    alerts: list[str] = []
    title: str = ""


_said_of = msgspec.json.Decoder(Said).decode
_opened_of = msgspec.json.Decoder(Opened).decode
_edited_of = msgspec.json.Decoder(Edited).decode
_merged_of = msgspec.json.Decoder(Merged).decode
_split_of = msgspec.json.Decoder(Split).decode

ACTS: dict[str, Callable[..., Incident]] = {
    "ack": people.acknowledge,
    "unack": people.unacknowledge,
    "mitigate": people.mitigate,
    "resolve": people.resolve,
    "reopen": people.reopen,
    "close": people.close,
}
"""As the address ends -> what is done."""


async def post_incident(request: Request) -> Response:
    service, who, sent = await _asked(request, _opened_of)
    if len(sent.alerts) > _ALERTS_MAX:
        raise ApiError(400, f"alerts: more than {_ALERTS_MAX:,}")
    made = await _done(
        request,
        partial(
            people.open_by_hand,
            desk=service.desk,
            by=who,
            now_s=service.clock(),
            title=sent.title,
            severity=sent.severity,
            service=sent.service,
            summary=sent.summary or sent.comment,
            policy=sent.policy,
            team=sent.team,
            alert_ids=sent.alerts,
        ),
    )
    return answer(shown(made), 201)


async def post_act(request: Request) -> Response:
    """The last word of the address says which."""
    service, who, sent = await _asked(request, _said_of)
    name = request.url.path.rsplit("/", 1)[-1]
    id_, now_s = number(request), service.clock()
    do = partial(ACTS[name], desk=service.desk, number=id_, by=who, now_s=now_s, comment=sent.comment)
    made = await _done(request, do)
    response = answer(shown(made))
    if name == "ack" and service.taken is not None:
        found = await service.read(lambda conn: to_tell(conn, id_))
        response.background = BackgroundTask(tell, service.taken, found)
    return response


async def post_comment(request: Request) -> Response:
    service, who, sent = await _asked(request, _said_of)
    if not sent.comment.strip():
        raise ApiError(400, "comment: must not be empty")
    id_, now_s = number(request), service.clock()
    do = partial(people.comment, desk=service.desk, number=id_, by=who, now_s=now_s, comment=sent.comment)
    return answer(shown(await _done(request, do)))


async def post_edit(request: Request) -> Response:
    service, who, sent = await _asked(request, _edited_of)
    id_, now_s = number(request), service.clock()
    changes = {name: getattr(sent, name) for name in ("title", "summary", "service", "policy", "team")}
    do = partial(people.edit, desk=service.desk, number=id_, by=who, now_s=now_s, **changes)
    return answer(shown(await _done(request, do)))


async def post_merge(request: Request) -> Response:
    """Answers with the incident that it was merged into."""
    service, who, sent = await _asked(request, _merged_of)
    id_, into, now_s = number(request), number_of(sent.into), service.clock()
    do = partial(people.merge, desk=service.desk, number=id_, into=into, by=who, now_s=now_s, comment=sent.comment)
    return answer(shown(await _done(request, do)))


async def post_split(request: Request) -> Response:
    """Answers with the new incident."""
    service, who, sent = await _asked(request, _split_of)
    do = partial(
        people.split,
        desk=service.desk,
        number=number(request),
        alert_ids=sent.alerts,
        by=who,
        now_s=service.clock(),
        title=sent.title,
        comment=sent.comment,
    )
    return answer(shown(await _done(request, do)), 201)


async def _asked(request: Request, decode: Callable[..., Any]) -> tuple[Service, str, Any]:
    """A token says who it is; without one the body may."""
    user = allow(request, "responder")
    sent: Any = await posted.body_of(request, decode)
    for name in sent.__struct_fields__:
        value = getattr(sent, name)
        if isinstance(value, str) and len(value) > _TEXT_CHARS_MAX:
            raise ApiError(400, f"{name}: longer than {_TEXT_CHARS_MAX:,} characters")
    return service_of(request), user or sent.by or "somebody", sent


async def _done(request: Request, do: Callable[[Connection], T]) -> T:
    try:
        made = await service_of(request).write(do)
    except Refused as error:
        raise ApiError(409, str(error)) from None
    except LookupError as error:
        raise ApiError(404, str(error.args[0])) from None
    except ValueError as error:
        raise ApiError(422, str(error)) from None
    logger.info("an incident was acted upon", path=request.url.path)
    return made


def to_tell(conn: Connection, number: int) -> list[Ack]:
    """Acknowledgements of its alerts, one for each group that was told of them."""
    firing = {part.episode for part in store.parts(conn, number) if part.is_firing}
    found: list[Ack] = []
    covered: set[str] = set()
    for ack in acks.listed(conn, kind="acknowledged"):
        if ack.episode in firing:
            ids = {group.id for group, _ in groups.memberships(conn, ack.fingerprint)}
            if ids - covered:
                covered |= ids
                found.append(ack)
    return found


async def tell(taken: Taken, found: list[Ack]) -> None:
    for ack in found:
        await taken.tell(ack)


ROUTES = (
    Route("/api/desk/incidents", post_incident, methods=["POST"]),
    Route("/api/desk/incidents/{id}/comment", post_comment, methods=["POST"]),
    Route("/api/desk/incidents/{id}/edit", post_edit, methods=["POST"]),
    Route("/api/desk/incidents/{id}/merge", post_merge, methods=["POST"]),
    Route("/api/desk/incidents/{id}/split", post_split, methods=["POST"]),
    *(Route(f"/api/desk/incidents/{{id}}/{act}", post_act, methods=["POST"]) for act in ACTS),
)
