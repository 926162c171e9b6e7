"""The faults. Each takes a bed, breaks something under load, and leaves the rest to the verdict."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.snapshots.folder import MANIFEST, FolderStore
from tests.chaos.bed import SNAPSHOT_EVERY_S, Bed
from tests.live.harness import Worker

Row = Callable[[Bed], None]
SESSION_TIMEOUT_S = 10.0


def kill_mid_batch(bed: Bed, times: int = 3) -> None:
    """kill -9 at random moments under load."""
    rng = random.Random(4)
    bed.fleet.start()
    with bed.load():
        bed.pause(0.2)
        for _ in range(times):
            time.sleep(rng.uniform(1.0, 1.0 + SNAPSHOT_EVERY_S))
            began_s = time.monotonic()
            bed.fleet.kill(bed.fleet.workers[0])
            bed.recovered(began_s)
        bed.pause(0.2)


def failpoint(name: str, times: int) -> Row:
    def row(bed: Bed) -> None:
        worker = bed.fleet.start(TIDEGAUGE_FAILPOINT=f"{name}:{times}")
        with bed.load():
            bed.wait("its end", lambda: worker.process.poll() is not None, 60)
            began_s = time.monotonic()
            bed.wait("another", lambda: bool(bed.fleet.ends and bed.fleet.workers))
            bed.recovered(began_s)
            bed.pause(0.2)
        assert bed.fleet.ends == [-9], bed.fleet.ends

    return row


def sigterm(bed: Bed, times: int = 3) -> None:
    """Under load: exit 0 within 10 s, and nothing of what it applied is left uncommitted."""
    worker = bed.fleet.start()
    slowest_s = 0.0
    with bed.load():
        for i in range(times):
            bed.pause(0.6 / times)
            began_s = time.monotonic()
            slowest_s = max(slowest_s, bed.fleet.stop(worker))
            saved = sum(_saved_offsets(bed).values())
            committed, _ = bed.offsets()
            assert saved == committed, f"saved {saved}, committed {committed}"
            worker = bed.fleet.start()
            bed.recovered(began_s)
            assert i or worker.metrics("tidegauge_snapshots_total", outcome="loaded") == bed.partitions
        bed.pause(0.2)
    assert slowest_s < 10.0, f"took {slowest_s:.1f} s"
    bed.measured.numbers["sigterm_to_exit_s"] = slowest_s
    bed.measured.notes.append(f"SIGTERM to exit {slowest_s:.1f} s")


def scale(bed: Bed) -> None:
    """1 -> 2 -> 3 -> 1 workers; of the two that leave, one is killed."""
    first = bed.fleet.start()
    with bed.load():
        bed.pause(0.2)
        for _ in range(2):
            began_s = time.monotonic()
            bed.fleet.start()
            bed.recovered(began_s)
            bed.pause(0.2)
        bed.fleet.stop(first)
        began_s = time.monotonic()
        bed.fleet.kill(bed.fleet.workers[0], again=False)
        bed.recovered(began_s)
        bed.pause(0.2)
    assert not bed.fleet.ends, bed.fleet.ends


def zombie(bed: Bed) -> None:
    """Two workers; one stands still for longer than the session timeout and then goes on as if nothing had been."""
    frozen = bed.fleet.start()
    bed.fleet.start()
    with bed.load():
        bed.applied_up_to_now()
        time.sleep(1.3)  # half way between two snapshots: it has applied what it has not saved
        began_s = time.monotonic()
        bed.fleet.freeze(frozen)
        time.sleep(SESSION_TIMEOUT_S + 4.0)
        bed.recovered(began_s)
        bed.fleet.thaw(frozen)
        time.sleep(3.0)
        bed.applied_up_to_now()
        bed.pause(0.3)
        bed.wait("the zombie's share", lambda: frozen.metrics("tidegauge_lag_records") < bed.rate)
    assert not bed.fleet.ends, f"a worker ended: {bed.fleet.ends}"
    bed.measured.notes.append(f"commits refused: {bed.fleet.logged('commit refused')}")


def storm(bed: Bed, lasts_s: float = 40.0) -> None:
    """A worker joins and another leaves every 3 s."""
    bed.fleet.start()
    with bed.load():
        bed.applied_up_to_now()
        before, _ = bed.offsets()
        began_s = time.monotonic()
        joined: list[Worker] = []
        left = 0
        while time.monotonic() - began_s < lasts_s:
            joined.append(bed.fleet.launch())
            time.sleep(3.0)
            ready = [worker for worker in joined if worker.ready()]
            if ready:
                bed.fleet.stop(ready[0])
                joined.remove(ready[0])
                left += 1
        after, _ = bed.offsets()
        for worker in joined:
            worker.wait("ready", worker.ready)
            bed.fleet.stop(worker)
        began_s = time.monotonic()
        bed.recovered(began_s)
        bed.pause(0.1)
    assert after > before, "no progress during the storm"
    assert left > 3, f"only {left} joined and left: too slow a machine for a storm"
    assert not bed.fleet.ends, bed.fleet.ends
    bed.measured.numbers["committed_during_storm"] = after - before
    bed.measured.notes.append(f"{left} left meanwhile, {after - before:,} committed")


def corrupt_newest(bed: Bed) -> None:
    """Of every partition while nobody runs: the older one is taken, and reading goes back to it."""
    worker = bed.fleet.start()
    with bed.load():
        bed.applied_up_to_now()
        bed.pause(0.3)
        bed.fleet.stop(worker)
        manifests = [sorted(folder.glob(f"*{MANIFEST}")) for folder in _partition_folders(bed)]
        assert all(len(names) >= 2 for names in manifests), manifests
        for i, names in enumerate(manifests):
            damage(names[-1], i)
        began_s = time.monotonic()
        again = bed.fleet.start()
        bed.recovered(began_s)
        bed.pause(0.2)
        assert again.metrics("tidegauge_snapshots_total", outcome="refused") == len(manifests)
        assert again.metrics("tidegauge_snapshots_total", outcome="loaded") == len(manifests)
    assert bed.fleet.logged("snapshot refused") == len(manifests)


def damage(path: Path, how: int) -> None:
    data = bytearray(path.read_bytes())
    if how % 3 == 0:
        data[len(data) // 2] ^= 0x10
    elif how % 3 == 1:
        del data[len(data) // 2 :]
    else:
        data[:] = b""
    path.write_bytes(data)


def rolling_restart(bed: Bed) -> None:
    """Two workers, each stopped and started in turn."""
    workers = [bed.fleet.start(), bed.fleet.start()]
    with bed.load():
        bed.applied_up_to_now()
        bed.pause(0.2)
        for worker in workers:
            began_s = time.monotonic()
            bed.fleet.stop(worker)
            bed.fleet.start()
            bed.recovered(began_s)
            bed.pause(0.2)
    assert not bed.fleet.ends, bed.fleet.ends


def _partition_folders(bed: Bed) -> Iterator[Path]:
    return (bed.folder / "state" / bed.topic / bed.topic).iterdir()


def _saved_offsets(bed: Bed) -> dict[int, int]:
    store = FolderStore(bed.folder / "state", bed.topic)
    found = {partition: store.load(bed.topic, partition).snapshot for partition in range(bed.partitions)}
    return {partition: snapshot.next_offset for partition, snapshot in found.items() if snapshot}
