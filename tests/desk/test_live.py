"""A real desk process on a real broker, killed in the middle."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from schemas.alert import encode_alert
from schemas.levels import LevelName
from tests.desk import process
from tests.desk.scene import event
from tests.live import harness

SERIES = 3000
LEVELS: tuple[LevelName | None, ...] = ("warning", "critical", None)


def seen(folder: Path) -> list[tuple[str, int]]:
    """(id, seq) of all events in the database."""
    path = folder / "desk.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as conn:
        try:
            return [(id, seq) for id, seq in conn.execute("SELECT episode, seq FROM events")]
        except sqlite3.OperationalError:
            return []


@pytest.mark.kafka
@pytest.mark.timeout(180)
def test_a_desk_killed_in_the_middle_has_every_transition_once(kafka: str, topic_name: str, tmp_path: Path) -> None:
    harness.create_topic(kafka, topic_name, 2)
    started_s = time.time()
    events = [
        event(f"{n}", seq=seq, level=level, starts_s=started_s)
        for n in range(SERIES)
        for seq, level in enumerate(LEVELS)
    ]
    records: list[tuple[bytes | None, bytes]] = [(one.fingerprint.encode(), encode_alert(one)) for one in events]
    records[100:100] = [(b"x", b"not json"), (b"x", b"{}"), *records[:50]]
    port = process.free_port()
    config = process.config_file(tmp_path, kafka, topic_name, port)
    first = process.start(config, port)
    try:
        first.wait("answers", first.answers, process.READY_WITHIN_S)
        harness.publish(kafka, topic_name, records[:4000])
        first.wait("some events", lambda: len(seen(tmp_path)) > 1000)
        harness.publish(kafka, topic_name, records[4000:])
    finally:
        first.kill()
    before = len(seen(tmp_path))
    assert before < len(events)
    second = process.start(config, port)
    try:
        second.wait("all events", lambda: len(seen(tmp_path)) >= len(events), 120.0)
        second.wait("ready", lambda: second.answers("/-/ready"), 30.0)
        assert sorted(seen(tmp_path)) == sorted((one.id, one.seq) for one in events)
        stopped_s = time.monotonic()
        assert second.stop() == 0, second.tail()
        assert time.monotonic() - stopped_s < 10
    finally:
        second.process.kill()
    assert "a record is no alert event" in second.log.read_text()
    with closing(sqlite3.connect(tmp_path / "desk.db")) as conn:
        assert conn.execute("SELECT sum(next_offset) FROM offsets").fetchone()[0] == len(records)
        assert conn.execute("SELECT count(*) FROM alerts WHERE status = 'resolved'").fetchone()[0] == SERIES
    assert harness.committed(kafka, f"{topic_name}-desk", topic_name) == len(records)


@pytest.mark.timeout(90)
def test_a_desk_without_a_broker_answers_and_ends_cleanly(tmp_path: Path) -> None:
    port = process.free_port()
    config = process.config_file(tmp_path, f"127.0.0.1:{process.free_port()}", "alerts", port)
    desk = process.start(config, port)
    try:
        # No shorter: on a busy machine its start alone takes more than ten seconds.
        desk.wait("answers", desk.answers, process.READY_WITHIN_S)
        assert desk.stop() == 0, desk.tail()
    finally:
        desk.process.kill()
    assert "Kafka does not answer" in desk.log.read_text()


def test_a_second_desk_on_the_same_port_says_so(tmp_path: Path) -> None:
    port = process.free_port()
    config = process.config_file(tmp_path, "127.0.0.1:1", "alerts", port)
    desk = process.start(config, port)
    try:
        desk.wait("answers", desk.answers, process.READY_WITHIN_S)
        other = process.start(config, port)
        assert other.process.wait(30) == 1
        assert f"can't listen on 127.0.0.1:{port}" in other.tail()
        assert desk.stop() == 0
    finally:
        desk.process.kill()
