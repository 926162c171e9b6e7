"""A record that crashes the worker does so twice, then it is a dead letter and the worker lives."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from pipeline.keeper import Bounds, Keeper
from pipeline.partition import TP, Outcome, Partition, Record
from pipeline.poison import CrashNotes
from pipeline.snapshots.folder import FolderStore
from schemas.alert import AlertEvent
from schemas.dead_letter import DeadLetter
from tests.engine.streams import config

T = TypeVar("T")
WHERE = TP("metrics", 0)


@dataclass
class Message:
    offset: int
    value: bytes | None
    timestamp: int = 1_795_412_000_000


@dataclass
class Quiet:
    """A Kafka in which nothing happens but what is handed over."""

    letters: list[DeadLetter] = field(default_factory=list)
    offset: int | None = None

    async def bounds(self, tps: set[TP]) -> Mapping[TP, Bounds]:
        return {tp: Bounds(self.offset, 0, 1_000) for tp in tps}

    async def publish(self, alerts: Sequence[AlertEvent], dead_letters: Sequence[DeadLetter]) -> None:
        self.letters += dead_letters

    async def bury(self, fingerprints: Sequence[str]) -> None: ...
    async def flush(self) -> None: ...

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        self.offset = offsets[WHERE]
        return True

    async def in_thread(self, work: Callable[[], T]) -> T:
        return work()

    def end(self, tp: TP) -> int | None:
        return 1_000

    async def caught_up(self, tp: TP, next_offset: int) -> bool:
        return False

    def now_s(self) -> float:
        return 0.0

    def monotonic_s(self) -> float:
        return 0.0


def test_the_second_crash_at_one_offset_quarantines_it_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[int] = []
    process = Partition.process

    def fragile(self: Partition, records: Sequence[Record]) -> Outcome:
        if any(record.value is not None and b"poison" in record.value for record in records):
            raise RuntimeError("a bug of ours")
        applied.extend(record.offset for record in records)
        return process(self, records)

    monkeypatch.setattr(Partition, "process", fragile)
    records = [
        Message(
            i, b'{"metric": "m", "timestamp": %d, "value": 1%s}' % (1_795_412_000 + i, b', "x": "poison"' * (i == 5))
        )
        for i in range(10)
    ]
    kafka = Quiet()

    async def life() -> bool:
        """One process from its start on; whether it got through."""
        store = FolderStore(tmp_path / "state", "g")
        keeper = Keeper(config(), kafka, store, CrashNotes(tmp_path / "crashes"))
        start = (await keeper.assigned({WHERE}, 1))[WHERE]
        applied.clear()
        try:
            await keeper.take(WHERE, records[start:])
        except RuntimeError:
            return False
        await keeper.checkpoint()
        assert keeper.totals().rejected == {"poison": 1}
        return True

    assert [asyncio.run(life()) for _ in range(3)] == [False, False, True]
    assert applied == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert [(letter.offset, letter.reason) for letter in kafka.letters] == [(5, "poison")]
    assert kafka.offset == 10
    assert not list((tmp_path / "crashes").iterdir())


def test_a_crash_that_does_not_come_again_leaves_no_trace(tmp_path: Path) -> None:
    notes = CrashNotes(tmp_path)
    notes.crashed(WHERE, [Message(3, b""), Message(9, b"")])
    again = CrashNotes(tmp_path)
    assert again.suspects(WHERE, [Message(10, b"")]) is None
    assert again.suspects(WHERE, [Message(9, b"")]) is not None
    assert not again.is_poison(WHERE, Message(9, b""))
    again.passed(WHERE)
    assert CrashNotes(tmp_path).suspects(WHERE, [Message(9, b"")]) is None
