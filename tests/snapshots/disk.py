"""A disk in memory that does what real ones do: it fills up, fails, and forgets at a crash what was not synced."""

import errno
import random
from collections.abc import Callable
from pathlib import Path


class Crash(BaseException):
    """The power went. Nothing that the program still does reaches the disk."""


class _File:
    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = b""


class Disk:
    """An Fs. fail: told number and name of each step, returns what that step raises, or None."""

    def __init__(self, fail: Callable[[int, str], BaseException | None] = lambda *_: None) -> None:
        self.fail = fail
        self.steps = 0
        self.fail_read: Callable[[int], BaseException | None] = lambda _: None  # told the number of the call
        self.reads = 0
        self.off = False
        self.files: dict[Path, _File] = {}
        self._durable: dict[Path, _File] = {}  # names as of the last sync of their folder

    def make_folder(self, path: Path) -> None:
        self._step("make_folder")

    def create(self, path: Path) -> "_Output":
        self._step("create")
        if path in self.files:
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        self.files[path] = file = _File()
        return _Output(self, file)

    def rename(self, old: Path, new: Path) -> None:
        self._step("rename")
        self.files[new] = self._find(old)
        del self.files[old]

    def fsync_folder(self, path: Path) -> None:
        self._step("fsync_folder")
        self._durable = {p: f for p, f in self._durable.items() if p.parent != path}
        self._durable |= {p: f for p, f in self.files.items() if p.parent == path}

    def unlink(self, path: Path) -> None:
        self._step("unlink")
        self.files.pop(path, None)

    def names(self, path: Path) -> list[str]:
        return [p.name for p in self.files if p.parent == path]

    def size(self, path: Path) -> int:
        return len(self._find(path).data)

    def read(self, path: Path, at: int, into: memoryview) -> int:
        self.reads += 1
        failure = self.fail_read(self.reads)
        if failure is not None:
            raise failure
        data = self._find(path).data[at : at + len(into)]
        into[: len(data)] = data
        return len(data)

    def after_power_cut(self, rng: random.Random) -> "Disk":
        """What is there when it comes back: each change that was not synced happened, or didn't, or did in part."""
        again = Disk()
        for path in {*self.files, *self._durable}:
            now, then = self.files.get(path), self._durable.get(path)
            file = now if now is then or rng.random() < 0.5 else then
            if file is not None:
                again.files[path] = copy = _File()
                copy.data = bytearray(_torn(file, rng))
                copy.durable = bytes(copy.data)
        again._durable = dict(again.files)
        return again

    def used(self) -> int:
        return sum(len(file.data) for file in self.files.values())

    def _find(self, path: Path) -> _File:
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file", str(path)) from None

    def _step(self, name: str) -> None:
        if self.off:
            raise Crash
        self.steps += 1
        failure = self.fail(self.steps, name)
        if isinstance(failure, Crash):
            self.off = True
        if failure is not None:
            raise failure


class _Output:
    def __init__(self, disk: Disk, file: _File) -> None:
        self._disk, self._file = disk, file

    def write(self, data: bytes | memoryview) -> None:
        try:
            self._disk._step("write")
        except (OSError, Crash):
            self._file.data += data[: len(data) // 2]
            raise
        self._file.data += data

    def fsync(self) -> None:
        self._disk._step("fsync")
        self._file.durable = bytes(self._file.data)

    def close(self) -> None:
        """Nothing is held."""


def _torn(file: _File, rng: random.Random) -> bytes:
    data = bytes(file.data)
    if data == file.durable:
        return data
    cut = rng.randint(len(file.durable) if data.startswith(file.durable) else 0, len(data))
    match rng.randrange(4):
        case 0:
            return data
        case 1:
            return data[:cut]
        case 2:
            return data[:cut] + bytes(len(data) - cut)  # the length is there, the blocks are not
        case _:
            return file.durable
