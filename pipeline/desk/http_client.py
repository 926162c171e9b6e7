"""Makes a notifier's HTTP calls: what comes back is a Reply, and where nothing came back, a Retry that says why.

A redirect is a reply like another unless the config asks to follow it: a receiver that moved should be mended there,
and what is posted to it shall not wander. An address that didn't come from the config is called by https, through
`addresses.OutsideOnly`, without proxy and redirects. Answers are asked for uncompressed, so that the cap is one on
memory too.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpcore
import httpx

from pipeline.desk.addresses import AddressRefused, OutsideOnly
from schemas.calls import HttpCall, Refused, Reply, Retry

BODY_BYTES_MAX = 64 * 1024  # of an answer; the rest isn't read
_LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=4, keepalive_expiry=30.0)


class NoReply(Retry):
    """Nothing came back, so nobody knows whether it arrived."""

    def __init__(self, reason: str, is_timeout: bool = False) -> None:
        super().__init__(reason)
        self.is_timeout = is_timeout


@dataclass(frozen=True)
class HttpConfig:
    """What of Alertmanager's http_config concerns a connection, secrets revealed.

    server_name: whose certificate it must be, where that isn't the address' own. headers: who we are.
    """

    tls: ssl.SSLContext | None = None  # None: the system's authorities
    server_name: str | None = None
    proxy_url: str | None = field(default=None, repr=False)
    follow_redirects: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class HttpClient:
    """One integration's connections. `transport` and `outside` are for tests."""

    def __init__(
        self,
        config: HttpConfig | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        outside: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._config = config or HttpConfig()
        self._given = transport
        self._outside_backend = outside or OutsideOnly()
        self._trusted: httpx.AsyncClient | None = None
        self._outside: httpx.AsyncClient | None = None

    async def call(self, call: HttpCall) -> Reply:
        """Raises NoReply, or Refused where the address itself is the mistake."""
        try:
            async with asyncio.timeout(call.timeout_s):
                return await self._exchange(call)
        except TimeoutError:
            raise NoReply(f"no answer within {call.timeout_s:g} s", is_timeout=True) from None
        except httpx.TimeoutException:
            raise NoReply(f"no answer within {call.timeout_s:g} s", is_timeout=True) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Refused("its address is no http(s) URL; see its url in the config") from None
        except httpx.ConnectError as error:
            if isinstance(error.__cause__, AddressRefused):
                raise Refused(str(error)) from None
            raise NoReply(f"can't connect: {error}") from None
        except httpx.LocalProtocolError:
            # Its text is the header that was wrong, and so may be a secret.
            raise NoReply("can't be asked: its address or a header is no valid HTTP; see its secrets") from None
        except httpx.HTTPError as error:
            raise NoReply(f"cut off: {type(error).__name__}: {error}") from None

    async def aclose(self) -> None:
        for client in (self._trusted, self._outside):
            if client is not None:
                await client.aclose()

    async def _exchange(self, call: HttpCall) -> Reply:
        client = self._client(call)
        extensions: dict[str, object] = {}
        if call.trusted and self._config.server_name:
            extensions["sni_hostname"] = self._config.server_name
        headers = {**self._config.headers, **call.headers} if call.trusted else dict(call.headers)
        request = client.build_request(
            call.method,
            call.url,
            headers=headers,
            content=call.body or None,
            extensions=extensions,
            timeout=call.timeout_s,  # of each step; the whole is held to it by our caller
        )
        response = await client.send(request, stream=True)
        try:
            return Reply(response.status_code, _lower(response.headers), await _start_of(response))
        finally:
            await response.aclose()

    def _client(self, call: HttpCall) -> httpx.AsyncClient:
        if call.trusted:
            if self._trusted is None:
                self._trusted = self._made(self._given, self._config)
            return self._trusted
        if not call.url.startswith("https://"):
            raise Refused("only https addresses may be called that are not in the config")
        if "@" in call.url.removeprefix("https://").split("/", 1)[0]:
            raise Refused("an address with a user in it may not be called unless it is in the config")
        if self._outside is None:
            transport = self._given or _PinnedTransport(self._outside_backend)
            self._outside = self._made(transport, HttpConfig())
        return self._outside

    def _made(self, transport: httpx.AsyncBaseTransport | None, config: HttpConfig) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=transport,
            verify=config.tls or True,
            proxy=config.proxy_url if transport is None else None,
            follow_redirects=config.follow_redirects,
            max_redirects=5,
            limits=_LIMITS,
            trust_env=False,
            headers={"User-Agent": "tidegauge", "Accept-Encoding": "identity"},
        )


class _PinnedTransport(httpx.AsyncHTTPTransport):
    """httpx's own, dialling through a backend of ours: httpx has no setting for it (tests notice where it changes)."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(), max_connections=20, keepalive_expiry=30.0, network_backend=backend
        )


async def _start_of(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        return b""  # not asked for, and of unknown size once it is unpacked
    start = bytearray()
    async for chunk in response.aiter_bytes(16 * 1024):
        start += chunk
        if len(start) >= BODY_BYTES_MAX:
            break
    return bytes(start[:BODY_BYTES_MAX])


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
