"""The few things a store asks of a file system, so that tests and simulation can stand in and fail at any of them."""

import os
from pathlib import Path
from typing import Protocol


class Output(Protocol):
    """A file that is being written."""

    def write(self, data: bytes | memoryview) -> None:
        """All of it, or OSError."""
        ...

    def fsync(self) -> None: ...
    def close(self) -> None: ...


class Fs(Protocol):
    """Every call may raise OSError."""

    def make_folder(self, path: Path) -> None:
        """With those above it, durable."""
        ...

    def create(self, path: Path) -> Output:
        """A new file, which must not be there."""
        ...

    def rename(self, old: Path, new: Path) -> None: ...
    def fsync_folder(self, path: Path) -> None: ...
    def unlink(self, path: Path) -> None:
        """It is no error where it isn't there."""
        ...

    def names(self, path: Path) -> list[str]:
        """Of the files in a folder; none where there is no folder."""
        ...

    def size(self, path: Path) -> int: ...
    def read(self, path: Path, at: int, into: memoryview) -> int:
        """How many bytes there were, up to the length of `into`."""
        ...


class RealFs:
    """The operating system's."""

    def make_folder(self, path: Path) -> None:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True, mode=0o700)
            self.fsync_folder(folder.parent)

    def create(self, path: Path) -> Output:
        return _RealOutput(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def rename(self, old: Path, new: Path) -> None:
        old.replace(new)

    def fsync_folder(self, path: Path) -> None:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def names(self, path: Path) -> list[str]:
        try:
            return [file.name for file in path.iterdir()]
        except FileNotFoundError:
            return []

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def read(self, path: Path, at: int, into: memoryview) -> int:
        done = 0
        with path.open("rb", buffering=0) as file:
            file.seek(at)
            while done < len(into):
                count = file.readinto(into[done:])
                if not count:
                    break
                done += count
        return done


class _RealOutput:
    def __init__(self, file: int) -> None:
        self._file = file

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def fsync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)
