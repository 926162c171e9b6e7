"""Which addresses the desk may be talked into calling: none of its own machine, its network, or its cloud's inside.

For addresses that come from outside the config (see `HttpCall.trusted`). The name is looked up here, every address that
it has is judged, and the connection is made to the one that was judged: a name that answers differently the second time
gains nothing.
"""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

import httpcore

Address = IPv4Address | IPv6Address
Option = httpcore.SOCKET_OPTION  # of a socket, as setsockopt takes it

# What is inside, or leads there. `Address.is_global` refuses most of it too, but not all of it, and not for ever.
_INSIDE = {
    "this machine": ("127.0.0.0/8", "::1/128", "0.0.0.0/8", "::/128"),
    "a private network": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
    "link-local, where clouds keep credentials": ("169.254.0.0/16", "fe80::/10"),
    "the cloud's own service": ("168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::/32"),
    "a carrier's network": ("100.64.0.0/10",),
    "for tests and documents": ("192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"),
    "multicast or reserved": ("224.0.0.0/4", "240.0.0.0/4", "ff00::/8", "192.0.0.0/24", "100::/64"),
    "IPv4 in IPv6": ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),
}
_NETWORKS = [(ip_network(text), name) for name, texts in _INSIDE.items() for text in texts]


class AddressRefused(httpcore.ConnectError):
    """The name leads where an address from outside may not lead."""


class Lookup(Protocol):
    """Addresses of a name. Raises OSError where there are none."""

    async def __call__(self, host: str, port: int) -> list[str]: ...


def inside(address: str) -> str | None:
    """What speaks against calling it, or None.

    >>> [inside(a) for a in ("127.0.0.1", "169.254.169.254", "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")]
    ['this machine', 'link-local, where clouds keep credentials', None, None]
    >>> inside("::ffff:10.0.0.1"), inside("64:ff9b::a00:1"), inside("fe80::1%eth0")
    ('IPv4 in IPv6', 'IPv4 in IPv6', 'link-local, where clouds keep credentials')
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
        parsed = IPv6Address(int(parsed))
    for network, name in _NETWORKS:
        if isinstance(network, IPv6Network) is isinstance(parsed, IPv6Address) and parsed in network:
            return name
    return None if parsed.is_global else "not on the public internet"


async def looked_up(host: str, port: int) -> list[str]:
    """The system's resolver, in its own threads."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class OutsideOnly(httpcore.AsyncNetworkBackend):
    """Dials public addresses only, and only the very ones that it judged."""

    def __init__(self, lookup: Lookup = looked_up, dial: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._lookup = lookup
        self._dial = dial if dial is not None else httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[Option] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises AddressRefused where any one of the name's addresses is inside."""
        try:
            addresses = await asyncio.wait_for(self._lookup(host, port), timeout)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host}: no answer from the resolver") from None
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error.strerror or error}") from None
        for address in addresses:
            reason = inside(address)
            if reason is not None:
                raise AddressRefused(f"{host} is {reason}; only what stands in the config may be called there")
        failure: Exception = httpcore.ConnectError(f"{host}: has no address")
        for address in addresses:
            try:
                return await self._dial.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        socket_options: Iterable[Option] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused("a socket of this machine; only what stands in the config may be called there")

    async def sleep(self, seconds: float) -> None:
        await self._dial.sleep(seconds)
