"""A snapshot as manifest and blocks, and back. No I/O: a store says where blocks are kept, and fetches them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from pipeline.saved import SavedShard
from pipeline.snapshots.checks import check_meaning
from pipeline.snapshots.cuts import Array, Plan, Sink, pieces
from pipeline.snapshots.dtypes import describe
from pipeline.snapshots.errors import SnapshotInvalid
from pipeline.snapshots.manifest import ArrayInfo, Block, Digest, File, Manifest, digest, plans
from schemas.metric import Labels

BLOCK_BYTES = 262_144
SERIES_AT_ONCE = 500  # in one call, which holds the GIL: a fifth of a millisecond


@dataclass(frozen=True)
class Snapshot:
    """The state of one partition up to `next_offset`, the first offset that is not in it.

    generation: of the consumer group, for people; config_hash, config_text: of all rules, that made the state;
    tombstones: fingerprint -> Unix s at which a resolved alert leaves alerts-state; made_at: RFC 3339;
    topic_id: Kafka's own, which a topic made anew under the old name doesn't share; empty where it wasn't known.
    """

    topic: str
    partition: int
    next_offset: int
    generation: int
    config_hash: str
    config_text: str
    saved: SavedShard
    tombstones: dict[str, float]
    made_at: str
    topic_id: str = ""


@dataclass(frozen=True)
class Piece:
    """Bytes of a snapshot. steady: likely the same in the next one."""

    data: memoryview
    digest: Digest
    steady: bool


@dataclass(frozen=True)
class Place:
    """Where a store keeps a piece: at position `at` of `file`."""

    file: str
    at: int


def encode(
    snapshot: Snapshot,
    keep: Callable[[Piece], Place],
    size_of: Callable[[str], int] = lambda _: 0,
    block_bytes: int = BLOCK_BYTES,
) -> Manifest:
    """Hands every piece to `keep`, one at a time. size_of: of each file that `keep` named, once all are kept.

    Holds the GIL for no longer than it takes to encode a few hundred series' names.
    """
    saved = snapshot.saved
    files: dict[str, int] = {}
    blocks: list[Block] = []

    def take(data: memoryview, steady: bool) -> None:
        piece = Piece(data, digest(data), steady)
        place = keep(piece)
        blocks.append(Block(files.setdefault(place.file, len(files)), place.at, len(data), piece.digest))

    series_bytes = 0
    for words in _words(saved.series, block_bytes):
        series_bytes += len(words)
        take(words, True)
    infos = []
    for name, array in saved.arrays.items():
        info = ArrayInfo(name, describe(array.dtype), list(array.shape), saved.slow.get(name))
        infos.append(info)
        for data in pieces(array, Plan(array.shape, array.dtype.itemsize, info.slow, block_bytes)):
            take(data, info.slow is not None)
    return Manifest(
        topic=snapshot.topic,
        partition=snapshot.partition,
        next_offset=snapshot.next_offset,
        generation=snapshot.generation,
        made_at=snapshot.made_at,
        topic_id=snapshot.topic_id,
        config_hash=snapshot.config_hash,
        config_text=snapshot.config_text,
        tombstones=snapshot.tombstones,
        controls=saved.controls,
        newest_t=saved.newest_t if np.isfinite(saved.newest_t) else None,
        rules=saved.rules,
        series=len(saved.series),
        series_bytes=series_bytes,
        arrays=infos,
        block_bytes=block_bytes,
        files=[File(name, size_of(name)) for name in files],
        blocks=blocks,
    )


def decode(manifest: Manifest, fetch: Callable[[Block, memoryview], None]) -> Snapshot:
    """The snapshot of a manifest that `decode_manifest` passed. fetch: fills the memory with the bytes of a block.

    Raises SnapshotInvalid, and what `fetch` raises.
    """
    blocks = iter(manifest.blocks)
    arrays: dict[str, Array] = {}
    for info, plan in plans(manifest):
        sink = Sink(info.dtype, plan)
        for cut, block in zip(plan.cuts(), blocks, strict=False):
            data = sink.buffer(cut)
            fetch(block, data)
            if digest(data) != block.digest:
                raise SnapshotInvalid(f"the checksum of a block of {info.name or 'the series'} is wrong")
            sink.place(cut, data)
        arrays[info.name] = sink.array
    saved = SavedShard(
        series=_series(arrays.pop("").tobytes(), manifest.series),
        newest_t=float("-inf") if manifest.newest_t is None else manifest.newest_t,
        rules=manifest.rules,
        arrays=arrays,
        slow={info.name: info.slow for info in manifest.arrays if info.slow is not None},
        controls=manifest.controls,
    )
    check_meaning(saved)
    return Snapshot(
        topic=manifest.topic,
        partition=manifest.partition,
        next_offset=manifest.next_offset,
        generation=manifest.generation,
        config_hash=manifest.config_hash,
        config_text=manifest.config_text,
        saved=saved,
        tombstones=manifest.tombstones,
        made_at=manifest.made_at,
        topic_id=manifest.topic_id,
    )


_Entry = tuple[str, Labels]
_encoder = msgspec.json.Encoder()
_entries = msgspec.json.Decoder(_Entry)


def _words(series: list[_Entry], block_bytes: int) -> Iterator[memoryview]:
    """A line a series, cut at fixed bytes: series are only ever added, so that all but the last block stay."""
    rest = bytearray()
    for first in range(0, len(series), SERIES_AT_ONCE):
        rest += _encoder.encode_lines(series[first : first + SERIES_AT_ONCE])
        at = 0
        while len(rest) - at >= block_bytes:
            yield memoryview(bytes(rest[at : at + block_bytes]))
            at += block_bytes
        del rest[:at]
    if rest:
        yield memoryview(bytes(rest))


def _series(data: bytes, count: int) -> list[_Entry]:
    lines = data.split(b"\n")
    if lines.pop() != b"" or len(lines) != count:
        raise SnapshotInvalid(f"it names {len(lines)} series where {count} must be")
    series: list[_Entry] = []
    known: set[_Entry] = set()
    try:
        for first in range(0, count, SERIES_AT_ONCE):
            some = [_entries.decode(line) for line in lines[first : first + SERIES_AT_ONCE]]
            series += some
            known.update(some)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotInvalid(f"a series is not as it must be: {error}") from None
    if len(known) < count:
        raise SnapshotInvalid("it names a series twice")
    return series
