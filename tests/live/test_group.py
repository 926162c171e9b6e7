"""What is taken from aiokafka's inside, and what Kafka says of topics, on a real broker."""

import asyncio
from contextlib import closing
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer
from kafka import KafkaAdminClient

from pipeline.group import Group
from pipeline.outside import Commit
from pipeline.partition import TP
from pipeline.silence import NOTE_BYTES_MAX, decisions_of, note
from pipeline.topic_ids import topic_ids
from pipeline.transport import Consumer
from tests.live.harness import create_topic

pytestmark = pytest.mark.kafka


@pytest.fixture
def topic(kafka: str, topic_name: str) -> str:
    create_topic(kafka, topic_name, 1)
    return topic_name


def group_of(member: AIOKafkaConsumer) -> Group:
    """As Faust has it: one thread, here the test's own."""

    async def call_thread(work: Any) -> Any:
        return await work()

    thread = SimpleNamespace(call_thread=call_thread, _ensure_consumer=lambda: member)
    return Group(cast(Consumer, SimpleNamespace(_thread=thread)))


async def joined(kafka: str, topic: str) -> AIOKafkaConsumer:
    member = AIOKafkaConsumer(topic, bootstrap_servers=kafka, group_id=topic, enable_auto_commit=False)
    await member.start()
    while not member.assignment():
        await member.getmany(timeout_ms=50)
    return member


def test_a_note_as_long_as_it_may_be_is_kept_and_only_from_who_is_in_the_group(kafka: str, topic: str) -> None:
    tp = TP(topic, 0)
    decided = {10**15 + i: 10**10 + i for i in range(NOTE_BYTES_MAX // 33)}

    async def run() -> None:
        member = await joined(kafka, topic)
        group, generation = group_of(member), member._coordinator.generation
        assert await group.committed({tp}) == {}
        assert await group.is_member(generation)
        assert await group.commit({tp: Commit(5, note(decided))}, generation)
        kept = (await group.committed({tp}))[tp]
        assert (kept.offset, decisions_of(kept.note)) == (5, decided)
        assert not await group.is_member(generation + 1)
        assert not await group.commit({tp: Commit(9)}, generation + 1)
        assert not await group.commit({TP(topic, 1): Commit(9)}, generation)  # not assigned
        member._coordinator.member_id = "somebody else"
        assert not await group.is_member(generation)
        assert (await group.committed({tp}))[tp].offset == 5
        await member.stop()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_topic_made_anew_has_another_id(kafka: str, topic: str) -> None:
    before = topic_ids(kafka, [topic])[topic]
    assert topic_ids(kafka, [topic]) == {topic: before}
    with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
        admin.delete_topics([topic])
        while topic in admin.list_topics():
            pass
    create_topic(kafka, topic, 1)
    assert topic_ids(kafka, [topic])[topic] not in ("", before)
    assert topic_ids(kafka, ["never-made"]) == {}
