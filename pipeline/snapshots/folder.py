"""Snapshots as files: for one machine, or for several that share a volume.

PATH/GROUP/TOPIC/PARTITION/ holds a manifest a snapshot, named by its next offset, and packs of blocks. A save writes
packs with what is not there yet, then the manifest; everything goes through a temporary name, fsync, rename, and fsync
of the folder. So a crash leaves the older snapshots as they were, and at most a temporary file or a pack without use.

Room on disk: a pack of which less than half is in use gets its live blocks written again, so that the newest three
snapshots take at most five times the size of one, and six while one is written (tests/snapshots/test_room.py).
"""

import hashlib
import itertools
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from pipeline.snapshots.errors import SnapshotInvalid, StoreError
from pipeline.snapshots.filesystem import Fs, RealFs
from pipeline.snapshots.format import BLOCK_BYTES, Piece, Place, Snapshot, decode, encode
from pipeline.snapshots.manifest import (
    MANIFEST_BYTES_MAX,
    Block,
    Digest,
    Manifest,
    decode_manifest,
    encode_manifest,
)
from pipeline.snapshots.packs import Packs
from pipeline.snapshots.store import KEEP, SNAPSHOT_BYTES_MAX, Loaded, Saved

MANIFEST, PACK, TEMPORARY = ".manifest", ".pack", ".tmp"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_NAME_MAX = 200


@dataclass
class _Known:
    """What this store knows of one partition's folder, by having written it or read it with all checksums."""

    newest: Manifest | None = None
    refused: set[str] = field(default_factory=set)  # manifests that will not be read again
    swept: bool = False  # leftovers of those who were here before are gone


class FolderStore:
    """See the module.

    bytes_max: memory that one snapshot may ask for; read_again_after_s: waits where a read failed, for a file that
    another process replaced meanwhile, or a network volume that hesitates.
    """

    def __init__(
        self,
        path: Path,
        group: str,
        fs: Fs | None = None,
        bytes_max: int = SNAPSHOT_BYTES_MAX,
        block_bytes: int = BLOCK_BYTES,
        read_again_after_s: Sequence[float] = (0.05, 0.5),
    ) -> None:
        self._root = path / quoted(group)
        self._fs: Fs = fs or RealFs()
        self._bytes_max, self._block_bytes = bytes_max, block_bytes
        self._read_again_after_s = read_again_after_s
        self._writer = uuid.uuid4().hex[:12]  # two processes never write a file of the same name
        self._numbers = itertools.count(1)  # saves of several partitions may run at once
        self._known: defaultdict[tuple[str, int], _Known] = defaultdict(_Known)

    def save(self, snapshot: Snapshot) -> Saved:
        started_s = time.perf_counter()
        folder, known = self._folder(snapshot.topic, snapshot.partition), self._of(snapshot.topic, snapshot.partition)
        self._fs.make_folder(folder)
        self._sweep(folder, known)
        packs = Packs(self._fs, folder, f"{self._writer}-{next(self._numbers)}")
        name = f"{snapshot.next_offset:020d}{MANIFEST}"
        temporary = folder / f"{name}.{self._writer}{TEMPORARY}"
        try:
            names = set(self._fs.names(folder))
            manifest = self._write_blocks(snapshot, known, packs, names)
            if not packs.written and name in names and known.newest and _same(manifest, known.newest):
                return _saved(manifest, packs, 0, started_s)
            packs.finish()
            data = encode_manifest(manifest)
            if len(data) > MANIFEST_BYTES_MAX:
                raise StoreError(f"a manifest of {len(data):,} bytes, at most {MANIFEST_BYTES_MAX:,} are read again")
            self._write_durable(temporary, data)
            self._fs.rename(temporary, folder / name)
        except BaseException:
            packs.abandon()
            with suppress(OSError):
                self._fs.unlink(temporary)
            raise
        self._fs.fsync_folder(folder)
        self._must_be_there(folder, manifest)
        known.newest = manifest
        with suppress(OSError):  # the snapshot is durable; what could not be removed is tried again next time
            self._prune(folder, known, name)
        return _saved(manifest, packs, len(data), started_s)

    def load(self, topic: str, partition: int) -> Loaded:
        """What can't be read just now is no damage: to fall back on an older one, or on none, would lose state."""
        for wait_s in (*self._read_again_after_s, None):
            try:
                return self._load(topic, partition)
            except (OSError, MemoryError) as error:
                if wait_s is None:
                    folder = self._folder(topic, partition)
                    raise StoreError(f"snapshots in {folder} can't be read: {error or type(error).__name__}") from error
                time.sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def _load(self, topic: str, partition: int) -> Loaded:
        folder, known = self._folder(topic, partition), self._of(topic, partition)
        known.newest = None
        problems: list[str] = []
        for name in reversed(self._manifests(folder)):
            try:
                manifest = self._manifest(folder, name, topic, partition)
                snapshot = decode(manifest, partial(self._fetch, folder, manifest))
            except SnapshotInvalid as error:
                problems.append(f"snapshot {name} is refused: {error}")
                known.refused.add(name)
            else:
                known.newest = manifest
                return Loaded(snapshot, problems)
        return Loaded(None, problems)

    def discard(self, topic: str, partition: int) -> None:
        """Manifests go first: a crash on the way leaves packs, never a snapshot without its blocks."""
        folder = self._folder(topic, partition)
        self._known.pop((topic, partition), None)
        names = self._fs.names(folder)
        for name in sorted(names, key=lambda name: (not name.endswith(MANIFEST), name)):
            if name.endswith((MANIFEST, PACK, TEMPORARY)):
                self._fs.unlink(folder / name)
        if names:
            self._fs.fsync_folder(folder)

    def close(self) -> None:
        """Nothing is held open."""

    def _write_blocks(self, snapshot: Snapshot, known: _Known, packs: Packs, names: set[str]) -> Manifest:
        """names: of the files in the folder; blocks in packs that are no longer there are written again."""
        there, sizes = _in_use(known.newest)

        def keep(piece: Piece) -> Place:
            place = there.get(piece.digest)
            if place is None or place.file not in names:
                place = there[piece.digest] = packs.add(piece)
                names.add(place.file)  # under a temporary name until then
            return place

        def size_of(file: str) -> int:
            return packs.sizes.get(file) or sizes[file]

        return encode(snapshot, keep, size_of, self._block_bytes)

    def _write_durable(self, path: Path, data: bytes) -> None:
        output = self._fs.create(path)
        try:
            output.write(data)
            output.fsync()
        finally:
            output.close()

    def _must_be_there(self, folder: Path, manifest: Manifest) -> None:
        missing = {file.name for file in manifest.files} - set(self._fs.names(folder))
        if missing:
            raise StoreError(f"{folder}: another process removed {', '.join(sorted(missing))} meanwhile")

    def _prune(self, folder: Path, known: _Known, just_written: str) -> None:
        """Leaves the newest three that can be read, and the one just written. Packs go after their manifests."""
        names = set(self._fs.names(folder))
        kept, doomed = set[str](), list[str]()
        used, lost = set[str](), set[str]()  # packs
        for name in reversed(self._manifests(folder)):
            try:
                files = {file.name for file in self._manifest(folder, name).files}
            except SnapshotInvalid:
                doomed.append(name)
                continue
            if name == just_written or (len(kept) < KEEP and name not in known.refused and files <= names):
                kept.add(name)
                used |= files
            else:
                doomed.append(name)
                lost |= files
        packs = {name for name in names if name.endswith(PACK)}
        if known.swept:  # spare those of a process that has written its packs but not yet its manifest
            packs &= {name for name in packs if name.startswith(self._writer)} | lost
        doomed += sorted(packs - used)
        for name in doomed:
            self._fs.unlink(folder / name)
        if doomed:
            self._fs.fsync_folder(folder)
        known.refused.clear()
        known.swept = True

    def _sweep(self, folder: Path, known: _Known) -> None:
        """Temporary files of a crash: all at the first save, later those of our own that a failing disk kept."""
        for name in self._fs.names(folder):
            if name.endswith(TEMPORARY) and (not known.swept or self._writer in name):
                self._fs.unlink(folder / name)

    def _manifests(self, folder: Path) -> list[str]:
        """Oldest first."""
        names = [name for name in self._fs.names(folder) if name.endswith(MANIFEST)]
        return sorted(name for name in names if len(name) == 20 + len(MANIFEST) and name[:20].isdecimal())

    def _manifest(self, folder: Path, name: str, topic: str | None = None, partition: int = 0) -> Manifest:
        size = self._fs.size(folder / name)
        if size > MANIFEST_BYTES_MAX:
            raise SnapshotInvalid(f"a manifest of {size:,} bytes")
        data = bytearray(size)
        count = self._fs.read(folder / name, 0, memoryview(data))
        manifest = decode_manifest(bytes(data[:count]), topic, partition, self._bytes_max)
        if int(name[:20]) != manifest.next_offset:
            raise SnapshotInvalid(f"it ends at offset {manifest.next_offset}, not where its name says")
        for file in manifest.files:
            if not file.name.endswith(PACK) or not set(file.name) <= _PLAIN:
                raise SnapshotInvalid(f"it names {file.name[:100]!r} as a pack")
        return manifest

    def _fetch(self, folder: Path, manifest: Manifest, block: Block, into: memoryview) -> None:
        name = manifest.files[block.file].name
        try:
            count = self._fs.read(folder / name, block.at, into)
        except FileNotFoundError:
            raise SnapshotInvalid(f"pack {name} is missing") from None
        if count < len(into):
            raise SnapshotInvalid(f"pack {name} is cut off")

    def _folder(self, topic: str, partition: int) -> Path:
        return self._root / quoted(topic) / str(partition)

    def _of(self, topic: str, partition: int) -> _Known:
        return self._known[topic, partition]


def quoted(name: str) -> str:
    """A file name for any text: one folder down, never up, and different for different texts.

    >>> quoted("shop-1.metrics"), quoted("../etc"), quoted("")
    ('shop-1.metrics', '%2E.%2Fetc', '%')
    """
    plain = "".join(c if c in _PLAIN else "".join(f"%{byte:02X}" for byte in c.encode()) for c in name)
    if plain.startswith("."):
        plain = "%2E" + plain[1:]
    if len(plain) > _NAME_MAX:
        plain = f"{plain[:100]}%~{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}"
    return plain or "%"


def _in_use(manifest: Manifest | None) -> tuple[dict[Digest, Place], dict[str, int]]:
    """Where the blocks of a snapshot are, but for those in packs that are mostly dead; and the packs' sizes."""
    if manifest is None:
        return {}, {}
    live: dict[int, dict[int, int]] = defaultdict(dict)
    for block in manifest.blocks:
        live[block.file][block.at] = block.size
    worth = {i for i, file in enumerate(manifest.files) if 2 * sum(live[i].values()) >= file.size}
    there = {b.digest: Place(manifest.files[b.file].name, b.at) for b in manifest.blocks if b.file in worth}
    return there, {file.name: file.size for file in manifest.files}


def _same(manifest: Manifest, before: Manifest) -> bool:
    return msgspec.structs.replace(manifest, made_at=before.made_at) == before


def _saved(manifest: Manifest, packs: Packs, manifest_bytes: int, started_s: float) -> Saved:
    return Saved(
        bytes_written=packs.bytes + manifest_bytes,
        bytes_total=manifest.bytes_total,
        blocks_written=packs.written,
        blocks_total=len(manifest.blocks),
        seconds=time.perf_counter() - started_s,
    )
