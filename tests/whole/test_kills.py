"""A desk that dies, and a database that goes away, at any moment of a stream of transitions."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.alert import AlertEvent
from schemas.levels import LevelName
from tests.desk import postgres
from tests.desk.scene import event
from tests.whole import scene
from tests.whole.bed import Bed, bed
from tests.whole.scene import Services, services

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
SERIES, EPISODES = 30, 3
LEVELS: tuple[LevelName | None, ...] = ("warning", "critical", None)


def transitions(rng: random.Random, started_s: float, lasts_s: float) -> list[AlertEvent]:
    """Each series starts, gets worse and ends a few times; in the order of their times."""
    found = []
    for n in range(SERIES):
        times_s = sorted(started_s + rng.uniform(0, lasts_s) for _ in range(EPISODES * len(LEVELS)))
        for k in range(EPISODES):
            own_s = times_s[k * len(LEVELS) : (k + 1) * len(LEVELS)]
            found += [
                event(f"s{n}", seq=seq, level=level, starts_s=own_s[0], at_s=own_s[seq], alertname=f"Group{n % 5}")
                for seq, level in enumerate(LEVELS)
            ]
    return sorted(found, key=lambda one: one.at)


@contextmanager
def published(desk: Bed, events: list[AlertEvent], started_s: float, lasts_s: float) -> Iterator[None]:
    """While it goes on; all are there when the block has ended."""

    def publish() -> None:
        for n, one in enumerate(events):
            time.sleep(max(0.0, started_s + lasts_s * n / len(events) - time.time()))
            desk.publish(one)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def is_over(desk: Bed, events: list[AlertEvent]) -> bool:
    return (
        desk.count("events") >= len(events)
        and desk.count("alerts WHERE status = 'firing'") == 0
        and desk.count("groups") == 0
        and desk.unsent() == 0
    )


def assert_once(desk: Bed, events: list[AlertEvent]) -> None:
    """Each transition was applied, and no more than once."""
    assert sorted(desk.rows("SELECT episode, seq FROM events")) == sorted((one.id, one.seq) for one in events)
    applied = desk.rows("SELECT episode, count(*) FROM decisions WHERE what = 'received' GROUP BY episode")
    assert dict(applied) == {one.id: len(LEVELS) for one in events}


def assert_ended(found: Services) -> None:
    """Whoever saw it firing saw its end, and nothing after it."""
    last: dict[str, str] = {}
    for message in found.hook.messages:
        for one in message["alerts"]:
            last[one["labels"]["series"]] = one["status"]
    assert last
    assert set(last.values()) == {"resolved"}
    assert found.pagerduty.incidents
    assert not found.pagerduty.open
    assert not found.opsgenie.open
    assert not found.jsm.open
    for posted in (scene.posted(found.slack), scene.cards(found.teams)):
        assert {group for group, state in posted if state == "resolved"} == {group for group, _ in posted}


@contextmanager
def database(kind: str) -> Iterator[tuple[str, postgres.Server | None]]:
    """Its address; the server, where there is one."""
    if kind == "sqlite":
        yield "", None
        return
    try:
        with postgres.server() as server:
            yield postgres.create(str(server.folder), "desk"), server
    except postgres.Absent as absent:
        pytest.skip(f"no PostgreSQL: {absent}")


long = pytest.mark.skipif("TIDEGAUGE_LONG" not in os.environ, reason="minutes long: TIDEGAUGE_LONG=1 runs it")


@pytest.mark.parametrize(
    ("kind", "kills", "seed"),
    [
        ("postgresql", 1, 1),
        *(pytest.param(kind, 5, seed, marks=long) for seed in (2, 3) for kind in ("sqlite", "postgresql")),
    ],
)
def test_every_transition_is_applied_once_and_every_end_is_told(
    kafka: str, topic_name: str, tmp_path: Path, kind: str, kills: int, seed: int
) -> None:
    rng = random.Random(seed)
    lasts_s = 4.0 + 15.0 * (kills - 1)
    with (
        services() as found,
        database(kind) as (address, server),
        bed(tmp_path, kafka, topic_name, found.config(5.0), database=address) as desk,
    ):
        started_s = time.time()
        events = transitions(rng, started_s, lasts_s)
        with published(desk, events, started_s, lasts_s):
            for kill in range(kills):
                time.sleep(rng.uniform(0.5, 2.0))
                if server is not None:
                    server.stop(at_once=kill % 2 == 0)
                    time.sleep(rng.uniform(0.2, 1.0))
                    server.start()
                    time.sleep(rng.uniform(0.0, 2.0))
                desk.kill()
                desk.start("/-/healthy")
        desk.wait("all is over", lambda: is_over(desk, events), 90.0)
        assert_once(desk, events)
        assert_ended(found)
