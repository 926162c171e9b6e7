"""What must hold: at every commit, and at the end against one uninterrupted run."""

from collections.abc import Mapping, Sequence

from pipeline.partition import TP, Partition
from pipeline.saved import capture
from tests.simulation.broker import Broker
from tests.simulation.disk import Disk
from tests.simulation.streams import Oracle, must_be_finite, state_bytes


class Wrong(AssertionError):
    """The promise was broken."""


def check_commits(broker: Broker, disk: Disk, rotten: Mapping[TP, int]) -> None:
    """No committed offset is ahead of what a power cut would leave. rotten: offsets of snapshots spoilt since."""
    for tp, theirs in broker.group.committed.items():
        committed = theirs.offset
        newest = disk.newest_offset(tp.topic, tp.partition)
        if committed > max(newest, rotten.get(tp, -1)):
            raise Wrong(f"{tp}: committed {committed}, newest durable snapshot {newest}")


def check_published(broker: Broker, expected: Sequence[Oracle]) -> None:
    """Nothing missing, nothing too many; that nothing conflicts, the broker sees at each send."""
    for topic, wanted in (
        ("alerts", {key: value for one in expected for key, value in one.alerts.items()}),
        ("dead-letters", {key: value for one in expected for key, value in one.dead_letters.items()}),
    ):
        seen = broker.seen[topic]
        if seen != wanted:
            missing, extra = wanted.keys() - seen.keys(), seen.keys() - wanted.keys()
            other = [key for key in wanted.keys() & seen.keys() if wanted[key] != seen[key]]
            raise Wrong(
                f"{topic}: missing {sorted(missing, key=str)}, too many {sorted(extra, key=str)}, different {other}"
            )


def check_state(partition: Partition, expected: Oracle, silent: bool) -> None:
    """Bit by bit; of a silent stream as `state_bytes` says, and nothing open is left."""
    saved = capture(partition.shard)
    must_be_finite(saved)
    theirs = expected.saved
    if (saved.series, saved.rules, saved.newest_t) != (theirs.series, theirs.rules, theirs.newest_t):
        raise Wrong(f"partition {partition.partition}: series, rules or time differ")
    if saved.controls != theirs.controls:
        raise Wrong(f"partition {partition.partition}: feedback differs: {saved.controls}, {theirs.controls}")
    state = state_bytes(saved, silent)
    differ = [name for name in expected.arrays if state.get(name) != expected.arrays[name]]
    if differ or state.keys() != expected.arrays.keys():
        raise Wrong(f"partition {partition.partition}: state differs in {differ}")
    if silent and partition.tombstones:
        raise Wrong(f"partition {partition.partition}: resolved alerts never leave the state topic")
