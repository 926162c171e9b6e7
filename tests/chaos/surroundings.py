"""Faults of what lies around the workers: the topic, its retention, the broker, the disk, and far too many series."""

import time
from contextlib import closing, suppress

import psutil
from kafka import KafkaAdminClient, TopicPartition

from tests.chaos.bed import Bed
from tests.chaos.load import crowd, stranger
from tests.chaos.rows import SESSION_TIMEOUT_S
from tests.live.harness import create_topic, publish

BROKER_AWAY_S = 30.0
STRANGERS = 1_000_000
MAX_SERIES = 20_000
CROWD = 100_000


def made_anew(bed: Bed, longer: bool = False) -> None:
    """The topic is deleted and created while nobody runs: what was applied is none of the new topic's business.

    longer: the new topic has more records than the old one had, so that no offset shows that it is another.
    """
    worker = bed.fleet.start()
    with bed.load():
        bed.pause(0.3 if longer else 0.7)
    bed.settled()
    bed.fleet.stop(worker)
    bed.end_era()
    _make_anew(bed)
    with bed.load():
        bed.pause(0.7 if longer else 0.2)
    began_s = time.monotonic()
    again = bed.fleet.start()
    bed.recovered(began_s)
    assert again.metrics("tidegauge_snapshots_total", outcome="discarded") == bed.partitions
    with bed.load():
        bed.pause(0.3)


def made_anew_live(bed: Bed) -> None:
    """The same under the feet of a worker that has applied and committed all of the old one."""
    bed.fleet.start()
    with bed.load():
        bed.pause(0.5)
    bed.settled()
    bed.end_era()
    began_s = time.monotonic()
    _make_anew(bed)
    with bed.load():
        bed.recovered(began_s)
        bed.pause(0.5)


def _make_anew(bed: Bed) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=bed.bootstrap)) as admin:
        admin.delete_topics([bed.topic])
        bed.wait("the topic's end", lambda: bed.topic not in admin.list_topics())
    create_topic(bed.bootstrap, bed.topic, bed.partitions)


def retention_passed(bed: Bed) -> None:
    """While nobody runs, Kafka drops what follows the snapshots: learned again from what is left, and said so."""
    worker = bed.fleet.start()
    with bed.load():
        bed.pause(0.4)
    bed.settled()
    bed.fleet.stop(worker)
    bed.end_era()
    with bed.load():
        bed.pause(0.2)
    tps = [TopicPartition(bed.topic, partition) for partition in range(bed.partitions)]
    ends = {partition: oracle.next_offset for partition, oracle in bed.eras[-1].partitions.items()}
    with closing(KafkaAdminClient(bootstrap_servers=bed.bootstrap)) as admin:
        admin.delete_records({tp: ends[tp.partition] + 100 for tp in tps})
    began_s = time.monotonic()
    again = bed.fleet.start()
    bed.recovered(began_s)
    with bed.load():
        bed.pause(0.4)
    assert again.metrics("tidegauge_snapshots_total", outcome="behind_retention") == bed.partitions
    assert bed.fleet.logged("no longer has what follows the snapshot") == bed.partitions
    assert not bed.fleet.ends, bed.fleet.ends


def broker_away(bed: Bed) -> None:
    """kill -9 of the only broker, and a start half a minute later."""
    assert bed.broker is not None
    bed.fleet.start()
    bed.fleet.start()
    with bed.load():
        bed.applied_up_to_now()
        bed.pause(0.2)
        bed.broker.kill()
        time.sleep(BROKER_AWAY_S)
        began_s = time.monotonic()
        bed.broker.start_again()
        bed.recovered(began_s)
        bed.pause(0.2)
    bed.measured.notes.append(f"workers that ended by themselves: {len(bed.fleet.ends)}")


def disk_full(bed: Bed) -> None:
    """Nothing is committed beyond the newest snapshot; what is applied meanwhile comes with the first that fits."""
    worker = bed.fleet.start()
    ballast = bed.folder / "state" / "ballast"
    with bed.load():
        bed.applied_up_to_now()
        bed.pause(0.2)
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        bed.wait("a failed snapshot", lambda: worker.metrics("tidegauge_snapshots_total", outcome="failed") > 0, 30)
        time.sleep(1.0)
        before, applied = bed.offsets()[0], worker.metrics("tidegauge_events_total")
        bed.pause(0.3)
        after, meanwhile = bed.offsets()[0], worker.metrics("tidegauge_events_total") - applied
        assert after == before, f"{after - before} records were committed without a snapshot"
        assert meanwhile > 0
        ballast.unlink()
        bed.recovered(time.monotonic())
        bed.pause(0.2)
    failed = worker.metrics("tidegauge_snapshots_total", outcome="failed")
    assert not bed.fleet.ends, bed.fleet.ends
    bed.measured.notes.append(f"{failed:.0f} snapshots failed, {meanwhile:,.0f} events applied meanwhile")


def strangers(bed: Bed) -> None:
    """A million new series against `limits.max_series`. One partition: who comes first is then certain."""
    worker = bed.fleet.start()
    process = psutil.Process(worker.process.pid)
    with bed.load():
        bed.applied_up_to_now()
        small_mb = process.memory_info().rss / 2**20
        began_s = time.monotonic()
        for first in range(0, STRANGERS, 25_000):
            publish(bed.bootstrap, bed.topic, [stranger(i) for i in range(first, first + 25_000)])
        over_s = time.monotonic()
        bed.recovered(over_s)
        full_mb = process.memory_info().rss / 2**20
        assert worker.metrics("tidegauge_series") == MAX_SERIES
        refused = worker.metrics("tidegauge_skipped_total", reason="series_cap")
        bed.pause(0.2)
    assert refused >= STRANGERS - MAX_SERIES, refused
    assert full_mb - small_mb < 400.0, f"{small_mb:.0f} -> {full_mb:.0f} MB"
    assert not bed.fleet.ends, bed.fleet.ends
    bed.measured.numbers |= {"refused": refused, "rss_before_mb": small_mb, "rss_after_mb": full_mb}
    bed.measured.notes.append(
        f"over {over_s - began_s:.0f} s, {refused:,.0f} refused; RSS {small_mb:.0f} -> {full_mb:.0f} MB"
    )


def takeover(bed: Bed) -> None:
    """With 100,000 series in two workers: one is killed, then the other is asked to end while it holds all of them."""
    killed, heir = bed.fleet.start(), bed.fleet.start()
    publish(bed.bootstrap, bed.topic, [crowd(i) for i in range(CROWD)])
    with bed.load():
        bed.applied_up_to_now()
        bed.pause(0.5)
        before = heir.metrics("tidegauge_series")
        began_s, killed_ms = time.monotonic(), time.time() * 1000
        bed.fleet.kill(killed, again=False)
        bed.recovered(began_s)
        took_s = bed.measured.recovered_s[-1]
        assert heir.metrics("tidegauge_series") > CROWD > before > CROWD / 4, before
        bed.pause(0.3)
        stopped_s = bed.fleet.stop(heir)
        began_s = time.monotonic()
        bed.fleet.start()
        bed.recovered(began_s)
    bed.window_ms = killed_ms - 3_000, killed_ms + 3_000
    bed.measured.alerts_within_s = SESSION_TIMEOUT_S + 5.0
    bed.measured.numbers["sigterm_to_exit_s"] = stopped_s
    bed.measured.notes.append(f"SIGTERM to exit {stopped_s:.1f} s")
    assert stopped_s < 10.0, f"SIGTERM took {stopped_s:.1f} s"
    assert took_s < SESSION_TIMEOUT_S + 5.0, f"the takeover took {took_s:.1f} s"
