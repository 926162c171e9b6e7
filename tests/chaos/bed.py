"""A test bed for one fault: its topics, its config, its workers, the load on them, and the verdict afterwards."""

import math
import operator
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from tests.chaos.fleet import Fleet
from tests.chaos.load import Load
from tests.chaos.oracle import Era, Verdict, judge
from tests.chaos.own_broker import OwnBroker
from tests.engine.streams import CONFIG
from tests.live.harness import config_file, create_topic

T = TypeVar("T")
RULES = CONFIG[CONFIG.index("rules:") :]
SNAPSHOT_EVERY_S = 1.0
_RECOVERS_WITHIN_S = 120.0


@dataclass
class Measured:
    """What a row found besides the verdict."""

    recovered_s: list[float] = field(default_factory=list)  # until all is applied, saved and committed
    caught_up_s: list[float] = field(default_factory=list)  # until all is applied
    notes: list[str] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    alerts_within_s: float | None = None  # what the slowest alert must keep to, where the row is about that


class Bed:
    """Rows drive it: start workers, load, break something, `recovered`, and `finish`."""

    def __init__(
        self,
        broker: OwnBroker | str,
        folder: Path,
        name: str,
        fleet: Fleet,
        *,
        seconds: float,
        rate: float,
        partitions: int,
    ) -> None:
        self.broker = broker if isinstance(broker, OwnBroker) else None
        self.bootstrap = _address(broker)
        self.folder, self.topic, self.fleet = folder, name, fleet
        self.seconds, self.rate, self.partitions = seconds, rate, partitions
        self.config = fleet.config
        self.measured = Measured()
        self.eras: list[Era] = []
        self.window_ms = (0.0, math.inf)  # of records whose alerts count for the slowest
        self._next = 0
        self._group = name
        self._asker = self._new_asker()

    def _new_asker(self) -> KafkaConsumer:
        """Never joins the group: it only asks, and often."""
        return KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self._group, enable_auto_commit=False)

    def _asked(self, ask: Callable[[KafkaConsumer], T]) -> T:
        """Again, by a client of its own, where one that has seen the broker die waits for a dead connection."""
        for _ in range(2):
            try:
                return ask(self._asker)
            except KafkaError:
                self._asker.close()
                self._asker = self._new_asker()
        return ask(self._asker)

    def close(self) -> None:
        self._asker.close()

    @contextmanager
    def load(self) -> Iterator[Load]:
        """While the block runs. A second one goes on where the first ended."""
        running = Load(self.bootstrap, self.topic, self.rate, self._next)
        try:
            yield running
        finally:
            self._next = running.stop()

    def pause(self, part: float) -> None:
        """A part of the row's seconds."""
        time.sleep(self.seconds * part)

    def offsets(self) -> tuple[int, int]:
        """Sums over the partitions: committed, and end."""
        return sum(self._committed()), sum(self._ends())

    def _committed(self) -> list[int]:
        tps = [TopicPartition(self.topic, p) for p in range(self.partitions)]
        return self._asked(lambda asker: [asker.committed(tp) or 0 for tp in tps])

    def _ends(self) -> list[int]:
        tps = [TopicPartition(self.topic, p) for p in range(self.partitions)]
        ends = self._asked(lambda asker: asker.end_offsets(tps))
        return [ends[tp] for tp in tps]

    def applied_up_to_now(self) -> float:
        """Waits until all but the last second is applied, and then until that is committed too.

        Returns when (monotonic s) the first of these was so.
        """
        seen = [(time.monotonic(), self._ends())]

        def caught_up() -> bool:
            seen.append((time.monotonic(), self._ends()))
            lag = self.fleet.lag()
            return len(lag) == self.partitions and sum(lag.values()) <= self.rate

        self.wait("all applied", caught_up)
        applied_s = time.monotonic()
        earlier = [ends for at_s, ends in seen if at_s <= applied_s - 1.0]
        piled_up = earlier[-1] if earlier else seen[0][1]
        self.wait("all committed", lambda: all(map(operator.ge, self._committed(), piled_up)))
        return applied_s

    def recovered(self, since_s: float) -> None:
        """Notes how long `applied_up_to_now` took from when the fault began."""
        self.measured.caught_up_s.append(self.applied_up_to_now() - since_s)
        self.measured.recovered_s.append(time.monotonic() - since_s)

    def wait(self, what: str, until: Callable[[], bool], timeout_s: float = _RECOVERS_WITHIN_S) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not until():
            if time.monotonic() > deadline_s:
                tails = "\n".join(worker.tail() for worker in self.fleet.workers)
                raise AssertionError(f"not within {timeout_s:.0f} s: {what}; lag {self.fleet.lag()}\n{tails}")
            time.sleep(0.2)

    def settled(self) -> None:
        """Load has ended: waits until all of it is applied and committed."""
        self.wait("everything committed", lambda: len(set(self.offsets())) == 1)

    def stop_workers(self) -> None:
        took_s = self.fleet.stop_all()
        assert took_s < 10.0, f"SIGTERM took {took_s:.1f} s"

    def end_era(self) -> None:
        """The oracle runs over what is in the topic now; what comes after begins from nothing."""
        self.eras.append(Era.of(self.config, self.topic))

    def finish(self) -> Verdict:
        self.settled()
        self.stop_workers()
        self.end_era()
        return judge(self.config, self.topic, self.eras, self.window_ms)


def _address(broker: OwnBroker | str) -> str:
    return broker if isinstance(broker, str) else broker.bootstrap


@contextmanager
def bed(
    broker: OwnBroker | str,
    folder: Path,
    name: str,
    *,
    seconds: float,
    rate: float = 800.0,
    partitions: int = 4,
    limits: str = "",
    disk_mb: int | None = None,
    snapshot_every_s: float = SNAPSHOT_EVERY_S,
) -> Iterator[Bed]:
    """broker: its address, or the one that a fault may kill; rate: records a second; limits: more of them, as YAML;
    disk_mb: snapshots go to a disk of that size (needs root)."""
    rules = f"limits: {{idle_after: 1h, stale_after: 10m, {limits}}}\n{RULES}"
    config = config_file(folder, _address(broker), name, rules, snapshot_every=f"{snapshot_every_s:g}s")
    create_topic(_address(broker), name, partitions)
    with (
        _disk(folder / "state", disk_mb) if disk_mb else nullcontext(),
        Fleet(config) as fleet,
        closing(Bed(broker, folder, name, fleet, seconds=seconds, rate=rate, partitions=partitions)) as ours,
    ):
        yield ours


@contextmanager
def _disk(folder: Path, megabytes: int) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
