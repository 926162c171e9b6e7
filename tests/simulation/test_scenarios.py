"""Each fault by name, played exactly: what a seed of the simulation would have to find by chance."""

import pytest
from structlog.testing import capture_logs

from pipeline.saved import capture
from tests.simulation.broker import Record
from tests.simulation.disk import Killed
from tests.simulation.scene import ZERO, Scene
from tests.simulation.streams import T0, config_of, records, run, state_bytes

STEPS = [
    ("thread", 1),  # before the copy
    ("flush", 1),
    ("flushed", 1),  # alerts are acknowledged, no snapshot yet
    ("thread", 2),
    ("create", 1),
    ("write", 1),
    ("write", 5),
    ("fsync", 1),
    ("rename", 1),
    ("fsync_folder", 1),
    ("rename", 3),
    ("fsync_folder", 2),  # the snapshot has its name, perhaps not for good
    ("thread done", 2),
    ("commit", 1),  # the snapshot is durable, nothing is committed
    ("committed", 1),
]


def started(feed: int = 12) -> Scene:
    scene = Scene()
    worker = scene.worker()
    scene.feed(worker, feed)
    scene.do(worker, "checkpoint")
    assert scene.committed == feed
    return scene


@pytest.mark.parametrize("power", [False, True], ids=["kill -9", "power cut"])
@pytest.mark.parametrize(("step", "time"), STEPS)
def test_a_worker_may_die_at_any_step_of_a_checkpoint(step: str, time: int, power: bool) -> None:
    scene = started()
    worker = scene.workers[0]
    scene.feed(worker, 25)
    scene.dies_at(worker, step, time)
    scene.do(worker, "checkpoint")
    assert not worker.alive
    if power:
        scene.disk.power_cut()
        scene.check_commits()
    heir = scene.worker()
    assert heir.positions[ZERO] in (12, 37)
    scene.calm()
    scene.check()


def test_a_worker_may_die_between_snapshot_and_commit() -> None:
    scene = started()
    scene.feed(scene.workers[0], 25)
    scene.dies_at(scene.workers[0], "commit")
    scene.do(scene.workers[0], "checkpoint")
    assert (scene.committed, scene.disk.newest_offset(*ZERO)) == (12, 37)
    assert scene.worker().positions == {ZERO: 37}  # what the snapshot holds is not read again
    scene.do(scene.workers[-1], "checkpoint")
    assert scene.committed == 37  # made good without a new record
    scene.calm()
    scene.check()


def test_alerts_sent_before_a_death_without_snapshot_come_again_with_the_same_bytes() -> None:
    scene = started()
    worker = scene.workers[0]
    scene.feed(worker, 1000)
    scene.dies_at(worker, "thread", 2)
    scene.do(worker, "checkpoint")
    sent = len(scene.broker.seen["alerts"])
    assert sent
    assert scene.worker().positions == {ZERO: 12}
    scene.calm()
    scene.check()
    assert scene.broker.doubles >= sent
    assert len(scene.broker.seen["alerts"]) == sent


def test_a_zombie_that_wakes_up_commits_nothing_and_harms_nothing() -> None:
    scene = started()
    zombie = scene.workers[0]
    scene.feed(zombie, 10)
    scene.stands_still_at(zombie, "commit")
    scene.do(zombie, "checkpoint")
    heir = scene.worker()
    scene.feed(heir, 14)
    scene.do(heir, "checkpoint")
    assert scene.committed == 36
    zombie.paused = False
    scene.feed(zombie, 4)  # Kafka still gives it records, and takes its alerts
    scene.do(zombie, "checkpoint")
    assert scene.committed == 36
    scene.calm()
    scene.check()


def test_a_damaged_newest_snapshot_is_refused_and_kafka_is_read_again_from_the_one_before() -> None:
    scene = started()
    worker = scene.workers[0]
    scene.feed(worker, 10)
    scene.do(worker, "checkpoint")
    scene.disk.corrupt(*ZERO, f"{22:020d}.manifest")
    scene.kill(worker)
    heir = scene.worker()
    assert scene.committed == 22
    assert heir.positions == {ZERO: 12}
    assert heir.keeper.snapshot_counts["refused"] == 1
    scene.calm()
    scene.check()


def test_a_topic_made_anew_is_read_from_its_start_though_an_old_commit_would_fit() -> None:
    scene = started()
    scene.feed(scene.workers[0], 25)
    scene.dies_at(scene.workers[0], "commit")
    scene.do(scene.workers[0], "checkpoint")
    scene.broker.made_anew(ZERO, scene.broker.records[ZERO][:20])
    assert scene.worker().positions == {ZERO: 0}


@pytest.mark.parametrize("at_rest", [True, False], ids=["worker restarted", "worker held the partition"])
def test_a_topic_made_anew_is_read_from_its_start_though_snapshot_and_group_say_otherwise(at_rest: bool) -> None:
    scene = started(feed=25)
    new = records(5, 0, False)[:10]
    scene.broker.made_anew(ZERO, new)
    scene.broker.now_s = new[-1].timestamp / 1000
    if at_rest:
        scene.kill(scene.workers[0])
        scene.worker()
    scene.rebalance()
    keeper = scene.workers[-1].keeper
    assert scene.workers[-1].positions == {ZERO: 0}
    assert keeper.snapshot_counts["discarded"] == 1
    scene.feed(scene.workers[-1], 10)
    scene.do(scene.workers[-1], "checkpoint")
    assert scene.committed == 10
    expected = run(config_of(False), ZERO, new, False)
    assert state_bytes(capture(keeper.partitions[ZERO].shard), False) == expected.arrays
    assert expected.alerts.items() <= scene.broker.seen["alerts"].items()


@pytest.mark.parametrize("at_rest", [True, False], ids=["worker restarted", "worker held the partition"])
def test_where_kafka_no_longer_has_what_follows_the_snapshot_it_learns_again_and_says_so(at_rest: bool) -> None:
    scene = started()
    scene.broker.earliest[ZERO] = 20
    with capture_logs() as said:
        if at_rest:
            scene.kill(scene.workers[0])
            scene.worker()
        scene.rebalance()
    heir = scene.workers[-1]
    assert heir.positions == {ZERO: 20}
    assert heir.keeper.snapshot_counts["behind_retention"] == 1
    assert [line["missed_records"] for line in said if "learns again" in line["event"]] == [8]
    assert not heir.keeper.partitions[ZERO].shard.series


def test_a_full_disk_stops_commits_but_not_the_worker() -> None:
    scene = started()
    worker = scene.workers[0]
    scene.disk.full = True
    for _ in range(4):
        scene.feed(worker, 5)
        scene.do(worker, "checkpoint")
    assert worker.alive
    assert scene.committed == 12
    assert worker.keeper.snapshot_counts["failed"] == 4
    names = [name for folder in scene.disk.folders.values() for name in folder.now]
    assert not [name for name in names if name.endswith(".tmp")]
    scene.disk.full = False
    scene.do(worker, "checkpoint")
    assert scene.committed == 32
    scene.calm()
    scene.check()


@pytest.mark.parametrize("feed", [12, 0], ids=["committed before", "first commit meanwhile"])
def test_a_worker_that_stands_still_while_it_loads_does_not_take_newer_snapshots_for_those_of_an_older_topic(
    feed: int,
) -> None:
    """It had asked Kafka about the partition before; a discard would delete what the others live by."""
    scene = started(feed) if feed else Scene()
    if feed:
        scene.broker.made_anew(ZERO, scene.broker.records[ZERO])  # the same, of which 20 have come
        scene.broker.now_s = scene.broker.records[ZERO][19].timestamp / 1000
    scene.spawn()
    sleeper = scene.workers[-1]
    if feed:
        scene.kill(scene.workers[0])
    scene.stands_still_at(sleeper, "bounds known")
    scene.rebalance()
    scene.idle()
    assert sleeper.paused
    scene.broker.now_s = scene.last_s
    other = scene.worker()
    scene.feed(other, 1000)
    scene.do(other, "checkpoint")
    sleeper.paused = False
    scene.idle()
    assert scene.disk.newest_offset(*ZERO) == scene.committed == scene.broker.end(ZERO)
    scene.calm()
    scene.check()


def test_a_partition_that_comes_back_untouched_keeps_its_state_in_memory() -> None:
    scene = started()
    held = scene.workers[0].keeper.partitions[ZERO]
    scene.feed(scene.workers[0], 5)
    scene.rebalance()
    assert scene.workers[0].keeper.partitions[ZERO] is held
    assert scene.committed == 17
    scene.calm()
    scene.check()


def test_a_partition_that_comes_back_after_another_worker_went_on_is_loaded_anew() -> None:
    scene = started()
    first = scene.workers[0]
    held = first.keeper.partitions[ZERO]
    first.paused = True
    second = scene.worker()
    scene.feed(second, 10)
    scene.do(second, "checkpoint")
    scene.kill(second)
    first.paused = False
    scene.rebalance()
    assert first.keeper.partitions[ZERO] is not held
    assert first.positions == {ZERO: 22}
    scene.calm()
    scene.check()


def test_a_refused_commit_fences_until_the_next_rebalance() -> None:
    scene = started()
    worker = scene.workers[0]
    scene.faults = {"commit refused": 1.0}
    scene.feed(worker, 10)
    scene.do(worker, "checkpoint")
    scene.faults = {}
    scene.feed(worker, 10)  # nothing of it is applied
    assert scene.disk.newest_offset(*ZERO) == 22
    scene.rebalance()
    assert worker.positions == {ZERO: 22}
    assert worker.alive
    scene.calm()
    scene.check()


def event(offset: int, series: str, came_s: float, t: float, x: float) -> Record:
    """came_s, t: seconds after T0."""
    payload = f'{{"metric": "{series}", "timestamp": {T0 + t}, "value": {x}}}'
    return Record(offset, round((T0 + came_s) * 1000), payload.encode())


def test_a_worker_that_stands_still_while_it_asks_kafka_does_not_take_that_for_silence() -> None:
    """Else it would end an alert whose series went on meanwhile."""
    scene = Scene(silent=True)
    log = [event(i, "a", t, t, 85.0) for i, t in enumerate([*range(10), 300, 600, 900, 1200])]
    scene.broker.made_anew(ZERO, log)
    scene.broker.now_s = T0 + 10
    worker = scene.worker()
    scene.feed(worker, 1000)
    scene.stands_still_at(worker, "caught up")
    scene.do(worker, "tick")
    scene.broker.now_s = T0 + 1200
    worker.paused = False
    scene.idle()
    scene.feed(worker, 1000)
    scene.do(worker, "checkpoint")
    assert len(scene.broker.seen["alerts"]) == 1  # it fires, and that is all


def test_a_snapshot_never_holds_what_kafka_has_not_acknowledged() -> None:
    """A batch is being published when a checkpoint begins; the worker dies as soon as that is committed."""
    scene = started()
    worker = scene.workers[0]
    worker.fetch(ZERO, 12, 1000)
    scene.start(worker, "agent")
    while not worker.pending:
        scene.step(worker)
    scene.dies_at(worker, "committed")
    scene.faults = {"lost": 1.0}
    scene.do(worker, "checkpoint")
    assert not worker.alive
    scene.faults = {}
    scene.calm()
    scene.check()


@pytest.mark.xfail(reason="docs/guarantees.md, limits: series whose points come later than stale_after", strict=True)
def test_an_alert_that_a_tick_ended_stays_ended_though_its_worker_dies_and_its_points_come_after_all() -> None:
    scene = Scene(silent=True)

    firing = [event(i, "a", i, i, 85.0) for i in range(10)]
    others = event(10, "b", 700.0, 700.0, 1.0)  # by now `a` is silent for longer than stale_after, which is 600 s
    delayed = [event(11 + i, "a", 800.0, 10.0 + i, 97.0) for i in range(10)]
    scene.broker.made_anew(ZERO, [*firing, others, *delayed])
    scene.broker.now_s = T0 + 700
    worker = scene.worker()
    scene.feed(worker, 1000)
    scene.do(worker, "tick")
    while worker.pending:
        worker.acknowledge_one()
    scene.kill(worker)  # no snapshot says that the alert has ended
    scene.broker.now_s = T0 + 800
    heir = scene.worker()
    scene.feed(heir, 1000)
    scene.do(heir, "checkpoint")  # raises Conflict


def test_a_worker_that_fails_to_publish_ends_and_nothing_is_committed() -> None:
    scene = started()
    scene.feed(scene.workers[0], 1000)
    scene.faults = {"producer fails": 1.0}
    scene.do(scene.workers[0], "checkpoint")
    scene.faults = {}
    assert not scene.workers[0].alive
    assert scene.committed == 12
    scene.calm()
    scene.check()


def test_death_ends_all_that_a_worker_does() -> None:
    scene = started()
    scene.kill(scene.workers[0])
    with pytest.raises(Killed):
        scene.workers[0]._step("anything")
