"""Runs a program for a remedy: no shell, nothing inherited, and nothing of it left when its time is up.

It runs in a session of its own. At the time limit, when the desk ends, and also after it has ended by itself, what is
left of its process group is killed; at the time limit also descendants that have left the group, as far as they can be
found. What shall live on is systemd's business. Output is read through a pipe of our own: with asyncio's, a grandchild
that holds it open keeps everybody waiting.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import PurePosixPath

import psutil
import structlog

from pipeline.desk.http_client import NoReply
from schemas.calls import ExecCall, Refused, Reply

log = structlog.get_logger(__name__)

OUTPUT_BYTES_MAX = 16 * 1024
"""Of its output, stdout and stderr as they came: the end is kept, since that says why it failed."""
TERM_GRACE_S = 2.0
_READ_BYTES = 64 * 1024
_DRAIN_BYTES_MAX = 1 << 20  # of what is still in the pipe when it has ended


async def run(call: ExecCall, grace_s: float = TERM_GRACE_S) -> Reply:
    """Raises Refused where it never started, NoReply where it was killed or ended by a signal.

    grace_s: between SIGTERM and SIGKILL.
    """
    output = _Output()
    try:
        process = await _started(call, output.write_end)
        output.follow()
        try:
            status = await asyncio.wait_for(process.wait(), call.timeout_s)
        except TimeoutError:
            await _end(process, grace_s)
            raise NoReply(
                f"killed after {call.timeout_s:g} s{output.words()}; nobody knows how far it came", is_timeout=True
            ) from None
        except asyncio.CancelledError:
            _kill(process.pid, _descendants(process.pid))
            await process.wait()
            raise
        _kill(process.pid, ())
        output.drain()
        if status < 0:
            name = signal.Signals(-status).name if -status in [*signal.Signals] else f"signal {-status}"
            raise NoReply(f"ended by {name}{output.words()}; nobody knows how far it came")
        return Reply(status, body=output.tail())
    finally:
        output.close()


async def _started(call: ExecCall, write_end: int) -> asyncio.subprocess.Process:
    """Raises Refused."""
    if not call.argv or not PurePosixPath(call.argv[0]).is_absolute():
        raise Refused(f"not the whole path of a program: {call.argv[:1]}")
    texts = [*call.argv, call.folder, *call.env, *call.env.values()]
    if any("\0" in text for text in texts) or any("=" in name or not name for name in call.env):
        raise Refused("a NUL, or a name of its environment with = in it: no program can be given that")
    try:
        return await asyncio.create_subprocess_exec(
            *call.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            env=dict(call.env),
            cwd=call.folder,
            start_new_session=True,
            close_fds=True,
        )
    except (OSError, UnicodeEncodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "an argument that is no text"
        raise Refused(f"{call.argv[0]} can't be started in {call.folder}: {reason}") from None


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> None:
    """All of it: first asked to, then not asked. Who is found before it ends is remembered: orphans have no parent."""
    family = _descendants(process.pid)
    _signal(process.pid, family, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), grace_s)
    _kill(process.pid, {*family, *_descendants(process.pid)})
    await process.wait()


def _descendants(pid: int) -> set[psutil.Process]:
    try:
        return set(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return set()


def _kill(group: int, family: Iterable[psutil.Process]) -> None:
    _signal(group, family, signal.SIGKILL)


def _signal(group: int, family: Iterable[psutil.Process], number: signal.Signals) -> None:
    # The group's number is the leader's pid; no other process or group can have it while any member lives.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for each in family:
        with contextlib.suppress(psutil.Error):  # psutil looks whether it is still the one that it was
            each.send_signal(number)


class _Output:
    """The end of what is written into a pipe."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._kept = bytearray()
        self._count = 0
        self._is_followed = False

    def follow(self) -> None:
        """From now on only the program holds the end that is written."""
        self._close_write_end()
        asyncio.get_running_loop().add_reader(self._read_end, self._read)
        self._is_followed = True

    def drain(self) -> None:
        """What it has written and nobody has read yet. A child of it that still writes isn't waited for."""
        before = self._count
        while self._count - before < _DRAIN_BYTES_MAX and self._read():
            pass

    def tail(self) -> bytes:
        """Marked where something was left out."""
        left_out = self._count - len(self._kept)
        return (f"[{left_out:,} bytes left out] ".encode() if left_out else b"") + bytes(self._kept)

    def words(self) -> str:
        text = self.tail().decode("utf-8", "replace").strip()
        return f" after it wrote: {text[-300:]}" if text else ""

    def close(self) -> None:
        self._close_write_end()
        self._unfollow()
        if self._read_end >= 0:
            os.close(self._read_end)
            self._read_end = -1

    def _read(self) -> bool:
        """Whether there was something."""
        try:
            data = os.read(self._read_end, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._unfollow()
            return False
        self._count += len(data)
        self._kept += data
        del self._kept[:-OUTPUT_BYTES_MAX]
        return True

    def _unfollow(self) -> None:
        if self._is_followed:
            asyncio.get_running_loop().remove_reader(self._read_end)
            self._is_followed = False

    def _close_write_end(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1
