"""The on-duty person's phone in the demo: a webhook receiver that shows what the desk sends, as it comes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue

import msgspec
from rich.text import Text

from pipeline.commands.rendering import plain
from schemas.levels import LEVELS

_BYTES_MAX = 10_000_000


class PhoneAlert(msgspec.Struct, frozen=True):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Message(msgspec.Struct, frozen=True):
    """What we show of webhook v4."""

    status: str
    alerts: list[PhoneAlert]
    groupLabels: dict[str, str]


class Phone:
    """Listens on a free port of the loopback address; `url` is what the config's webhook calls."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}/"
        self.heard: SimpleQueue[Message] = SimpleQueue()
        self.count = 0

    def messages(self) -> Iterator[Message]:
        """Those that have come since."""
        while True:
            try:
                message = self.heard.get_nowait()
            except Empty:
                return
            self.count += 1
            yield message


@contextmanager
def phone() -> Iterator[Phone]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    made = Phone(server)
    server.RequestHandlerClass = _handler(made)
    threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def render(message: Message) -> Text:
    """One line a message: the worst level that fires, what the group is, how many fire, and why the worst does."""
    firing = [alert for alert in message.alerts if alert.status == "firing"]
    shown = max(firing or message.alerts, key=lambda alert: _rank(alert.labels.get("level")), default=None)
    level = shown.labels.get("level", "") if shown is not None and firing else "resolved"
    line = Text()
    line.append("  on duty: ", "bold cyan")
    line.append(f"{plain(level).upper()} {', '.join(plain(value) for value in message.groupLabels.values())}", "bold")
    if len(firing) > 1:
        line.append(f", {len(firing)} series", "bold")
    if shown is not None and (why := shown.annotations.get("why")):
        line.append(f"  {plain(why)}", "italic")
    return line


def _rank(level: str | None) -> int:
    return next((rank for rank, name in enumerate(LEVELS) if name == level), -1)


def _handler(made: Phone) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            try:
                if size > _BYTES_MAX:
                    raise ValueError(size)
                made.heard.put(msgspec.json.decode(self.rfile.read(size), type=Message))
            except (ValueError, msgspec.DecodeError):
                self.send_error(400)
                return
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
