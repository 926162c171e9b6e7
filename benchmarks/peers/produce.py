"""Fills a topic with native metric events, the same for every run: what all contenders read.

Every series lives on one partition and has a value every STEP_S seconds: a level with normal noise, and now and then a
spike, so that there are alerts to publish. Values are written with all their digits, as JSON encoders do.
"""

import argparse
import os
import random

from confluent_kafka import Producer

STEP_S = 10
SPIKE_EVERY = 19_997  # events; a prime, so that it is never the same series
SPIKES_AFTER_ROW = 65  # once the detectors are warm
POOL = 1 << 16


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--series", type=int, required=True, help="a multiple of the partitions")
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--events-per-message", type=int, required=True)
    parser.add_argument("--start-s", type=int, required=True, help="Unix seconds of the first events")
    given = parser.parse_args()
    producer = Producer(
        {
            "bootstrap.servers": given.bootstrap,
            "linger.ms": 50,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    fill(producer, given)
    if producer.flush(60.0):
        raise SystemExit(f"{given.topic}: some messages were not acknowledged within 60 s")


def fill(producer: Producer, given: argparse.Namespace) -> None:
    """Round robin over the series; prints how many events are done, a line each 100,000."""
    values = _values(random.Random(1))
    heads = [
        f'{{"metric":"cpu_usage","labels":{{"host":"host-{k}","region":"eu"}},"timestamp":' for k in range(given.series)
    ]
    keys = [b"host-%d" % k for k in range(given.series)]
    batches: list[list[str]] = [[] for _ in range(given.partitions)]
    size = given.events_per_message
    for i in range(given.events):
        row, series = divmod(i, given.series)
        ms = (given.start_s + row * STEP_S) * 1000 + series * STEP_S * 1000 // given.series
        value = values[(series * 31 + row * 8191) % POOL]
        if i % SPIKE_EVERY == 0 and row > SPIKES_AFTER_ROW:
            value = "99.25"
        event = f'{heads[series]}{ms // 1000}.{ms % 1000:03},"value":{value}}}'
        partition = series % given.partitions
        if size == 1:
            _send(producer, given.topic, event, keys[series], partition)
        else:
            batch = batches[partition]
            batch.append(event)
            if len(batch) == size:
                _send(producer, given.topic, f"[{','.join(batch)}]", None, partition)
                batch.clear()
        if i % 100_000 == 0:
            os.write(1, b"%d\n" % i)
    for partition, batch in enumerate(batches):
        if batch:
            _send(producer, given.topic, f"[{','.join(batch)}]", None, partition)


def _values(chance: random.Random) -> list[str]:
    return [repr(50.0 + chance.gauss(0.0, 1.0)) for _ in range(POOL)]


def _send(producer: Producer, topic: str, value: str, key: bytes | None, partition: int) -> None:
    while True:
        try:
            producer.produce(topic, value.encode(), key=key, partition=partition)
        except BufferError:
            producer.poll(0.05)
        else:
            return


if __name__ == "__main__":
    main()
