"""The reader of the control topic goes on whatever Kafka's client does, and leaves none of them behind."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from pipeline import control_reader
from pipeline.control_reader import ControlReader

END = 5


class Consumer:
    """Of a topic without a record that counts; raises what it was given, once each."""

    made: list["Consumer"]
    in_start: list[Exception]
    in_getmany: list[Exception]

    def __init__(self, **_: object) -> None:
        self.made.append(self)
        self.running = False

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False

    def assign(self, tps: list[TopicPartition]) -> None: ...

    def seek(self, tp: TopicPartition, offset: int) -> None: ...

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        if self.in_start:
            raise self.in_start.pop()
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, END)

    async def getmany(self, tp: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        await asyncio.sleep(0.001)
        if self.in_getmany:
            raise self.in_getmany.pop()
        return {}

    async def position(self, tp: TopicPartition) -> int:
        return END


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> ControlReader:
    Consumer.made, Consumer.in_start, Consumer.in_getmany = [], [], []
    monkeypatch.setattr(control_reader, "AIOKafkaConsumer", Consumer)
    monkeypatch.setattr(control_reader, "AGAIN_AFTER_S", 0.001)
    monkeypatch.setattr(control_reader, "TO_THE_END_S", 2.0)
    return ControlReader("nowhere:9092", "control")


@pytest.mark.parametrize("problem", [KafkaError("gone"), ValueError("a bug"), OSError("no route")], ids=repr)
def test_it_follows_the_topic_whatever_was_raised(reader: ControlReader, problem: Exception) -> None:
    Consumer.in_getmany = [problem]

    async def go() -> None:
        assert await reader.read() == []
        await reader.stop()

    asyncio.run(go())
    assert [one.running for one in Consumer.made] == [False]


def test_a_start_that_fails_half_way_leaves_no_consumer_behind(reader: ControlReader) -> None:
    Consumer.in_start = [KafkaError("gone")]

    async def go() -> None:
        with pytest.raises(KafkaError, match="gone"):
            await reader.read()
        assert [one.running for one in Consumer.made] == [False]
        assert await reader.read() == []
        await reader.stop()

    asyncio.run(go())
    assert [one.running for one in Consumer.made] == [False, False]
