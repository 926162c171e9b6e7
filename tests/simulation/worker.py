"""A worker process: the real keeper and store, and around them what Faust does; it ends where the world says so."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipeline.keeper import Keeper
from pipeline.outside import Bounds, Commit
from pipeline.partition import TP
from pipeline.snapshots.errors import StoreError
from pipeline.snapshots.folder import FolderStore
from pipeline.snapshots.format import Snapshot
from pipeline.snapshots.store import Saved
from schemas.alert import AlertEvent, encode_alert
from schemas.config import Config
from schemas.control import Control
from schemas.dead_letter import DeadLetter, encode_dead_letter
from tests.simulation.broker import Broker, Record, Send
from tests.simulation.disk import Disk, Fs, Killed
from tests.simulation.loop import Loop, pause
from tests.simulation.streams import alert_key, letter_key, must_be_finite

T = TypeVar("T")


class ProducerFailed(Exception):
    """A send was not acknowledged."""


class Chance(Protocol):
    """What may go wrong at a step; the world answers by its seed."""

    def at(self, worker: "Worker", step: str) -> None:
        """Raises Killed where the process ends here."""

    def happens(self, fault: str) -> bool: ...
    def check_commits(self) -> None: ...


class CheckedStore(FolderStore):
    """Nothing that is not finite is ever saved."""

    def save(self, snapshot: Snapshot) -> Saved:
        must_be_finite(snapshot.saved)
        return super().save(snapshot)


class Worker:
    """Tasks as the application runs them: one agent, a checkpoint, a tick, and a rebalance in two halves."""

    def __init__(
        self, name: str, made: Config, broker: Broker, disk: Disk, chance: Chance, keeper: type[Keeper] = Keeper
    ) -> None:
        self.name, self.broker, self.chance = name, broker, chance
        self.alive, self.paused = True, False
        self.generation = 0  # of the consumer: what commits say
        self.positions: dict[TP, int] = {}
        self.queue: deque[tuple[int, TP, list[Record]]] = deque()
        self.pending: list[Send] = []  # sent and not acknowledged
        self.loop = Loop()
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self._told = 0  # of the control topic
        store = CheckedStore(Path("/snapshots"), "group", Fs(disk, self._step), read_again_after_s=(0.0,))
        store._writer = name  # a random one would make a trace differ from run to run
        self.keeper = keeper(made, self, store)

    # What the world has it do ----------------------------------------------------------------------------------------

    def start(self, kind: str, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """False: it is still at work of that kind."""
        if not self.alive or kind in self.tasks:
            return False
        self.tasks[kind] = self.loop.start(work())
        return True

    def finished(self) -> list[tuple[str, BaseException | None]]:
        """Tasks that ended since the last call, and how."""
        ended = [(kind, task) for kind, task in self.tasks.items() if task.done()]
        for kind, _ in ended:
            del self.tasks[kind]
        return [(kind, task.exception()) for kind, task in ended]

    def fetch(self, tp: TP, first: int, count: int) -> None:
        """Records come from the broker; those of an older generation are passed over when their turn comes."""
        records = self.broker.records[tp][first : min(first + count, self.broker.end(tp))]
        if (
            records and first >= self.broker.earliest[tp]
        ):  # one that slept for longer than Kafka keeps gets nothing here
            self.queue.append((self.generation, tp, records))
            self.positions[tp] = max(self.positions[tp], records[-1].offset + 1)

    async def agent(self) -> None:
        while self.queue:
            generation, tp, records = self.queue.popleft()
            if generation == self.generation:  # checked and handed over without a pause, as in the application
                before = self.keeper.partitions.get(tp)
                offset = before.next_offset if before else 0
                await self.keeper.take(tp, records)
                if before and before.next_offset < offset:
                    raise AssertionError(f"{tp}: applied up to {offset}, and now only up to {before.next_offset}")

    async def revoke(self) -> None:
        await self.keeper.revoked()
        self._step("join")
        self.positions.clear()  # fetching stops
        self.broker.group.joined.add(self.name)
        self.broker.group.rebalancing = True

    async def assign(self) -> None:
        group = self.broker.group
        self.generation = group.generation
        mine = {tp for tp, owner in group.owner.items() if owner == self.name}
        positions = await self.keeper.assigned(mine, self.generation)
        self._step("seek")
        self.positions = dict(positions)

    def die(self) -> None:
        """Sends that were not acknowledged may have arrived, or may yet, or twice."""
        self.alive = False
        self.loop.kill()
        for send in self.pending:
            if self.chance.happens("lost"):
                continue
            if self.chance.happens("delayed"):
                self.broker.delayed.append(send)
                continue
            self.broker.append(send)
            if self.chance.happens("doubled"):
                self.broker.append(send)
        self.pending.clear()

    # What the keeper has of the outside ------------------------------------------------------------------------------

    async def bounds(self, tps: set[TP]) -> Mapping[TP, Bounds]:
        await self._pause("bounds")
        found = {tp: self.broker.bounds(tp) for tp in tps}
        await self._pause("bounds known")
        return found

    async def publish(self, alerts: Sequence[AlertEvent], dead_letters: Sequence[DeadLetter]) -> None:
        sends = []
        for event in alerts:
            sends.append(Send("alerts", alert_key(event), encode_alert(event)))
            sends.append(Send("state", (event.fingerprint,), encode_alert(event)))
        sends += [Send("dead-letters", letter_key(letter), encode_dead_letter(letter)) for letter in dead_letters]
        if sends:
            await self._pause("publish")
        for send in sends:
            self._step("send")
            self.pending.append(send)
            if len(sends) > 1:
                await pause()

    async def bury(self, fingerprints: Sequence[str]) -> None:
        await self._pause("bury")
        self.pending += [Send("state", (fingerprint,), None) for fingerprint in fingerprints]

    async def flush(self) -> None:
        """Acknowledged one after the other, in the order of sending, whoever waits for it."""
        upto = self.pending[-1] if self.pending else None
        await self._pause("flush")
        while upto is not None and any(send is upto for send in self.pending):
            if self.chance.happens("producer fails"):
                raise ProducerFailed
            self.acknowledge_one()
            if self.chance.happens("slow flush"):
                await self._pause("flush goes on")
        await self._pause("flushed")

    def acknowledge_one(self) -> None:
        if self.pending:
            self.broker.append(self.pending.pop(0))

    async def earliest(self, tp: TP) -> int:
        await self._pause("earliest")
        return self.broker.earliest[tp]

    async def is_member(self, generation: int) -> bool:
        await self._pause("member?")
        answer = self.broker.group.has(self.name, generation)
        await self._pause("member")
        return answer

    async def commit(self, commits: Mapping[TP, Commit], generation: int) -> bool:
        await self._pause("commit")
        if self.chance.happens("commit refused"):
            self.broker.group.rebalancing = True  # why a coordinator refuses
            return False
        accepted = self.broker.group.commit(self.name, generation, commits)
        self.chance.check_commits()
        await self._pause("committed" if accepted else "fenced")
        return accepted

    async def in_thread(self, work: Callable[[], T]) -> T:
        await self._pause("thread")
        result = work()
        await self._pause("thread done")
        return result

    async def controls(self, whole: bool) -> Sequence[Control]:
        await self._pause("controls")
        there = [control for at_s, control in self.broker.controls if at_s <= self.broker.now_s]
        new, self._told = there[self._told :], len(there)
        await self._pause("controls known")
        return new

    def end(self, tp: TP) -> int | None:
        return self.broker.end(tp)

    async def caught_up(self, tp: TP, next_offset: int) -> bool:
        await self._pause("caught up?")
        answer = self.broker.end(tp) <= next_offset
        await self._pause("caught up")
        return answer

    def now_s(self) -> float:
        return NOW_S + self.broker.now_s

    def monotonic_s(self) -> float:
        return self.broker.now_s

    async def _pause(self, step: str) -> None:
        self._step(step)
        await pause()

    def _step(self, step: str) -> None:
        if not self.alive:
            raise Killed
        self.chance.at(self, step)


NOW_S = 4e9
"""Unix seconds at which a simulation starts: after every event, since a partition's clock never runs ahead of it."""

EXPECTED_ENDS = (Killed, ProducerFailed, StoreError, OSError)
"""What may end a worker without that being a bug: its supervisor starts it again."""
