"""An event that crashes the worker must not do so for ever: the second crash at one offset quarantines it.

What is remembered between two lives of a worker is one small file a partition: where it crashed, and how often. After
a crash somewhere in a batch, its records are taken one by one, which finds the one.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from pipeline.partition import TP, Record

CRASHES_MAX = 2


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
        times = before.times + 1 if before is not None and within else 1
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._path(tp).with_suffix(".tmp")
        new.write_bytes(msgspec.json.encode(Crash(first, last, times)))
        new.replace(self._path(tp))
        self._known.pop(tp, None)

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
        return self._known[tp]

    def _path(self, tp: TP) -> Path:
        return self._folder / f"{tp.topic}-{tp.partition}.crash"
