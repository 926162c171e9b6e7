"""What a worker has counted."""

from collections import Counter
from dataclasses import dataclass, field

from pipeline.partition import Partition


@dataclass
class Totals:
    """Counts since the worker started, of partitions that have left too; each has its metric."""

    bytes: int = 0
    redelivered: int = 0
    shard: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, partition: Partition) -> None:
        self.bytes += partition.bytes
        self.redelivered += partition.redelivered
        self.shard.update(partition.shard.counts)
        self.rejected.update(partition.rejected)
        self.skipped.update(partition.skipped)
