"""One at a time, over processes: who comes second waits, and is told so. A killed holder's lock is freed."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, say: Callable[[str], None], waiting_for: str) -> Iterator[None]:
    """Hold an exclusive lock on `path`, a file that stays; `waiting_for` is said only when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {waiting_for}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file unlocks it
