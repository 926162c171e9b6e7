"""Reads a topic into the database, in a thread of its own; survives Kafka and the database being away.

Where to read on stands in the database, moved by the same transaction as the events. Kafka is told too, for tools that
show a group's lag, but never asked. A desk that was taken for dead and reads on finds the offset moved, and starts
again from there.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec
import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from pipeline.broker.probe import reachable
from pipeline.desk import intake
from pipeline.desk.database import Database, passes
from pipeline.desk.intake import OffsetMoved, Partition, Span
from schemas.alert import AlertEvent, decode_alert
from schemas.desk import Desk

if TYPE_CHECKING:
    from kafka import ConsumerRecord

log = structlog.get_logger(__name__)
T = TypeVar("T")

RECORDS_MAX = 500  # of one transaction: it must not keep the API's own waiting
CATCH_UP_MAX_S = 120.0
FIRST_ASSIGNMENT_MAX_S = 20.0  # a group that lost a member without a word waits for its session to end
COMMIT_EVERY_S = 5.0
SESSION_TIMEOUT_MS = 10_000
_EMPTY_POLLS = 4  # of half a second: the first assignment is empty where the client doesn't know the topic yet
_AGAIN_AFTER_S = 2.0
_COMPLAIN_EVERY_S = 60.0


class Taken(Protocol):
    """What became of a batch."""

    @property
    def new(self) -> int: ...

    @property
    def doubles(self) -> int: ...


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What a topic holds, and where it goes. what: a name for one of them. read: raises ValueError where a record isn't
    one. take: in one transaction, with the offsets; raises OffsetMoved.
    """

    what: str
    read: "Callable[[ConsumerRecord], T]"
    take: Callable[[Connection, Sequence[T], Mapping[Partition, Span], Desk, float], Taken]


ALERTS: Reading[AlertEvent] = Reading("alert event", lambda record: decode_alert(record.value or b""), intake.take)


@dataclass
class Progress:
    """What was read, since this process started. Written by the feed's thread, read by anyone."""

    counts: Counter[str] = field(default_factory=Counter)  # records, new, doubles, late, unreadable
    lag: dict[str, int] = field(default_factory=dict)  # `topic[partition]` -> records not yet read
    is_connected: bool = False

    def add(self, taken: Taken) -> None:
        self.counts.update(new=taken.new, doubles=taken.doubles, late=getattr(taken, "late", 0))


class TopicFeed(Generic[T]):
    """`start` and `stop` from any thread. on_new: called after a batch that changed something."""

    def __init__(
        self,
        db: Database,
        desk: Desk,
        bootstrap: str,
        topic: str,
        group: str,
        now: Callable[[], float],
        on_new: Callable[[], None],
        reading: Reading[T],
    ) -> None:
        self._db, self._desk, self._now, self._on_new = db, desk, now, on_new
        self._bootstrap, self._topic, self._group, self._reading = bootstrap, topic, group, reading
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._assigned = _Assigned()
        self._is_placed = False  # whether it knows what it has to read, be it nothing
        self._next: dict[TopicPartition, int] = {}
        self._behind: dict[TopicPartition, int] = {}  # where the partition ended when we began to read it
        self._catch_up_until_s = now() + FIRST_ASSIGNMENT_MAX_S
        self._committed_s = self._complain_s = 0.0
        self.progress = Progress()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_catching_up(self) -> bool:
        """Whether what it reads is history still. Telling meanwhile would tell of what has long been over."""
        return (bool(self._behind) or not self._is_placed) and self._now() < self._catch_up_until_s

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read()
            except (KafkaError, OSError, SQLAlchemyError) as error:
                log.warning("reading failed: trying again", topic=self._topic, error=" ".join(str(error).split())[:300])
            except Exception:
                log.exception("reading failed: trying again", topic=self._topic)
            self.progress.is_connected = False
            self._stopping.wait(_AGAIN_AFTER_S)

    def _read(self) -> None:
        if not reachable(self._bootstrap, 2.0):  # the client leaks its sockets where it finds nobody
            if self._now() >= self._complain_s:
                self._complain_s = self._now() + _COMPLAIN_EVERY_S
                log.warning("Kafka does not answer: trying again", bootstrap=self._bootstrap)
            return
        self._next.clear()
        consumer = KafkaConsumer(
            bootstrap_servers=self._bootstrap.split(","),
            group_id=self._group,
            client_id="tidegauge-desk",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,  # whoever writes it knows how it must be
            metadata_max_age_ms=10_000,  # how soon a topic that was missing is seen
            session_timeout_ms=SESSION_TIMEOUT_MS,
            max_poll_records=RECORDS_MAX,
        )
        with closing(consumer):
            consumer.subscribe([self._topic], listener=self._assigned)
            self.progress.is_connected = True
            log.info("reading", topic=self._topic, group=self._group, bootstrap=self._bootstrap)
            empty = 0
            while not self._stopping.is_set():
                polled = consumer.poll(timeout_ms=500, max_records=RECORDS_MAX)
                # What was polled of a partition before its place was set came from wherever Kafka thought we were.
                fresh = self._assigned.take() & consumer.assignment()
                self._place(consumer, fresh)
                empty = 0 if consumer.assignment() else empty + 1
                if self._next or (self._assigned.ever and empty >= _EMPTY_POLLS):
                    self._is_placed = True
                for tp, records in polled.items():
                    if tp not in fresh and tp in self._next:
                        self._take(consumer, tp, records)
                self._commit(consumer)
            self._commit(consumer, at_once=True)

    def _place(self, consumer: KafkaConsumer, fresh: set[TopicPartition]) -> None:
        """Reads on from where the database is."""
        if not fresh:
            return
        first, end = consumer.beginning_offsets(fresh), consumer.end_offsets(fresh)
        for tp in sorted(fresh):
            known = self._db.read(partial(intake.offset, topic=tp.topic, partition=tp.partition))
            place = first[tp] if known is None else known
            if known is not None and not first[tp] <= known <= end[tp]:
                place = first[tp]
                what = "the topic was made anew" if known > end[tp] else "records were deleted before they were read"
                log.error(f"{what}: reading from its beginning", topic=tp.topic, partition=tp.partition, was=known)
                self._db.write(partial(intake.set_offset, topic=tp.topic, partition=tp.partition, next_=place))
            consumer.seek(tp, place)
            self._next[tp] = place
            if place < end[tp]:
                self._behind[tp] = end[tp]
        self._catch_up_until_s = self._now() + CATCH_UP_MAX_S

    def _take(self, consumer: KafkaConsumer, tp: TopicPartition, records: "Sequence[ConsumerRecord]") -> None:
        records = [record for record in records if record.offset >= self._next[tp]]
        if not records:
            return
        try:
            self._apply(tp, records)
        except OffsetMoved as moved:
            log.warning("another desk has read on: following it", why=str(moved))
            self._assigned.again([tp])
            return
        end = self._next[tp]
        if end >= self._behind.get(tp, 0):
            self._behind.pop(tp, None)
        self.progress.lag[f"{tp.topic}[{tp.partition}]"] = max(0, (consumer.highwater(tp) or end) - end)

    def _apply(self, tp: TopicPartition, records: "Sequence[ConsumerRecord]") -> None:
        """In one transaction; one by one where something in it can't be taken, which then is left out."""
        events = [event for record in records if (event := self._event(record)) is not None]
        span = Span(self._next[tp], records[-1].offset + 1)
        try:
            taken = self._db.write(lambda conn: self._reading.take(conn, events, {tp: span}, self._desk, self._now()))
        except OffsetMoved:
            raise
        except Exception as error:
            if passes(error):
                raise
            if len(records) > 1:
                for record in records:
                    self._apply(tp, [record])
                return
            self._skip(records[0], error)
            taken = self._db.write(lambda conn: self._reading.take(conn, [], {tp: span}, self._desk, self._now()))
        self._next[tp] = span.next
        self.progress.counts["records"] += len(records)
        self.progress.add(taken)
        if taken.new:
            self._on_new()

    def _event(self, record: "ConsumerRecord") -> T | None:
        try:
            return self._reading.read(record)
        except (msgspec.MsgspecError, ValueError) as error:
            self._skip(record, error)
            return None

    def _skip(self, record: "ConsumerRecord", error: Exception) -> None:
        self.progress.counts["unreadable"] += 1
        log.error(
            f"a record is no {self._reading.what} and is left out",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=" ".join(str(error).split())[:300],
        )

    def _commit(self, consumer: KafkaConsumer, at_once: bool = False) -> None:
        """So that tools see the lag; nothing of ours depends on it."""
        now_s = self._now()
        if not self._next or (now_s - self._committed_s < COMMIT_EVERY_S and not at_once):
            return
        self._committed_s = now_s
        mine = consumer.assignment()
        try:
            consumer.commit(
                {tp: OffsetAndMetadata(place, "", -1) for tp, place in self._next.items() if tp in mine},
                timeout_ms=2_000,
            )
        except KafkaError as error:
            log.debug("Kafka was not told how far the desk has read", error=str(error))


class Feed(TopicFeed[AlertEvent]):
    """The alerts topic."""

    def __init__(
        self,
        db: Database,
        desk: Desk,
        bootstrap: str,
        topic: str,
        group: str,
        now: Callable[[], float],
        on_new: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(db, desk, bootstrap, topic, group, now, on_new, ALERTS)


class _Assigned(ConsumerRebalanceListener):
    """Partitions that were given to us and not yet placed. Called on the consumer's own thread, so it only notes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[TopicPartition] = set()
        self.ever = False

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        with self._lock:
            self._waiting |= set(assigned)
            self.ever = True

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        with self._lock:
            self._waiting -= set(revoked)

    def again(self, tps: Iterable[TopicPartition]) -> None:
        with self._lock:
            self._waiting |= set(tps)

    def take(self) -> set[TopicPartition]:
        with self._lock:
            taken, self._waiting = self._waiting, set()
        return taken
