"""Reading the alerts topic: the database says from where, whatever Kafka thinks; nothing in a record stops it."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from structlog.testing import capture_logs

from pipeline.desk import alerts, feed, intake
from pipeline.desk.database import Database
from pipeline.desk.feed import Feed
from pipeline.desk.intake import Span
from schemas.alert import encode_alert
from tests.desk.scene import START_S, TOPIC, desk, event

TP = TopicPartition(TOPIC, 0)


class Record:
    """What the feed uses of a record."""

    topic, partition = TP

    def __init__(self, offset: int, value: bytes | None) -> None:
        self.offset, self.value = offset, value


class Broker:
    """One partition; its consumer first gives what a group's committed offset would lead to, as the real one may."""

    def __init__(self, values: Sequence[bytes | None], first: int = 0) -> None:
        self.records = [Record(first + n, value) for n, value in enumerate(values)]
        self.first = first
        self.position = first
        self.committed: dict[TopicPartition, OffsetAndMetadata] = {}
        self.before_poll: list[Callable[[], None]] = []
        self.listener: Any = None

    def __call__(self, **settings: object) -> "Broker":
        assert settings["enable_auto_commit"] is False
        return self

    @property
    def end(self) -> int:
        return self.first + len(self.records)

    def subscribe(self, topics: Sequence[str], listener: Any) -> None:
        assert topics == [TOPIC]
        self.listener = listener
        listener.on_partitions_assigned([TP])

    def poll(self, timeout_ms: float, max_records: int) -> dict[TopicPartition, list[Record]]:
        if self.before_poll:
            self.before_poll.pop(0)()
        found = [one for one in self.records if one.offset >= self.position][:max_records]
        if not found:
            time.sleep(0.005)
            return {}
        self.position = found[-1].offset + 1
        return {TP: found}

    def assignment(self) -> set[TopicPartition]:
        return {TP}

    def beginning_offsets(self, tps: object) -> dict[TopicPartition, int]:
        return {TP: self.first}

    def end_offsets(self, tps: object) -> dict[TopicPartition, int]:
        return {TP: self.end}

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.position = offset

    def highwater(self, tp: TopicPartition) -> int:
        return self.end

    def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata], timeout_ms: float) -> None:
        self.committed.update(offsets)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def read(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Broker], Feed]]:
    """Reads until the broker's end."""
    started: list[Feed] = []
    monkeypatch.setattr(feed, "reachable", lambda *rest: True)
    monkeypatch.setattr(feed, "_AGAIN_AFTER_S", 0.01)

    def to_the_end(broker: Broker) -> Feed:
        monkeypatch.setattr(feed, "KafkaConsumer", broker)
        one = Feed(db, desk(), "broker:9092", TOPIC, "group", lambda: START_S)
        started.append(one)
        one.start()
        deadline_s = time.monotonic() + 20
        while db.read(partial(intake.offset, topic=TOPIC, partition=0)) != broker.end:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        one.stop()
        assert one.join(10)
        return one

    yield to_the_end
    for one in started:
        one.stop()
        one.join(10)


def firing(db: Database) -> list[str]:
    return sorted(alert.labels["series"] for alert in db.read(alerts.firing))


def test_it_reads_everything_and_tells_kafka_how_far_it_is(db: Database, read: Callable[[Broker], Feed]) -> None:
    broker = Broker([encode_alert(event(name)) for name in "abc"])
    one = read(broker)
    assert firing(db) == ["a", "b", "c"]
    assert broker.committed[TP].offset == 3
    assert (one.progress.counts["records"], one.progress.counts["new"]) == (3, 3)
    assert one.progress.lag == {f"{TOPIC}[0]": 0}
    assert not one.is_catching_up


def test_it_goes_on_where_the_database_is_not_where_kafka_thinks(db: Database, read: Callable[[Broker], Feed]) -> None:
    db.write(partial(intake.take, events=[event("a")], offsets={(TOPIC, 0): Span(0, 1)}, desk=desk(), now_s=START_S))
    broker = Broker([encode_alert(event(name)) for name in "xbc"])
    broker.position = 2  # as if this had been committed
    one = read(broker)
    assert firing(db) == ["a", "b", "c"]
    assert one.progress.counts["doubles"] == 0


def test_what_is_no_alert_event_is_counted_told_with_its_place_and_left_out(
    db: Database, read: Callable[[Broker], Feed]
) -> None:
    poison = encode_alert(event("poison")).replace(b'"starts_at":"20', b'"starts_at":"no date 20')
    values = [encode_alert(event("a")), None, b"{}", b"\xff", poison, encode_alert(event("b"))]
    with capture_logs() as logs:
        one = read(Broker(values))
    assert firing(db) == ["a", "b"]
    assert one.progress.counts["unreadable"] >= 4
    told = {entry["offset"] for entry in logs if entry["event"].startswith("a record is no alert event")}
    assert told == {1, 2, 3, 4}


def test_a_desk_that_was_taken_for_dead_follows_the_one_that_went_on(
    db: Database, read: Callable[[Broker], Feed]
) -> None:
    broker = Broker([encode_alert(event(name)) for name in "abcd"])

    def another_reads_two() -> None:
        span = {(TOPIC, 0): Span(0, 2)}
        batch = [event("a"), event("b")]
        db.write(partial(intake.take, events=batch, offsets=span, desk=desk(), now_s=START_S))

    broker.before_poll = [lambda: None, another_reads_two]
    one = read(broker)
    assert firing(db) == ["a", "b", "c", "d"]
    assert one.progress.counts["doubles"] == 0


@pytest.mark.parametrize(
    ("known", "first", "what"),
    [(100, 0, "the topic was made anew"), (3, 10, "records were deleted before they were read")],
)
def test_a_topic_that_is_not_what_was_read_is_read_from_its_beginning_and_said(
    db: Database, read: Callable[[Broker], Feed], known: int, first: int, what: str
) -> None:
    db.write(partial(intake.set_offset, topic=TOPIC, partition=0, next_=known))
    with capture_logs() as logs:
        read(Broker([encode_alert(event(name)) for name in "ab"], first))
    assert firing(db) == ["a", "b"]
    assert [entry["was"] for entry in logs if entry["event"].startswith(what)] == [known]


def test_it_survives_what_kafka_and_the_database_throw_at_it(
    db: Database, read: Callable[[Broker], Feed], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker([encode_alert(event(name)) for name in "ab"])
    troubles: Iterator[Exception] = chain([KafkaError("gone"), OSError("reset"), RuntimeError("ours")])

    def trouble() -> None:
        raise next(troubles)

    broker.before_poll = [trouble, trouble, trouble]
    read(broker)
    assert firing(db) == ["a", "b"]


def test_until_it_knows_what_is_history_nobody_should_be_told(db: Database) -> None:
    now_s = START_S
    one = Feed(db, desk(), "broker:9092", TOPIC, "group", lambda: now_s)
    assert one.is_catching_up
    now_s += feed.FIRST_ASSIGNMENT_MAX_S
    assert not one.is_catching_up
