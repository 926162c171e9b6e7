"""Automation by HTTP: what may be done, what was done, a person's yes or no, the kill switch."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from incidents.remedies.base import Intent
from incidents.remedies.guards import GUARDS, refusals
from incidents.remedies.lifecycle import STATES
from incidents.remedies.model import Act, act_id
from incidents.remedies.plan import candidates
from pipeline.desk import alerts
from pipeline.desk.automation import acts, claiming, people, switch
from pipeline.desk.automation.facts import World, seen_of
from pipeline.desk.automation.people import NotNow
from pipeline.desk.automation.targets import target_of
from pipeline.desk.http import posted, times
from pipeline.desk.http.errors import ApiError, answer
from pipeline.desk.http.service import Service, allow, service_of
from schemas.response.automation import AutomationPlan, RemedyRule

T = TypeVar("T")
_LIMIT_MAX = 1000
_TEXT_CHARS_MAX = 10_000
_LATELY = 20


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """by: who says it, where no token does."""

    by: str = ""
    comment: str = ""


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """alert: id of an episode, or a fingerprint."""

    remedy: str
    alert: str


_said = msgspec.json.Decoder(Said).decode
_asked = msgspec.json.Decoder(Asked).decode


async def get_automation(request: Request) -> Response:
    """Remedies with their modes, what they have done lately, what waits for a person."""
    allow(request, "viewer")
    service = service_of(request)
    plan = service.desk.response.automation

    def read(conn: Connection) -> dict[str, Any]:
        paused = switch.paused(conn)
        counted = acts.counted(conn)
        return {
            "mode": plan.mode,
            "paused": None if paused is None else _paused(paused),
            "storm": {"targets_max": plan.storm.count, "window_s": plan.storm.window_s},
            "refusals": {guard: switch.refusals(conn)[guard] for guard in GUARDS},
            "remedies": [
                {
                    "name": rule.name,
                    "kind": rule.kind,
                    "mode": plan.mode_of(rule),
                    "matchers": str(rule.matchers),
                    "level": rule.level,
                    "for_s": rule.for_s,
                    "escalate_to": rule.escalate_to,
                    "acts": {state: count for (name, state), count in sorted(counted.items()) if name == rule.name},
                }
                for rule in plan.remedies
            ],
            "waiting": [_shown(act) for act in acts.in_states(conn, ["suggested"])],
            "lately": [_shown(act) for act in acts.listed(conn, limit=_LATELY)],
        }

    return answer(await service.read(read))


async def get_acts(request: Request) -> Response:
    """The newest first; `remedy` and `state` choose."""
    allow(request, "viewer")
    query = request.query_params
    state, limit = query.get("state"), query.get("limit", "100")
    if state is not None and state not in STATES:
        raise ApiError(422, f"state must be one of {', '.join(STATES)}")
    if not limit.isdecimal() or not 0 < int(limit) <= _LIMIT_MAX:
        raise ApiError(422, f"limit must be a number from 1 to {_LIMIT_MAX}")
    wanted = next((known for known in STATES if known == state), None)

    def read(conn: Connection) -> list[dict[str, Any]]:
        return [_shown(act) for act in acts.listed(conn, remedy=query.get("remedy"), state=wanted, limit=int(limit))]

    return answer(await service_of(request).read(read))


async def get_act(request: Request) -> Response:
    allow(request, "viewer")
    found = await _tried(service_of(request).read(lambda conn: people.find(conn, request.path_params["id"])))
    return answer(_shown(found))


async def post_approve(request: Request) -> Response:
    """Once: who comes second is told that it is approved."""
    service, who, said = await _spoken(request)

    def approve(conn: Connection) -> Act:
        return people.approve(conn, request.path_params["id"], who, service.clock(), comment=said.comment)

    return await _changed(service, approve)


async def post_reject(request: Request) -> Response:
    service, who, said = await _spoken(request)

    def reject(conn: Connection) -> Act:
        return people.reject(conn, request.path_params["id"], who, service.clock(), comment=said.comment)

    return await _changed(service, reject)


async def post_pause(request: Request) -> Response:
    """The kill switch: of all desks on this database."""
    service, who, said = await _spoken(request)
    made = await service.write(lambda conn: people.pause(conn, who, service.clock(), comment=said.comment))
    return answer({"paused": _paused(made)})


async def post_resume(request: Request) -> Response:
    service, who, _ = await _spoken(request)
    gone = await service.write(lambda conn: people.resume(conn, who, service.clock()))
    return answer({"paused": None, "was_paused": gone})


async def post_dry_run(request: Request) -> Response:
    """What a remedy would do about an alert now, and which guards would refuse. Changes nothing."""
    allow(request, "responder")
    service = service_of(request)
    asked: Asked = await posted.body_of(request, _asked)
    if service.runner is None:
        raise ApiError(503, "this process does nothing; ask the desk")
    rule, intent, refused = await service.read(lambda conn: _imagined(conn, service, asked))
    would = await service.runner.rehearse(rule, intent) if intent.target else "it has no target"
    return answer({"remedy": rule.name, "target": intent.target, "would": would, "refused": refused})


def _imagined(conn: Connection, service: Service, asked: Asked) -> tuple[RemedyRule, Intent, list[dict[str, str]]]:
    """Raises ApiError."""
    plan, now_s = service.desk.response.automation, service.clock()
    rule = next((rule for rule in plan.remedies if rule.name == asked.remedy), None)
    if rule is None:
        raise ApiError(404, f"no remedy {asked.remedy[:100]!r}; see `tidegauge automation list`")
    alert = alerts.by_episode(conn, asked.alert) or alerts.get(conn, asked.alert)
    if alert is None:
        raise ApiError(404, f"no alert {asked.alert[:64]}")
    # Its mode is a guard's business here.
    whole = AutomationPlan(mode="auto", remedies=(replace(rule, mode="auto"),))
    found = candidates(whole, [seen_of(alert)], target_of)
    if not found:
        raise ApiError(422, f"remedy {rule.name} isn't for this alert: {rule.matchers}, level {rule.level} or above")
    act = Act(
        id=act_id(0, rule.name, found[0].target, 0),
        incident=0,
        remedy=rule.name,
        kind=rule.kind,
        target=found[0].target,
        mode=plan.mode_of(rule),
        fingerprint=alert.fingerprint,
        episode=alert.episode,
        level=alert.level,
        made_s=now_s,
    )
    facts = World(conn, service.desk, now_s, [alert.fingerprint]).facts(act, rule, found[0], is_over=False)
    refused = [{"guard": each.guard, "reason": each.reason} for each in refusals(rule, act, facts)]
    if not facts.is_firing:
        refused.insert(0, {"guard": "firing", "reason": "the alert has ended"})
    intent = Intent(
        id=act.id,
        remedy=rule.name,
        target=act.target,
        labels=alert.matchable(),
        value=alert.value,
        now_s=now_s,
        is_dry_run=True,
        may_lower=claiming.may_lower(conn, alert.labels.get(service.desk.service_label, "")),
    )
    return rule, intent, refused


async def _spoken(request: Request) -> tuple[Service, str, Said]:
    user = allow(request, "responder")
    said: Said = await posted.body_of(request, _said)
    if max(len(said.by), len(said.comment)) > _TEXT_CHARS_MAX:
        raise ApiError(400, f"a text is longer than {_TEXT_CHARS_MAX} characters")
    return service_of(request), user or said.by or "somebody", said


async def _changed(service: Service, do: Callable[[Connection], Act]) -> Response:
    changed = await _tried(service.write(do))
    if service.runner is not None:
        service.runner.wake()
    return answer(_shown(changed))


async def _tried(asked: Awaitable[Act]) -> Act:
    try:
        return await asked
    except LookupError as error:
        raise ApiError(404, str(error)) from None
    except NotNow as error:
        raise ApiError(409, str(error)) from None


def _paused(found: switch.Paused) -> dict[str, str]:
    return {"by": found.by, "since": times.written(found.at_s), "comment": found.comment}


def _shown(act: Act) -> dict[str, Any]:
    """Times are RFC 3339."""
    shown: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(act).items():
        if name.endswith("_s"):
            shown[name.removesuffix("_s")] = None if not value else times.written(value)
        else:
            shown[name] = value
    return shown | {"incident": f"INC-{act.incident}", "means": STATES[act.state]}


ROUTES = (
    Route("/api/desk/automation", get_automation, methods=["GET"]),
    Route("/api/desk/automation/pause", post_pause, methods=["POST"]),
    Route("/api/desk/automation/resume", post_resume, methods=["POST"]),
    Route("/api/desk/automation/dry-run", post_dry_run, methods=["POST"]),
    Route("/api/desk/automation/acts", get_acts, methods=["GET"]),
    Route("/api/desk/automation/acts/{id}", get_act, methods=["GET"]),
    Route("/api/desk/automation/acts/{id}/approve", post_approve, methods=["POST"]),
    Route("/api/desk/automation/acts/{id}/reject", post_reject, methods=["POST"]),
)
