"""When the desk takes what it reads for history still: an assignment, then the records behind it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition

from pipeline.desk import feed
from pipeline.desk.database import Database
from pipeline.desk.feed import Feed
from tests.desk.scene import START_S, TOPIC, desk

TP = TopicPartition(TOPIC, 0)


class Consumer:
    """Gives what kafka-python gives: an empty assignment first, and the real one, if any, at poll number `real_at`."""

    def __init__(self, reader: "Reader") -> None:
        self._reader = reader
        self._listener: Any = None
        self._assigned: set[TopicPartition] = set()

    def subscribe(self, topics: list[str], listener: Any) -> None:
        self._listener = listener

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        seen = self._reader.seen
        seen.append(self._reader.feed.is_catching_up)
        if len(seen) == 1:
            self._listener.on_partitions_assigned([])
        if len(seen) == self._reader.real_at:
            self._assigned = {TP}
            self._listener.on_partitions_assigned([TP])
        if len(seen) == 8:
            self._reader.feed.stop()
        return {}

    def assignment(self) -> set[TopicPartition]:
        return self._assigned

    def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 0)

    def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, self._reader.records)

    def seek(self, tp: TopicPartition, place: int) -> None: ...

    def commit(self, offsets: object, timeout_ms: int) -> None: ...

    def close(self) -> None: ...


class Reader:
    """seen: at each poll, whether the feed was catching up."""

    def __init__(self, folder: Path, real_at: int, records: int) -> None:
        self.seen: list[bool] = []
        self.real_at, self.records = real_at, records
        self.db = Database.open(f"sqlite:///{folder / 'desk.db'}")
        self.feed = Feed(self.db, desk(), "127.0.0.1:1", TOPIC, "group", lambda: START_S)

    def run(self, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
        monkeypatch.setattr(feed, "reachable", lambda *_: True)
        monkeypatch.setattr(feed, "KafkaConsumer", lambda **_: Consumer(self))
        self.feed.start()
        assert self.feed.join(20)
        self.db.close()
        return self.seen


def test_the_empty_assignment_that_comes_first_is_not_the_end_of_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Reader(tmp_path, real_at=3, records=5).run(monkeypatch) == [True] * 8


def test_without_history_it_is_caught_up_as_soon_as_it_is_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Reader(tmp_path, real_at=3, records=0).run(monkeypatch) == [True] * 3 + [False] * 5


def test_one_that_is_given_nothing_at_all_waits_no_longer_than_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Reader(tmp_path, real_at=0, records=0).run(monkeypatch)
    assert seen == [True] * feed._EMPTY_POLLS + [False] * (8 - feed._EMPTY_POLLS)
