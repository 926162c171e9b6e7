"""Kafka in memory: logs, one consumer group with generations, and topics in which sends become durable at last."""

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.outside import Bounds, Commit
from pipeline.partition import TP
from pipeline.silence import Admissions, Decisions, admissions_of, decisions_of
from schemas.control import Control

PARTITIONS = 2  # that a worker is told of, however many there are: it shares budgets and names the partition by that


class Record(NamedTuple):
    """`timestamp`: ms since 1970, when Kafka got it."""

    offset: int
    timestamp: int
    value: bytes | None


class Send(NamedTuple):
    """key: what consumers tell doubles by; value: None removes the key."""

    topic: str
    key: tuple[object, ...]
    value: bytes | None


class Conflict(AssertionError):
    """Two different texts under one id."""


@dataclass
class Group:
    """The coordinator. A rebalance: all members join, those who don't in time are left out, then a new generation."""

    generation: int = 0
    members: set[str] = field(default_factory=set)
    owner: dict[TP, str] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)
    rebalancing: bool = False
    committed: dict[TP, Commit] = field(default_factory=dict)
    decided: defaultdict[TP, Decisions] = field(default_factory=lambda: defaultdict(dict))  # all that ever were
    admitted: defaultdict[TP, Admissions] = field(default_factory=lambda: defaultdict(dict))  # likewise

    def has(self, member: str, generation: int) -> bool:
        return member in self.members and generation == self.generation

    def commit(self, member: str, generation: int, commits: Mapping[TP, Commit]) -> bool:
        if not self.has(member, generation) or any(self.owner.get(tp) != member for tp in commits):
            return False
        self.committed.update(commits)
        for tp, commit in commits.items():
            self.decided[tp].update(decisions_of(commit.note))
            for id_, offset in admissions_of(commit.note).items():
                if self.admitted[tp].setdefault(id_, offset) != offset:
                    raise Conflict(f"{tp}: control {id_} counts from {offset}, and from {self.admitted[tp][id_]}")
        return True

    def leave(self, member: str) -> None:
        """It said so, or its session timed out."""
        self.members.discard(member)
        self.joined.discard(member)
        self.rebalancing = True

    def finish(self, tps: list[TP], rng: random.Random) -> None:
        """Those who joined share the partitions."""
        self.members = set(self.joined)
        self.joined.clear()
        self.generation += 1
        self.rebalancing = False
        members = sorted(self.members)
        rng.shuffle(members)
        self.owner = {tp: members[i % len(members)] for i, tp in enumerate(tps)}


class Broker:
    """`end(tp)` moves with time: a record is there from its timestamp on."""

    def __init__(self, records: Mapping[TP, list[Record]], rng: random.Random) -> None:
        self.rng = rng
        self.records = {tp: list(some) for tp, some in records.items()}
        self.earliest = dict.fromkeys(self.records, 0)
        self.now_s = 0.0
        self.controls: list[tuple[float, Control]] = []  # the control topic: from when on each is there
        self.group = Group()
        self.seen: dict[str, dict[tuple[object, ...], bytes]] = defaultdict(dict)
        self.kept: dict[tuple[object, ...], bytes] = {}  # the compacted state topic
        self.doubles = 0
        self.delayed: list[Send] = []
        self.topic_ids = dict.fromkeys(self.records, "first")  # empty: a Kafka that has none
        self._ends = dict.fromkeys(self.records, 0)

    def end(self, tp: TP) -> int:
        end, records = self._ends[tp], self.records[tp]
        while end < len(records) and records[end].timestamp <= self.now_s * 1000:
            end += 1
        self._ends[tp] = end
        return end

    def bounds(self, tp: TP) -> Bounds:
        theirs = self.group.committed.get(tp)
        offset, note = (None, "") if theirs is None else (theirs.offset, theirs.note)
        return Bounds(offset, self.earliest[tp], self.end(tp), note, self.topic_ids[tp], PARTITIONS)

    def append(self, send: Send) -> None:
        """A send becomes durable. Raises Conflict."""
        if send.topic == "state":
            if send.value is None:
                self.kept.pop(send.key, None)
            else:
                self.kept[send.key] = send.value
            return
        assert send.value is not None
        before = self.seen[send.topic].setdefault(send.key, send.value)
        if before is not send.value:
            self.doubles += 1
        if before != send.value:
            raise Conflict(f"{send.topic} {send.key}:\n  {before!r}\n  {send.value!r}")

    def made_anew(self, tp: TP, records: list[Record]) -> None:
        """The topic was deleted and created again; the group's offsets stayed."""
        self.records[tp], self.earliest[tp], self._ends[tp] = records, 0, 0
        self.topic_ids[tp] = self.topic_ids[tp] and f"{self.topic_ids[tp]} and another"
