"""A remedy's conversation over real HTTP, as the desk holds it: its connections, its secrets, nothing of its queue."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from incidents.remedies.base import Call, Context, Conversation, Done, Intent, Remedy
from incidents.remedies.kinds import KINDS
from pipeline.desk.automation.making import Maker
from pipeline.desk.http_client import HttpClient
from pipeline.desk.secrets import reveal
from pipeline.desk.senders import Senders
from schemas.calls import HttpCall, Refused, Reply, Retry
from tests.doubles.http import Double, Request

_TLS = ssl.create_default_context()  # made once: reading the authorities takes longer than a call
CONTEXT = Context(reveal=reveal)
INTENT = Intent(
    id="0123456789abcdef0123456789abcdef",
    remedy="mend",
    target="web",
    labels={"service": "web", "namespace": "shop", "host": "web-1"},
    value=92.0,
    now_s=1_795_412_000.0,
)


def remedy(kind: str, /, **settings: Any) -> Remedy:
    """With settings as a config has them."""
    made = KINDS[kind]
    return made(made.Settings.model_validate(settings, by_alias=True, by_name=False))


def intent(**changed: Any) -> Intent:
    return replace(INTENT, **changed)


def labelled(labels: Mapping[str, str]) -> Intent:
    return replace(INTENT, labels=labels)


def held(one: Remedy, conversation: Conversation | None, calls: list[Call] | None = None) -> Done:
    """Over real connections. Raises what the remedy raises. calls: those that were made are put there."""
    assert conversation is not None

    async def talk() -> Done:
        senders = Senders("127.0.0.1:1", lambda config: HttpClient(replace(config, tls=config.tls or _TLS)))
        maker = Maker(senders)
        answer: Reply | Retry | Refused | None = None
        try:
            while True:
                try:
                    call = _next(conversation, answer)
                except StopIteration as ended:
                    done: Done = ended.value
                    return done
                if calls is not None:
                    calls.append(call)
                try:
                    answer = await maker.make("mend", one.kind, one.settings, call)
                except (Retry, Refused) as failure:
                    answer = failure
        finally:
            await senders.aclose()

    return asyncio.run(talk())


def answered(double: Double, conversation: Conversation, token: str) -> Done:
    """By the double, without a socket in between."""
    answer: Reply | None = None
    while True:
        try:
            call = _next(conversation, answer)
        except StopIteration as ended:
            done: Done = ended.value
            return done
        assert isinstance(call, HttpCall)
        headers = {name.lower(): value for name, value in call.headers.items()} | {"authorization": f"Bearer {token}"}
        url = urlsplit(call.url)
        response = double.answer(Request(call.method, f"{url.path}?{url.query}", headers, call.body))
        answer = Reply(response.status, response.headers, response.body)


def told(conversation: Conversation | None, *replies: Reply | Retry) -> tuple[Done, list[Call]]:
    """Held against written replies."""
    assert conversation is not None
    left: list[Reply | Retry] = list(replies)
    calls: list[Call] = []
    answer: Reply | Retry | None = None
    try:
        while True:
            calls.append(_next(conversation, answer))
            answer = left.pop(0)
    except StopIteration as ended:
        return ended.value, calls


def _next(conversation: Conversation, answer: Reply | Retry | Refused | None) -> Call:
    if answer is None:
        return next(conversation)
    return conversation.send(answer) if isinstance(answer, Reply) else conversation.throw(answer)
