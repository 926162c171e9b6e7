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
from schemas.alert import rfc3339

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
STUCK_AFTER_S = 45.0  # with LOOK_EVERY_S below the minute that is promised; above a rebalance and a slow batch
EXIT_CODE = 70  # EX_SOFTWARE
_TIMEOUT_MS = 4_000


@dataclass
class Judge:
    """Decides, told what was seen. away_s: when the broker was first found not to answer; None while it does."""

    away_s: float | None = None
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
        if ends is None:
            self.away_s = now_s if self.away_s is None else self.away_s
            self._since.clear()
            return None
        self.away_s = None
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

    def broker_away_for_s(self) -> float | None:
        """None while the broker answers. From any thread."""
        away_s = self.judge.away_s
        return None if away_s is None else time.monotonic() - away_s

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            held = dict(self._held())
            began_s, was_away_s = time.monotonic(), self.judge.away_s
            ends = self._ends(held)
            # Where the broker is away, since this look began; where it is not, the clock stands at its end.
            wrong = self.judge.look(began_s if ends is None else time.monotonic(), held, ends)
            if was_away_s is None and self.judge.away_s is not None:
                log.error("broker unreachable: waiting for it", broker=self._bootstrap, since=rfc3339(time.time()))
            elif was_away_s is not None and self.judge.away_s is None:
                log.info("broker back", broker=self._bootstrap, away_s=round(time.monotonic() - was_away_s, 1))
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
                    request_timeout_ms=_TIMEOUT_MS,
                    session_timeout_ms=_TIMEOUT_MS // 2,  # of no group, but it must be below the request's
                )
            ) as client:
                ends = client.end_offsets([TopicPartition(*tp) for tp in held])
                return {TP(*tp): end for tp, end in ends.items()}
        except (KafkaError, OSError):
            return None
