"""Entries on the incidents topic: all of them, each incident's in their order, whatever fails."""

import asyncio
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from kafka import KafkaConsumer

from incidents.timeline import broken_at
from pipeline.desk.http_client import NoReply
from pipeline.desk.incidents.publishing import AGAIN_AFTER_S, ENTRIES_MAX, LEASE_S, Publisher
from pipeline.desk.kafka_sender import KafkaSender
from schemas.calls import KafkaCall, Reply
from schemas.export import incident_schema
from schemas.incident import IncidentEvent, decode_incident
from tests.incidents.scene import Scene, desk_with, event, rule


class Broker:
    """Stores what it is sent, or does what it is told to. `dies_after`: stores so many, then no answer."""

    def __init__(self, dies_after: int | None = None, refuses: int | None = None) -> None:
        self.stored: list[KafkaCall] = []
        self.dies_after, self.refuses = dies_after, refuses

    async def send(self, call: KafkaCall) -> Reply:
        if self.dies_after is not None and len(self.stored) >= self.dies_after:
            raise NoReply("Kafka at nowhere: no answer")
        if self.refuses is not None and dict(call.headers)["ce_id"].endswith(f":{self.refuses}".encode()):
            return Reply(599, body=b"MessageSizeTooLargeError")
        self.stored.append(call)
        return Reply(200)

    @property
    def ids(self) -> list[str]:
        return [dict(call.headers)["ce_id"].decode() for call in self.stored]

    @property
    def events(self) -> list[IncidentEvent]:
        return [decode_incident(call.value) for call in self.stored]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Two incidents, of which one has ended."""
    made = Scene.on_file(tmp_path, desk_with(rule(), plan={"resolve_after_s": 5.0}))
    made.take(event("a", level="critical", service="shop"), event("b", level="critical", service="db"))
    made.wait()
    made.do("acknowledge", 1)
    made.take(event("a", seq=1, level=None, previous="critical", service="shop"))
    made.wait()
    made.wait(5.0)
    made.do("open_by_hand", 0, title="by hand")
    yield made
    made.db.close()


def publisher(scene: Scene, broker: Broker | KafkaSender, topic: str = "incidents") -> Publisher:
    return Publisher(scene.db, broker, topic, "tidegauge/g", lambda: scene.now_s)


def test_every_entry_is_sent_once_in_order_and_never_again(scene: Scene) -> None:
    broker = Broker()
    one = publisher(scene, broker)
    assert asyncio.run(one.step()) is False
    wanted = [f"INC-{n}:{entry.seq}" for n in (1, 2, 3) for entry in scene.entries(n)]
    assert broker.ids == wanted
    assert {call.key for call in broker.stored} == {b"INC-1", b"INC-2", b"INC-3"}
    asyncio.run(one.step())
    assert broker.ids == wanted
    scene.do("comment", 2, comment="new")
    asyncio.run(one.step())
    assert broker.ids == [*wanted, f"INC-2:{len(scene.entries(2)) - 1}"]
    assert one.outcomes == {"sent": len(broker.ids), "refused": 0, "failed": 0}


def test_types_are_cdevents_where_it_has_a_word(scene: Scene) -> None:
    broker = Broker()
    asyncio.run(publisher(scene, broker).step())
    types = {dict(c.headers)["ce_id"].decode(): dict(c.headers)["ce_type"].decode() for c in broker.stored}
    assert types["INC-1:0"] == "dev.cdevents.incident.detected.0.3.0"
    assert types["INC-3:0"] == "dev.cdevents.incident.reported.0.3.0"
    assert types["INC-1:1"] == "io.tidegauge.incident.joined.1"
    (resolved,) = [id_ for id_, kind in types.items() if kind == "dev.cdevents.incident.resolved.0.3.0"]
    assert [f"INC-1:{one.seq}" for one in scene.entries(1) if one.details.get("to") == "resolved"] == [resolved]


def test_the_value_is_what_the_schema_says_and_keeps_the_chain(scene: Scene) -> None:
    broker = Broker()
    asyncio.run(publisher(scene, broker).step())
    check = jsonschema.Draft202012Validator(incident_schema())
    for call in broker.stored:
        check.validate(msgspec.json.decode(call.value))
    mine = [one for one in broker.events if one.id == "INC-1"]
    assert [one.hash for one in mine] == [entry.hash for entry in scene.entries(1)]
    assert all(after.previous == before.hash for before, after in pairwise(mine))
    assert {one.incident.state for one in mine} == {"resolved"}
    assert broken_at(scene.entries(1)) is None


@pytest.mark.parametrize("stored", range(6))
def test_what_was_not_acknowledged_is_sent_by_the_next_process(scene: Scene, stored: int) -> None:
    failing, fine = Broker(dies_after=stored), Broker()
    with pytest.raises(NoReply):
        asyncio.run(publisher(scene, failing).step())
    scene.now_s += LEASE_S + 1.0
    asyncio.run(publisher(scene, fine).step())
    wanted = [f"INC-{n}:{entry.seq}" for n in (1, 2, 3) for entry in scene.entries(n)]
    assert failing.ids + fine.ids == wanted


def test_one_publishes_at_a_time_and_another_takes_over(scene: Scene) -> None:
    first, second = Broker(dies_after=1), Broker()
    with pytest.raises(NoReply):
        asyncio.run(publisher(scene, first).step())
    other = publisher(scene, second)
    asyncio.run(other.step())
    assert second.ids == []
    scene.now_s += LEASE_S
    asyncio.run(other.step())
    assert second.ids[0] == "INC-1:1"


def test_what_kafka_never_takes_holds_up_nothing_and_is_counted(scene: Scene) -> None:
    broker = Broker(refuses=1)
    one = publisher(scene, broker)
    asyncio.run(one.step())
    assert "INC-1:1" not in broker.ids
    assert "INC-1:2" in broker.ids
    assert one.outcomes["refused"] == 2


def test_it_waits_for_a_broker_that_is_away_and_goes_on(scene: Scene) -> None:
    broker, waits = Broker(dies_after=0), []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            broker.dies_after = None
        if len(waits) == 5:
            raise asyncio.CancelledError

    one = Publisher(scene.db, broker, "incidents", "s", lambda: scene.now_s, sleep=sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(one.run())
    assert waits[:3] == [AGAIN_AFTER_S] * 3
    assert len(broker.ids) == sum(len(scene.entries(n)) for n in (1, 2, 3))
    assert one.outcomes["failed"] == 3


def test_more_than_one_look_full_is_published_in_order(scene: Scene) -> None:
    for number in range(ENTRIES_MAX + 20):
        scene.do("comment", 1, comment=str(number))
    broker = Broker()
    one = publisher(scene, broker)
    assert asyncio.run(one.step()) is True
    assert asyncio.run(one.step()) is False
    assert len(broker.ids) == len(set(broker.ids)) == sum(len(scene.entries(n)) for n in (1, 2, 3))


@pytest.mark.kafka
@pytest.mark.timeout(120)
def test_a_real_broker_has_them_in_order_by_key(kafka: str, topic_name: str, scene: Scene) -> None:
    sender = KafkaSender(kafka)
    asyncio.run(publisher(scene, sender, topic_name).step())
    sender.close()
    consumer = KafkaConsumer(
        topic_name, bootstrap_servers=[kafka], auto_offset_reset="earliest", enable_auto_commit=False, group_id=None
    )
    wanted = sum(len(scene.entries(n)) for n in (1, 2, 3))
    found: list[Any] = []
    until_s = time.monotonic() + 60.0
    while len(found) < wanted and time.monotonic() < until_s:
        for records in consumer.poll(timeout_ms=500).values():
            found += records
    consumer.close()
    by_key: dict[bytes, list[int]] = {}
    for record in found:
        event_ = decode_incident(record.value or b"")
        assert dict(record.headers)["ce_id"] == f"{event_.id}:{event_.seq}".encode()
        by_key.setdefault(record.key or b"", []).append(event_.seq)
    assert {key: len(seqs) for key, seqs in by_key.items()} == {
        f"INC-{n}".encode(): len(scene.entries(n)) for n in (1, 2, 3)
    }
    assert all(seqs == sorted(seqs) for seqs in by_key.values())
