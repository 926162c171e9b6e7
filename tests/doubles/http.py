"""A small HTTP server that remembers every request, answers as told, and fails on demand."""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    """path: with its query; headers: names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, value: object, headers: Mapping[str, str] | None = None) -> "Response":
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    status: answered instead, without looking at the request; None looks at it as usual.
    is_reply_lost: the connection is cut where the reply would come: what was asked for has happened.
    delay_s: before anything is answered.
    """

    status: int | None = None
    retry_after_s: float | None = None
    delay_s: float = 0.0
    is_reply_lost: bool = False


class Double:
    """Use it as a context. `faults` are taken from the front, one a request; None in it lets a request pass."""

    def __init__(self, respond: Callable[[Request], Response]) -> None:
        self.requests: list[Request] = []
        self.faults: list[Fault | None] = []
        self._respond = respond
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None, "a double listens only inside its `with`"
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, request: Request) -> Response:
        """What it would answer, without a socket in between."""
        with self._lock:
            self.requests.append(request)
            return self._respond(request)

    def fail(self, *faults: Fault | None) -> None:
        with self._lock:
            self.faults.extend(faults)

    def wait_for(self, count: int, timeout_s: float = 20.0) -> list[Request]:
        """The requests, once there are so many of them. Raises AssertionError where they don't come."""
        deadline_s = time.monotonic() + timeout_s
        while len(self.requests) < count and time.monotonic() < deadline_s:
            time.sleep(0.02)
        assert len(self.requests) >= count, f"{len(self.requests)} requests after {timeout_s:g} s, waited for {count}"
        return list(self.requests)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.handle))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """One request from its first byte to its last."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(handler.command, handler.path, headers, body)
        with self._lock:
            fault = self.faults.pop(0) if self.faults else None
            refused = fault is not None and fault.status is not None
            response = Response(fault.status) if fault and fault.status else self._respond(request)
            if not refused:
                self.requests.append(request)
        if fault is not None:
            self._stopped.wait(fault.delay_s)
            if fault.is_reply_lost:
                handler.close_connection = True
                handler.connection.shutdown(socket.SHUT_RDWR)
                return
            if fault.retry_after_s is not None:
                response = Response(response.status, response.body, {"Retry-After": f"{fault.retry_after_s:g}"})
        handler.send_response(response.status)
        for name, value in response.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(response.body)))
        handler.end_headers()
        handler.wfile.write(response.body)


def _handler(handle: Callable[[BaseHTTPRequestHandler], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):  # whoever asked is gone
                self.close_connection = True

        def _answer(self) -> None:
            handle(self)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output clean."""

    return Handler
