"""Does what was intended: claims acts, holds each remedy's conversation, writes down what came of it.

At most once: an act is written down as begun before its first call, and what it will do before the first call that
changes anything. Whatever happens after that, it is asked about, never begun again.
"""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from incidents.remedies.base import Intent
from incidents.remedies.kinds import KINDS
from incidents.remedies.model import Act
from pipeline.desk.automation import acts, claiming, doing
from pipeline.desk.automation.claiming import LEASE_S
from pipeline.desk.automation.doing import Hands, Maker
from pipeline.desk.automation.load import Loads
from pipeline.desk.automation.targets import Kinds
from pipeline.desk.database import Database
from schemas.desk import Desk
from schemas.response.automation import RemedyRule

log = structlog.get_logger(__name__)
T = TypeVar("T")

AT_ONCE_MAX = 8
POLL_S = 1.0
SEE_EVERY_S = 5.0
ACT_LASTS_S_MAX = 4500.0  # a program may take an hour
GRACE_S = 8.0


class Runner:
    """`run` in the desk's event loop. `wake` and `stop` may be called from any thread.

    threads: false does all work on the database in the event loop, for tests. owner: who holds our leases; the same
    name after a restart takes up at once what its forerunner left.
    """

    def __init__(
        self,
        db: Database,
        desk: Desk,
        maker: Maker,
        now: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        kinds: Kinds = KINDS,
        owner: str | None = None,
        loads: Loads | None = None,
        threads: bool = True,
    ) -> None:
        self._db, self._plan, self._now, self._sleep = db, desk.response.automation, now, sleep
        self._owner = owner or f"{socket.gethostname()[:40]}:{uuid.uuid4().hex[:12]}"
        self._hands = Hands(desk, kinds, maker, self._owner, self._read, self._write, now, sleep, loads)
        self._pool = ThreadPoolExecutor(2, "automation") if threads else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._loads, self._see_again_s = loads, 0.0
        self._is_metric_asked = loads is not None and any(rule.helped for rule in self._plan.remedies)

    async def run(self) -> None:
        """Until `stop`; then what is under way is given a few seconds."""
        self._loop = asyncio.get_running_loop()
        renewing = asyncio.create_task(self._renew())
        try:
            while not self._is_stopping:
                self._wake.clear()
                try:
                    await self._round()
                except SQLAlchemyError as error:
                    log.warning("the database can't be used now", error=type(error).__name__)
                except Exception:
                    log.exception("automation failed: trying again")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_S)
            if self._under_way:
                _, late = await asyncio.wait(self._under_way.values(), timeout=GRACE_S)
                if late:
                    log.warning("acts are left to be asked about", acts=len(late))
        finally:
            for task in (renewing, *self._under_way.values()):
                task.cancel()
            await asyncio.gather(renewing, *self._under_way.values(), return_exceptions=True)
            if self._pool is not None:
                self._pool.shutdown(wait=False)

    async def step(self) -> int:
        """What is due now, to its end; for tests. Returns how many acts were done or asked about."""
        count = await self._round()
        while self._under_way:
            await asyncio.gather(*self._under_way.values())
        return count

    def wake(self) -> None:
        """Something may be intended."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def stop(self) -> None:
        self._is_stopping = True
        self.wake()

    async def rehearse(self, rule: RemedyRule, intent: Intent) -> str:
        """What it would do now, whatever guards say; nothing is changed."""
        return await doing.rehearse(rule, intent, self._hands)

    async def _round(self) -> int:
        now_s = self._now()
        under_way, room = tuple(self._under_way), AT_ONCE_MAX - len(self._under_way)
        claimed = await self._write(
            lambda conn: claiming.claim(conn, self._plan, self._owner, under_way, now_s, max(room, 0))
        )
        if self._is_metric_asked:
            await self._see(now_s)
        for act in claimed:
            task = asyncio.create_task(self._kept(act), name=f"act {act.id}")
            self._under_way[act.id] = task
            task.add_done_callback(partial(self._ended, act.id))
        return len(claimed)

    async def _kept(self, act: Act) -> None:
        """A mistake of ours ends only this act's turn; what was begun is then asked about."""
        try:
            async with asyncio.timeout(ACT_LASTS_S_MAX):
                await doing.do(act, self._hands)
        except TimeoutError:
            log.error("an act takes too long, and is left to be asked about", act=act.id, remedy=act.remedy)
        except Exception:
            log.exception("an act failed", act=act.id, remedy=act.remedy)

    async def _see(self, now_s: float) -> None:
        """What the metrics of acts that are being verified stand at: whoever looks at the incident judges it."""
        if now_s < self._see_again_s:
            return
        self._see_again_s = now_s + SEE_EVERY_S
        waiting = await self._read(lambda conn: acts.in_states(conn, ["verifying"]))
        for act in waiting:
            load = self._loads.of_alert(act.labels) if self._loads is not None else None
            if load is not None and (act.seen_s is None or load.at_s > act.seen_s):
                await self._write(partial(claiming.see, act=act, load=load, now_s=now_s))

    def _ended(self, act_id: str, task: "asyncio.Task[None]") -> None:
        self._under_way.pop(act_id, None)

    async def _renew(self) -> None:
        while True:
            await self._sleep(LEASE_S / 3)
            if self._under_way:
                renew = partial(
                    acts.renew, ids=tuple(self._under_way), owner=self._owner, until_s=self._now() + LEASE_S
                )
                try:
                    await self._write(renew)
                except SQLAlchemyError as error:
                    log.warning("leases can't be renewed now", error=type(error).__name__)

    async def _read(self, do: Callable[[Connection], T]) -> T:
        return await self._aside(lambda: self._db.read(do))

    async def _write(self, do: Callable[[Connection], T]) -> T:
        return await self._aside(lambda: self._db.write(do))

    async def _aside(self, do: Callable[[], T]) -> T:
        if self._pool is None:
            return do()
        return await asyncio.get_running_loop().run_in_executor(self._pool, do)
