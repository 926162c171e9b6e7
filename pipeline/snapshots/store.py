"""What a store of snapshots does, wherever it keeps them. All calls block; the caller runs them in a thread."""

from dataclasses import dataclass, field
from typing import Protocol

from pipeline.snapshots.format import Snapshot

KEEP = 3
"""Snapshots of a partition that stay: the newest, and two to fall back to."""
SNAPSHOT_BYTES_MAX = 8 * 2**30
"""Memory that a snapshot may ask for when it is loaded, unless the store is told otherwise."""


@dataclass(frozen=True)
class Saved:
    """What a save cost. `blocks_total`, `bytes_total`: of the snapshot; written: what was not there before."""

    bytes_written: int
    bytes_total: int
    blocks_written: int
    blocks_total: int
    seconds: float


@dataclass(frozen=True)
class Loaded:
    """The newest snapshot that holds, or none, and a sentence for each newer one that was refused."""

    snapshot: Snapshot | None
    problems: list[str] = field(default_factory=list)


class Store(Protocol):
    """Snapshots of the partitions of one consumer group."""

    def save(self, snapshot: Snapshot) -> Saved:
        """Durable when it returns. Raises OSError or StoreError; then what was kept before is as it was."""
        ...

    def load(self, topic: str, partition: int) -> Loaded:
        """Never raises for damage, which checksums and format tell. Raises StoreError for what can't be read now."""
        ...

    def discard(self, topic: str, partition: int) -> None:
        """Forgets all of a partition. Raises OSError or StoreError."""
        ...

    def close(self) -> None: ...
