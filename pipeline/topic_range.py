"""A range of a topic, read from the beginning to where it ended when the reading began: `kafka://TOPIC?from=..&to=..`."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from pipeline.partition import Record
from pipeline.topics import TopicsError
from schemas.formats.times import rfc3339_s

_SCHEME = "kafka"
_KEYS = {"from", "to"}


@dataclass(frozen=True)
class TopicRange:
    """Records whose Kafka time lies in `from_s` <= time < `to_s` (Unix seconds; None: open)."""

    topic: str
    from_s: float | None = None
    to_s: float | None = None

    @classmethod
    def parse(cls, url: str) -> "TopicRange":
        """
        >>> TopicRange.parse("kafka://metrics?from=2026-11-23T00:00:00Z")
        TopicRange(topic='metrics', from_s=1795392000.0, to_s=None)

        Raises ValueError with what would do.
        """
        parts = urlsplit(url)
        asked = parse_qs(parts.query, keep_blank_values=True)
        if parts.scheme != _SCHEME or not parts.netloc or parts.path.strip("/") or set(asked) - _KEYS:
            raise ValueError(f"not a topic range: {url}; write kafka://TOPIC or kafka://TOPIC?from=TIME&to=TIME")
        times = {key: _time_s(values[-1]) for key, values in asked.items()}
        return cls(parts.netloc, times.get("from"), times.get("to"))


def partitions_of(topic: str, bootstrap: str) -> int:
    """How many the topic has; 1 where nobody knows it. Raises TopicsError."""
    try:
        with closing(KafkaConsumer(bootstrap_servers=bootstrap.split(","), group_id=None)) as consumer:
            return len(consumer.partitions_for_topic(topic) or ()) or 1
    except (KafkaError, OSError) as error:
        raise TopicsError(f"no answer from Kafka at {bootstrap}: {error}") from error


def records_of(wanted: TopicRange, bootstrap: str) -> Iterator[tuple[int, Sequence[Record]]]:
    """(partition, its next records), each partition in order. Raises TopicsError."""
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap.split(","), group_id=None, enable_auto_commit=False, max_poll_records=5_000
        )
    except (KafkaError, OSError) as error:
        raise TopicsError(f"no answer from Kafka at {bootstrap}: {error}") from error
    with closing(consumer):
        partitions = consumer.partitions_for_topic(wanted.topic)
        if not partitions:
            raise TopicsError(f"there is no topic {wanted.topic} at {bootstrap}")
        tps = [TopicPartition(wanted.topic, partition) for partition in sorted(partitions)]
        consumer.assign(tps)
        consumer.seek_to_beginning(*tps)
        ends = consumer.end_offsets(tps)
        for bound, seconds in (("from", wanted.from_s), ("to", wanted.to_s)):
            if seconds is None:
                continue
            for tp, found in consumer.offsets_for_times({tp: round(seconds * 1000) for tp in tps}).items():
                if bound == "from":
                    consumer.seek(tp, found.offset if found else ends[tp])
                elif found:
                    ends[tp] = min(ends[tp], found.offset)
        while open_ := [tp for tp in tps if consumer.position(tp) < ends[tp]]:
            consumer.pause(*(set(tps) - set(open_)))
            for tp, records in consumer.poll(timeout_ms=1_000).items():
                within = [record for record in records if record.offset < ends[tp]]
                if within:
                    yield tp.partition, within


def _time_s(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return rfc3339_s(text)
    except ValueError:
        raise ValueError(f"not a time: {text}; write 2026-11-23T18:00:00Z or Unix seconds") from None
