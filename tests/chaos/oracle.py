"""What one uninterrupted run would have made of the same records, and how what the workers made differs from it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.config import read_config
from pipeline.engine import Engine
from pipeline.fit import Fit
from pipeline.partition import Partition
from pipeline.replay import Replay
from pipeline.saved import SavedShard, capture, ends_of_open
from pipeline.snapshots.folder import FolderStore
from pipeline.topic_range import TopicRange, records_of
from schemas.alert import AlertEvent, decode_alert, encode_alert
from schemas.dead_letter import decode_dead_letter
from tests.live.harness import read

Key = tuple[str, int]  # id and seq of an alert event


@dataclass
class Era:
    """An uninterrupted run over what the topic holds now."""

    alerts: dict[Key, bytes]  # without `source`
    dead: set[tuple[int, int]]  # partition and offset
    partitions: dict[int, Partition]
    times_ms: dict[tuple[int, int], int]  # Kafka's time by partition and offset

    @classmethod
    def of(cls, config_path: Path, topic: str) -> "Era":
        config = read_config(config_path)
        bootstrap = config.kafka.bootstrap
        run = Replay(config)
        run.add_topic(TopicRange(topic), bootstrap)
        era = cls({_key(event): _bare(event) for event in run.report().alerts}, set(), {}, {})
        engine = Engine(config.rules, config.limits)
        for number, records in records_of(TopicRange(topic), bootstrap):
            if number not in era.partitions:
                era.partitions[number] = Partition(engine, topic, number, "auto", records[0].offset)
            outcome = era.partitions[number].process(records)
            era.dead |= {(letter.partition, letter.offset) for letter in outcome.dead_letters}
            era.times_ms |= {(number, record.offset): record.timestamp for record in records}
        return era

    def ends(self) -> Iterator[AlertEvent]:
        """Of what was open when it was lost, for either reason."""
        for partition in self.partitions.values():
            partition.shard.advance(partition.shard.newest_t)
            for why in (Fit.OTHER_TOPIC, Fit.BEHIND):
                yield from ends_of_open(capture(partition.shard), why.value)


@dataclass
class Verdict:
    """Counts of alert events by (id, seq), and what else a consumer could see."""

    events: int = 0  # records in
    expected: int = 0
    unique: int = 0
    missing: int = 0
    doubles: int = 0  # the same id and the same bytes
    conflicting: int = 0  # the same id, other bytes than expected or than its double
    unexpected: int = 0
    dead_expected: int = 0
    dead_missing: int = 0
    dead_doubles: int = 0
    stale_states: int = 0  # alerts whose newest record in alerts-state is not their newest
    slowest_alert_s: float = 0.0  # from the record that made it to its first copy on the topic
    state: list[str] = field(default_factory=list)  # differences; none: equal to the oracle

    @property
    def exact(self) -> bool:
        wrong = self.missing + self.conflicting + self.unexpected + self.dead_missing + self.stale_states
        return wrong == 0 and not self.state and self.expected > 0


def judge(config_path: Path, topic: str, eras: Sequence[Era], window_ms: tuple[float, float]) -> Verdict:
    """Of a group that is at rest. The last era is the topic as it is now.

    window_ms: Kafka's times of the records whose alerts count for the slowest.
    """
    config = read_config(config_path)
    bootstrap, now = config.kafka.bootstrap, eras[-1]
    verdict = Verdict(events=sum(len(era.times_ms) for era in eras))
    expected: dict[Key, set[bytes]] = defaultdict(set)
    for era in eras:
        for key, value in era.alerts.items():
            expected[key].add(value)
    for event in (event for era in eras[:-1] for event in era.ends()):
        expected[_key(event)].add(_bare(event))
    found: dict[Key, list[bytes]] = defaultdict(list)
    for record in read(bootstrap, config.topics.alerts):
        event = decode_alert(record.value or b"")
        if event.source and _key(event) not in found:
            made_ms = now.times_ms.get((event.source.partition, event.source.offset), record.timestamp)
            if window_ms[0] <= made_ms <= window_ms[1]:
                verdict.slowest_alert_s = max(verdict.slowest_alert_s, (record.timestamp - made_ms) / 1000)
        found[_key(event)].append(_bare(event))
    verdict.expected, verdict.unique = len(expected), len(found)
    verdict.missing = len(expected.keys() - found.keys())
    verdict.unexpected = len(found.keys() - expected.keys())
    verdict.doubles = sum(len(values) - 1 for values in found.values())
    verdict.conflicting = sum(not set(values) <= expected[key] for key, values in found.items() if key in expected)
    _judge_dead_letters(verdict, eras, [r.value or b"" for r in read(bootstrap, config.topics.dead_letters)])
    states = {r.key: r.value for r in read(bootstrap, config.topics.state) if r.value is not None}
    verdict.stale_states = _stale(expected, states.values())
    store = FolderStore(Path(config.snapshots.path), config.kafka.group)
    for number, partition in sorted(now.partitions.items()):
        snapshot = store.load(topic, number).snapshot
        if snapshot is None:
            verdict.state.append(f"{number}: no snapshot")
            continue
        if snapshot.next_offset != partition.next_offset:
            verdict.state.append(f"{number}: at {snapshot.next_offset} and not {partition.next_offset}")
        verdict.state += [f"{number}: {what}" for what in differences(snapshot.saved, capture(partition.shard))]
    return verdict


def differences(ours: SavedShard, theirs: SavedShard) -> list[str]:
    """Names of what is not the same to the bit (NaN is NaN)."""
    found = [name for name in ("series", "newest_t", "rules") if getattr(ours, name) != getattr(theirs, name)]
    if ours.arrays.keys() != theirs.arrays.keys():
        return [*found, "names of arrays"]
    return found + [name for name, array in ours.arrays.items() if not _same(array, theirs.arrays[name])]


def _same(a: "NDArray[np.void]", b: "NDArray[np.void]") -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.names:
        return all(_same(a[name], b[name]) for name in a.dtype.names)
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def _judge_dead_letters(verdict: Verdict, eras: Sequence[Era], letters: Iterable[bytes]) -> None:
    expected = {(i, *place) for i, era in enumerate(eras) for place in era.dead}
    # A topic that was made anew counts its offsets from 0 again: the same place may be meant once an era.
    places: dict[tuple[int, int], int] = defaultdict(int)
    for value in letters:
        letter = decode_dead_letter(value)
        places[letter.partition, letter.offset] += 1
    wanted: dict[tuple[int, int], int] = defaultdict(int)
    for _, partition, offset in expected:
        wanted[partition, offset] += 1
    verdict.dead_expected = len(expected)
    verdict.dead_missing = sum(max(0, times - places[place]) for place, times in wanted.items())
    verdict.dead_doubles = sum(max(0, times - wanted[place]) for place, times in places.items())


def _stale(expected: Mapping[Key, set[bytes]], states: Iterable[bytes]) -> int:
    newest: dict[str, AlertEvent] = {}
    for values in expected.values():
        for value in values:
            event = decode_alert(value)
            before = newest.get(event.fingerprint)
            if before is None or (before.starts_at, before.seq) < (event.starts_at, event.seq):
                newest[event.fingerprint] = event
    told = {event.fingerprint: event for event in map(decode_alert, states)}
    return sum(name not in told or _key(told[name]) != _key(event) for name, event in newest.items())


def _key(event: AlertEvent) -> Key:
    return event.id, event.seq


def _bare(event: AlertEvent) -> bytes:
    return encode_alert(msgspec.structs.replace(event, source=None))
