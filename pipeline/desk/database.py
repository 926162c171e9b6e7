"""The desk's database: opens it, brings it up to date, and runs transactions, on SQLite and on PostgreSQL alike.

Writers take turns: one write transaction at a time in the whole database, by SQLite's write lock or by an advisory
lock of PostgreSQL. So what a transaction has read stays true until its end, on both. Transactions are short; what
takes long (sending) holds leases instead. Readers see one moment and wait for nobody.
"""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from pipeline.desk.migrations import bring_up_to_date

T = TypeVar("T")

BUSY_TIMEOUT_S = 30.0  # how long one statement waits for another process's transaction
PATIENCE_S = 60.0  # how long a transaction is tried again
# A desk that hangs, or whose machine is gone, in the middle of a transaction doesn't hold up the others for longer.
IDLE_IN_TRANSACTION_S = 15
# A machine that vanished says nothing more: without these a writer would wait for it for a quarter of an hour.
# libpq's words; an address that has them in its query is kept to.
_LIVENESS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # ms
}
_WRITE_LOCK = 0x71DE_6A06E  # of PostgreSQL's advisory locks: ours
_PASSING = {  # SQLSTATE
    "40001",  # serialization failure
    "40P01",  # deadlock
    "55P03",  # lock not available
    "57P01", "57P02", "57P03",  # the server shuts down, has crashed, is starting
    "25P03",  # idle in transaction for too long
    "08000", "08001", "08003", "08004", "08006",  # no connection
}  # fmt: skip


class DatabaseError(Exception):
    """It can't be used: the address is wrong, or a newer program has been here. Says what would do."""


class Database:
    """Made by `open`; safe to use from any thread."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.shown = url.render_as_string(hide_password=True)
        self._turn = _Turns()
        self._writer = _engine(url, is_writer=True)
        self._reader = _engine(url, is_writer=False)

    @classmethod
    def open(cls, address: str, *, patience_s: float = 10.0) -> "Database":
        """`sqlite:///FILE` (relative to the working folder; its folder is made) or `postgresql://USER@HOST/NAME`.

        Makes or alters the tables where that is needed; several desks may do so at once. Raises DatabaseError.
        """
        url = _checked(address)
        if url.get_backend_name() == "sqlite" and url.database:
            _make_file(Path(url.database))
        database = cls(url)
        try:
            database.write(lambda conn: bring_up_to_date(conn, database.shown), patience_s=patience_s)
        except SQLAlchemyError as error:
            database.close()
            raise DatabaseError(f"desk.database: {database.shown} can't be opened: {_cause(error)}") from error
        except LookupError as error:
            database.close()
            raise DatabaseError(str(error)) from error
        return database

    def write(self, do: Callable[[Connection], T], *, patience_s: float = PATIENCE_S) -> T:
        """`do` in one transaction: all of it or nothing. Called again where the database was busy or away.

        Where the connection broke while committing it isn't known whether it holds, so that error comes out.
        """
        until_s = time.monotonic() + patience_s
        attempt = 0
        while True:
            is_done = False
            try:
                with self._turn(), self._writer.begin() as conn:
                    result = do(conn)
                    is_done = True
                return result
            except DBAPIError as error:
                lost_at_commit = is_done and error.connection_invalidated
                if lost_at_commit or not passes(error) or time.monotonic() >= until_s:
                    raise
            attempt += 1
            time.sleep(min(0.01 * 2**attempt, 1.0) * random.uniform(0.5, 1.0))  # noqa: S311 - spreads who tries again

    def read(self, do: Callable[[Connection], T]) -> T:
        """`do` on one moment's state, whatever is written meanwhile. Writing here fails."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                with self._reader.begin() as conn:
                    return do(conn)
            except DBAPIError as error:
                if not passes(error) or time.monotonic() >= until_s:
                    raise
            time.sleep(random.uniform(0.05, 0.2))  # noqa: S311 - as above

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()

    @property
    def writer(self) -> Engine:
        """For tests that listen to its statements."""
        return self._writer


class _Turns:
    """A lock that serves in order of asking. With a plain one, whoever writes all the time keeps the others waiting."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._next = self._serving = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._free:
            mine, self._next = self._next, self._next + 1
            self._free.wait_for(lambda: self._serving == mine)
        try:
            yield
        finally:
            with self._free:
                self._serving += 1
                self._free.notify_all()


def _checked(address: str) -> URL:
    would_do = "write sqlite:///state/desk.db or postgresql://user@host/name"
    try:
        url = make_url(address)
        if url.get_backend_name() == "postgresql" and url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() not in ("sqlite", "postgresql"):
            raise DatabaseError(f"desk.database: {url.get_backend_name()} is not supported; {would_do}")
        url.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError) as error:
        raise DatabaseError(f"desk.database: not an address of a database; {would_do}") from error
    except ImportError as error:
        raise DatabaseError("desk.database: PostgreSQL needs psycopg; pip install 'tidegauge[postgres]'") from error
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise DatabaseError("desk.database: names no file, and what is only in memory is lost; " + would_do)
    return url


def _make_file(path: Path) -> None:
    """Folder and file for nobody but us: alerts may tell what shouldn't be known."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise DatabaseError(f"desk.database: {path} can't be made: {error.strerror}") from error


def _engine(url: URL, *, is_writer: bool) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, is_writer=is_writer)
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=2 if is_writer else 8,
        max_overflow=16,
        connect_args={name: value for name, value in _LIVENESS.items() if name not in url.query},
    )
    if not is_writer:
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @event.listens_for(engine, "begin")
    def take_the_lock(conn: Connection) -> None:
        conn.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_S}s'")
        conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_TIMEOUT_S:.0f}s'")
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")

    return engine


def _sqlite(url: URL, *, is_writer: bool) -> Engine:
    # The turns let one writer in at a time; the pool's other connections are for readers.
    engine = create_engine(
        url, pool_size=1 if is_writer else 8, max_overflow=16, connect_args={"timeout": BUSY_TIMEOUT_S}
    )

    @event.listens_for(engine, "connect")
    def set_up(dbapi: DBAPIConnection, record: Any) -> None:
        dbapi.isolation_level = None  # the driver leaves transactions to us
        cursor = dbapi.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # what was told as done survives a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -65536")  # KiB
        cursor.execute("PRAGMA journal_size_limit = 67108864")
        if not is_writer:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        # IMMEDIATE: a transaction that reads first and writes later fails at once where another has written between.
        conn.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    return engine


def passes(error: Exception) -> bool:
    """Whether it is the kind that ends by itself: busy, or away."""
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    if error.connection_invalidated:
        return True
    sqlstate = getattr(cause, "sqlstate", None)
    return sqlstate in _PASSING or (sqlstate is None and type(cause).__name__ == "OperationalError")


def _cause(error: SQLAlchemyError) -> str:
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return " ".join(text.split())
