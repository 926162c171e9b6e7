"""An address that came from outside leads nowhere inside, whatever its name answers, and however it is spelt."""

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.desk.addresses import OutsideOnly, inside
from pipeline.desk.http_client import HttpClient, NoReply
from schemas.calls import HttpCall, Refused

INSIDE = """
    127.0.0.1 127.255.255.254 0.0.0.0 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1
    100.127.255.255 168.63.129.16 100.100.100.200 198.18.0.1 198.19.255.255 192.0.2.1 203.0.113.9 224.0.0.1 239.1.1.1
    240.0.0.1 255.255.255.255 ::1 :: fe80::1 fc00::1 fd12:3456::1 fd00:ec2::254 ff02::1 2001:db8::1 fec0::1
    ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::7f00:1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1::1 2001:0:1::1
"""
OUTSIDE = ["8.8.8.8", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001:81b::200e"]


@pytest.mark.parametrize("address", INSIDE.split())
def test_what_is_inside_is_refused(address: str) -> None:
    assert inside(address) is not None


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is_not(address: str) -> None:
    assert inside(address) is None


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_passes(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert inside(str(address)) is not None


@given(st.ip_addresses(v=4))
def test_no_spelling_of_a_private_address_in_ipv6_passes(address: IPv4Address) -> None:
    for prefix in ("::ffff:", "::", "64:ff9b::"):
        assert inside(str(ip_address(f"{prefix}{address}"))) is not None


class Dialled(httpcore.AsyncNetworkBackend):
    """Notes who was dialled, and is never there."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    async def connect_tcp(self, host: str, port: int, *rest: object, **more: object) -> httpcore.AsyncNetworkStream:
        self.addresses.append(host)
        raise httpcore.ConnectError("nobody there")

    async def sleep(self, seconds: float) -> None:
        pass


def called(url: str, *answers: list[str]) -> tuple[list[str], Exception]:
    """Whom a call dials where its name answers so, one answer a look-up; and what it says."""
    dialled, looked_up = Dialled(), list(answers)

    async def lookup(host: str, port: int) -> list[str]:
        return looked_up.pop(0)

    client = HttpClient(outside=OutsideOnly(lookup, dialled))

    async def call() -> None:
        try:
            await client.call(HttpCall("POST", url, trusted=False))
        finally:
            await client.aclose()

    with pytest.raises((Refused, NoReply)) as caught:
        asyncio.run(call())
    return dialled.addresses, caught.value


def test_a_public_name_is_dialled_by_the_address_that_was_judged() -> None:
    """A second look-up, which may answer otherwise (DNS rebinding), never happens."""
    addresses, error = called("https://hooks.example/x", ["93.184.215.14"])
    assert addresses == ["93.184.215.14"]
    assert isinstance(error, NoReply)


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    addresses, error = called("https://hooks.example/x", ["93.184.215.14", "10.0.0.7"])
    assert addresses == []
    assert isinstance(error, Refused)
    assert "10.0.0.7" not in str(error)  # who asked learns nothing of our network


@pytest.mark.parametrize(
    "url", ["http://hooks.example/x", "https://user:pw@hooks.example/x", "ftp://hooks.example", "file:///etc/passwd"]
)
def test_only_plain_https_is_spoken(url: str) -> None:
    addresses, error = called(url, ["93.184.215.14"])
    assert addresses == []
    assert isinstance(error, Refused)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost"])
def test_a_number_is_looked_up_as_a_name_is(host: str) -> None:
    addresses, error = called(f"https://{host}/x", ["127.0.0.1"])
    assert addresses == []
    assert isinstance(error, Refused)
