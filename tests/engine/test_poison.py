"""A record that crashes the worker does so twice, then it is a dead letter and the worker lives."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from pipeline.keeper import Keeper
from pipeline.outside import Bounds, Commit
from pipeline.partition import TP, Outcome, Partition, Record
from pipeline.poison import CrashNotes
from pipeline.snapshots.folder import FolderStore
from schemas.alert import AlertEvent
from schemas.control import Control
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

    async def earliest(self, tp: TP) -> int:
        return 0

    async def commit(self, commits: Mapping[TP, Commit], generation: int) -> bool:
        self.offset = commits[WHERE].offset
        return True

    async def is_member(self, generation: int) -> bool:
        return True

    async def in_thread(self, work: Callable[[], T]) -> T:
        return work()

    def end(self, tp: TP) -> int | None:
        return 1_000

    async def caught_up(self, tp: TP, next_offset: int) -> bool:
        return False

    async def controls(self, whole: bool) -> Sequence[Control]:
        return ()

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
    assert not list((tmp_path / "crashes").glob("*.crash"))


DIES = """
import os, sys
from pathlib import Path
from pipeline.partition import TP
from pipeline.poison import CrashNotes
from tests.engine.test_poison import Message

notes, where = CrashNotes(Path(sys.argv[1])), TP("metrics", 0)
records = [Message(i, b"") for i in range(int(sys.argv[2]), int(sys.argv[3]))]
for piece in [records] if notes.suspects(where, records) is None else [[record] for record in records]:
    if notes.is_poison(where, piece[0]):
        print(piece[0].offset)
        continue
    notes.begins(where, piece)
    if any(record.offset == 5 for record in piece):
        os.abort()
    notes.ends(where)
"""


def test_a_record_at_which_the_process_dies_without_a_word_is_quarantined_after_two_deaths_at_it(
    tmp_path: Path,
) -> None:
    def life(first: int, last: int) -> tuple[int, str]:
        asked = [sys.executable, "-c", DIES, str(tmp_path), str(first), str(last)]
        ended = subprocess.run(asked, capture_output=True, text=True, timeout=60)
        return ended.returncode, ended.stdout.strip()

    # The first batch only says where to look.
    assert [life(0, 10) for _ in range(4)] == [(-signal.SIGABRT, "")] * 3 + [(0, "5")]


def test_a_process_that_is_killed_again_and_again_within_batches_loses_no_record(tmp_path: Path) -> None:
    for first, last in [(3, 9), (3, 9), (0, 20), (4, 8)]:
        CrashNotes(tmp_path).begins(WHERE, [Message(first, b""), Message(last, b"")])
        notes = CrashNotes(tmp_path)
        assert notes.suspects(WHERE, [Message(last, b"")]) is not None
        assert not any(notes.is_poison(WHERE, Message(offset, b"")) for offset in range(21))


def test_a_worker_that_is_still_at_work_elsewhere_did_not_die_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("os.getpid", os.getppid)
        CrashNotes(tmp_path).begins(WHERE, [Message(3, b"")])
    assert CrashNotes(tmp_path).suspects(WHERE, [Message(3, b"")]) is None


def test_a_crash_that_does_not_come_again_leaves_no_trace(tmp_path: Path) -> None:
    notes = CrashNotes(tmp_path)
    notes.crashed(WHERE, [Message(3, b""), Message(9, b"")])
    again = CrashNotes(tmp_path)
    assert again.suspects(WHERE, [Message(10, b"")]) is None
    assert again.suspects(WHERE, [Message(9, b"")]) is not None
    assert not again.is_poison(WHERE, Message(9, b""))
    again.passed(WHERE)
    assert CrashNotes(tmp_path).suspects(WHERE, [Message(9, b"")]) is None
