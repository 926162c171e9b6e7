"""The manifest: what a snapshot says about itself, and where its blocks lie. Words and numbers only, checked twice.

A first line with version, checksum and length, then JSON. The checksum finds accidents. Whoever may write snapshots may
write any state, but no code: nothing in here is evaluated, and no memory is taken on its word alone.
"""

import hashlib
from typing import Any

import msgspec
import numpy as np

from pipeline.control import SavedControls
from pipeline.saved import SavedRule
from pipeline.snapshots.cuts import Plan
from pipeline.snapshots.dtypes import Column, parse, product
from pipeline.snapshots.errors import SnapshotInvalid

VERSION = 1
MAGIC = b"tidegauge-snapshot"
FIRST_LINE_MAX = 100
MANIFEST_BYTES_MAX = 64_000_000
BLOCK_BYTES_MIN, BLOCK_BYTES_MAX = 1_024, 1_048_576
Digest = str  # blake2b of 128 bits, hex


class Block(msgspec.Struct, frozen=True, array_like=True):
    """Bytes of the snapshot: `size` of them at position `at` of file number `file`."""

    file: int
    at: int
    size: int
    digest: Digest


class File(msgspec.Struct, frozen=True, array_like=True):
    """Where blocks lie: a pack in a folder, a writer's slots in a topic. size: bytes, 0 where it has no meaning."""

    name: str
    size: int


class ArrayInfo(msgspec.Struct, frozen=True):
    """One array. slow: see SavedShard."""

    name: str
    columns: tuple[Column, ...]
    shape: list[int]
    slow: int | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        return parse(self.columns)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`blocks`: those of the series' words, then those of each array, in the order of `arrays`."""

    topic: str
    partition: int
    next_offset: int
    generation: int
    made_at: str
    config_hash: str
    config_text: str
    tombstones: dict[str, float]
    newest_t: float | None  # None: no point yet
    rules: list[SavedRule]
    series: int
    series_bytes: int
    arrays: list[ArrayInfo]
    block_bytes: int
    files: list[File]
    blocks: list[Block]
    topic_id: str = ""  # older snapshots have none
    controls: SavedControls = SavedControls()  # nor these

    @property
    def bytes_total(self) -> int:
        return sum(block.size for block in self.blocks)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Manifest)


def digest(data: bytes | memoryview) -> Digest:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def encode_manifest(manifest: Manifest) -> bytes:
    """Raises SnapshotInvalid for what would not be read again: nobody shall rely on it."""
    _check_names(manifest)
    body = _encoder.encode(manifest)
    return b"%s/%d %s %d\n" % (MAGIC, VERSION, digest(body).encode(), len(body)) + body


def decode_manifest(data: bytes, topic: str | None, partition: int, bytes_max: int) -> Manifest:
    """A manifest whose claims fit together, and are this partition's (any, without `topic`). Raises SnapshotInvalid."""
    manifest = _read(data)
    if topic is not None and (manifest.topic, manifest.partition) != (topic, partition):
        raise SnapshotInvalid(f"it is of {manifest.topic[:249]}/{manifest.partition}, not of {topic}/{partition}")
    _check(manifest, bytes_max)
    return manifest


def plans(manifest: Manifest) -> list[tuple[ArrayInfo, Plan]]:
    """How the series' words (first, with the empty name) and each array are cut."""
    words = ArrayInfo("", (Column("", "|u1"),), [manifest.series_bytes])
    return [
        (info, Plan(tuple(info.shape), info.dtype.itemsize, info.slow, manifest.block_bytes))
        for info in (words, *manifest.arrays)
    ]


def _read(data: bytes) -> Manifest:
    end = data.find(b"\n", 0, FIRST_LINE_MAX)
    words = data[: max(end, 0)].split(b" ")
    name, _, version = words[0].partition(b"/")
    if name != MAGIC or not version.isdigit():
        raise SnapshotInvalid("it is no manifest, or its first line is damaged")
    if int(version) != VERSION:
        raise SnapshotInvalid(f"its format is version {int(version)}, this program reads version {VERSION}")
    body = data[end + 1 :]
    if len(words) != 3 or not words[2].isdigit() or int(words[2]) != len(body):
        raise SnapshotInvalid("it is cut off, or its first line is damaged")
    if digest(body).encode() != words[1]:
        raise SnapshotInvalid("its checksum is wrong")
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotInvalid(f"it is not as a manifest must be: {error}") from None


def _check(manifest: Manifest, bytes_max: int) -> None:
    if manifest.partition < 0 or manifest.next_offset < 0:
        raise SnapshotInvalid(f"partition {manifest.partition}, next offset {manifest.next_offset}")
    if not BLOCK_BYTES_MIN <= manifest.block_bytes <= BLOCK_BYTES_MAX:
        raise SnapshotInvalid(f"blocks of {manifest.block_bytes} bytes")
    if not 0 <= manifest.series <= manifest.series_bytes:
        raise SnapshotInvalid(f"{manifest.series} series in {manifest.series_bytes} bytes")
    _check_sizes(manifest, bytes_max)
    _check_names(manifest)
    _check_blocks(manifest)


def _check_sizes(manifest: Manifest, bytes_max: int) -> None:
    size = manifest.series_bytes
    for info in manifest.arrays:
        size += product(info.shape) * info.dtype.itemsize
        if info.slow is not None and not 1 <= info.slow < len(info.shape):
            raise SnapshotInvalid(f"array {info.name[:100]!r} has no axis {info.slow}")
    if size > bytes_max:
        raise SnapshotInvalid(f"it needs {size:,} bytes, {bytes_max:,} are allowed")


def _check_names(manifest: Manifest) -> None:
    """Every array is of the series, or of a rule that is there, and as long as the others of it."""
    rows: dict[str, int] = {"": manifest.series}
    seen: set[str] = set()
    for info in manifest.arrays:
        rule = info.name.partition(".")[0] if "." in info.name else ""
        if info.name in seen or not info.shape:
            raise SnapshotInvalid(f"array {info.name[:100]!r} is there twice, or has no shape")
        if rows.setdefault(rule, info.shape[0]) != info.shape[0]:
            raise SnapshotInvalid(f"array {info.name[:100]!r} has {info.shape[0]} rows where {rows[rule]} must be")
        seen.add(info.name)


def _check_blocks(manifest: Manifest) -> None:
    at = 0
    for info, plan in plans(manifest):
        for cut in plan.cuts():
            if at >= len(manifest.blocks):
                raise SnapshotInvalid(f"it has {at} blocks, and none for the rest of {info.name[:100]!r}")
            block = manifest.blocks[at]
            at += 1
            if block.size != cut.size:
                raise SnapshotInvalid(f"block {at - 1} has {block.size} bytes where {cut.size} must be")
            _check_place(manifest, block)
    if at != len(manifest.blocks):
        raise SnapshotInvalid(f"it has {len(manifest.blocks)} blocks where {at} must be")


def _check_place(manifest: Manifest, block: Block) -> None:
    if not 0 <= block.file < len(manifest.files) or block.at < 0:
        raise SnapshotInvalid(f"a block lies at {block.at} of file number {block.file}")
    size = manifest.files[block.file].size
    if size and block.at + block.size > size:
        raise SnapshotInvalid(f"a block lies beyond the end of {manifest.files[block.file].name[:100]!r}")
