"""Does a Kafka answer at an address, and if not, who has the port? Asked on plain sockets, without a client library."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import psutil

HOST: Final = "127.0.0.1"
_METADATA_V1: Final = struct.pack(">hhihi", 3, 1, 7, -1, 0)  # api, version, correlation id, no client id, no topics


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """True where a Kafka lists at least one broker.

    A node accepts connections a moment before its controller lets it take part; topics can't be created in that moment.
    """
    try:
        with closing(socket.create_connection((host, port), timeout_s)) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(struct.pack(">i", len(_METADATA_V1)) + _METADATA_V1)
            head = b""
            while len(head) < 12:
                piece = connection.recv(12 - len(head))
                if not piece:
                    return False
                head += piece
    except OSError:
        return False
    _size, correlation, brokers = struct.unpack(">iii", head)
    return bool(correlation == 7 and brokers >= 1)


def reachable(bootstrap: str, timeout_s: float) -> bool:
    """Of a comma separated list of `host:port`, one accepts connections within `timeout_s`; whatever it speaks."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        for host, port in _addresses(bootstrap):
            with contextlib.suppress(OSError), closing(socket.create_connection((host, port), min(timeout_s, 2.0))):
                return True
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.1)


def any_answers(bootstrap: str, timeout_s: float = 2.0) -> bool:
    """Of a comma separated list of `host:port`, one is enough. Brokers behind TLS or SASL don't answer this way."""
    return any(answers(host, port, timeout_s) for host, port in _addresses(bootstrap))


def _addresses(bootstrap: str) -> Iterator[tuple[str, int]]:
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        if port.isdigit():
            yield host.strip("[]") or HOST, int(port)


def is_free(port: int) -> bool:
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def owner(port: int) -> str:
    """Who listens on a port, for a person: `python3 (pid 4711)`; `another program` where the system doesn't tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if address and connection.status == psutil.CONN_LISTEN and address[1] == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return "another program"
