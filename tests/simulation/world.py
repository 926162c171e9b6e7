"""One seed: a schedule of everything that goes wrong, then a calm end, then the checks against an uninterrupted run."""

import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

from pipeline.keeper import Keeper
from pipeline.partition import TP
from tests.simulation.broker import Broker, Record
from tests.simulation.disk import Disk, Killed
from tests.simulation.streams import CONTROLS, SILENCE_S, STALE_AFTER_S, T0, TOPIC, config_of, controls, oracle, records
from tests.simulation.verdict import Wrong, check_commits, check_published, check_state
from tests.simulation.worker import EXPECTED_ENDS, Worker

FAULTS = {
    "kill": 0.005,  # at each step of a worker
    "power cut": 0.005,  # at each action of the world, as those that follow
    "zombie": 0.025,
    "rebalance": 0.02,
    "redelivery": 0.05,
    "disk full": 0.02,
    "corruption": 0.02,
    "retention": 0.02,
    "heed": 0.05,  # a look at what people say
    "tick": 0.06,
    "lost": 0.3,  # of each unacknowledged send when its worker dies
    "delayed": 0.3,
    "doubled": 0.2,
    "commit refused": 0.1,  # of each commit
    "producer fails": 0.02,  # of each send
    "slow flush": 0.3,
    "input/output error": 0.02,  # of each call
}
"""How likely, where a seed has the fault at all: each seed leaves out some, so that the others get further."""

TURNING_POINTS = {"publish", "flushed", "rename", "thread done", "commit", "committed"}
"""Steps at which a death matters most, and which are rare beside all those of sending and writing."""
SESSION_TIMEOUT_S = 10.0
SILENT = 0.4  # of the seeds have series that stop
ROUNDS = 240
STUCK_AFTER = 60_000


def is_silent(seed: int) -> bool:
    """Without making its world."""
    return random.Random(seed).random() < SILENT


class World:
    """Workers, broker and disk of one seed."""

    def __init__(self, seed: int, keeper: type[Keeper] = Keeper, streams: int = 25) -> None:
        self.rng = rng = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.said: list[tuple[float, str, str]] = []  # when, who, what
        self.silent = rng.random() < SILENT
        self.number = rng.randrange(streams)
        self.tps = [TP(TOPIC, partition) for partition in range(rng.choice((1, 1, 2, 2, 3)))]
        self.broker = Broker({tp: records(self.number, tp.partition, self.silent) for tp in self.tps}, rng)
        self.broker.now_s = T0
        self.disk = Disk(rng)
        self.faults = {fault: rate for fault, rate in FAULTS.items() if rng.random() < 0.6}
        if self.silent and "tick" in self.faults:
            self.faults |= {"tick": 0.15, "zombie": 0.01, "rebalance": 0.01, "disk full": 0.01}
        self.disk.eio = self.faults.get("input/output error", 0.0) * (rng.random() < 0.3)
        self.workers: list[Worker] = []
        self.rotten: dict[TP, int] = {}  # offset of a snapshot that was spoilt
        self._keeper = keeper
        self._born = 0
        self.last_s = max(some[-1].timestamp for some in self.broker.records.values()) / 1000
        self._pace_s = (self.last_s - T0) / (ROUNDS * 0.055)
        for _ in range(rng.choice((1, 2, 2, 3))):
            self.spawn()
        if rng.random() < CONTROLS:
            self.broker.controls = controls(self.number, self.silent)
            self.faults["heed"] = 0.2

    # The schedule ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Raises Wrong, or whatever the keeper or the store raised that they must not."""
        if self.silent:
            self._begin_calmly()
        for _ in range(ROUNDS):
            busy = [worker for worker in self.workers if worker.alive and not worker.paused and worker.loop.has_work]
            if busy and self.rng.random() < 0.75:
                worker = self.rng.choice(busy)
                for _ in range(self.rng.choice((1, 1, 2, 5, 10))):
                    self.step(worker)
            else:
                self.act()
        self.calm()
        self.check()

    def _begin_calmly(self) -> None:
        """Up to a first snapshot, before which time alone ends nothing."""
        faults, eio, self.faults, self.disk.eio = self.faults, self.disk.eio, {}, 0.0
        log, _ = self._some_log()
        self.broker.now_s = log[len(log) // 4].timestamp / 1000
        self._settle()
        for worker in self.workers:
            self.start(worker, "checkpoint")
        self._settle()
        self.faults, self.disk.eio = faults, eio

    def step(self, worker: Worker) -> None:
        if worker.alive and worker.loop.has_work:
            worker.loop.step()
        for kind, error in worker.finished():
            if error is None:
                continue
            if not isinstance(error, EXPECTED_ENDS):
                raise error
            if worker.alive:
                self.say(worker.name, f"ends in {kind}: {error!r}")
                self.kill(worker)

    def act(self) -> None:
        rng, alive = self.rng, [worker for worker in self.workers if worker.alive and not worker.paused]
        kind = rng.random()
        for fault, do in self._actions.items():
            kind -= self.faults.get(fault, 0.0)
            if kind < 0:
                self.counts[fault] += 1
                do(self)
                return
        kind = rng.random()
        if kind < 0.2:
            self._time_passes()
        elif kind < 0.3 or not alive:
            self.group_goes_on(patience=0.3)
        elif kind < 0.4 and len(alive) < 3 and (not alive or rng.random() < 0.4):
            self.spawn()
        elif kind < 0.45 and self.broker.delayed:
            self.broker.append(self.broker.delayed.pop(rng.randrange(len(self.broker.delayed))))
        elif kind < 0.5:
            rng.choice(alive).acknowledge_one()
        elif kind < (0.7 if self.silent else 0.6):
            self.start(rng.choice(alive), "checkpoint")
        else:
            worker = rng.choice(alive)
            if worker.positions:
                tp = rng.choice(sorted(worker.positions))
                worker.fetch(tp, worker.positions[tp], rng.choice((2, 5, 10, 30)))
                self.start(worker, "agent")

    def _time_passes(self) -> None:
        """Of a silent stream often up to where the next silence begins."""
        log, end = self._some_log()
        if self.silent and self.rng.random() < 0.7:
            for before, after in pairwise(log[end:]):
                if after.timestamp - before.timestamp > 1000 * STALE_AFTER_S:
                    self.broker.now_s = max(self.broker.now_s, before.timestamp / 1000)
                    return
        self.broker.now_s += round(self.rng.expovariate(1 / self._pace_s) * 8) / 8

    def _some_log(self) -> tuple[list[Record], int]:
        tp = self.rng.choice(self.tps)
        return self.broker.records[tp], self.broker.end(tp)

    def start(self, worker: Worker, kind: str) -> None:
        work = {
            "agent": worker.agent,
            "checkpoint": worker.keeper.checkpoint,
            "tick": worker.keeper.tick,
            "heed": worker.keeper.heed,
            "revoke": worker.revoke,
            "assign": worker.assign,
        }[kind]
        if worker.start(kind, work) and kind != "agent":
            self.say(worker.name, kind)

    def spawn(self) -> None:
        self._born += 1
        made = config_of(self.silent)
        worker = Worker(f"w{self._born}", made, self.broker, self.disk, self, self._keeper)
        self.workers.append(worker)
        self.broker.group.rebalancing = True
        self.say(worker.name, "starts")

    def kill(self, worker: Worker) -> None:
        self.counts["kill"] += 1
        self.say(worker.name, "is dead")
        worker.die()

    # The group -------------------------------------------------------------------------------------------------------

    def group_goes_on(self, patience: float) -> None:
        """Heartbeats: members learn of a rebalance and join; those who don't are left out, patience permitting."""
        group = self.broker.group
        for worker in self.workers:
            lost = worker.name not in group.members and worker.name not in group.joined
            if worker.alive and not worker.paused and (lost or (group.rebalancing and worker.name not in group.joined)):
                if "assign" not in worker.tasks:
                    self.start(worker, "revoke")
                group.rebalancing = True
        missing = sorted(group.members - group.joined)
        awake = {worker.name for worker in self.workers if worker.alive and not worker.paused}
        for name in missing:
            if name not in awake and self.rng.random() < patience:
                self.say(name, "is left out of the group")
                group.leave(name)
                self.broker.now_s += SESSION_TIMEOUT_S
                missing = sorted(group.members - group.joined)
        if group.rebalancing and group.joined and not missing:
            group.finish(self.tps, self.rng)
            self.say("group", f"generation {group.generation}: {_short(group.owner)}")
            for worker in self.workers:
                if worker.name in group.members:
                    self.start(worker, "assign")

    # Faults ----------------------------------------------------------------------------------------------------------

    def at(self, worker: Worker, step: str) -> None:
        name = f"step {step}"
        self.counts[name] += 1
        self.said.append((self.broker.now_s, worker.name, name))
        if self.happens("kill", 5 if step in TURNING_POINTS else 1):
            self.counts[f"kill at {step}"] += 1
            self.kill(worker)
            raise Killed

    def happens(self, fault: str, times: int = 1) -> bool:
        rate = self.faults.get(fault)
        happens = rate is not None and self.rng.random() < rate * times
        if happens:
            self.counts[fault] += 1
        return happens

    def _power_cut(self) -> None:
        for worker in self.workers:
            if worker.alive:
                self.kill(worker)
        self.say("disk", "power cut")
        self.disk.power_cut()
        self.check_commits()
        if self.happens("corruption"):
            self._corrupt(packs=True)

    def _zombie(self) -> None:
        alive = [worker for worker in self.workers if worker.alive]
        if alive:
            worker = self.rng.choice(alive)
            worker.paused = not worker.paused
            self.say(worker.name, "stands still" if worker.paused else "goes on")
            if worker.paused:
                self.broker.group.rebalancing = True
                self.broker.now_s += self.rng.choice((0, 0, 5, 30)) if self.silent else 0

    def _rebalance(self) -> None:
        self.broker.group.rebalancing = True

    def _redeliver(self) -> None:
        """Records that came before come again, without a gap to what is next."""
        reading = [worker for worker in self.workers if worker.alive and not worker.paused and worker.positions]
        if reading:
            worker = self.rng.choice(reading)
            tp = self.rng.choice(sorted(worker.positions))
            earliest, next_ = self.broker.earliest[tp], worker.positions[tp]
            first = self.rng.randint(min(earliest, next_), next_)
            worker.fetch(tp, first, self.rng.choice((5, 40)))
            self.start(worker, "agent")

    def _fill_disk(self) -> None:
        self.disk.full = not self.disk.full
        self.say("disk", "is full" if self.disk.full else "has room")

    def _corrupt(self, packs: bool = False) -> None:
        """The newest of at least two snapshots. Packs only while nobody lives who takes their blocks to be good."""
        tp = self.rng.choice(self.tps)
        found = self.disk.manifests(tp.topic, tp.partition, durable=False)
        if len(found) < 2 or found[-1].next_offset <= self.rotten.get(tp, -1):
            return
        names = [f"{found[-1].next_offset:020d}.manifest"]
        if packs:
            shared = {file.name for manifest in found[:-1] for file in manifest.files}
            names += [file.name for file in found[-1].files if file.name not in shared and file.size]
        name = self.rng.choice(names)
        self.say("disk", f"{tp.partition}/{name} is spoilt")
        self.counts["spoilt"] += 1
        self.disk.corrupt(tp.topic, tp.partition, name)
        self.rotten[tp] = found[-1].next_offset

    def _retain(self) -> None:
        """Kafka forgets what no kept snapshot needs."""
        for tp in self.tps:
            kept = [
                m.next_offset for d in (True, False) for m in self.disk.manifests(tp.topic, tp.partition, durable=d)
            ]
            committed = self.broker.group.committed.get(tp)
            if kept and committed is not None:
                self.broker.earliest[tp] = max(self.broker.earliest[tp], min(*kept, committed.offset))

    def _tick(self) -> None:
        reading = [worker for worker in self.workers if worker.alive and not worker.paused]
        if self.silent and not self._fetch_all(reading):  # long after all that has come, and before anything more does
            log, end = self._some_log()
            next_s = log[end].timestamp / 1000 if end < len(log) else self.broker.now_s
            self.broker.now_s = max(self.broker.now_s, next_s - 0.5)
        for worker in self.workers:
            if not worker.paused:
                self.start(worker, "tick")

    def _heed(self) -> None:
        for worker in self.workers:
            if not worker.paused:
                self.start(worker, "heed")

    _actions: ClassVar[dict[str, Callable[["World"], None]]] = {
        "power cut": _power_cut,
        "zombie": _zombie,
        "rebalance": _rebalance,
        "redelivery": _redeliver,
        "disk full": _fill_disk,
        "corruption": _corrupt,
        "retention": _retain,
        "tick": _tick,
        "heed": _heed,
    }

    # The end ---------------------------------------------------------------------------------------------------------

    def calm(self) -> None:
        """No more faults: what lives goes on, and all that Kafka has is applied, published and saved."""
        self.counts["decided by time"] += sum(map(len, self.broker.group.decided.values()))
        self.counts["said by people"] += sum(map(len, self.broker.group.admitted.values()))
        self.say("world", "calm")
        self.faults, self.disk.full, self.disk.eio = {}, False, 0.0
        self.broker.now_s = max(
            self.broker.now_s, max(some[-1].timestamp for some in self.broker.records.values()) / 1000
        )
        for send in self.broker.delayed:
            self.broker.append(send)
        for worker in self.workers:
            worker.paused = False
        if not any(worker.alive for worker in self.workers):
            self.spawn()
        self._settle()
        for worker in self.workers:
            self.start(worker, "checkpoint")
        self._settle()
        if self.silent:
            for _ in range(2):  # all that is open ends; then what has resolved leaves the state topic
                self.broker.now_s += SILENCE_S
                for worker in self.workers:
                    self.start(worker, "tick")
                self._settle()
            for worker in self.workers:
                self.start(worker, "checkpoint")
            self._settle()

    def _settle(self) -> None:
        for _ in range(STUCK_AFTER):
            busy = [worker for worker in self.workers if worker.alive and worker.loop.has_work]
            if busy:
                self.step(self.rng.choice(busy))
                continue
            if any(worker.alive and worker.tasks for worker in self.workers):
                raise Wrong("a task waits for nothing")
            group = self.broker.group
            alive = {worker.name for worker in self.workers if worker.alive}
            if group.rebalancing or group.members != alive:
                self.group_goes_on(patience=1.0)
                continue
            if not self._fetch_all([worker for worker in self.workers if worker.alive]):
                return
        raise Wrong("it never comes to rest")

    def _fetch_all(self, workers: list[Worker]) -> bool:
        """False: there was nothing left to fetch."""
        behind = False
        for worker in workers:
            for tp in [tp for tp, at in worker.positions.items() if at < self.broker.end(tp)]:
                behind = True
                worker.fetch(tp, worker.positions[tp], 1000)
                self.start(worker, "agent")
        return behind

    def check_commits(self) -> None:
        check_commits(self.broker, self.disk, self.rotten)

    def check(self) -> None:
        group = self.broker.group
        expected = {
            tp: oracle(
                self.number,
                tp.partition,
                self.silent,
                tuple(group.decided[tp].items()),
                tuple(group.admitted[tp].items()),
            )
            for tp in self.tps
        }
        check_published(self.broker, list(expected.values()))
        for topic in ("alerts", "dead-letters"):
            self.counts[topic] += len(self.broker.seen[topic])
        self.counts["doubles"] += self.broker.doubles
        for tp, one in expected.items():
            owner = next(worker for worker in self.workers if worker.name == self.broker.group.owner[tp])
            partition = owner.keeper.partitions[tp]
            check_state(partition, one, self.silent)
            saved_to = max(self.disk.newest_offset(*tp), self.rotten.get(tp, -1))
            theirs = self.broker.group.committed.get(tp)
            at = (partition.next_offset, theirs and theirs.offset, saved_to)
            if set(at) != {self.broker.end(tp)}:
                raise Wrong(f"{tp}: applied, committed, saved up to {at}, of {self.broker.end(tp)}")

    def say(self, who: str, what: str) -> None:
        self.said.append((self.broker.now_s, who, what))


def _short(owner: dict[TP, str]) -> str:
    return ", ".join(f"{tp.partition} to {name}" for tp, name in sorted(owner.items())) or "nothing to share"
