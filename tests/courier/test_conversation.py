"""However a conversation ends, what is kept of it holds no secret: the database, the API and other messages have it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from alerting.alert import Notification
from alerting.notifiers.base import Call, Context, Conversation, Handle
from pipeline.desk import secrets
from pipeline.desk.conversation import Failed, Sent, converse
from pipeline.desk.secrets import reveal
from schemas.calls import HttpCall, Refused, Reply, Retry
from schemas.secret import Secret
from tests.courier.scene import Plain, Settings
from tests.notifiers.notes import note

T = TypeVar("T")
CANARY = "canary-77d2c1"


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    before = dict(secrets._given_out)
    reveal(Secret("text", CANARY))
    yield
    secrets._given_out.clear()
    secrets._given_out.update(before)


class Careless(Plain):
    """Fails as it is told to, or keeps in its handle why nobody was reached."""

    fails_with: Exception | None = None

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        if self.fails_with is not None:
            raise self.fails_with
        try:
            yield HttpCall("POST", "http://service")
        except (Retry, Refused) as nothing:
            return {"untold": nothing.reason}
        return {}


def outcome(notifier: Careless, answer: Reply | Exception) -> Sent | Failed:
    async def make(call: Call) -> Reply:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def pace() -> None:
        pass

    async def aside(do: Callable[[], T]) -> T:
        return do()

    context = Context(lambda secret: "", lambda template, note: template, lambda kind, ref: "", 0.0)
    return asyncio.run(converse(notifier, note(), {}, context, make=make, pace=pace, aside=aside))


@pytest.mark.parametrize(
    "failure", [Retry(f"cut off: {CANARY}"), Refused(f"no: {CANARY}"), KeyError(f"of us: {CANARY}")]
)
def test_why_it_failed_is_told_without_secrets(failure: Exception) -> None:
    notifier = Careless(Settings())
    notifier.fails_with = failure
    found = outcome(notifier, Reply(200))
    assert isinstance(found, Failed)
    assert CANARY not in found.reason
    assert "<secret>" in found.reason


@pytest.mark.parametrize("failure", [Retry(f"cut off: {CANARY}"), Refused(f"no: {CANARY}")])
def test_what_is_remembered_of_it_has_none_either(failure: Exception) -> None:
    found = outcome(Careless(Settings()), failure)
    assert isinstance(found, Sent)
    assert found.handle["untold"].endswith("<secret>")
