"""Ends a worker that is stuck, so that its supervisor starts it anew; leaves one alone whose broker is down.

aiokafka can stay stuck after a broker restart, and Faust's own detector only logs. Runs in a thread of its own with a
client of its own: an event loop that hangs, and a consumer that does, are just what it must not depend on.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from pipeline.partition import TP

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
STUCK_AFTER_S = 45.0  # with LOOK_EVERY_S below the minute that is promised; above a rebalance and a slow batch
EXIT_CODE = 70  # EX_SOFTWARE
_TIMEOUT_MS = 4_000


@dataclass
class Judge:
    """Decides, told what was seen. `reachable`: whether the broker answered at the last look."""

    reachable: bool = True
    _since: dict[TP, tuple[int, float]] = field(default_factory=dict)  # next offset, and since when it stands there

    def look(self, now_s: float, next_offsets: Mapping[TP, int], ends: Mapping[TP, int] | None) -> str | None:
        """What is wrong, or None.

        next_offsets: of the partitions that this worker holds; ends: offset after each partition's newest record, None
        where the broker did not answer, which is its fault and not ours: all clocks start again.

        >>> judge, tp = Judge(), TP("metrics", 0)
        >>> judge.look(0.0, {tp: 5}, {tp: 9})
        >>> judge.look(50.0, {tp: 5}, {tp: 9})
        'metrics/0 stands at 5 for 50 s while Kafka has records up to 9'
        """
        self.reachable = ends is not None
        if ends is None:
            self._since.clear()
            return None
        for tp in set(self._since) - set(next_offsets):
            del self._since[tp]
        for tp, offset in next_offsets.items():
            was, since_s = self._since.get(tp, (-2, now_s))
            if was != offset or ends.get(tp, 0) <= offset:
                self._since[tp] = (offset, now_s)
            elif now_s - since_s >= STUCK_AFTER_S:
                stands = f"{tp.topic}/{tp.partition} stands at {offset} for {now_s - since_s:.0f} s"
                return f"{stands} while Kafka has records up to {ends[tp]}"
        return None


class Watchdog:
    """The thread. `held` is called from it, and must only read."""

    def __init__(self, bootstrap: str, held: Callable[[], Mapping[TP, int]]) -> None:
        self.judge = Judge()
        self._bootstrap, self._held = bootstrap, held
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            held = dict(self._held())
            wrong = self.judge.look(time.monotonic(), held, self._ends(held))
            if wrong:
                log.critical("worker is stuck: it ends, so that it is started anew", why=wrong)
                os._exit(EXIT_CODE)

    def _ends(self, held: Mapping[TP, int]) -> dict[TP, int] | None:
        """A new connection each time: a stuck one would say nothing about the broker."""
        try:
            with closing(
                KafkaConsumer(
                    bootstrap_servers=self._bootstrap.split(","),
                    group_id=None,
                    enable_auto_commit=False,
                    bootstrap_timeout_ms=_TIMEOUT_MS,
                )
            ) as client:
                ends = client.end_offsets([TopicPartition(*tp) for tp in held])
                return {TP(*tp): end for tp, end in ends.items()}
        except (KafkaError, OSError):
            return None
