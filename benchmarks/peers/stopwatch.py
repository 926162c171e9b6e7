"""How a peer counts: the same clock for all, inside the peer's own process. Standard library only.

Starting up, joining a group and the first fetch are not counted, for nobody: the clock starts when the first event is
done (of a peer with state a series: when `skip` events are), and stops when `events` more are.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True)
class Task:
    """What the harness tells a peer on its command line."""

    bootstrap: str
    topic: str
    events: int  # to be timed
    skip: int  # before the clock starts
    poll_records: int  # at most, so that a poll has a few thousand events and not all of them

    @classmethod
    def from_arguments(cls) -> "Task":
        parser = argparse.ArgumentParser()
        parser.add_argument("bootstrap")
        parser.add_argument("topic")
        parser.add_argument("--events", type=int, required=True)
        parser.add_argument("--skip", type=int, default=0)
        parser.add_argument("--poll-records", type=int, default=5000)
        given = parser.parse_args()
        return cls(given.bootstrap, given.topic, given.events, given.skip, given.poll_records)


class Stopwatch:
    """Told of events that are done; ends the process, with one line of JSON on stdout, when there were enough."""

    def __init__(self, task: Task) -> None:
        self._skip, self._events = task.skip, task.events
        self._done = 0
        self._done_at_start = 0
        self._start_s = self._start_cpu_s = float("nan")

    def add(self, events: int = 1) -> None:
        self._done += events
        if not self._done_at_start:
            if self._done > self._skip:
                self._done_at_start = self._done
                self._start_s, self._start_cpu_s = time.perf_counter(), time.process_time()
        elif self._done - self._done_at_start >= self._events:
            self._tell()

    def _tell(self) -> NoReturn:
        report = {
            "events": self._done - self._done_at_start,
            "seconds": time.perf_counter() - self._start_s,
            "cpu_seconds": time.process_time() - self._start_cpu_s,  # user and system, all threads
        }
        # Not print: Faust puts its log in stdout's place. Not sys.exit: frameworks catch it; closing is not timed.
        os.write(1, json.dumps(report).encode() + b"\n")
        os._exit(0)
