"""A stream whose every record follows from its number, and the thread that publishes it at a rate."""

import json
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import count

import numpy as np
from kafka import KafkaProducer

T0 = 1_780_000_000.0  # Unix s of the first round; far enough back that no event is from the future
SERIES = 24
_BLOCK = 500  # rounds
_BURST_EVERY, _BURST = 90, 12  # rounds
_BAD_EVERY, _AGAIN_EVERY = 397, 211  # records

Message = tuple[bytes, bytes]  # key and value


def message(i: int) -> Message:
    """Record `i`: noisy series with bursts in turn, a second apart; sometimes garbage, or a record once more."""
    s = i % SERIES
    key = b"series-%d" % s
    if i % _BAD_EVERY == 5:
        return key, b'{"metric": "m%d", "value": ' % i
    if i % _AGAIN_EVERY == 7 and i >= SERIES:
        i -= SERIES
    r = i // SERIES
    burst = 60.0 if (r + 37 * s) % _BURST_EVERY >= _BURST_EVERY - _BURST else 0.0
    event = {
        "metric": f"m{s}",
        "labels": {"odd": "yes" if s % 2 else "no", "host": f"h{s}"},
        "timestamp": T0 + r + s / 64,
        "value": round(float(_noise(r // _BLOCK)[r % _BLOCK, s]) + burst, 3),
    }
    return key, json.dumps(event).encode()


@lru_cache(maxsize=4)
def _noise(block: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    return np.random.default_rng(block).normal(60.0, 3.0, (_BLOCK, SERIES))


def stranger(i: int) -> Message:
    """A record of a series that nobody has seen and nobody will see again."""
    event = {"metric": "flood", "labels": {"id": f"x{i:09d}"}, "timestamp": T0 + i / 1000, "value": 1.0}
    return b"flood-%d" % i, json.dumps(event).encode()


def crowd(i: int) -> Message:
    """A quiet record of one of many series, which every rule of `tests.engine.streams` looks at."""
    labels = {"odd": "yes", "host": f"c{i:06d}"}
    return b"crowd-%d" % i, json.dumps({"metric": f"m{i % 5}", "labels": labels, "timestamp": T0, "value": 60}).encode()


class Load:
    """Publishes records from number `first` on, in the background, until `stop`. Waits out a broker that is away."""

    def __init__(self, bootstrap: str, topic: str, rate: float, first: int = 0) -> None:
        self.sent = 0
        self._rate, self._topic = rate, topic
        self._numbers: Iterator[int] = count(first)
        self._ending = threading.Event()
        self._failures: list[object] = []
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=True,  # else a retry may put a record behind later ones of its series
            linger_ms=5,
            request_timeout_ms=5_000,
            delivery_timeout_ms=300_000,
            max_block_ms=300_000,
            reconnect_backoff_max_ms=500,
        )
        self._thread = threading.Thread(target=self._run, name="load")
        self._thread.start()

    def stop(self) -> int:
        """Number of the record that comes next; all before it are acknowledged."""
        self._ending.set()
        self._thread.join()
        self._producer.flush(timeout=120)
        self._producer.close()
        if self._failures:
            raise RuntimeError(f"{len(self._failures)} records were not taken by Kafka, the first: {self._failures[0]}")
        return next(self._numbers)

    def _run(self) -> None:
        began_s = time.monotonic()
        while not self._ending.is_set():
            due = int((time.monotonic() - began_s) * self._rate)
            for _ in range(min(due - self.sent, 2_000)):
                key, value = message(next(self._numbers))
                self._producer.send(self._topic, key=key, value=value).add_errback(self._failures.append)
                self.sent += 1
            self._ending.wait(0.01)
