"""Snapshots in a compacted topic, on a real Kafka."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from pipeline.broker.probe import free_port
from pipeline.engine import Engine
from pipeline.saved import restore
from pipeline.snapshots.errors import StoreError
from pipeline.snapshots.slots import Key
from pipeline.snapshots.topic import TOPIC_SETTINGS, TopicStore
from schemas.alert import encode_alert
from tests.engine.streams import alerts, apply, config
from tests.snapshots.states import calm, loaded_offset, same, shard_of, snapshot

if TYPE_CHECKING:
    from kafka import ConsumerRecord

pytestmark = pytest.mark.kafka
COMPACT_SOON = {
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "100",
    "max.compaction.lag.ms": "100",
}


@pytest.fixture
def admin(kafka: str) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(bootstrap_servers=kafka)) as client:
        yield client


@pytest.fixture
def topic(admin: KafkaAdminClient, topic_name: str) -> str:
    make(admin, topic_name)
    return topic_name


def make(admin: KafkaAdminClient, name: str, settings: dict[str, str] | None = None) -> None:
    configs = {**TOPIC_SETTINGS, **(settings or {})}
    admin.create_topics({name: {"num_partitions": 2, "replication_factor": 1, "configs": configs}})
    admin.wait_for_topics([name])


def store_on(kafka: str, topic: str, group: str = "g") -> TopicStore:
    return TopicStore(kafka, topic, group, block_bytes=2_048, timeout_s=20.0)


def raw(kafka: str, topic: str) -> Iterator["ConsumerRecord"]:
    """All that is in partition 0."""
    tp = TopicPartition(topic, 0)
    with closing(KafkaConsumer(bootstrap_servers=kafka)) as consumer:
        consumer.assign([tp])
        consumer.seek_to_beginning(tp)
        end = consumer.end_offsets([tp])[tp]
        while consumer.position(tp) < end:
            yield from consumer.poll(timeout_ms=1000).get(tp, [])


def records(kafka: str, topic: str) -> dict[Key, bytes]:
    """What compaction would leave."""
    found: dict[Key, bytes] = {}
    for record in raw(kafka, topic):
        key = Key.of(record.key)
        assert key is not None
        found.pop(key, None)
        if record.value is not None:
            found[key] = record.value
    return found


def counted(kafka: str, topic: str) -> tuple[int, int]:
    """Records that are there, and offsets that were given."""
    offsets = [record.offset for record in raw(kafka, topic)]
    return len(offsets), offsets[-1] + 1


def write(kafka: str, topic: str, values: dict[Key, bytes | None]) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    for key, value in values.items():
        producer.send(topic, value, bytes(key), partition=0).get(20)
    producer.close()


def test_a_partition_moves_to_another_machine_with_its_state_and_the_alerts_stay_the_same(
    kafka: str, topic: str
) -> None:
    made = config()
    stream = [*calm(series=3, rows=100), *[(1, 1_795_413_100.0 + i, 99.0 + i) for i in range(60)]]
    shard = Engine(made.rules, made.limits).shard()
    found = []
    for first in range(0, len(stream), 60):
        found += apply(shard, stream[first : first + 60], first)
        store = store_on(kafka, topic)
        store.save(snapshot(shard, first))
        loaded = store_on(kafka, topic).load("metrics", 0)
        assert loaded.problems == []
        assert loaded.snapshot is not None
        assert same(loaded.snapshot, snapshot(shard, first))
        shard = Engine(made.rules, made.limits).shard()
        assert restore(shard, loaded.snapshot.saved) == []
    assert [encode_alert(event) for event in found] == alerts(stream)


def test_partitions_topics_and_groups_do_not_meet(kafka: str, topic: str) -> None:
    shard = shard_of(calm(series=3))
    one, other = store_on(kafka, topic), store_on(kafka, topic, "other")
    for store, offset, name, partition in (
        (one, 1, "metrics", 0),
        (one, 2, "metrics", 1),
        (one, 3, "metrics", 2),
        (one, 4, "second", 0),
        (other, 5, "metrics", 0),
    ):
        store.save(snapshot(shard, offset, name, partition))
    one.discard("metrics", 0)
    told = [
        store_on(kafka, topic, group).load(name, partition).snapshot
        for group, name, partition in (
            ("g", "metrics", 1),
            ("g", "metrics", 2),
            ("g", "second", 0),
            ("other", "metrics", 0),
        )
    ]
    assert [found.next_offset for found in told if found] == [2, 3, 4, 5]
    assert store_on(kafka, topic).load("metrics", 0).snapshot is None


def test_only_what_changed_is_sent_and_what_stays_is_bounded(kafka: str, topic: str) -> None:
    shard, store = shard_of(calm(series=30)), store_on(kafka, topic)
    first = store.save(snapshot(shard, 0))
    again = store.save(snapshot(shard, 1))
    assert again.blocks_written == 0
    for i in range(30):
        apply(shard, calm(series=10, rows=1, first=40 + i))
        saved = store.save(snapshot(shard, 2 + i))
        assert saved.bytes_written < first.bytes_written
    left = records(kafka, topic)
    assert len([key for key in left if key.kind == "head"]) == 3
    assert sum(map(len, left.values())) < 5 * saved.bytes_total
    assert max(map(len, left.values())) <= 524_288


def test_a_missing_or_damaged_block_is_told_and_an_older_snapshot_used(kafka: str, topic: str) -> None:
    shard, store = shard_of(calm(series=3)), store_on(kafka, topic)
    made = []
    for i in range(3):
        apply(shard, calm(series=3, rows=1, first=40 + i))
        made.append(snapshot(shard, i))
        store.save(made[-1])
    before = records(kafka, topic)
    blocks = [key for key in before if key.kind == "block"]  # in the order in which they were written
    write(kafka, topic, {blocks[-1]: None})  # of the newest manifest
    loaded = store_on(kafka, topic).load("metrics", 0)
    assert loaded.snapshot is not None
    assert same(loaded.snapshot, made[1])
    assert len(loaded.problems) == 1
    assert "a part of its manifest is missing" in loaded.problems[0]
    write(kafka, topic, {key: b"x" * len(before[key]) for key in blocks})
    loaded = store_on(kafka, topic).load("metrics", 0)
    assert (loaded.snapshot, len(loaded.problems)) == (None, 3)
    again = store_on(kafka, topic)
    again.load("metrics", 0)
    again.save(made[0])
    loaded = store_on(kafka, topic).load("metrics", 0)
    assert loaded.snapshot is not None
    assert same(loaded.snapshot, made[0])
    assert loaded.problems == []
    assert {key.writer for key in records(kafka, topic)} == {
        key.writer for key in records(kafka, topic) if key.slot == 0
    }


def test_a_worker_that_lost_the_partition_harms_nothing_and_never_becomes_the_newest(kafka: str, topic: str) -> None:
    shard, zombie = shard_of(calm(series=3)), store_on(kafka, topic)
    for i in range(4):
        zombie.save(snapshot(shard, i))
        apply(shard, calm(series=3, rows=1, first=40 + i))
    owner = store_on(kafka, topic)
    owner.load("metrics", 0)
    made = []
    for i in range(4):
        apply(shard, calm(series=3, rows=1, first=50 + i))
        made.append(snapshot(shard, 100 + i))
        owner.save(made[-1])
        zombie.save(snapshot(shard_of(calm(series=3, rows=60)), 10))
        loaded = store_on(kafka, topic).load("metrics", 0)
        assert loaded.problems == []
        assert loaded.snapshot is not None
        assert same(loaded.snapshot, made[-1])


def test_series_with_oversized_names_fit(kafka: str, topic: str) -> None:
    shard = shard_of([])
    for i in range(5):
        shard.intern("m", {"label": str(i) + "\x00" * 300_000})
    made = snapshot(shard)
    store_on(kafka, topic).save(made)
    loaded = store_on(kafka, topic).load("metrics", 0).snapshot
    assert loaded is not None
    assert same(loaded, made)


def test_records_of_others_are_passed_over(kafka: str, topic: str) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    for key in (b"\xff", b"[]", b'["g","metrics",0,"head","w",0]', b"[" * 10_000):
        producer.send(topic, b"{}", key, partition=0).get(20)
    producer.close()
    loaded = store_on(kafka, topic).load("metrics", 0)
    assert loaded.snapshot is None
    assert ["head is not as it must be" in problem for problem in loaded.problems] == [True]
    store = store_on(kafka, topic)
    store.save(snapshot(shard_of([]), 5))
    assert loaded_offset(store_on(kafka, topic)) == 5


def test_compaction_takes_nothing_that_is_needed(kafka: str, admin: KafkaAdminClient, topic_name: str) -> None:
    make(admin, topic_name, COMPACT_SOON)
    shard, store = shard_of(calm(series=3)), store_on(kafka, topic_name)
    for i in range(200):
        apply(shard, calm(series=3, rows=1, first=40 + i))
        made = snapshot(shard, i)
        store.save(made)
        count, end = counted(kafka, topic_name)
        if count < end // 2:
            break
        time.sleep(0.2)  # a broker looks every 15 s for what there is to compact
    else:
        pytest.fail("this broker does not compact")
    loaded = store_on(kafka, topic_name).load("metrics", 0)
    assert loaded.problems == []
    assert loaded.snapshot is not None
    assert same(loaded.snapshot, made)


def test_a_topic_made_anew_is_noticed_and_then_holds_everything(
    kafka: str, admin: KafkaAdminClient, topic: str
) -> None:
    shard, store = shard_of(calm(series=3)), store_on(kafka, topic)
    for i in range(3):
        store.save(snapshot(shard, i))
    admin.delete_topics([topic])
    time.sleep(1)
    make(admin, topic)
    with pytest.raises(StoreError, match="made anew"):
        store.save(snapshot(shard, 3))
    made = snapshot(shard, 4)
    store.save(made)
    loaded = store_on(kafka, topic).load("metrics", 0)
    assert loaded.snapshot is not None
    assert same(loaded.snapshot, made)


def test_without_the_topic_or_kafka_the_store_says_so_and_makes_nothing(
    kafka: str, admin: KafkaAdminClient, topic_name: str
) -> None:
    with pytest.raises(StoreError, match="tidegauge topics create"):
        store_on(kafka, topic_name).load("metrics", 0)
    with pytest.raises(StoreError, match="tidegauge topics create"):
        store_on(kafka, topic_name).save(snapshot(shard_of([])))
    assert topic_name not in admin.list_topics()
    with pytest.raises(StoreError):
        TopicStore(f"127.0.0.1:{free_port()}", "t", "g", timeout_s=3.0).load("metrics", 0)
