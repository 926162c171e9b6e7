"""Secrets: reading what the config refers to, each time it is used, and keeping it out of every log line.

`reveal` remembers what it gave out, so that `redact` finds it wherever a library puts it into a message. URLs are
shortened whether they are remembered or not: a webhook's path is its password.
"""

import os
import re
from collections.abc import MutableMapping
from json import dumps
from pathlib import Path
from typing import Any

from schemas.calls import Retry
from schemas.secret import SHOWN, Secret

CHARS_MAX = 64 * 1024
_REMEMBERED_CHARS_MIN = 6  # shorter ones would black out words
_REMEMBERED_MAX = 10_000
_DEPTH_MAX = 6
_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{0,15}://)([^\s/?#\"'<>\\]*@)?([^\s/?#\"'<>\\@]*)([/?#][^\s\"'<>\\]*)?", re.IGNORECASE
)
_CREDENTIAL = re.compile(
    r"(?i)\b(authorization|x-api-key|x-token|proxy-authorization)([\"']?\s*[:=]\s*[\"']?)(?:(bearer|basic|geniekey|token)\s+)?"
    r"[^\s\"',}]+"
)
_OURS = ("127.0.0.1", "localhost", "[::1]")
_given_out: dict[str, None] = {}


class NoSecret(Retry):
    """It can't be read now; a file that is being replaced can be in a moment."""


def reveal(secret: Secret) -> str:
    """Without line breaks at its end, which no secret has. Raises NoSecret, which says where it should have been."""
    if secret.kind == "env":
        text = os.environ.get(secret.source)
        if text is None:
            raise NoSecret(f"environment variable {secret.source} isn't set; the config takes a secret from it")
    elif secret.kind == "file":
        text = _file(Path(secret.source))
    else:
        text = secret.source
    text = text.rstrip("\r\n")
    remember(text)
    return text


def remember(text: str) -> None:
    """From now on no log line shows it, also where a library shows it as Python or JSON would write it."""
    for part in {text, text.strip(), repr(text)[1:-1], repr(text.encode("utf-8", "replace"))[2:-1], dumps(text)[1:-1]}:
        if len(part) >= _REMEMBERED_CHARS_MIN:
            if len(_given_out) >= _REMEMBERED_MAX:
                _given_out.pop(next(iter(_given_out)))
            _given_out[part] = None


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(CHARS_MAX + 1)
        text = data.decode().strip()
    except OSError as error:
        raise NoSecret(f"secret file {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise NoSecret(f"secret file {path}: not UTF-8 text") from None
    if not text or len(data) > CHARS_MAX:
        raise NoSecret(f"secret file {path}: {'larger than 64 KiB' if text else 'empty'}")
    return text


def hidden(text: str) -> str:
    """The text without secrets.

    >>> hidden("POST https://hooks.example/services/T0/B0/xyz 404; redis://ann:pw@db:6379")
    'POST https://hooks.example/<secret> 404; redis://<secret>@db:6379'
    >>> hidden("Authorization: Bearer abc.def"), hidden("http://127.0.0.1:8470/metrics")
    ('Authorization: <secret>', 'http://127.0.0.1:8470/metrics')
    """
    for known in sorted((known for known in _given_out.copy() if known in text), key=len, reverse=True):
        text = text.replace(known, SHOWN)
    text = _CREDENTIAL.sub(rf"\1\2{SHOWN}", text)
    return _URL.sub(_shortened, text)


def _shortened(found: "re.Match[str]") -> str:
    scheme, user, host, path = found.group(1), found.group(2), found.group(3), found.group(4) or ""
    is_web = scheme.lower() in ("http://", "https://")
    if is_web and len(path) > 1 and not host.startswith(_OURS):
        path = f"/{SHOWN}"
    return f"{scheme}{f'{SHOWN}@' if user else ''}{host}{path}"


def redact(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: put it right before the renderer, so that it sees what others have added."""
    for key, value in event.items():
        if not key.startswith("_"):
            event[key] = _redacted(value, 0)
    return event


def _redacted(value: object, depth: int) -> object:
    if isinstance(value, str):
        return hidden(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < _DEPTH_MAX and isinstance(value, dict):
        return {_redacted(key, depth + 1): _redacted(inner, depth + 1) for key, inner in value.items()}
    if depth < _DEPTH_MAX and isinstance(value, list | tuple | set | frozenset):
        return [_redacted(inner, depth + 1) for inner in value]
    return hidden(repr(value))
