"""A notifier's conversation, held against written replies or over real HTTP: a courier without queue or patience."""

import ssl
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from alerting.alert import Notification
from alerting.notifiers import KINDS
from alerting.notifiers.base import Call, Context, Conversation, Handle, Notifier
from schemas.calls import HttpCall, Reply, Retry
from schemas.secret import Secret
from tests.notifiers.notes import NOW_S

DESK = "https://desk.example/tidegauge"
BODY_BYTES_MAX = 64 * 1024
_TLS = ssl.create_default_context()  # made once: reading the authorities takes longer than a call


def notifier(kind: str, /, **settings: Any) -> Notifier:
    """With settings as a config has them."""
    made = KINDS[kind]
    return made(made.Settings.model_validate(settings))


def context(now_s: float = NOW_S, text: Callable[[str, Notification], str] | None = None) -> Context:
    """Templates are their own result; a secret is its own source."""
    return Context(
        reveal=lambda secret: secret.source,
        text=text or (lambda template, note: template),
        link=lambda kind, ref: f"{DESK}/{kind}/{ref}",
        now_s=now_s,
    )


def answered(conversation: Conversation, replies: Sequence[Reply | Retry]) -> tuple[list[Call], Handle]:
    """All calls and the handle, each call answered by the next reply and those after the last by a 202.

    Raises what the notifier raises; `asked` keeps the calls then.
    """
    calls: list[Call] = []
    handle = asked(conversation, replies, calls)
    return calls, handle


def asked(conversation: Conversation, replies: Sequence[Reply | Retry], calls: list[Call]) -> Handle:
    """As `answered`, with the calls put into the caller's list."""
    left = list(replies)
    try:
        call = next(conversation)
        while True:
            calls.append(call)
            reply = left.pop(0) if left else Reply(202, {}, b'{"requestId":"r-1"}')
            call = conversation.throw(reply) if isinstance(reply, Retry) else conversation.send(reply)
    except StopIteration as ended:
        handle: Handle = ended.value
        return handle


def talk(conversation: Conversation, timeout_s: float | None = None) -> Handle:
    """Over real HTTP. Raises what the notifier raises: Retry where nothing came back."""
    with httpx.Client(trust_env=False, verify=_TLS) as client:
        try:
            call = next(conversation)
            while True:
                try:
                    reply = _made(client, call, timeout_s)
                except httpx.HTTPError as error:
                    call = conversation.throw(Retry(f"no reply: {type(error).__name__}"))
                else:
                    call = conversation.send(reply)
        except StopIteration as ended:
            handle: Handle = ended.value
            return handle


def text_secret(text: str) -> Secret:
    return Secret("text", text)


def _made(client: httpx.Client, call: Call, timeout_s: float | None) -> Reply:
    assert isinstance(call, HttpCall)
    wait_s = call.timeout_s if timeout_s is None else timeout_s
    response = client.request(call.method, call.url, headers=call.headers, content=call.body, timeout=wait_s)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, response.content[:BODY_BYTES_MAX])
