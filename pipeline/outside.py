"""What the keeper needs of Kafka and of the machine: the seam at which the simulation puts others in their place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pipeline.partition import TP
from schemas.alert import AlertEvent
from schemas.control import Control
from schemas.dead_letter import DeadLetter

T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """Offsets of one partition: committed by the group (None: never), earliest kept, and the one after its newest.

    note: that the group committed beside its offset; topic_id: tells a topic from one of the same name that was there
    before, empty where Kafka doesn't say; partitions: of the topic.
    """

    committed: int | None
    earliest: int
    end: int
    note: str = ""
    topic_id: str = ""
    partitions: int = 1


@dataclass(frozen=True)
class Commit:
    """What the group is to know of a partition."""

    offset: int
    note: str = ""


class Outside(Protocol):
    """Whatever raises ends the process with nothing committed."""

    async def bounds(self, tps: set[TP]) -> Mapping[TP, Bounds]: ...
    async def earliest(self, tp: TP) -> int:
        """The first offset that Kafka still has."""

    async def publish(self, alerts: Sequence[AlertEvent], dead_letters: Sequence[DeadLetter]) -> None:
        """Hand to the producer, in order."""

    async def bury(self, fingerprints: Sequence[str]) -> None:
        """Remove resolved alerts from the state topic."""

    async def flush(self) -> None:
        """Returns when all that was handed to the producer is acknowledged."""

    async def commit(self, commits: Mapping[TP, Commit], generation: int) -> bool:
        """All or none. False: another worker has, or may have, at least one of the partitions."""

    async def is_member(self, generation: int) -> bool:
        """Whether Kafka still counts this worker to the group as it was then; asks until there is an answer."""

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Blocking work, while the event loop goes on."""

    def end(self, tp: TP) -> int | None:
        """Offset after the partition's newest record, as the newest fetch told; None: not known."""

    async def caught_up(self, tp: TP, next_offset: int) -> bool:
        """Whether nothing is left in Kafka from `next_offset` on."""

    async def controls(self, whole: bool) -> Sequence[Control]:
        """Those of the control topic that were not told of yet: that have come; with `whole`, up to its end now."""

    def now_s(self) -> float:
        """Unix seconds: when a resolved alert leaves the state topic, and what event times may not run ahead of."""

    def monotonic_s(self) -> float: ...
