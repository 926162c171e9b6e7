"""The desk process: reads alerts, looks at groups, delivers, answers. Ends with its exit code at SIGTERM and Ctrl-C."""

import asyncio
import contextlib
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial

import structlog
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from pipeline import logs
from pipeline.desk import duties, outbox
from pipeline.desk.automation.advisers import Advisers
from pipeline.desk.automation.load import LoadFeed, Loads
from pipeline.desk.automation.making import Maker
from pipeline.desk.automation.runner import Runner
from pipeline.desk.courier import Courier
from pipeline.desk.database import Database
from pipeline.desk.feed import Feed
from pipeline.desk.http import app
from pipeline.desk.incidents import controls
from pipeline.desk.incidents.change_feed import ChangeFeed
from pipeline.desk.incidents.control_sender import ControlSender
from pipeline.desk.incidents.publishing import Publisher
from pipeline.desk.latency import answer_quickly
from pipeline.desk.metrics import Meters
from pipeline.desk.missing import missing
from pipeline.desk.secrets import redact
from pipeline.desk.senders import Senders
from pipeline.desk.taken import Taken
from pipeline.desk.threads import Pool, room_for_lookups
from schemas.config import Config

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
TEND_EVERY_S = 60.0
_END_WITHIN_S = 9.0


def run(config: Config, log_level: str = "INFO") -> int:
    """Runs until SIGTERM or SIGINT. Returns the exit code: 0, or 1 where a part of it failed for good.

    Raises DatabaseError, ValueError where the API would stand open, OSError where its port is taken.
    """
    logs.configure(log_level, redact)
    answer_quickly()
    for problem in missing(config.desk):
        log.warning("not everybody can be told", problem=problem)
    db = Database.open(config.desk.server.database_url)
    try:
        return asyncio.run(DeskProcess(config, db).run())
    finally:
        db.close()


class DeskProcess:
    """One event loop for courier and HTTP, a thread for Kafka; work on the database is always in threads."""

    def __init__(self, config: Config, db: Database, now: Callable[[], float] = time.time) -> None:
        self._db, self._desk, self._now = db, config.desk, now
        self._senders = Senders(config.kafka.bootstrap)
        self._meters = Meters()
        self._owner = _owner(config.desk.server.port)
        self._courier = Courier(db, config.desk, self._senders, now, owner=self._owner)
        self._feed = Feed(
            db, config.desk, config.kafka.bootstrap, config.topics.alerts, f"{config.kafka.group}-desk", now
        )
        self._publisher = Publisher(
            db, self._senders.kafka, config.topics.incidents, f"tidegauge/{config.kafka.group}", now
        )
        self._loads = Loads()
        self._load_feed = LoadFeed(config.kafka.bootstrap, config.topics.load, self._loads, now)
        self._is_load_told = bool(config.desk.response.automation.watched)
        self._runner = Runner(db, config.desk, Maker(self._senders), now, owner=self._owner, loads=self._loads)
        self._changes = ChangeFeed(
            db, config.desk, config.kafka.bootstrap, config.topics.changes, f"{config.kafka.group}-desk-changes", now
        )
        self._controls = ControlSender(config.kafka.bootstrap, config.topics.control)
        self._aside = Pool("looks", 2)
        self._beside = Pool("controls", 1)
        self._ending = asyncio.Event()

    async def run(self) -> int:
        """Until it is asked to end. Raises ValueError and OSError before anything starts."""
        loop = asyncio.get_running_loop()
        room_for_lookups(loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        server, listening = self._server(), _listen(self._desk.server.host, self._desk.server.port)
        await asyncio.to_thread(self._prepare)
        self._feed.start()
        if self._is_load_told:
            self._load_feed.start()
        self._changes.start()
        parts = {
            "looks": asyncio.create_task(self._every(LOOK_EVERY_S, self._look)),
            "duties": asyncio.create_task(self._every(TEND_EVERY_S, self._tend)),
            "controls": asyncio.create_task(self._every(LOOK_EVERY_S, self._say, self._beside)),
            "courier": asyncio.create_task(self._courier.run()),
            "incidents": asyncio.create_task(self._publisher.run()),
            "automation": asyncio.create_task(self._runner.run()),
            "http": asyncio.create_task(server.serve([listening])),
        }
        host, port = listening.getsockname()[:2]
        log.info(
            "desk starts", database=self._db.shown, receivers=len(self._desk.receivers), url=f"http://{host}:{port}"
        )
        ending = asyncio.create_task(self._ending.wait())
        await asyncio.wait({ending, *parts.values()}, return_when=asyncio.FIRST_COMPLETED)
        # A part that ended as it was asked to may be done before `ending` is.
        is_asked = self._ending.is_set()
        failed = [name for name, task in parts.items() if task.done() and not (is_asked and task.exception() is None)]
        self._ending.set()
        self._feed.stop()
        self._load_feed.stop()
        self._changes.stop()
        self._courier.stop()
        self._runner.stop()
        server.should_exit = True
        parts["incidents"].cancel()  # what it hasn't published waits in the database
        await asyncio.wait({ending, *parts.values()}, timeout=_END_WITHIN_S)
        for name, task in parts.items():
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(outcome, Exception):
                log.error("a part of the desk failed", part=name, exc_info=outcome)
        await asyncio.to_thread(self._feed.join, 3.0)
        if self._is_load_told:
            await asyncio.to_thread(self._load_feed.join, 3.0)
        await asyncio.to_thread(self._changes.join, 3.0)
        await asyncio.to_thread(self._controls.close)
        await self._senders.aclose()
        log.info("desk ends", because=f"of {', '.join(failed)}" if failed else "it was asked to")
        return 1 if failed else 0

    def _prepare(self) -> None:
        if self._owner is not None:
            self._db.write(partial(outbox.release, owner=self._owner))
        duties.follow_config(self._db, self._desk, self._now())
        duties.tend(self._db, self._desk, self._now())

    def _look(self) -> None:
        if self._feed.is_catching_up:
            return
        with self._meters.round_seconds.time():
            looked = duties.step(self._db, self._desk, self._now())
        if looked:
            self._courier.wake()
            self._runner.wake()

    def _tend(self) -> None:
        duties.tend(self._db, self._desk, self._now())

    def _say(self) -> None:
        controls.step(self._db, self._controls.publish, self._now())

    async def _every(self, seconds: float, do: Callable[[], None], aside: Pool | None = None) -> None:
        """A failure is logged and the next turn comes all the same: the database may be away for a while."""
        while not self._ending.is_set():
            try:
                await (aside or self._aside)(do)
            except SQLAlchemyError as error:
                log.warning("the database failed: trying again", error=" ".join(str(error).split())[:300])
            except Exception:
                log.exception("a duty failed: trying again", duty=do.__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), seconds)

    def _server(self) -> uvicorn.Server:
        taken = Taken(self._db, self._desk, self._senders, self._now)
        made = app(
            self._db,
            self._desk,
            self._now,
            courier=self._courier,
            taken=taken,
            sender=self._senders,
            feed=self._feed,
            meters=self._meters,
            publisher=self._publisher,
            advisers=Advisers(self._desk.response.automation.scaling, self._loads, self._now),
            runner=self._runner,
            changes=self._changes,
        )
        return _Server(uvicorn.Config(made, log_config=None, access_log=False, server_header=False))


class _Server(uvicorn.Server):
    """Signals are the desk's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _owner(port: int) -> str | None:
    """Who holds our leases: the same after a restart. Whoever listens on the port knows that its forerunner is gone,
    and that nobody else is going to send what that one died with. None: any name that nobody had before.
    """
    machine = uuid.getnode()
    is_made_up = bool(machine >> 40 & 1)  # RFC 4122, 4.5: no network card has that bit
    return None if port == 0 or is_made_up else f"{socket.gethostname()[:40]}:{port}:{machine:x}"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise OSError(f"desk.host, desk.port: can't listen on {host}:{port}: {error.strerror}") from error
