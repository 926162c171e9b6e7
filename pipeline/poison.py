"""An event that crashes the worker must not do so for ever: the second crash at one offset quarantines it.

What is remembered between two lives of a worker is two small files a partition: where it crashed and how often; and
where it is at work right now, in memory that outlives the process, for crashes that leave no time to write anything
(a segfault, the kernel's out-of-memory killer). After a crash somewhere in a batch, its records are taken one by one,
which finds the one. A process may be killed from outside wherever it is: so where nothing was written, a whole batch
says only where to look, and it takes two deaths at the very same record.
"""

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import structlog

from pipeline.partition import TP, Outcome, Partition, Record

log = structlog.get_logger(__name__)

CRASHES_MAX = 2
_AT_WORK = struct.Struct("<qqq")  # process, first and last offset; first below 0: at rest


class Crash(msgspec.Struct, frozen=True):
    """A crash among the records `first`..`last`."""

    first: int
    last: int
    times: int


class CrashNotes:
    """The notes of one worker's partitions, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[TP, Crash | None] = {}  # what the files say, so that no batch waits for the disk
        self._at_work: dict[TP, mmap.mmap] = {}

    def begins(self, tp: TP, records: Sequence[Record]) -> None:
        """These are applied now. A microsecond."""
        self._read(tp)
        at_work = self._at_work.get(tp)
        if at_work is None:
            at_work = self._at_work[tp] = self._map(tp)
        _AT_WORK.pack_into(at_work, 0, os.getpid(), records[0].offset, records[-1].offset)

    def ends(self, tp: TP) -> None:
        """They are applied."""
        _AT_WORK.pack_into(self._at_work[tp], 0, os.getpid(), -1, -1)

    def suspects(self, tp: TP, records: Sequence[Record]) -> Crash | None:
        """The crash that some of these records may have caused."""
        crash = self._read(tp)
        if crash is None or not records or records[-1].offset < crash.first or records[0].offset > crash.last:
            return None
        return crash

    def is_poison(self, tp: TP, record: Record) -> bool:
        crash = self._read(tp)
        return crash is not None and crash.first == crash.last == record.offset and crash.times >= CRASHES_MAX

    def crashed(self, tp: TP, records: Sequence[Record]) -> None:
        """Remember it; a narrower place than before counts on, another one starts anew."""
        first, last = records[0].offset, records[-1].offset
        before = self._read(tp)
        within = before is not None and before.first <= first and last <= before.last
        self._write(tp, Crash(first, last, before.times + 1 if before is not None and within else 1))

    def _write(self, tp: TP, crash: Crash) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._path(tp).with_suffix(".tmp")
        new.write_bytes(msgspec.json.encode(crash))
        new.replace(self._path(tp))
        self._known[tp] = crash

    def passed(self, tp: TP) -> None:
        """All suspects are behind us."""
        self._path(tp).unlink(missing_ok=True)
        self._known[tp] = None

    def _read(self, tp: TP) -> Crash | None:
        if tp not in self._known:
            try:
                self._known[tp] = msgspec.json.decode(self._path(tp).read_bytes(), type=Crash)
            except (FileNotFoundError, msgspec.DecodeError):
                self._known[tp] = None
            self._look_for_a_death(tp)
        return self._known[tp]

    def _look_for_a_death(self, tp: TP) -> None:
        """Of the process that had this partition before, in the middle of its work."""
        path = self._path(tp).with_suffix(".now")
        try:
            process, first, last = _AT_WORK.unpack(path.read_bytes())
        except (FileNotFoundError, struct.error):
            return
        if first < 0 or _lives(process):
            return
        before, crash = self._known[tp], Crash(first, last, 1)
        if before is not None and before.first == before.last == first == last:
            crash = Crash(first, last, before.times + 1)
        self._write(tp, crash)
        path.write_bytes(_AT_WORK.pack(0, -1, -1))

    def _map(self, tp: TP) -> mmap.mmap:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(tp).with_suffix(".now")
        path.write_bytes(_AT_WORK.pack(0, -1, -1))
        with path.open("r+b") as file:
            return mmap.mmap(file.fileno(), _AT_WORK.size)

    def _path(self, tp: TP) -> Path:
        return self._folder / f"{tp.topic}-{tp.partition}.crash"


def process(partition: Partition, records: Sequence[Record], notes: CrashNotes | None) -> Iterator[Outcome]:
    """All at once; one by one where a crash is remembered, and without the one that crashes again and again.

    Raises what applying them raised: then the process ends, and nothing of it is saved or committed.
    """
    if notes is None:
        partition.whole = False
        yield partition.process(records)
        return
    tp = TP(partition.topic, partition.partition)
    crash = notes.suspects(tp, records)
    for piece in [records] if crash is None else [[record] for record in records]:
        partition.whole = False
        if crash and notes.is_poison(tp, piece[0]):
            where = {"topic": tp.topic, "partition": tp.partition, "offset": piece[0].offset}
            log.error("record is quarantined: it crashed this worker twice", **where)
            yield partition.quarantine(piece[0])
            continue
        notes.begins(tp, piece)
        try:
            outcome = partition.process(piece)
        except Exception:
            notes.crashed(tp, piece)
            raise
        finally:
            notes.ends(tp)
        yield outcome
    if crash and records[-1].offset >= crash.last:
        notes.passed(tp)


def _lives(process: int) -> bool:
    """In a container every worker may have the same number: that of ours is of an earlier life."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
