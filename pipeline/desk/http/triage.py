"""Triage by HTTP: severity, roles, tasks, updates, suspects, the verdict; changes, and what is said of alerts."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from incidents import severity as rules
from incidents.lifecycle import Refused
from incidents.model import Incident
from incidents.opening import runbook_of
from incidents.suspects import Suspect
from incidents.tasks import Task
from pipeline.desk import alerts
from pipeline.desk.http import posted, times
from pipeline.desk.http.errors import ApiError, answer, not_json
from pipeline.desk.http.service import Service, allow, service_of
from pipeline.desk.incidents import changes, controls, tasks, triage, triaging, updates
from pipeline.desk.incidents.scene import Scene
from schemas.change import Change, ChangeError, completed, decode_change
from schemas.control import Control, ControlError, Verdict

logger = structlog.get_logger(__name__)
T = TypeVar("T")
_LIMIT_MAX = 1000
_TEXT_CHARS_MAX = 10_000
_JSON_TYPES = ("application/json", "application/cloudevents+json")


class _Act(msgspec.Struct):
    """What all acts may carry. by: where no token says who it is."""

    note: str = ""
    by: str = ""


class PostedSeverity(_Act):
    """auto: gives it back to the rules."""

    severity: int | None = None
    auto: bool = False


class PostedRole(_Act, kw_only=True):
    """person: empty gives it back."""

    role: str
    person: str = ""


class PostedDone(_Act):
    done: bool = True


class PostedUpdate(_Act):
    text: str = ""
    template: str = ""
    receivers: list[str] = []
    preview: bool = False


class PostedVerdict(_Act, kw_only=True):
    verdict: triaging.Word


class PostedFeedback(_Act, kw_only=True):
    """alert: id of an episode, or a fingerprint: its newest. undo: takes back what was said of it."""

    alert: str = ""
    verdict: Verdict | None = None
    undo: bool = False


async def post_severity(request: Request) -> Response:
    service, who, sent = await _asked(request, PostedSeverity)
    if (sent.severity is None) is not sent.auto:
        raise ApiError(400, "either a severity from 1 to 5, or `auto`")

    def do(conn: Connection) -> Incident:
        return triaging.severity(
            conn, service.desk, _number(request), sent.severity, who, service.clock(), note=sent.note
        )

    made = await _written(service, do)
    return answer({"id": made.id, "severity": made.severity, "by": made.severity_by, "reason": made.severity_reason})


async def get_triage(request: Request) -> Response:
    """What the rules see and say, who has which role, tasks, runbooks, suspects: all of triage in one answer."""
    allow(request, "viewer")
    service = service_of(request)
    return answer(await _read(service, lambda conn: seen(_scene(conn, service, request))))


async def post_role(request: Request) -> Response:
    service, who, sent = await _asked(request, PostedRole)

    def do(conn: Connection) -> Incident:
        return triaging.role(
            conn, service.desk, _number(request), sent.role, sent.person, who, service.clock(), note=sent.note
        )

    made = await _written(service, do)
    return answer({"id": made.id, "roles": {role: person for role, person in made.roles.items() if person}})


async def get_tasks(request: Request) -> Response:
    allow(request, "viewer")
    service = service_of(request)

    def do(conn: Connection) -> object:
        scene = _scene(conn, service, request)
        return {"tasks": [_task(one) for one in tasks.listed(conn, scene.incident.number)], "runbooks": runbooks(scene)}

    return answer(await _read(service, do))


async def post_done(request: Request) -> Response:
    service, who, sent = await _asked(request, PostedDone)
    id_ = int(request.path_params["task"])

    def do(conn: Connection) -> Task:
        return triaging.done(
            conn, service.desk, _number(request), id_, who, service.clock(), note=sent.note, is_done=sent.done
        )

    return answer(_task(await _written(service, do)))


async def get_suspects(request: Request) -> Response:
    """Changes that may have caused it, likeliest first."""
    allow(request, "viewer")
    service = service_of(request)

    def do(conn: Connection) -> object:
        return [_suspect(one) for one in changes.suspects(_scene(conn, service, request))]

    return answer(await _read(service, do))


async def post_update(request: Request) -> Response:
    """Tells stakeholders; with `preview` it says only what they would read."""
    service, who, sent = await _asked(request, PostedUpdate)
    if len(sent.text) > _TEXT_CHARS_MAX:
        raise ApiError(400, f"the text is longer than {_TEXT_CHARS_MAX} characters")
    if sent.preview:

        def look(conn: Connection) -> str:
            return updates.rendered(_scene(conn, service, request), sent.text, sent.template or "update", who, None)

        return answer({"text": await _read(service, look)})

    def do(conn: Connection) -> Task:
        return triaging.update(
            conn,
            service.desk,
            _number(request),
            sent.text,
            who,
            service.clock(),
            template=sent.template,
            receivers=tuple(sent.receivers),
        )

    made = await _written(service, do)
    if service.courier is not None:
        service.courier.wake()
    return answer({"receivers": list(made.told), "by": made.done_by, "last": made.is_last})


async def post_verdict(request: Request) -> Response:
    service, who, sent = await _asked(request, PostedVerdict)

    def do(conn: Connection) -> tuple[Incident, list[str]]:
        return triaging.verdict(
            conn, service.desk, _number(request), sent.verdict, who, service.clock(), note=sent.note
        )

    made, lines = await _written(service, do)
    return answer({"id": made.id, "verdict": made.verdict, "feedback": lines})


async def post_feedback(request: Request) -> Response:
    """What somebody says of one alert, to the workers. 202: it is kept, and goes to Kafka as soon as that takes it."""
    service, who, sent = await _asked(request, PostedFeedback)
    ref = request.path_params.get("id") or sent.alert
    if (sent.verdict is None) is not sent.undo:
        raise ApiError(400, "either a verdict (noise, normal, missed), or `undo`")

    def do(conn: Connection) -> list[str]:
        known = alerts.by_episode(conn, ref) or alerts.get(conn, ref)
        if known is None:
            raise LookupError(f"no alert {ref[:64]!r}")
        if sent.verdict is None:
            lines = controls.take_back(conn, [known.episode], who, sent.note, service.clock())
            if not lines:
                raise LookupError(f"nothing was said of alert {known.episode} at this desk")
            return lines
        made = controls.give(conn, sent.verdict, known.episode, who, sent.note, service.clock())
        return [f"{made.id}: {made.verdict}: {made.rule} on {made.series}"]

    return answer({"feedback": await _written(service, do)}, 202)


async def get_feedback(request: Request) -> Response:
    """What was said at this desk, and whether Kafka has it; the newest first."""
    allow(request, "viewer")
    service, limit = service_of(request), _limit(request)
    found = await _read(service, lambda conn: controls.listed(conn, limit))
    return answer([_row(one) for one in found])


async def post_change(request: Request) -> Response:
    """One change: ours, where `id` and `at` may be left out, or a CloudEvent of CDEvents, structured or binary."""
    allow(request, "responder")
    service = service_of(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES:
        raise ApiError(415, f"unsupported media type; read are {' and '.join(_JSON_TYPES)}")
    headers = dict(request.headers)
    body = await request.body()
    try:
        change = decode_change(body if headers.get("ce-type") else completed(body, service.clock()), headers)
    except ChangeError as error:
        raise ApiError(400, f"no change: {error}") from None

    def do(conn: Connection) -> changes.Taken:
        return changes.take(conn, [change], {}, service.desk, service.clock())

    taken = await _written(service, do)
    return answer({"id": change.id, "new": bool(taken.new)})


async def get_changes(request: Request) -> Response:
    """The newest first; `service` picks."""
    allow(request, "viewer")
    service, limit, of = service_of(request), _limit(request), request.query_params.get("service")
    found = await _read(service, lambda conn: changes.listed(conn, service=of, limit=limit))
    return answer([_change(one) for one in found])


_AT = "/api/desk/incidents/{id}"
ROUTES = (
    Route(f"{_AT}/triage", get_triage, methods=["GET"]),
    Route(f"{_AT}/severity", post_severity, methods=["POST"]),
    Route(f"{_AT}/roles", post_role, methods=["POST"]),
    Route(f"{_AT}/tasks", get_tasks, methods=["GET"]),
    Route(f"{_AT}/tasks/{{task:int}}", post_done, methods=["POST"]),
    Route(f"{_AT}/suspects", get_suspects, methods=["GET"]),
    Route(f"{_AT}/updates", post_update, methods=["POST"]),
    Route(f"{_AT}/verdict", post_verdict, methods=["POST"]),
    Route("/api/desk/alerts/{id}/feedback", post_feedback, methods=["POST"]),
    Route("/api/desk/feedback", post_feedback, methods=["POST"]),
    Route("/api/desk/feedback", get_feedback, methods=["GET"]),
    Route("/api/desk/changes", post_change, methods=["POST"]),
    Route("/api/desk/changes", get_changes, methods=["GET"]),
)


def seen(scene: Scene) -> dict[str, object]:
    incident, found = scene.incident, triage.judged(scene)
    known = tasks.listed(scene.conn, incident.number)
    plan = triage.plan_of(scene)
    return {
        "id": incident.id,
        "severity": incident.severity,
        "severity_by": incident.severity_by,
        "severity_reason": incident.severity_reason if found is None else rules.standing(incident, found[1]),
        "rules_say": None if found is None else found[1].reason,
        "seen": None if found is None else found[0].words(),
        "impact": None if found is None else msgspec.to_builtins(found[0]),
        "roles": [
            {"role": role.name, "person": incident.roles.get(role.name, ""), "description": role.description}
            for role in plan.roles
        ],
        "tasks": [_task(one) for one in known],
        "runbooks": runbooks(scene),
        "suspects": [_suspect(one) for one in changes.suspects(scene)],
        "verdict": incident.verdict,
    }


def runbooks(scene: Scene) -> list[dict[str, str]]:
    """Of its alerts, its rule and the roles, each address once."""
    named = [(part.annotations.get("runbook_url", ""), part.name) for part in scene.parts]
    named += [(runbook_of(scene.desk.response.incidents.rules, scene.incident), scene.incident.rule)]
    named += [
        (role.runbook_url, role.name) for role in triage.plan_of(scene).roles if role.name in scene.incident.roles
    ]
    found: dict[str, str] = {}
    for address, of in named:
        if address.startswith(("https://", "http://")):
            found.setdefault(address, of)
    return [{"url": address, "of": of} for address, of in found.items()]


def _task(task: Task) -> dict[str, object]:
    written = {name: getattr(task, name) for name in ("id", "kind", "text", "owner", "role", "link", "done_by", "note")}
    for name in ("created_s", "due_s", "reminded_s", "done_s"):
        at_s = getattr(task, name)
        written[name.removesuffix("_s")] = None if at_s is None else times.written(at_s)
    return written | {"told": list(task.told)}


def _suspect(one: Suspect) -> dict[str, object]:
    return {"score": one.score, "reason": one.reason, "change": _change(one.change)}


def _change(change: Change) -> Any:
    return msgspec.to_builtins(change)


def _row(row: controls.Row) -> dict[str, object]:
    control: Control = row.control
    said = "undo" if isinstance(control.undo, str) else control.verdict
    return {
        "id": control.id,
        "verdict": said,
        "undo": control.undo,
        "rule": control.rule,
        "series": str(control.series),
        "alert_id": control.alert_id,
        "by": control.by,
        "note": control.note,
        "made": times.written(row.made_s),
        "sent": row.is_sent,
        "attempts": row.attempts,
        "problem": row.note,
    }


async def _asked(request: Request, kind: type[T]) -> tuple[Service, str, T]:
    """A token says who it is; without one the body may."""
    user = allow(request, "responder")
    sent: Any = await posted.body_of(request, msgspec.json.Decoder(kind).decode)
    if max(len(sent.note), len(sent.by)) > _TEXT_CHARS_MAX:
        raise ApiError(400, f"a text is longer than {_TEXT_CHARS_MAX} characters")
    return service_of(request), user or sent.by or "somebody", sent


async def _written(service: Service, do: Callable[[Connection], T]) -> T:
    try:
        return await service.write(do)
    except Refused as refused:
        raise ApiError(409, str(refused)) from None
    except LookupError as missing:
        raise ApiError(404, str(missing)) from None
    except (ControlError, msgspec.ValidationError) as error:
        raise not_json(error) from None
    except ValueError as error:
        raise ApiError(400, str(error)) from None


async def _read(service: Service, do: Callable[[Connection], T]) -> T:
    try:
        return await service.read(do)
    except LookupError as missing:
        raise ApiError(404, str(missing)) from None
    except ValueError as error:
        raise ApiError(400, str(error)) from None


def _scene(conn: Connection, service: Service, request: Request) -> Scene:
    return triaging.scene_of(conn, service.desk, _number(request), service.clock())


def _number(request: Request) -> int:
    """`INC-12`, `inc-12` or `12`."""
    text = str(request.path_params["id"]).upper().removeprefix("INC-")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ApiError(404, f"no incident {request.path_params['id'][:40]!r}; they are called INC-12")
    return int(text)


def _limit(request: Request) -> int:
    limit = request.query_params.get("limit", "100")
    if not limit.isdecimal() or not 0 < int(limit) <= _LIMIT_MAX:
        raise ApiError(422, f"limit must be a number from 1 to {_LIMIT_MAX}")
    return int(limit)
