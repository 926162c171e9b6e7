"""A compacted topic partition in memory; of producers that die on their way a prefix arrives, soon or late."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

Message = tuple[bytes, bytes | None]


class Record(NamedTuple):
    offset: int
    key: bytes
    value: bytes | None


class Log:
    """Stands in for KafkaLog. fail: told number and name of each step, returns what that step raises, or None."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.fail: Callable[[int, str], BaseException | None] = lambda *_: None
        self.steps = 0
        self.records: list[Record] = []
        self.end = 0
        self.on_the_way: list[list[Message]] = []  # of producers that are gone

    def read(self, place: Callable[[int], int]) -> Iterator[Record]:
        end, at = self.end, 0
        while record := next((one for one in self.records if at <= one.offset < end), None):
            yield record
            at = record.offset + 1
            if self.rng.random() < 0.02:
                self.compact()

    @contextmanager
    def writing(self, place: Callable[[int], int]) -> Iterator["Writing"]:
        writing = Writing(self)
        try:
            yield writing
        except BaseException:
            arrived = self.rng.randrange(len(writing.pending) + 1)
            self.append(writing.pending[:arrived])
            late = writing.pending[arrived : self.rng.randrange(arrived, len(writing.pending) + 1)]
            self.on_the_way.append(late)
            raise

    def append(self, messages: list[Message]) -> None:
        for key, value in messages:
            self.records.append(Record(self.end, key, value))
            self.end += 1

    def arrive_late(self) -> None:
        if self.on_the_way:
            self.append(self.on_the_way.pop(0))

    def compact(self) -> None:
        """Older records of a key go, from the beginning up to anywhere; what removes a key stays for its time."""
        newest = {record.key: record.offset for record in self.records}
        upto = self.rng.randrange(self.end + 1)
        self.records = [one for one in self.records if one.offset >= upto or newest[one.key] == one.offset]

    def step(self, name: str) -> None:
        self.steps += 1
        failure = self.fail(self.steps, name)
        if failure is not None:
            raise failure


class Writing:
    def __init__(self, log: Log) -> None:
        self._log = log
        self.pending: list[Message] = []
        self.first_offset = self.last_offset = -1

    def send(self, key: bytes, value: bytes | None) -> None:
        self._log.step("send")
        self.pending.append((key, value))

    def flush(self) -> None:
        """What was sent is durable; whether the producer hears of it is another matter."""
        self._log.step("flush")
        if self.pending:
            if self.first_offset < 0:
                self.first_offset = self._log.end
            self._log.append(self.pending)
            self.pending = []
            self.last_offset = self._log.end - 1
        self._log.step("flushed")
