"""What remedies over HTTP and Kafka share: JSON, a signature, and what an answer says on one line."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from incidents.remedies.base import Context, Intent
from schemas.calls import Refused, Reply, Retry
from schemas.secret import SHOWN, Secret

SIGNATURE = "X-Tidegauge-Signature"
IDEMPOTENCY_KEY = "Idempotency-Key"
TIMEOUT_S = 10.0
_SAID_CHARS_MAX = 300


def json_body(value: object) -> bytes:
    r"""UTF-8 JSON, also of labels that no UTF-8 can hold.

    >>> json_body({"host": "a\ud800"})
    b'{"host":"a?"}'
    """
    return msgspec.json.encode(_encodable(value))


def order(intent: Intent, act: str, **more: object) -> dict[str, object]:
    """What another program is asked for. act: `do` or `undo`; id is the same however often the same is asked."""
    return {
        "schema": "tidegauge.remedy/1",
        "id": intent.id,
        "act": act,
        "remedy": intent.remedy,
        "target": intent.target,
        "labels": dict(intent.labels),
        "value": intent.value,
        **more,
    }


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """As the webhooks of receivers are signed: HMAC-SHA256 of the time, a dot, and the body.

    >>> signature("key", 1795412000, b"{}")[:20]
    't=1795412000,v1=81b5'
    """
    signed = hmac.new(secret.encode(), f"{timestamp_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp_s},v1={signed}"


def secret_of(secret: Secret | None, file: str | None, context: Context) -> str:
    """Of a pair such as `secret` and `secret_file`; nothing where neither is given."""
    if secret is None and file is not None:
        secret = Secret("file", file)
    return revealed(secret, context).strip() if secret is not None else ""


def revealed(secret: Secret, context: Context) -> str:
    """Raises Refused: without it nothing has been asked for yet."""
    try:
        return context.reveal(secret)
    except Retry as failure:
        raise Refused(failure.reason) from None


def said(text: bytes | str, hide: tuple[str, ...] = (), chars_max: int = _SAID_CHARS_MAX) -> str:
    r"""On one line, and not too long: what comes back is hostile too.

    >>> said(b"no such\n unit \x1b[31m", chars_max=20), said("key=hunter2", ("hunter2",))
    ('no such unit [31m', 'key=<secret>')
    """
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for secret in filter(None, hide):
        words = words.replace(secret, SHOWN)
    line = " ".join("".join(c if c.isprintable() else " " if c.isspace() else "" for c in words).split())
    return line if len(line) <= chars_max else f"{line[: chars_max - 1]}…"


def answered(reply: Reply, who: str, hide: tuple[str, ...] = ()) -> str:
    """`the switch answered 503: no backup`."""
    words = said(reply.body, hide)
    return f"{who} answered {reply.status}{f': {words}' if words else ''}"


def json_object(body: bytes) -> dict[str, Any] | None:
    """None where it is none."""
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) else None


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    return [_encodable(inner) for inner in value] if isinstance(value, list | tuple) else value
