"""The changes topic on a real broker: every change once, whatever else is in it."""

import json
import time
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaProducer

from pipeline.desk.database import Database
from pipeline.desk.incidents import changes
from pipeline.desk.incidents.change_feed import ChangeFeed
from schemas.change import encode_change
from tests.live.harness import create_topic, publish
from tests.triage.scene import change, desk_of

pytestmark = pytest.mark.kafka
AT = "2026-11-23T05:33:20Z"


def started(db: Database, kafka: str, topic: str) -> ChangeFeed:
    feed = ChangeFeed(db, desk_of(), kafka, topic, f"{topic}-desk", time.time)
    feed.start()
    return feed


def wait_for(feed: ChangeFeed, records: int) -> None:
    deadline_s = time.monotonic() + 60.0
    while sum(feed.progress.counts[what] for what in ("new", "doubles", "unreadable")) < records:
        assert time.monotonic() < deadline_s, dict(feed.progress.counts)
        time.sleep(0.05)


def end(feed: ChangeFeed) -> None:
    feed.stop()
    assert feed.join(20.0)


@pytest.mark.timeout(180)
def test_doubles_and_what_is_no_change_are_counted_and_nothing_is_lost(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    create_topic(kafka, topic_name, 2)
    good = [encode_change(change(f"d-{number}")) for number in range(30)]
    bad = [b"", b"not json", b"[]", b'{"id": "x", "at": "today"}', b"\xff\xfe", b"x" * 70_000]
    publish(kafka, topic_name, [(None, value) for value in (*good[:15], *bad, *good[:10], *good[15:])])
    cdevent = {"context": {"timestamp": AT}, "subject": {"id": "checkout", "content": {}}}
    headers = [("ce_type", b"dev.cdevents.service.deployed.0.2.0"), ("ce_id", b"9"), ("ce_source", b"/ci")]
    with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
        producer.send(topic_name, json.dumps(cdevent).encode(), headers=headers).get(20)
    with closing(Database.open(f"sqlite:///{tmp_path / 'desk.db'}")) as db:
        feed = started(db, kafka, topic_name)
        try:
            wait_for(feed, 47)
        finally:
            end(feed)
        counts = feed.progress.counts
        assert (counts["new"], counts["doubles"], counts["unreadable"]) == (31, 10, 6)
        found = {one.id for one in db.read(changes.listed)}
        assert found == {*(f"d-{number}" for number in range(30)), "/ci#9"}

        again = started(db, kafka, topic_name)  # another process goes on where the database is
        try:
            publish(kafka, topic_name, [(None, encode_change(change("d-30"))), (None, good[0])])
            wait_for(again, 2)
        finally:
            end(again)
        assert (again.progress.counts["new"], again.progress.counts["doubles"]) == (1, 1)
