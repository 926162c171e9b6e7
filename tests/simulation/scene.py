"""A world without chance: a test says what happens, one thing after the other, and where a worker dies."""

from pipeline.keeper import Keeper
from pipeline.partition import TP
from tests.simulation.broker import Broker
from tests.simulation.disk import Killed
from tests.simulation.streams import TOPIC, records
from tests.simulation.worker import Worker
from tests.simulation.world import World

ZERO = TP(TOPIC, 0)


class Scene(World):
    """All records are in Kafka from the start. `calm` and `check` end it as they end every seed."""

    def __init__(
        self, number: int = 3, partitions: int = 1, silent: bool = False, keeper: type[Keeper] = Keeper
    ) -> None:
        super().__init__(0, keeper)
        self.silent, self.number, self.faults, self.workers = silent, number, {}, []
        self.tps = [TP(TOPIC, partition) for partition in range(partitions)]
        self.broker = Broker({tp: records(number, tp.partition, silent) for tp in self.tps}, self.rng)
        self.disk.eio, self._born = 0.0, 0
        self.last_s = self.broker.now_s = max(some[-1].timestamp for some in self.broker.records.values()) / 1000
        self._dies: tuple[Worker, str, int] | None = None
        self._stops: tuple[Worker, str] | None = None

    def worker(self) -> Worker:
        """One more, with its share."""
        self.spawn()
        self.rebalance()
        return self.workers[-1]

    def rebalance(self) -> None:
        """Whoever lives and doesn't stand still shares the partitions anew."""
        self.broker.group.rebalancing = True
        while self.broker.group.rebalancing:
            self.group_goes_on(patience=1.0)
            self.idle()

    def idle(self) -> None:
        """All go on until they wait for something new."""
        while busy := [w for w in self.workers if w.alive and not w.paused and w.loop.has_work]:
            self.step(busy[0])

    def feed(self, worker: Worker, count: int, tp: TP = ZERO) -> None:
        worker.fetch(tp, worker.positions[tp], count)
        self.do(worker, "agent")

    def do(self, worker: Worker, kind: str) -> None:
        self.start(worker, kind)
        self.idle()

    def dies_at(self, worker: Worker, step: str, time: int = 1) -> None:
        """When it comes to that step for the `time`-th time from now."""
        self._dies = (worker, step, time)

    def stands_still_at(self, worker: Worker, step: str) -> None:
        self._stops = (worker, step)

    def at(self, worker: Worker, step: str) -> None:
        self.say(worker.name, f"step {step}")
        if self._stops == (worker, step):
            worker.paused, self._stops = True, None
        if self._dies and self._dies[:2] == (worker, step):
            self._dies = (worker, step, self._dies[2] - 1)
            if self._dies[2] == 0:
                self.kill(worker)
                raise Killed

    @property
    def committed(self) -> int | None:
        theirs = self.broker.group.committed.get(ZERO)
        return theirs.offset if theirs else None
