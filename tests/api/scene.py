"""A desk's API on a database of its own: asked in the process, or by uvicorn on a free port."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from pipeline.desk import duties, intake
from pipeline.desk.database import Database
from pipeline.desk.http import app
from pipeline.desk.http.guard import digest
from schemas.alert import AlertEvent
from schemas.desk import ApiToken, Desk, DeskServer
from tests.desk.scene import START_S, desk, event

__all__ = ["START_S", "Api", "desk", "event", "served"]

TOKENS = tuple(ApiToken(f"{role}-name", role, digest(f"{role}-token")) for role in ("viewer", "responder", "admin"))
CLOSED = DeskServer(host="192.0.2.1", external_url="https://desk.example", tokens=TOKENS)


@dataclass
class Now:
    """A clock that is set, or the real one: other programs have no other."""

    at_s: float = START_S
    is_real: bool = False

    def __call__(self) -> float:
        return time.time() if self.is_real else self.at_s


class Api:
    """Use as a context; `ask` in the process, without sockets."""

    def __init__(self, folder: Path, of: Desk | None = None, server: DeskServer | None = None) -> None:
        self.now = Now()
        self.desk = of or desk()
        if server is not None:
            self.desk = replace(self.desk, server=server)
        self.db = Database.open(f"sqlite:///{folder / 'desk.db'}")
        self.app = app(self.db, self.desk, self.now)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *error: object) -> None:
        self.db.close()

    def ask(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}

        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8470") as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(run())

    def get(self, path: str, **params: Any) -> Any:
        answer = self.ask("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def take(self, *events: AlertEvent) -> None:
        """From Kafka; seen by whoever asks next."""
        self.db.write(lambda conn: intake.take(conn, events, {}, self.desk, self.now()))
        self.app.state.service.view.changed()

    def look(self) -> None:
        """Groups whose time has come."""
        duties.step(self.db, self.desk, self.now())

    def wait(self, seconds: float) -> None:
        self.now.at_s += seconds


@contextmanager
def served(api: Api) -> Iterator[str]:
    """Its address, while uvicorn serves it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(api.app, log_config=None, access_log=False, server_header=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        deadline_s = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline_s:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
