"""Whoever waits for names to be looked up keeps nobody else waiting."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.desk.http_client import HttpClient, NoReply
from pipeline.desk.threads import room_for_lookups
from schemas.calls import HttpCall
from tests.api.scene import Api, event


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Answers for `dead*` only once it is set."""
    answers, real = threading.Event(), socket.getaddrinfo

    def slow(host: Any, *args: Any, **kwargs: Any) -> Any:
        if "dead" in str(host):
            answers.wait(30)
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    yield answers
    answers.set()


@pytest.mark.parametrize("path", ["/api/v2/alerts", "/api/v2/silences", "/metrics"])
def test_the_api_answers_while_all_of_the_loops_own_threads_wait(path: str, tmp_path: Path) -> None:
    over = threading.Event()

    async def run() -> int:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        waiting = loop.run_in_executor(None, over.wait, 30)
        try:
            transport = httpx.ASGITransport(app=api.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8470") as client:
                answer = await asyncio.wait_for(client.get(path), 10)
            return answer.status_code
        finally:
            over.set()
            await waiting

    with Api(tmp_path) as api:
        api.take(event())
        assert asyncio.run(run()) == 200


def test_a_service_is_reached_while_many_dead_names_are_looked_up(resolver: threading.Event) -> None:
    async def run() -> str:
        room_for_lookups(asyncio.get_running_loop())
        client = HttpClient()
        dead = [
            asyncio.create_task(client.call(HttpCall("POST", f"https://dead{number}.example/", timeout_s=20)))
            for number in range(20)
        ]
        await asyncio.sleep(0.05)
        with pytest.raises(NoReply) as caught:  # nobody listens there, which takes no time to find out
            await HttpClient().call(HttpCall("POST", "http://localhost:1/", timeout_s=5))
        resolver.set()
        await asyncio.gather(*dead, return_exceptions=True)
        await client.aclose()
        return caught.value.reason

    assert asyncio.run(run()).startswith("can't connect")
