"""Where PagerDuty, Opsgenie and Slack tell what people did there. Each address is off without its secret.

2xx: it was heard, whatever came of it. 5xx: it couldn't be, and is to be sent again. 4xx: it isn't theirs, or can't be
read, and never will be; PagerDuty drops it, and after a few of them the whole subscription.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import msgspec
import structlog
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alerting.notifiers.wire import JSON_HEADERS, json_body
from pipeline.desk.hooks import signatures, wishes
from pipeline.desk.hooks.granting import Outcome, grant
from pipeline.desk.hooks.wishes import Wish
from pipeline.desk.http import incident_acts
from pipeline.desk.http.errors import ApiError, answer, not_json
from pipeline.desk.http.service import Service, service_of
from pipeline.desk.secrets import NoSecret, hidden, reveal
from schemas.calls import HttpCall, Refused, Retry
from schemas.desk import Integration
from schemas.secret import Secret

log = structlog.get_logger(__name__)
SLACK_WITHIN_S = 2.0  # Slack shows an error after 3
GIVEN = "x-tidegauge-secret"
_SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
_late: set[asyncio.Task[Outcome]] = set()


async def post_pagerduty(request: Request) -> Response:
    service = service_of(request)
    secret = _secret(service.desk.response.escalation.hooks.pagerduty_secret)
    body = await request.body()
    if not signatures.by_pagerduty(request.headers.get("x-pagerduty-signature", ""), body, secret.split()):
        raise _forged(request)
    return await _granted(service, _read(wishes.of_pagerduty, body))


async def post_opsgenie(request: Request) -> Response:
    """The secret is a header, or `secret` in the address where no header can be set."""
    service = service_of(request)
    secret = _secret(service.desk.response.escalation.hooks.opsgenie_secret)
    given = request.headers.get(GIVEN) or request.query_params.get("secret", "")
    if not signatures.by_us(given, secret):
        raise _forged(request)
    return await _granted(service, _read(wishes.of_opsgenie, await request.body()))


async def post_slack(request: Request) -> Response:
    """Answered in time whatever the database does; what came of it is told to whoever pressed the button."""
    service = service_of(request)
    secret = _secret(service.desk.response.escalation.hooks.slack_signing_secret)
    body, headers = await request.body(), request.headers
    signature, at = headers.get("x-slack-signature", ""), headers.get("x-slack-request-timestamp", "")
    if not signatures.by_slack(signature, at, body, secret, service.clock()):
        raise _forged(request)
    wish = _read(wishes.of_slack, body)
    doing = asyncio.create_task(_grant(service, wish))
    _late.add(doing)
    doing.add_done_callback(_late.discard)
    await asyncio.wait({doing}, timeout=SLACK_WITHIN_S)
    if doing.done():
        doing.result()
    return Response(status_code=200, background=BackgroundTask(_after, service, wish, doing))


async def _granted(service: Service, wish: Wish) -> Response:
    outcome = await _grant(service, wish)
    response = answer({"done": outcome.is_done, "text": outcome.text})
    response.background = BackgroundTasks([BackgroundTask(_pass_on, service, wish, outcome)])
    return response


async def _grant(service: Service, wish: Wish) -> Outcome:
    outcome = await service.write(partial(grant, desk=service.desk, wish=wish, now_s=service.clock()))
    log.info("heard", source=wish.source, act=wish.act, incident=outcome.number, done=outcome.is_done)
    return outcome


async def _after(service: Service, wish: Wish, doing: "asyncio.Task[Outcome]") -> None:
    try:
        outcome = await doing
    except Exception:
        log.exception("what was asked for in Slack wasn't done", act=wish.act)
        outcome = Outcome("the desk couldn't do it now; try again")
    await _pass_on(service, wish, outcome)
    await _reply(service, wish, outcome)


async def _pass_on(service: Service, wish: Wish, outcome: Outcome) -> None:
    """Those who were told of the incident's alerts by routes; whoever was paged hears it through the outbox."""
    if service.courier is not None:
        service.courier.wake()
    number = outcome.number
    if wish.act == "acknowledge" and outcome.is_done and number is not None and service.taken is not None:
        found = await service.read(lambda conn: incident_acts.to_tell(conn, number))
        await incident_acts.tell(service.taken, found)


async def _reply(service: Service, wish: Wish, outcome: Outcome) -> None:
    """Seen by who pressed the button alone. Only Slack's own host is answered."""
    through = _slack_of(service)
    host = urlsplit(wish.reply_to)
    if service.sender is None or through is None or host.scheme != "https" or host.netloc not in _SLACK_HOSTS:
        return
    said = {"response_type": "ephemeral", "replace_original": False, "text": outcome.text}
    call = HttpCall("POST", wish.reply_to, JSON_HEADERS, json_body(said), trusted=False)
    try:
        await service.sender.make(through, call)
    except (Retry, Refused) as failure:
        log.warning("Slack wasn't answered", reason=hidden(failure.reason))


def _slack_of(service: Service) -> Integration | None:
    """Whose connections lead to Slack."""
    every = (one for receiver in service.desk.receivers.values() for one in receiver.integrations)
    return next((one for one in every if one.kind == "slack"), None)


def _secret(secret: Secret | None) -> str:
    """Raises ApiError: 404 where the hook is off, 503 where its secret can't be read now."""
    if secret is None:
        raise ApiError(404, "no such address")
    try:
        found = reveal(secret)
    except NoSecret as missing:
        log.error("a webhook can't be checked", reason=missing.reason)
        raise ApiError(503, "the desk can't check this now; send it again") from None
    if not found.strip():
        raise ApiError(503, "the desk can't check this now; send it again")
    return found.strip()


def _forged(request: Request) -> ApiError:
    log.warning("a webhook isn't from whom it says", path=request.url.path)
    return ApiError(401, "refused: not signed by this service's secret, or too long ago")


def _read(read: Callable[[bytes], Wish], body: bytes) -> Wish:
    try:
        return read(body)
    except msgspec.DecodeError as error:
        raise not_json(error) from None
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"can't read the body: {error}") from None


ROUTES = (
    Route("/hooks/pagerduty", post_pagerduty, methods=["POST"]),
    Route("/hooks/opsgenie", post_opsgenie, methods=["POST"]),
    Route("/hooks/slack", post_slack, methods=["POST"]),
)
