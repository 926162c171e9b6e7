"""The worker's own HTTP: `/-/healthy`, `/-/ready`, `/metrics`. Loopback only; it changes nothing."""

import os
from collections.abc import Callable

import structlog
from aiohttp import web
from mode import Service
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from pipeline.app import Pipeline

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
PORT = 8471
_PORTS_TRIED = 100


class StatusServer(Service):
    """Runs inside the worker's event loop, so that a worker that hangs doesn't call itself healthy."""

    def __init__(
        self, pipeline: Pipeline, registry: CollectorRegistry, broker_away_for_s: Callable[[], float | None]
    ) -> None:
        """broker_away_for_s: seconds since the broker was found not to answer; None while it does."""
        super().__init__()
        self._pipeline, self._registry, self._broker_away_for_s = pipeline, registry, broker_away_for_s
        self._runner: web.AppRunner | None = None

    async def on_start(self) -> None:
        app = web.Application()
        app.router.add_get("/-/healthy", self._healthy)
        app.router.add_get("/-/ready", self._ready)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        self._pipeline.address = f"{HOST}:{await self._bind(self._runner)}"
        log.info("metrics and health", url=f"http://{self._pipeline.address}/metrics")

    async def on_stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _bind(self, runner: web.AppRunner) -> int:
        """TIDEGAUGE_HTTP_PORT and nothing else; without it 8471 or the next free port, so that workers share a host."""
        wanted = os.environ.get("TIDEGAUGE_HTTP_PORT")
        if wanted and not wanted.isdecimal():
            raise SystemExit(f"worker: TIDEGAUGE_HTTP_PORT={wanted!r} is no port; write a number such as {PORT}")
        ports = [int(wanted)] if wanted else list(range(PORT, PORT + _PORTS_TRIED))
        for port in ports:
            try:
                await web.TCPSite(runner, HOST, port).start()
            except OSError:
                if port == ports[-1]:
                    raise
            else:
                return port
        raise AssertionError("no port tried")

    async def _healthy(self, request: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def _ready(self, request: web.Request) -> web.Response:
        away_s = self._broker_away_for_s()
        if away_s is not None:
            return web.Response(status=503, text=f"not ready: no answer from Kafka for {away_s:.0f} s\n")
        if self._pipeline.ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready: waiting for partitions\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
