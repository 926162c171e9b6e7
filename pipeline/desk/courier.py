"""Delivers what is in the outbox: a lane for each integration of the config, each a task of its own."""

import asyncio
import socket
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from alerting.notifiers import KINDS
from alerting.notifiers.base import Context, Notifier
from pipeline.desk import outbox
from pipeline.desk.contexts import contexts
from pipeline.desk.counts import Counts
from pipeline.desk.database import Database
from pipeline.desk.health import Health
from pipeline.desk.lane import Lane, Sender, Shell
from schemas.desk import Desk, Integration

log = structlog.get_logger(__name__)
T = TypeVar("T")
THREADS = 6
GRACE_S = 8.0  # for conversations that are under way when the desk is told to end


class Courier:
    """`run` in an event loop. `wake` and `stop` may be called from any thread.

    now: Unix seconds. context: what a notifier is lent, for an integration at a moment (default: `contexts.contexts`).
    threads: false does everything in the event loop, for tests with a clock of their own.
    """

    def __init__(
        self,
        db: Database,
        desk: Desk,
        senders: Sender,
        now: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        context: Callable[[Integration, float], Context] | None = None,
        kinds: Mapping[str, type[Notifier]] = KINDS,
        owner: str | None = None,
        threads: bool = True,
    ) -> None:
        self._db, self._now = db, now
        # Its own, so that what others wait for doesn't stand before a page.
        self._pool = ThreadPoolExecutor(THREADS, "courier") if threads else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopping, self._stopped = False, asyncio.Event()
        self.counts = Counts()
        shell = Shell(
            desk=desk,
            owner=owner or f"{socket.gethostname()[:40]}:{uuid.uuid4().hex[:12]}",
            sender=senders,
            context=context or contexts(desk),
            now=now,
            sleep=sleep,
            read=self._read,
            write=self._write,
            aside=self._aside,
            counts=self.counts,
        )
        integrations = [one for receiver in desk.receivers.values() for one in receiver.integrations]
        self._lanes = [Lane(shell, one, kinds[one.kind](one.settings)) for one in integrations]

    @property
    def health(self) -> dict[str, Health]:
        """By integration."""
        return {lane.name: lane.health for lane in self._lanes}

    async def run(self) -> None:
        """Until `stop`; then conversations that are under way are given a few seconds."""
        self._loop = asyncio.get_running_loop()
        if self._is_stopping:
            return
        await self._abandon()
        tasks = [asyncio.create_task(self._kept(lane), name=f"lane {lane.name}") for lane in self._lanes]
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            await stopped
            for lane in self._lanes:
                lane.stop()
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=GRACE_S)
                if late:
                    log.warning("left to their leases", lanes=sorted(task.get_name() for task in late))
        finally:
            for task in (stopped, *tasks):
                task.cancel()
            await asyncio.gather(stopped, *tasks, return_exceptions=True)
            if self._pool is not None:
                self._pool.shutdown(wait=False)

    async def step(self) -> None:
        """Everything that is due now, to its end; for tests."""
        await asyncio.gather(*(lane.step() for lane in self._lanes))

    def wake(self) -> None:
        """The outbox has something new."""
        for lane in self._lanes:
            self._in_loop(lane.wake)

    def stop(self) -> None:
        self._is_stopping = True
        self._in_loop(self._stopped.set)

    async def _abandon(self) -> None:
        """What waits for an integration that the config has no more."""
        names = [lane.name for lane in self._lanes]
        try:
            count = await self._write(lambda conn: outbox.abandon(conn, names, self._now()))
        except SQLAlchemyError as error:
            log.warning("the database can't be used now", error=type(error).__name__)
            return
        if count:
            log.error("given up: the config has no such integrations any more", messages=count)

    def _in_loop(self, do: Callable[[], object]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(do)

    async def _kept(self, lane: Lane) -> None:
        """A mistake of ours in one lane is logged and ends neither it nor the others."""
        while True:
            try:
                await lane.run()
            except Exception:
                log.exception("a lane failed", integration=lane.name)
                await asyncio.sleep(1.0)
            else:
                return

    async def _read(self, do: Callable[[Connection], T]) -> T:
        return await self._aside(lambda: self._db.read(do))

    async def _write(self, do: Callable[[Connection], T]) -> T:
        return await self._aside(lambda: self._db.write(do))

    async def _aside(self, do: Callable[[], T]) -> T:
        if self._pool is None:
            return do()
        return await asyncio.get_running_loop().run_in_executor(self._pool, do)
