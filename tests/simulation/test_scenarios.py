"""Each fault by name, played exactly: what a seed of the simulation would have to find by chance."""

import json
from contextlib import nullcontext

import pytest
from structlog.testing import capture_logs

from pipeline.keeper import Keeper
from pipeline.saved import capture
from pipeline.silence import decisions_of
from tests.simulation.broker import Conflict, Record
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


def fires(keeper: type[Keeper] = Keeper) -> Scene:
    """A worker has seen `a` fire, and has saved that at offset 10; then it gets worse at offset 11."""
    scene = Scene(keeper=keeper)
    log = [event(i, "a", i, i, 85.0) for i in range(10)] + [event(10, "b", 10, 10, 1.0)]
    log += [event(11 + i, "a", 11 + i, 11 + i, 97.0) for i in range(12)]
    scene.broker.made_anew(ZERO, log)
    scene.broker.now_s = T0 + 9
    worker = scene.worker()
    scene.feed(worker, 1000)
    scene.do(worker, "checkpoint")
    scene.broker.now_s = T0 + 100
    return scene


def resolved(scene: Scene) -> list[tuple[int, str]]:
    alerts = [json.loads(value) for value in scene.broker.seen["alerts"].values()]
    return [(alert["seq"], alert["why"]) for alert in alerts if alert["status"] == "resolved"]


def all_arrive(scene: Scene) -> None:
    for worker in scene.workers:
        while worker.alive and worker.pending:
            worker.acknowledge_one()


@pytest.mark.parametrize("step", ["", "flush", "thread done"])
def test_alerts_of_a_topic_that_was_made_anew_end_and_say_so(step: str) -> None:
    scene = fires()
    scene.kill(scene.workers[0])
    scene.broker.made_anew(ZERO, [event(i, "c", 200 + i, 200 + i, 1.0) for i in range(30)])  # longer than the old one
    scene.broker.now_s = T0 + 300
    scene.broker.earliest[ZERO] = 12  # and it has lost its beginning too: only its id tells
    if step:
        scene.spawn()
        scene.dies_at(scene.workers[-1], step, 2)  # a checkpoint before it joins flushes too
        scene.rebalance()
        assert not scene.workers[-1].alive
    heir = scene.worker()
    assert heir.positions == {ZERO: 12}
    scene.feed(heir, 1000)
    scene.do(heir, "checkpoint")
    all_arrive(scene)
    assert resolved(scene) == [(1_000_001, "Resolved from warning: the topic of its events was made anew.")]
    assert [series.metric for series in heir.keeper.partitions[ZERO].shard.series] == ["c"]
    assert scene.committed == 30


def test_without_topic_ids_a_topic_made_anew_is_noticed_where_it_is_shorter() -> None:
    scene = fires()
    scene.kill(scene.workers[0])
    scene.broker.topic_ids[ZERO] = ""
    scene.broker.made_anew(ZERO, [event(i, "c", 200 + i, 200 + i, 1.0) for i in range(5)])
    scene.broker.now_s = T0 + 300
    assert scene.worker().positions == {ZERO: 0}
    all_arrive(scene)
    assert len(resolved(scene)) == 1


@pytest.mark.parametrize(
    ("runs", "step"),
    [(True, step) for step in ("", "flush", "thread done", "bounds", "send")]
    + [(False, step) for step in ("", "thread done", "bounds", "send", "seek")],
)
def test_alerts_end_where_kafka_no_longer_has_what_followed(runs: bool, step: str) -> None:
    scene = fires()
    worker = scene.workers[0]
    scene.broker.earliest[ZERO] = 15
    if runs:
        worker.positions[ZERO] = 15  # the client starts again where there is something
        if step:
            scene.dies_at(worker, step)
        scene.feed(worker, 1000)
        lost = worker.keeper.lost_records
    else:
        scene.kill(worker)
        scene.spawn()
        if step:
            scene.dies_at(scene.workers[-1], step)
        scene.rebalance()
        lost = scene.workers[-1].keeper.lost_records
    assert step or lost == 5
    heir = scene.worker() if step else scene.workers[-1]
    scene.feed(heir, 1000)
    scene.do(heir, "checkpoint")
    all_arrive(scene)
    assert resolved(scene) == [(1_000_001, "Resolved from warning: Kafka no longer has the events that followed.")]
    assert scene.committed == scene.broker.end(ZERO)
    started = {json.loads(value)["starts_at"] for value in scene.broker.seen["alerts"].values()}
    assert len(started) == 2  # what comes now is learned again, and another episode


def test_a_gap_between_offsets_that_kafka_never_had_is_no_loss() -> None:
    """Transaction markers take offsets too."""
    scene = fires()
    worker = scene.workers[0]
    worker.positions[ZERO] = 12
    scene.feed(worker, 1000)
    assert worker.keeper.lost_records == 0
    assert [series.metric for series in worker.keeper.partitions[ZERO].shard.series] == ["a"]


def test_a_topic_made_anew_under_a_running_worker_ends_its_alerts_too() -> None:
    scene = fires()
    worker = scene.workers[0]
    scene.feed(worker, 1000)  # critical by now, which no snapshot holds
    scene.broker.made_anew(ZERO, [event(i, "c", 200 + i, 200 + i, 1.0) for i in range(5)])
    scene.broker.now_s = T0 + 300
    worker.positions[ZERO] = 0
    scene.feed(worker, 1000)
    scene.do(worker, "checkpoint")
    all_arrive(scene)
    assert resolved(scene) == [(1_000_002, "Resolved from critical: the topic of its events was made anew.")]
    assert scene.committed == 5


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
    log = [event(i, "a", t, t, 85.0) for i, t in enumerate([*range(10), 15, 25, 35, 45])]
    scene.broker.made_anew(ZERO, log)
    scene.broker.now_s = T0 + 10
    worker = scene.worker()
    scene.feed(worker, 1000)
    scene.stands_still_at(worker, "caught up")
    scene.do(worker, "tick")
    scene.broker.now_s = T0 + 45
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


def silence_and_then_points_after_all(keeper: type[Keeper] = Keeper) -> Scene:
    """A worker has seen `a` fire and saved that; by now `a` is silent for longer than stale_after.

    Ten points of `a` from right after the newest, worse than those before, come at 800 s.
    """
    scene = Scene(silent=True, keeper=keeper)
    firing = [event(i, "a", i, i, 85.0) for i in range(10)]
    others = event(10, "b", 700.0, 700.0, 1.0)
    delayed = [event(11 + i, "a", 800.0, 10.0 + i, 97.0) for i in range(10)]
    scene.broker.made_anew(ZERO, [*firing, others, *delayed])
    scene.broker.now_s = T0 + 700
    worker = scene.worker()
    scene.feed(worker, 1000)
    scene.do(worker, "checkpoint")
    return scene


def as_decided(scene: Scene) -> None:
    """Nothing conflicts, and alerts and state are those of one run in which time ended what it was committed to end."""
    scene.worker()
    heir = next(worker for worker in scene.workers if worker.alive and ZERO in worker.positions)
    scene.broker.now_s = T0 + 800
    scene.feed(heir, 1000)
    scene.do(heir, "checkpoint")
    expected = run(config_of(True), ZERO, scene.broker.records[ZERO], False, scene.broker.group.decided[ZERO])
    assert scene.broker.seen["alerts"] == expected.alerts
    state = capture(heir.keeper.partitions[ZERO].shard)
    assert state_bytes(state, True) == {**expected.arrays, **state_bytes(expected.saved, True)}


def statuses(scene: Scene) -> list[str]:
    """Of what points opened; `absent` speaks too."""
    events = [json.loads(value) for value in scene.broker.seen["alerts"].values()]
    return [event["status"] for event in events if event["detector"] != "absent"]


@pytest.mark.parametrize("older", [False, True], ids=["newest snapshot", "newest snapshot damaged"])
@pytest.mark.parametrize("saved", [False, True], ids=["before a snapshot", "after one"])
def test_an_alert_that_a_tick_ended_stays_ended_though_its_worker_dies_and_its_points_come_after_all(
    saved: bool, older: bool
) -> None:
    scene = silence_and_then_points_after_all()
    worker = scene.workers[0]
    scene.do(worker, "tick")
    scene.do(worker, "checkpoint" if saved else "tick")
    while worker.pending:
        worker.acknowledge_one()
    assert statuses(scene) == ["firing", "resolved"]
    if older:
        scene.broker.now_s = T0 + 800
        scene.feed(worker, 3)
        scene.do(worker, "checkpoint")
        scene.disk.corrupt(*ZERO, f"{14:020d}.manifest")
    scene.kill(worker)
    as_decided(scene)
    assert statuses(scene)[:3] == ["firing", "resolved", "firing"]


@pytest.mark.parametrize("step", ["commit", "committed", "publish"])
@pytest.mark.parametrize("wakes", [False, True], ids=["dies", "stands still"])
def test_an_alert_ends_by_time_once_and_for_all_wherever_its_worker_stops(step: str, wakes: bool) -> None:
    scene = silence_and_then_points_after_all()
    worker = scene.workers[0]
    if wakes:
        scene.stands_still_at(worker, step)
    else:
        scene.dies_at(worker, step)
    scene.do(worker, "tick")
    other = scene.worker()
    scene.broker.now_s = T0 + 800
    scene.feed(other, 3)
    worker.paused = False
    scene.idle()
    if wakes:
        scene.feed(worker, 3)
    as_decided(scene)
    assert ("resolved" in statuses(scene)) == (step != "commit")


class NeverAsksWhetherItIsAlone(Keeper):
    """Applies whatever Kafka still gives it."""

    async def _is_ours(self) -> bool:
        return True


@pytest.mark.parametrize("asks", [True, False], ids=["", "a keeper that does not ask fails"])
def test_a_worker_that_stood_still_applies_nothing_that_came_since_others_went_on(asks: bool) -> None:
    """They have ended an alert by time meanwhile, which it doesn't know."""
    scene = silence_and_then_points_after_all(Keeper if asks else NeverAsksWhetherItIsAlone)
    zombie = scene.workers[0]
    zombie.paused = True
    other = scene.worker()
    scene.do(other, "tick")
    zombie.paused = False
    scene.broker.now_s = T0 + 800
    applied = zombie.keeper.partitions[ZERO].next_offset
    scene.feed(zombie, 10)
    assert (zombie.keeper.partitions[ZERO].next_offset == applied) == asks
    with nullcontext() if asks else pytest.raises(Conflict):
        for worker in (zombie, other):
            while worker.pending:
                worker.acknowledge_one()
    if asks:
        as_decided(scene)
        assert "resolved" in statuses(scene)


def test_an_alert_that_a_refused_commit_was_to_end_goes_on() -> None:
    scene = silence_and_then_points_after_all()
    worker = scene.workers[0]
    scene.faults = {"commit refused": 1.0}
    scene.do(worker, "tick")
    scene.faults = {}
    as_decided(scene)
    assert statuses(scene) == ["firing", "firing"]


def test_before_the_first_snapshot_time_ends_nothing() -> None:
    """There is no offset beside which it could be committed."""
    scene = Scene(silent=True)
    scene.broker.made_anew(ZERO, [event(i, "a", i, i, 85.0) for i in range(10)])
    scene.broker.now_s = T0 + 10
    worker = scene.worker()
    scene.feed(worker, 1000)
    scene.broker.now_s = T0 + 1000
    scene.do(worker, "tick")
    scene.do(worker, "checkpoint")
    assert statuses(scene) == ["firing"]
    scene.do(worker, "tick")
    scene.do(worker, "checkpoint")
    assert statuses(scene) == ["firing", "resolved"]


def test_what_time_decided_is_forgotten_once_no_snapshot_needs_it() -> None:
    scene = silence_and_then_points_after_all()
    worker = scene.workers[0]
    scene.do(worker, "tick")
    scene.broker.now_s = T0 + 800
    for left in (1, 1, 0):
        scene.feed(worker, 2)
        scene.do(worker, "checkpoint")
        committed = scene.broker.group.committed[ZERO]
        assert len(decisions_of(committed.note)) == left


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
