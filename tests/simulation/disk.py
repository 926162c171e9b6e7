"""A file system in memory that knows what a power cut leaves: only what was fsynced is sure to be there.

Process death leaves everything that was written; a power cut leaves synced content, torn pieces of the rest, and of the
changes to a folder since its last fsync any selection.
"""

import errno
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.snapshots.errors import SnapshotInvalid
from pipeline.snapshots.manifest import Manifest, decode_manifest


@dataclass
class Inode:
    data: bytearray = field(default_factory=bytearray)
    synced: bytes | None = None


Entries = dict[str, Inode]
Change = Callable[[Entries], None]


class Killed(BaseException):
    """The process ended here. Nothing of it runs on, and what it still tries has no effect."""


@dataclass
class _Folder:
    now: Entries = field(default_factory=dict)
    durable: Entries = field(default_factory=dict)
    unsynced: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        change(self.now)
        self.unsynced.append(change)


class Disk:
    """One volume that all workers share. `full`: writes fail half-way. `eio`: how likely any call fails."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.full = False
        self.eio = 0.0
        self.fsync_works = True  # for a test that the simulation notices when it doesn't
        self._seen: dict[bytes, Manifest | None] = {}
        self.folders: defaultdict[str, _Folder] = defaultdict(_Folder)

    def power_cut(self) -> None:
        for folder in self.folders.values():
            after = dict(folder.durable)
            for change in folder.unsynced:
                if self.rng.random() < 0.5:
                    change(after)
            for inode in after.values():
                if inode.synced is None or bytes(inode.data) != inode.synced:
                    torn = inode.data[: self.rng.randrange(len(inode.data) + 1)]
                    if self.rng.random() < 0.3:  # the length is there, the blocks are not
                        torn += bytes(len(inode.data) - len(torn))
                    inode.data, inode.synced = torn, bytes(torn)
            folder.now, folder.durable, folder.unsynced = after, dict(after), []

    def manifests(self, topic: str, partition: int, durable: bool) -> list[Manifest]:
        """Those that can be read with all their packs, oldest first. durable: as a power cut would leave them."""
        return list(self._manifests(topic, partition, durable))[::-1]

    def newest_offset(self, topic: str, partition: int) -> int:
        """Of what a power cut would leave; -1: nothing."""
        newest = next(self._manifests(topic, partition, durable=True), None)
        return newest.next_offset if newest else -1

    def _manifests(self, topic: str, partition: int, durable: bool) -> Iterator[Manifest]:
        folder = self._of(topic, partition)
        entries = folder.durable if durable else folder.now

        def content(name: str) -> bytes:
            inode = entries.get(name)
            return b"" if inode is None else (inode.synced or b"") if durable else bytes(inode.data)

        for name in sorted(entries, reverse=True):
            if name.endswith(".manifest"):
                manifest = self._parsed(content(name), topic, partition)
                if manifest and all(len(content(file.name)) >= file.size for file in manifest.files):
                    yield manifest

    def _parsed(self, data: bytes, topic: str, partition: int) -> Manifest | None:
        if data not in self._seen:
            try:
                self._seen[data] = decode_manifest(data, topic, partition, 2**30)
            except SnapshotInvalid:
                self._seen[data] = None
        return self._seen[data]

    def _of(self, topic: str, partition: int) -> "_Folder":
        ending = f"/{topic}/{partition}"
        return next((folder for path, folder in self.folders.items() if path.endswith(ending)), _Folder())

    def corrupt(self, topic: str, partition: int, name: str) -> None:
        """Turn one bit of a file."""
        inode = self._of(topic, partition).now[name]
        at = self.rng.randrange(len(inode.data))
        inode.data[at] ^= 1 << self.rng.randrange(8)
        inode.synced = bytes(inode.data)


class Fs:
    """The disk as one process sees it. `before`: called at every call; it may kill."""

    def __init__(self, disk: Disk, before: Callable[[str], None]) -> None:
        self._disk = disk
        self._before = before

    def _call(self, what: str, path: Path) -> _Folder:
        """The folder that holds `path`."""
        self._before(what)
        if self._disk.eio and self._disk.rng.random() < self._disk.eio:
            raise OSError(errno.EIO, f"input/output error at {what}")
        return self._disk.folders[str(path.parent)]

    def make_folder(self, path: Path) -> None:
        self._call("make_folder", path)

    def create(self, path: Path) -> "Output":
        folder, name = self._call("create", path), path.name
        if name in folder.now:
            raise FileExistsError(errno.EEXIST, name)
        if self._disk.full and self._disk.rng.random() < 0.3:
            raise OSError(errno.ENOSPC, "no space left on device")
        inode = Inode()
        folder.change(lambda entries: entries.__setitem__(name, inode))
        return Output(self, inode, path)

    def rename(self, old: Path, new: Path) -> None:
        folder, old_name, new_name = self._call("rename", old), old.name, new.name
        inode = folder.now[old_name]

        def change(entries: Entries) -> None:
            entries.pop(old_name, None)
            entries[new_name] = inode

        folder.change(change)

    def fsync_folder(self, path: Path) -> None:
        folder = self._call("fsync_folder", path / "any")
        if self._disk.fsync_works:
            folder.durable, folder.unsynced = dict(folder.now), []

    def unlink(self, path: Path) -> None:
        folder, name = self._call("unlink", path), path.name

        def change(entries: Entries) -> None:
            entries.pop(name, None)

        folder.change(change)

    def names(self, path: Path) -> list[str]:
        return list(self._call("names", path / "any").now)

    def size(self, path: Path) -> int:
        return len(self._inode(self._call("size", path), path).data)

    def read(self, path: Path, at: int, into: memoryview) -> int:
        data = memoryview(self._inode(self._call("read", path), path).data)[at : at + len(into)]
        into[: len(data)] = data
        return len(data)

    def write(self, inode: Inode, path: Path, data: bytes | memoryview) -> None:
        rng = self._disk.rng
        torn = bytes(data[: rng.randrange(len(data) + 1)])
        try:
            self._call("write", path)
        except (Killed, OSError):
            inode.data += torn
            raise
        if self._disk.full:
            inode.data += torn
            raise OSError(errno.ENOSPC, "no space left on device")
        inode.data += data

    def fsync(self, inode: Inode, path: Path) -> None:
        self._call("fsync", path)
        if self._disk.fsync_works:
            inode.synced = bytes(inode.data)

    def _inode(self, folder: _Folder, path: Path) -> Inode:
        try:
            return folder.now[path.name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, path.name) from None


@dataclass
class Output:
    fs: Fs
    inode: Inode
    path: Path

    def write(self, data: bytes | memoryview) -> None:
        self.fs.write(self.inode, self.path, data)

    def fsync(self) -> None:
        self.fs.fsync(self.inode, self.path)

    def close(self) -> None:
        """Nothing that could fail."""
