"""A way to a broker that can be cut, or swallow one kind of request while the rest of Kafka goes on.

Answers that name the broker's port name the proxy's instead, so that clients come back here.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

FETCH = 1


class Proxy:
    def __init__(self, broker: str) -> None:
        host, _, port = broker.rpartition(":")
        self._broker = (host, int(port))
        self._listener = socket.create_server((host, 0))
        self.port = int(self._listener.getsockname()[1])
        self.bootstrap = f"{host}:{self.port}"
        self.swallowed: set[int] = set()  # API keys whose requests never arrive
        self.cut = False
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_off(self) -> None:
        """No connection lives, and none is made."""
        self.cut = True
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut_off()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.cut:
                    client.close()
                    continue
                broker = socket.create_connection(self._broker)
                self._open |= {client, broker}
                threading.Thread(target=self._pump, args=(client, broker, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(broker, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, requests: bool) -> None:
        theirs, ours = (self._broker[0].encode() + struct.pack(">i", port) for port in (self._broker[1], self.port))
        with suppress(OSError), source, target:
            while True:
                size = _exactly(source, 4)
                frame = _exactly(source, struct.unpack(">i", size)[0])
                if requests and struct.unpack(">h", frame[:2])[0] in self.swallowed:
                    continue
                target.sendall(size + (frame if requests else frame.replace(theirs, ours)))


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = source.recv(count - len(found))
        if not piece:
            raise ConnectionError
        found += piece
    return found


@contextmanager
def proxy(broker: str) -> Iterator[Proxy]:
    ours = Proxy(broker)
    try:
        yield ours
    finally:
        ours.close()
