"""One conversation with a receiver, from its first call to how it ended. Knows no database and no queue."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, TypeVar

import structlog

from alerting.alert import Notification
from alerting.notifiers.base import Call, Context, Conversation, Handle, Notifier
from pipeline.desk.http_client import NoReply
from pipeline.desk.secrets import hidden
from schemas.calls import Refused, Reply, Retry

log = structlog.get_logger(__name__)
T = TypeVar("T")

# Alertmanager's values of `reason` in alertmanager_notifications_failed_total.
FailureKind = Literal["authError", "rateLimited", "clientError", "serverError", "contextDeadlineExceeded", "other"]
FAILURE_KINDS: tuple[FailureKind, ...] = (
    "authError",
    "rateLimited",
    "clientError",
    "serverError",
    "contextDeadlineExceeded",
    "other",
)
Make = Callable[[Call], Awaitable[Reply]]
Pace = Callable[[], Awaitable[None]]


class Aside(Protocol):
    """Runs what takes long (a picture, 10,000 alerts) where it keeps nobody waiting."""

    async def __call__(self, do: Callable[[], T]) -> T: ...


@dataclass(frozen=True)
class Sent:
    """It is told. `reply`: the last one, None where nothing had to be said."""

    handle: Handle
    reply: Reply | None = None


@dataclass(frozen=True)
class Failed:
    """It isn't, or nobody knows. is_final: it would fail again. after_s: not before, where the service said so.

    reason: without secrets; it is kept, shown, and told to others.
    """

    reason: str
    kind: FailureKind = "other"
    is_final: bool = False
    after_s: float | None = None


async def converse(
    notifier: Notifier,
    note: Notification,
    handle: Handle,
    context: Context,
    *,
    make: Make,
    pace: Pace,
    aside: Aside,
) -> Sent | Failed:
    """Tells it of a notification. See `hold`."""
    who = f"the {notifier.kind} notifier"
    if note.says == "tell":
        begin = partial(notifier.deliver, note, handle, context)
        return await hold(begin, who, make=make, pace=pace, aside=aside)
    outcome = await hold(partial(_taken, notifier, note, handle, context), who, make=make, pace=pace, aside=aside)
    return Sent(handle, outcome.reply) if isinstance(outcome, Sent) else outcome


def _taken(notifier: Notifier, note: Notification, handle: Handle, context: Context) -> Conversation:
    """Nothing, where the kind has no way to say it."""
    say = notifier.acknowledge if note.says == "acknowledge" else notifier.unacknowledge
    conversation = say(note.group, note.by, note.comment, handle, context)
    return handle if conversation is None else (yield from conversation)


async def hold(begin: Callable[[], Conversation], who: str, *, make: Make, pace: Pace, aside: Aside) -> Sent | Failed:
    """`pace` is awaited before each call. A notifier's own mistake is a failure like another: its page isn't lost.

    Where a call brings no reply its Retry is thrown into the notifier, which may know somebody else to tell.
    """
    last: Reply | NoReply | None = None
    try:
        calls = begin()
        try:
            step = await aside(lambda: _next(calls, None))
            while isinstance(step, Call):
                await pace()
                answer: Reply | Retry | Refused
                try:
                    answer = last = await make(step)
                except (Retry, Refused) as failure:
                    failure.reason = hidden(failure.reason)  # the notifier may keep it in its handle
                    answer = failure
                    last = failure if isinstance(failure, NoReply) else None
                step = await aside(partial(_next, calls, answer))
            return Sent(step, last if isinstance(last, Reply) else None)
        finally:
            calls.close()
    except Retry as failure:
        return Failed(hidden(failure.reason), kind_of(last), after_s=failure.after_s)
    except Refused as failure:
        return Failed(hidden(failure.reason), kind_of(last), is_final=True)
    except Exception as error:
        log.exception("a notifier failed", who=who)
        return Failed(hidden(f"{who} failed: {type(error).__name__}: {error}"))


def _next(calls: Conversation, answer: Reply | Retry | Refused | None) -> Call | Handle:
    """The next call, or what is to be remembered."""
    try:
        if answer is None:
            return next(calls)
        return calls.send(answer) if isinstance(answer, Reply) else calls.throw(answer)
    except StopIteration as told:
        handle: Handle = told.value or {}
        return handle


def kind_of(last: Reply | NoReply | None) -> FailureKind:
    """
    >>> [kind_of(Reply(status)) for status in (401, 429, 404, 503, 200)]
    ['authError', 'rateLimited', 'clientError', 'serverError', 'other']
    """
    if isinstance(last, NoReply):
        return "contextDeadlineExceeded" if last.is_timeout else "other"
    status = last.status if last is not None else 0
    if status in (401, 403, 407):
        return "authError"
    if status == 429:
        return "rateLimited"
    if 400 <= status < 500:
        return "clientError"
    return "serverError" if status >= 500 else "other"
