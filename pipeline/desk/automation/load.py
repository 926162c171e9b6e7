"""What the workers told last of the watched series: in memory, read anew from the compacted topic by each desk."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from incidents.remedies.load import Load, Track
from pipeline.broker.probe import reachable
from schemas.load import LoadError, LoadRecord, decode_load
from schemas.metric import Series
from schemas.selector import Selector

if TYPE_CHECKING:
    from kafka import ConsumerRecord

log = structlog.get_logger(__name__)

SERIES_MAX = 100_000
FORGOTTEN_AFTER_S = 86_400.0
"""A series of which nothing was told for so long is gone."""
_AGAIN_AFTER_S = 5.0
_POLL_MS = 500
_PARTITIONS_EVERY_S = 60.0
_COMPLAIN_EVERY_S = 300.0


class Loads:
    """Thread-safe. counts: records taken, unreadable, and of series beyond the bound."""

    def __init__(self) -> None:
        self._tracks: dict[Series, Track] = {}
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def take(self, record: LoadRecord) -> None:
        series = record.series
        with self._lock:
            known = self._tracks.get(series)
            if known is None:
                if len(self._tracks) >= SERIES_MAX:
                    self.counts["beyond_bound"] += 1
                    return
                known = Track(series, (), ())
            self._tracks[series] = known.then(record.t, record.v)
            self.counts["taken"] += 1

    def forget(self, before_s: float) -> None:
        """Series whose newest point is older than that (event time, Unix seconds)."""
        with self._lock:
            self._tracks = {series: track for series, track in self._tracks.items() if track.times_s[-1] >= before_s}

    def value(self, series: Series) -> Load | None:
        """None: not watched, or nothing was told of it yet."""
        track = self._tracks.get(series)
        return None if track is None else track.load()

    def values(self, selector: Selector) -> dict[Series, Load]:
        """Of all watched series that match."""
        with self._lock:
            found = [track for series, track in self._tracks.items() if selector.matches(series)]
        return {track.series: track.load() for track in found}

    def of_alert(self, labels: Mapping[str, str]) -> Load | None:
        """Of the series that an alert is about: its metric, and as many of the alert's labels as any series has.

        The alert has its rule's labels too. None: the series is not watched.
        """
        with self._lock:
            found = [
                track
                for series, track in self._tracks.items()
                if series.metric == labels.get("metric")
                and all(labels.get(name) == text for name, text in series.labels)
            ]
        return max(found, key=lambda track: len(track.series.labels)).load() if found else None

    def __len__(self) -> int:
        return len(self._tracks)


class LoadFeed:
    """`start` and `stop` from any thread. Nothing waits for it: what isn't there yet is no data."""

    def __init__(self, bootstrap: str, topic: str, loads: Loads, now: Callable[[], float]) -> None:
        self._bootstrap, self._topic, self._loads, self._now = bootstrap, topic, loads, now
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._complain_s = 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read()
            except (KafkaError, OSError) as error:
                self._complain(" ".join(str(error).split())[:300])
            except Exception:
                log.exception("reading load failed: trying again")
            self._stopping.wait(_AGAIN_AFTER_S)

    def _read(self) -> None:
        if not reachable(self._bootstrap, 2.0):  # the client leaks its sockets where it finds nobody
            self._complain("no answer")
            return
        consumer = KafkaConsumer(
            bootstrap_servers=self._bootstrap.split(","),
            client_id="tidegauge-desk-load",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
        )
        with closing(consumer):
            looked_s = float("-inf")
            while not self._stopping.is_set():
                if self._now() >= looked_s + _PARTITIONS_EVERY_S:
                    looked_s = self._now()
                    if not self._assign(consumer):
                        self._complain(
                            f"there is no topic {self._topic}; the first worker that watches something makes it"
                        )
                        return
                    self._loads.forget(self._now() - FORGOTTEN_AFTER_S)
                for records in consumer.poll(timeout_ms=_POLL_MS).values():
                    for record in records:
                        self._take(record)

    def _assign(self, consumer: KafkaConsumer) -> bool:
        partitions = consumer.partitions_for_topic(self._topic) or set()
        wanted = {TopicPartition(self._topic, partition) for partition in partitions}
        new = wanted - consumer.assignment()
        if new:
            places = {tp: consumer.position(tp) for tp in consumer.assignment()}
            consumer.assign(sorted(wanted))
            for tp, place in places.items():
                consumer.seek(tp, place)
            consumer.seek_to_beginning(*new)
        return bool(wanted)

    def _take(self, record: "ConsumerRecord") -> None:
        if not record.value:
            return
        try:
            self._loads.take(decode_load(record.value))
        except LoadError as error:
            self._loads.counts["unreadable"] += 1
            place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            log.error("a record is no load and is left out", error=str(error)[:300], **place)

    def _complain(self, problem: str) -> None:
        if self._now() >= self._complain_s:
            self._complain_s = self._now() + _COMPLAIN_EVERY_S
            log.warning("load can't be read: trying again", topic=self._topic, problem=problem)
