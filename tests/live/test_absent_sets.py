"""Silence of a label set and of a whole topic on a real broker: told by the clock, and a replay says the same bytes."""

import json
from pathlib import Path

import pytest

from pipeline.config import read_config
from pipeline.replay import Replay
from pipeline.topic_range import TopicRange
from schemas.alert import decode_alert
from tests.live.harness import config_file, create_topic, publish, read, worker

pytestmark = pytest.mark.kafka
T0 = 1_795_412_000.0
RULES = """
limits: {idle_after: 1h, stale_after: 10m}
rules:
  - {name: service-gone, match: up, detector: absent, group_by: [service], params: {after: 4s}}
  - {name: nothing-comes, match: '{}', detector: absent, group_by: [], params: {after: 5s}}
"""
HOSTS = 6


def lines(at_s: float) -> list[tuple[bytes, bytes]]:
    """An event of each host, of one service."""
    return [
        (
            f"h{host}".encode(),
            json.dumps(
                {"metric": "up", "labels": {"service": "shop", "host": f"h{host}"}, "timestamp": at_s, "value": 1}
            ).encode(),
        )
        for host in range(HOSTS)
    ]


def test_each_partition_tells_of_its_own_silence_and_a_replay_says_the_same(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    config = config_file(tmp_path, kafka, topic_name, RULES)
    create_topic(kafka, topic_name, 2)

    def told() -> dict[tuple[str, int], bytes]:
        found = {}
        for record in read(kafka, f"{topic_name}.alerts"):
            event = decode_alert(record.value or b"")
            found[event.id, event.seq] = record.value or b""
        return found

    with worker(config) as running:
        publish(kafka, topic_name, lines(T0))
        running.wait_for_events(HOSTS)
        used = {str(record.partition) for record in read(kafka, topic_name)}
        assert used == {"0", "1"}
        running.wait("silence", lambda: len(told()) == 2 * len(used))
        opened = [decode_alert(value) for value in told().values()]
        assert {(event.rule, event.labels["kafka_partition"]) for event in opened} == {
            (rule, partition) for rule in ("service-gone", "nothing-comes") for partition in used
        }
        assert {event.at for event in opened} == {"2026-11-23T05:33:24.000Z", "2026-11-23T05:33:25.000Z"}
        publish(kafka, topic_name, lines(T0 + 60.0))
        running.wait_for_events(2 * HOSTS)
        running.wait("data that is back", lambda: len(told()) >= 4 * len(used))
    made = read_config(config)
    replay = Replay(made)
    replay.add_topic(TopicRange(topic_name, None, None), kafka)
    events = [(json.loads(line), line) for line in replay.report().ndjson().splitlines()]
    replayed = {(event["id"], event["seq"]): line for event, line in events}
    assert len(replayed) == 4 * len(used)
    live = told()
    assert {key: live[key] for key in replayed} == replayed
