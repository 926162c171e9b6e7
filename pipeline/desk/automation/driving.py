"""One conversation of a remedy, from its first call to how it ended. Knows no database and no queue."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from incidents.remedies.base import Call, Conversation, Done
from pipeline.desk.secrets import hidden
from schemas.calls import Refused, Reply, Retry

log = structlog.get_logger(__name__)
Make = Callable[[Call], Awaitable[Reply]]
MayGoOn = Callable[[], Awaitable[str]]
"""Why not, asked before each call; empty: go on."""


@dataclass(frozen=True)
class Failed:
    """It surely failed."""

    reason: str


@dataclass(frozen=True)
class Lost:
    """Nobody knows whether it took effect."""

    reason: str


@dataclass(frozen=True)
class Stopped:
    """Before the first call: nothing has left the desk."""

    reason: str


Outcome = Done | Failed | Lost | Stopped


async def drive(begin: Callable[[], Conversation | None], make: Make, may_go_on: MayGoOn, who: str) -> Outcome | None:
    """None where there is no conversation. A remedy's own mistake after its first call leaves nobody knowing."""
    has_called = False
    try:
        calls = begin()
        if calls is None:
            return None
        try:
            answer: Reply | Retry | Refused | None = None
            while True:
                step = _next(calls, answer)
                if isinstance(step, Done):
                    return Done(hidden(step.text), step.before, step.after)
                if stop := await may_go_on():
                    return Lost(f"stopped in the middle: {stop}") if has_called else Stopped(stop)
                has_called = True
                try:
                    answer = await make(step)
                except (Retry, Refused) as failure:
                    answer = failure
        finally:
            calls.close()
    except Retry as failure:
        return Lost(hidden(failure.reason))
    except Refused as failure:
        return Failed(hidden(failure.reason))
    except Exception as error:
        log.exception("a remedy failed", who=who)
        reason = hidden(f"{who} failed: {type(error).__name__}: {error}")
        return Lost(reason) if has_called else Failed(reason)


def _next(calls: Conversation, answer: Reply | Retry | Refused | None) -> Call | Done:
    try:
        if answer is None:
            return next(calls)
        return calls.send(answer) if isinstance(answer, Reply) else calls.throw(answer)
    except StopIteration as ended:
        done: object = ended.value
        return done if isinstance(done, Done) else Done("done")
