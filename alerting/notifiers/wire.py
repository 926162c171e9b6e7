"""What services over HTTP share: JSON that is always JSON, the name they know a group by, what their answers mean."""

import hashlib
import json
import re
from email.utils import parsedate_to_datetime

import msgspec

from alerting.alert import Group
from alerting.notifiers.base import Context
from alerting.words.escaping import line
from schemas.calls import Refused, Reply, Retry
from schemas.secret import SHOWN, Secret

JSON_HEADERS = {"Content-Type": "application/json"}
TIMEOUT_S = 10.0
RETRIED = frozenset({408, 425, 429})  # and all of 5xx
RETRY_AFTER_S_MAX = 3600.0  # a date in the far future would silence a receiver for ever
_SAID_CHARS_MAX = 300
_HINTS = {
    401: "see its key in the config",
    403: "see its key in the config",
    404: "see its address in the config",
    410: "see its address in the config",
}


def json_body(value: object) -> bytes:
    r"""UTF-8 JSON. What JSON has no word for becomes null (infinite numbers) or `?` (half of a surrogate pair).

    >>> json_body({"é": float("nan")}), json_body("\ud800")
    (b'{"\xc3\xa9":null}', b'"?"')
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )


def group_hash(group: Group) -> str:
    """The group's name at a pager: SHA-256 of its key, as Alertmanager makes it (`notify.Key.Hash`), so that both of us
    speak of the same incident. Storms and digests have no counterpart there, and must not end a group's incident.
    """
    key = group.key if group.kind == "group" else f"{group.kind} {group.id}"
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def secret_of(secret: Secret | None, path: str | None, context: Context) -> str:
    """Of a pair such as `routing_key` and `routing_key_file`; nothing where neither is given."""
    if secret is None and path is not None:
        secret = Secret("file", path)
    return context.reveal(secret).strip() if secret is not None else ""


def settle(
    reply: Reply, service: str, now_s: float, *, hide: tuple[str, ...] = (), rest_s: float | None = None
) -> None:
    """Returns where the reply is 2xx. Raises Retry or Refused with what the service said, never with what is in `hide`.

    rest_s: how long the service asks to be left alone after a 429 that names no time.
    """
    if 200 <= reply.status < 300:
        return
    reason = f"{service} answered {reply.status}"
    if words := said(reply, hide):
        reason += f": {words}"
    if reply.status in RETRIED or reply.status >= 500:
        raise Retry(reason, retry_after_s(reply, now_s) or (rest_s if reply.status == 429 else None))
    hint = _HINTS.get(reply.status)
    raise Refused(f"{reason}; {hint}" if hint else reason)


def said(reply: Reply, hide: tuple[str, ...] = ()) -> str:
    """The start of the answer on one line. Services quote requests, and requests hold secrets."""
    text = reply.body.decode("utf-8", "replace")
    for secret in filter(None, hide):
        text = text.replace(secret, SHOWN)
    return line(text, _SAID_CHARS_MAX)


def retry_after_s(reply: Reply, now_s: float) -> float | None:
    """Seconds of `Retry-After`, which has a number or a date (RFC 9110, 10.2.3); None where it has neither.

    >>> retry_after_s(Reply(429, {"retry-after": "30"}), 0.0)
    30.0
    >>> retry_after_s(Reply(503, {"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}), 60.0)
    60.0
    """
    text = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", text):
        wait_s = float(text)
    else:
        try:
            wait_s = parsedate_to_datetime(text).timestamp() - now_s
        except (ValueError, OverflowError):
            return None
    return min(max(wait_s, 0.0), RETRY_AFTER_S_MAX)
