"""Snapshots in a compacted Kafka topic: a partition moves to another machine with its state.

Every input partition has its place in one partition of the snapshot topic. A save writes the blocks that are not there
yet, then the manifest in parts, waits for Kafka's word, then writes a head that names the parts. A block's key is a
slot, which is written again once none of the newest three snapshots uses it; so compaction leaves at most the blocks of
four. Slots carry the name of their writer: a worker that doesn't know yet that it lost the partition writes into slots
of its own. What other writers left is removed when no snapshot uses it any more.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import msgspec

from pipeline.snapshots.errors import SnapshotInvalid, StoreError
from pipeline.snapshots.format import BLOCK_BYTES, Piece, Place, Snapshot, decode, encode
from pipeline.snapshots.kafka_log import KafkaLog, Writing
from pipeline.snapshots.manifest import (
    MANIFEST_BYTES_MAX,
    Block,
    Manifest,
    decode_manifest,
    digest,
    encode_manifest,
)
from pipeline.snapshots.slots import HEADS, Head, Held, Key, Slots, slots_of
from pipeline.snapshots.store import SNAPSHOT_BYTES_MAX, Loaded, Saved

TOPIC_SETTINGS: Final = {
    "cleanup.policy": "compact",
    "segment.bytes": "67108864",  # only closed segments are compacted: small ones keep loading short
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": "3600000",  # must outlast a load, which reads from the beginning
}
"""What the topic must be like: with `cleanup.policy=delete`, state would vanish unseen."""

VALUE_BYTES_MAX = 524_288
Who = tuple[str, int]  # topic and partition
Values = Mapping[Key, bytes]


class TopicStore:
    """Calls block, and run an event loop of their own: not to be called from a coroutine.

    place: (topic, partition, partitions of the snapshot topic) -> its partition there; client: settings that aiokafka's
    consumer and producer share, such as security; timeout_s: of any one wait for Kafka.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        place: Callable[[str, int, int], int] | None = None,
        client: dict[str, object] | None = None,
        bytes_max: int = SNAPSHOT_BYTES_MAX,
        block_bytes: int = BLOCK_BYTES,
        timeout_s: float = 60.0,
    ) -> None:
        if block_bytes > VALUE_BYTES_MAX:
            raise ValueError(f"block_bytes: at most {VALUE_BYTES_MAX:,}, got {block_bytes:,}")
        self._log = KafkaLog(bootstrap, topic, client or {}, timeout_s)
        self._group, self._place = group, place or _same_number
        self._bytes_max, self._block_bytes = bytes_max, block_bytes
        self._slots: dict[Who, Slots] = {}

    def save(self, snapshot: Snapshot) -> Saved:
        started_s = time.perf_counter()
        who = (snapshot.topic, snapshot.partition)
        if who not in self._slots:
            self._read(who)
        slots = self._slots[who]
        try:
            with self._log.writing(partial(self._place, *who)) as writing:
                saved = self._write(snapshot, slots, writing, started_s)
        except BaseException:
            slots.change_writer()
            raise
        if writing.first_offset < slots.end:
            # What this save did not write again is gone with the old topic.
            del self._slots[who]
            raise StoreError(f"the snapshot topic was made anew: offset {writing.first_offset} came after {slots.end}")
        slots.end = writing.last_offset + 1
        return saved

    def load(self, topic: str, partition: int) -> Loaded:
        who = (topic, partition)
        values = self._read(who)
        slots = self._slots[who]
        problems: list[str] = []
        for key, head in _heads(values):
            try:
                if isinstance(head, SnapshotInvalid):
                    raise head
                manifest = self._manifest(values, key, head)
                snapshot = decode(manifest, partial(self._fetch, values, who, manifest))
            except SnapshotInvalid as error:
                problems.append(f"snapshot {key.writer}/{key.slot} is refused: {error}")
                slots.held = [held for held in slots.held if held.key != key]
            except MemoryError:
                raise StoreError(f"snapshot {key.writer}/{key.slot} can't be read: not enough memory") from None
            else:
                slots.newest = manifest
                return Loaded(snapshot, problems)
        return Loaded(None, problems)

    def discard(self, topic: str, partition: int) -> None:
        """Heads go first: a crash on the way leaves blocks, never a snapshot without its blocks."""
        who = (topic, partition)
        values = self._read(who)
        del self._slots[who]
        with self._log.writing(partial(self._place, *who)) as writing:
            for kind in ("head", "block"):
                for key in values:
                    if key.kind == kind:
                        writing.send(bytes(key), None)
                writing.flush()

    def close(self) -> None:
        """Nothing is held open."""

    def _write(self, snapshot: Snapshot, slots: Slots, writing: Writing, started_s: float) -> Saved:
        who = (snapshot.topic, snapshot.partition)
        there = {}
        if slots.newest is not None:
            files = slots.newest.files
            there = {block.digest: Place(files[block.file].name, block.at) for block in slots.newest.blocks}
        free = slots.free_blocks()
        blocks_written = bytes_written = 0

        def put(data: memoryview) -> Place:
            nonlocal bytes_written
            key = Key(self._group, *who, "block", slots.writer, next(free))
            slots.own.add(key)
            writing.send(bytes(key), bytes(data))
            bytes_written += len(data)
            return Place(key.writer, key.slot)

        def keep(piece: Piece) -> Place:
            nonlocal blocks_written
            place = there.get(piece.digest)
            if place is None:
                place = there[piece.digest] = put(piece.data)
                blocks_written += 1
            return place

        manifest = encode(snapshot, keep, block_bytes=self._block_bytes)
        data = encode_manifest(manifest)
        if len(data) > MANIFEST_BYTES_MAX:
            raise StoreError(f"a manifest of {len(data):,} bytes, at most {MANIFEST_BYTES_MAX:,} are read again")
        parts = []
        for at in range(0, len(data), VALUE_BYTES_MAX):
            part = memoryview(data)[at : at + VALUE_BYTES_MAX]
            place = put(part)
            parts.append((place.file, place.at, len(part), digest(part)))
        writing.flush()
        key = Key(self._group, *who, "head", slots.writer, slots.free_head())
        head = Head(snapshot.next_offset, parts)
        slots.own.add(key)
        writing.send(bytes(key), msgspec.json.encode(head))
        writing.flush()
        for gone in slots.keep_newest(Held(key, snapshot.next_offset, slots_of(manifest, head))):
            writing.send(bytes(gone), None)
        writing.flush()
        slots.newest = manifest
        seconds = time.perf_counter() - started_s
        return Saved(bytes_written, manifest.bytes_total, blocks_written, len(manifest.blocks), seconds)

    def _read(self, who: Who) -> Values:
        """The newest value of each key of this partition, and what follows from them for the next save."""
        values: dict[Key, bytes] = {}
        size = 0
        slots = self._slots[who] = Slots()
        for record in self._log.read(partial(self._place, *who)):
            slots.end = record.offset + 1
            key = Key.of(record.key)
            if key is None or (key.group, key.topic, key.partition) != (self._group, *who):
                continue
            size -= len(values.pop(key, b""))
            if record.value is not None:
                values[key] = record.value
                size += len(record.value)
                if size > HEADS * self._bytes_max:
                    raise StoreError(f"the snapshots of {who[0]}/{who[1]} take more than {size:,} bytes")
        slots.foreign = set(values)
        for key, head in _heads(values):
            if isinstance(head, Head):
                try:
                    slots.held.append(Held(key, head.next_offset, slots_of(self._manifest(values, key, head), head)))
                except SnapshotInvalid:
                    continue  # `load` says so; the next save removes it
        return values

    def _manifest(self, values: Values, key: Key, head: Head) -> Manifest:
        data = bytearray()
        for writer, slot, size, expected in head.parts:
            part = values.get(Key(key.group, key.topic, key.partition, "block", writer, slot), b"")
            if len(part) != size or digest(part) != expected:
                raise SnapshotInvalid("a part of its manifest is missing, or another's")
            data += part
        manifest = decode_manifest(bytes(data), key.topic, key.partition, self._bytes_max)
        if manifest.next_offset != head.next_offset:
            raise SnapshotInvalid(f"it ends at offset {manifest.next_offset}, not where its head says")
        return manifest

    def _fetch(self, values: Values, who: Who, manifest: Manifest, block: Block, into: memoryview) -> None:
        value = values.get(Key(self._group, *who, "block", manifest.files[block.file].name, block.at), b"")
        if len(value) != len(into):
            raise SnapshotInvalid("a block is missing, or another's")
        into[:] = value


def _heads(values: Values) -> list[tuple[Key, Head | SnapshotInvalid]]:
    """Newest first; those that can't be read before all, so that they are told of."""
    heads: list[tuple[Key, Head | SnapshotInvalid]] = []
    for key, value in values.items():
        if key.kind == "head":
            try:
                heads.append((key, Head.of(value)))
            except SnapshotInvalid as error:
                heads.append((key, error))
    heads.reverse()  # of two at one offset, the one that was written last
    return sorted(heads, key=lambda item: -item[1].next_offset if isinstance(item[1], Head) else float("-inf"))


def _same_number(topic: str, partition: int, count: int) -> int:
    """Partition 3 into partition 3: of whichever input topic, since few groups have several."""
    return partition % count
