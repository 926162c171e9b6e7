"""A PostgreSQL of our own: a cluster in a temporary folder, on a socket in it, ended with the tests."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

_SERVER_USER = "postgres"  # the server refuses to run as root


class Absent(Exception):
    """It can't be had here; says why."""


class Server:
    """A cluster in `folder`, which is also where its socket is: `host=FOLDER user=postgres`."""

    def __init__(self, folder: Path, as_user: dict[str, Any]) -> None:
        self.folder, self._as_user = folder, as_user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers. Raises Absent."""
        program = shutil.which("postgres") or "postgres"
        # Connections over the socket only; fsync off: what is tested is the death of processes, not of the machine.
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}", "-c", "fsync=off"]
        command = [program, "-D", str(self.folder / "data"), *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self._as_user)
        _wait(self.folder, self._process)

    def stop(self, at_once: bool = False) -> None:
        """Ends connections that are left. at_once: as a crash does; it recovers at the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            self._process.wait(30)


@contextmanager
def cluster() -> Iterator[str]:
    """Folder of a server without databases of ours. Raises Absent."""
    with server() as running:
        yield str(running.folder)


@contextmanager
def server() -> Iterator[Server]:
    """One that runs, to be stopped and started again. Raises Absent."""
    initdb, postgres = shutil.which("initdb"), shutil.which("postgres")
    if initdb is None or postgres is None:
        raise Absent("initdb and postgres are not installed (Debian: postgresql)")
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="tidegauge-pg-"))
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        as_user: dict[str, Any] = (
            {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        )
        made = subprocess.run(
            [initdb, "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            capture_output=True,
            text=True,
            cwd=folder,
            **as_user,
        )
        if made.returncode != 0:
            raise Absent(f"initdb failed: {made.stderr.strip()[-300:]}")
        running = Server(folder, as_user)
        try:
            running.start()
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create(folder: str, name: str) -> str:
    """A new database; its address."""
    with psycopg.connect(host=folder, user="postgres", dbname="postgres", autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"'.encode())
    return f"postgresql://postgres@/{name}?host={folder}"


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_SERVER_USER)
    except KeyError:
        raise Absent(f"PostgreSQL doesn't run as root, and there is no user {_SERVER_USER}") from None


def _wait(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise Absent(f"postgres ended: {(folder / 'log').read_text()[-300:]}")
        try:
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            server_is_up = False
        else:
            server_is_up = True
        if server_is_up:
            return
        try:
            server.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    raise Absent("postgres did not answer within 30 s")
