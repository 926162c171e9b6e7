"""Who may ask what, before anything reads the question: host, origin, token and role, size of the body.

Where no tokens are configured the desk listens on loopback only, and everyone there may do everything. What then
stands between it and a page that somebody opens in a browser is that page's origin (Sec-Fetch-Site, Origin) and the
name it calls us by: a name that an attacker's DNS points at loopback isn't one of ours.
"""

import asyncio
import hashlib
import ipaddress
from collections.abc import Sequence
from hmac import compare_digest
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.desk.http.errors import ApiError, failed
from schemas.desk import ApiToken, DeskServer

Role = Literal["viewer", "responder", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "responder", "admin")
BODY_BYTES_MAX = 10_000_000
BODY_TIMEOUT_S = 30.0  # for all of it: a client that sends a byte a second holds a connection, and memory
_SAFE = ("GET", "HEAD", "OPTIONS")
_HOOKS = "/hooks/"  # others' programs post here; each proves itself by its signature, and comes by any name of ours
_LINKS = "/links/"  # the address itself is the proof
HOOK_BYTES_MAX = 1_000_000  # PagerDuty sends no more than 256 KB; a click in Slack has its whole message with it
_OPEN_PATHS = ("/-/healthy", "/-/ready")  # who asks this (an orchestrator) has no token, and learns nothing
_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """
    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Guard:
    """The outermost layer. Puts `user` and `role` into the scope's state."""

    def __init__(self, app: ASGIApp, server: DeskServer, body_timeout_s: float = BODY_TIMEOUT_S) -> None:
        """Raises ValueError where the desk would stand open to a network."""
        if not server.tokens and not is_loopback(server.host):
            raise ValueError(
                f"desk.host: {server.host} is open to others and desk.tokens is empty; add a token, or use 127.0.0.1"
            )
        self._app, self._tokens, self._body_timeout_s = app, server.tokens, body_timeout_s
        external = urlsplit(server.external_url)
        self._names = {name for name in (external.hostname,) if name}
        self._origins = {f"{external.scheme}://{external.netloc}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = False

        async def guarded(message: Message) -> None:
            nonlocal sent
            if message["type"] == "http.response.start":
                sent = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            headers = Headers(scope=scope)
            is_hook = scope["path"].startswith(_HOOKS)
            if not is_hook:
                self._check_host(headers)
                if scope["method"] not in _SAFE:
                    self._check_origin(headers)
            scope.setdefault("state", {}).update(self._who(scope, headers))
            most = HOOK_BYTES_MAX if is_hook else BODY_BYTES_MAX
            await self._app(scope, _Capped(headers, receive, self._body_timeout_s, most), guarded)
        except Exception as caught:
            if sent:
                raise
            error = caught if isinstance(caught, ApiError) else failed(caught, scope["method"], scope["path"])
            response = error.response()
            if error.status == 401:
                response.headers["www-authenticate"] = 'Bearer realm="tidegauge"'
            await response(scope, receive, guarded)

    def _check_host(self, headers: Headers) -> None:
        name = _host_of(headers.get("host", ""))
        # With tokens a stranger's page has none to send, and people reach the desk by names that we don't know.
        if not self._tokens and not is_loopback(name) and name not in self._names:
            raise ApiError(421, "asked for by a name that isn't the desk's; see desk.external_url")

    def _check_origin(self, headers: Headers) -> None:
        site = headers.get("sec-fetch-site")
        if site not in (None, "same-origin", "none"):
            raise ApiError(403, "refused: sent by a page of another site")
        origin = headers.get("origin")
        if origin is None or origin in self._origins:
            return
        if urlsplit(origin).netloc != headers.get("host") or origin == "null":
            raise ApiError(403, "refused: sent by a page of another origin")

    def _who(self, scope: Scope, headers: Headers) -> dict[str, str]:
        if scope["path"].startswith((_HOOKS, _LINKS)):
            return {"user": "", "role": "none"}
        if not self._tokens:
            return {"user": "", "role": "admin"}
        if scope["path"] in _OPEN_PATHS:
            return {"user": "", "role": "none"}
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = _holder(self._tokens, given.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise ApiError(401, "a token is needed: Authorization: Bearer TOKEN")
        return {"user": token.name, "role": token.role}


def _holder(tokens: Sequence[ApiToken], given: str) -> ApiToken | None:
    """Looks at all of them, so that the time it takes tells nothing."""
    wanted, found = digest(given), None
    for token in tokens:
        if compare_digest(wanted, token.digest.lower()):
            found = token
    return found


def _host_of(host: str) -> str:
    """
    >>> _host_of("desk.example:8470"), _host_of("[::1]:8470"), _host_of("LOCALHOST")
    ('desk.example', '::1', 'localhost')
    """
    return (urlsplit(f"//{host}").hostname or "") if "@" not in host and "/" not in host else ""


class _Capped:
    """`receive` with an end: to the size of a body, and to the time that it takes."""

    def __init__(self, headers: Headers, receive: Receive, timeout_s: float, most: int = BODY_BYTES_MAX) -> None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            raise _too_large(most)
        self._receive, self._timeout_s, self._left, self._is_whole = receive, timeout_s, most, False
        self._most = most

    async def __call__(self) -> Message:
        if self._is_whole:
            return await self._receive()
        started_s = asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(self._receive(), max(self._timeout_s, 0.001))
        except TimeoutError:
            raise ApiError(408, "the body took too long") from None
        self._timeout_s -= asyncio.get_running_loop().time() - started_s
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _too_large(self._most)
        self._is_whole = not message.get("more_body", False)
        return message


def _too_large(most: int) -> ApiError:
    return ApiError(413, f"larger than {most:,} bytes; send it in parts")
