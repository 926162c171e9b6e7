"""What Faust doesn't pass on of aiokafka's consumer group: notes beside committed offsets, and whether we are in it.

Everything runs in the thread of Faust's consumer. Semi-private: tests/live/test_group.py fails when something moves.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar, cast

from aiokafka import TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.structs import OffsetAndMetadata

from pipeline.outside import Commit
from pipeline.partition import TP
from pipeline.transport import Consumer

T = TypeVar("T")
_AGAIN_AFTER_S = 0.1


class Group:
    """The group that one consumer is in."""

    def __init__(self, consumer: Consumer) -> None:
        self._thread: Any = consumer._thread

    async def committed(self, tps: set[TP]) -> Mapping[TP, Commit]:
        """Of those that the group ever committed."""
        theirs = [TopicPartition(*tp) for tp in tps]
        found = await self._run(self._coordinator.fetch_committed_offsets(theirs))
        return {TP(*tp): Commit(one.offset, one.metadata or "") for tp, one in found.items()}

    async def commit(self, commits: Mapping[TP, Commit], generation: int) -> bool:
        """False: not ours any more. Raises KafkaError for all else that asking again doesn't mend."""
        return await self._run(self._commit(commits, generation))

    async def is_member(self, generation: int) -> bool:
        """Kafka's word on it; asks until there is one."""
        return await self._run(self._is_member(generation))

    async def _commit(self, commits: Mapping[TP, Commit], generation: int) -> bool:
        if self._coordinator.generation != generation:
            return False  # without a generation Kafka takes commits from anybody, as long as the group is empty
        offsets = {TopicPartition(*tp): OffsetAndMetadata(one.offset, one.note) for tp, one in commits.items()}
        try:
            await self._thread._ensure_consumer().commit(offsets)
        except (CommitFailedError, IllegalStateError):
            return False
        return True

    async def _is_member(self, generation: int) -> bool:
        coordinator = self._coordinator
        while coordinator.generation == generation:
            await coordinator.ensure_coordinator_known()
            try:
                told = await coordinator._send_req(
                    HeartbeatRequest(coordinator.group_id, generation, coordinator.member_id)
                )
            except KafkaError:
                pass
            else:
                error = for_code(told.error_code)
                if not told.error_code or error is RebalanceInProgressError:
                    return True
                if error in (IllegalGenerationError, UnknownMemberIdError):
                    return False
                coordinator.coordinator_dead()
            await asyncio.sleep(_AGAIN_AFTER_S)
        return False

    @property
    def _coordinator(self) -> Any:
        return self._thread._ensure_consumer()._coordinator

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        async def wait() -> T:
            return await work

        return cast(T, await self._thread.call_thread(wait))
