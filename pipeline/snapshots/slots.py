"""Keys of the snapshot topic: who may write which, and which are still in use."""

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from pipeline.snapshots.errors import SnapshotInvalid
from pipeline.snapshots.manifest import Digest, Manifest
from pipeline.snapshots.store import KEEP

Slot = tuple[str, int]  # of which writer, and its number
HEADS = KEEP + 1


class Key(msgspec.Struct, frozen=True, array_like=True):
    """Of a record: whose it is, and which slot of which writer. Heads have slots of their own."""

    group: str
    topic: str
    partition: int
    kind: Literal["head", "block"]
    writer: str
    slot: int

    @classmethod
    def of(cls, data: bytes | None) -> "Key | None":
        """None where the record isn't ours."""
        try:
            return _keys.decode(data or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def __bytes__(self) -> bytes:
        return msgspec.json.encode(self)


class Head(msgspec.Struct, frozen=True):
    """The last record of a snapshot: the parts of its manifest as writer, slot, bytes, checksum."""

    next_offset: int
    parts: list[tuple[str, int, int, Digest]]

    @classmethod
    def of(cls, data: bytes) -> "Head":
        try:
            return _heads.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SnapshotInvalid(f"its head is not as it must be: {error}") from None


_keys, _heads = msgspec.json.Decoder(Key), msgspec.json.Decoder(Head)


@dataclass(frozen=True)
class Held:
    """A snapshot that is in the topic: its head's key, and the slots of its blocks and of its manifest's parts."""

    key: Key
    next_offset: int
    slots: frozenset[Slot]


def slots_of(manifest: Manifest, head: Head) -> frozenset[Slot]:
    blocks = {(manifest.files[block.file].name, block.at) for block in manifest.blocks}
    return frozenset(blocks | {(writer, slot) for writer, slot, _, _ in head.parts})


@dataclass
class Slots:
    """What one store knows of one partition's keys: by having read them all, and written since."""

    held: list[Held] = field(default_factory=list)
    newest: Manifest | None = None  # whose blocks are known to be right
    foreign: set[Key] = field(default_factory=set)  # of other writers
    own: set[Key] = field(default_factory=set)
    writer: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    end: int = 0  # offset up to which the topic is known

    def free_blocks(self) -> Iterator[int]:
        """Own slots that no snapshot uses, the lowest first, without end."""
        taken = {slot for held in self.held for writer, slot in held.slots if writer == self.writer}
        return (slot for slot in itertools.count() if slot not in taken)

    def free_head(self) -> int:
        taken = {held.key.slot for held in self.held if held.key.writer == self.writer}
        return min(set(range(HEADS)) - taken)

    def change_writer(self) -> None:
        """After a failure: what is still on its way may arrive later, and must not meet slots that are in use."""
        self.foreign |= self.own
        self.own = set()
        self.writer = uuid.uuid4().hex[:12]

    def keep_newest(self, new: Held) -> list[Key]:
        """Takes in a new snapshot; returns the keys that nothing needs any more, heads first.

        The newest three stay, and the new one, which may be behind those of a worker that went on.
        """
        held = sorted([*self.held, new], key=lambda held: -held.next_offset)
        self.held = held[:KEEP] if new in held[:KEEP] else [*held[: KEEP - 1], new]
        heads = {one.key for one in self.held}
        used = {slot for one in self.held for slot in one.slots}
        gone = {
            key
            for key in self.foreign | {one.key for one in held}
            if (key not in heads if key.kind == "head" else (key.writer, key.slot) not in used)
        }
        self.foreign -= gone
        self.own -= gone
        return sorted(gone, key=lambda key: (key.kind != "head", key.writer, key.slot))
