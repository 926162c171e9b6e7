"""What the simulated partitions hold, and what one uninterrupted run makes of it.

In a `silent` stream series do stop: their alerts end by time alone, by `tick` or by the next point, and some points
come so late that it matters whether a tick came before them. What the group committed of that is part of the oracle's
input. At the end all that is open is ended by time. Events of the other streams have any time, and a `stale_after`
beyond all of them: no tick ends anything, and state is compared bit by bit.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from msgspec.structs import replace

from alerting.lifecycle import State
from pipeline.engine import Engine
from pipeline.partition import TP, Partition
from pipeline.saved import SavedShard, capture
from schemas.alert import AlertEvent, encode_alert, rfc3339
from schemas.config import Config
from schemas.control import VERDICTS, Control
from schemas.dead_letter import DeadLetter, encode_dead_letter
from tests.feedback.bar import config
from tests.simulation.broker import PARTITIONS, Record

TOPIC = "metrics"
T0 = 1_790_000_000.0
STALE_AFTER_S = 20  # in a silent stream
SILENCE_S = 1e6  # after the last record; longer than any `stale_after` of a silent stream
_RULES = """
limits: {{idle_after: {idle}, stale_after: {stale}, max_future: 10m, tombstone_after: 20m}}
rules:
  - name: high
    match: '{{}}'
    detector: threshold
    levels: {{warning: "> 80", critical: "> 95"}}
    clear: {{warning: "< 75", critical: "< 90"}}
    for: 5s
    keep_firing_for: 3s
  - name: both
    match: '{{odd="yes"}}'
    levels:
      warning: {{detector: baseline, at: 1.0}}
      critical: {{detector: threshold, at: "outside 10..90", for: 2s}}
    budget: 5/hour
  - name: bar
    match: '{{}}'
    detector: bar
    levels: {{warning: 1.0, critical: 2.0}}
"""
_ABSENT = """
  - name: stopped
    match: '{{}}'
    detector: absent
    params: {{after: {after}}}
    levels: {{warning: 1.0, critical: 3.0}}
  - name: some-stopped
    match: '{{}}'
    detector: absent
    group_by: [odd]
    params: {{after: {after}}}
  - name: all-stopped
    match: '{{}}'
    detector: absent
    group_by: []
    params: {{after: {after}}}
    levels: {{warning: 1.0, critical: 3.0}}
"""
CONTROLS = 0.5  # of the seeds have people who say something
CONTROLS_MAX = 25
GARBAGE = [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"metric": 1}', b'{"metric": "m", "value": 1}', b"[" * 100]
BAD_VALUES = ["NaN", "Infinity", "1e999", "null", "true", '"12"']


@lru_cache
def config_of(silent: bool) -> Config:
    limits = {"idle": "1h", "stale": f"{STALE_AFTER_S}s"} if silent else {"idle": "90d", "stale": "90d"}
    return config((_RULES + _ABSENT).format(**limits, after="12s" if silent else "29d"))


@dataclass(frozen=True)
class Oracle:
    """alerts: by (id, seq); dead_letters: by (topic, partition, offset, event)."""

    alerts: dict[tuple[object, ...], bytes]
    dead_letters: dict[tuple[object, ...], bytes]
    saved: SavedShard
    arrays: dict[str, bytes]


def alert_key(event: AlertEvent) -> tuple[object, ...]:
    return event.id, event.seq


def letter_key(letter: DeadLetter) -> tuple[object, ...]:
    return letter.topic, letter.partition, letter.offset, letter.event


@lru_cache(maxsize=1000)
def records(number: int, partition: int, silent: bool) -> list[Record]:
    """Seeded noise with bursts, doubles, late points, wrong clocks, gaps and garbage; several events a record."""
    rng = np.random.default_rng([number, partition, silent])
    n, series = int(rng.integers(30, 90)), int(rng.integers(1, 4))
    made: list[Record] = []
    last: dict[int, list[float]] = {}  # times by series
    at_s = T0
    burst = int(rng.integers(n))
    often = 0.15 if silent else 0.0
    for i in range(n):
        steps_s = [0.0, 0.5, 1.0, 2.0, 7.0, 30.0, 700.0, 4000.0]
        at_s += float(rng.choice(steps_s, p=[0.05, 0.2, 0.5 - often, 0.1, 0.1, often, 0.03, 0.02]))
        kind = rng.random()
        payload: bytes | None
        if kind < 0.05:
            payload = GARBAGE[int(rng.integers(len(GARBAGE)))]
        elif kind < 0.06:
            payload = None
        elif kind < 0.12 and made:
            payload = made[int(rng.integers(len(made)))].value  # the producer sent it again
        else:
            count = int(rng.choice((1, 2, 3), p=(0.9, 0.06, 0.04)))
            high = (i - burst) % 40 < 20 if silent else 0 <= i - burst < 20
            events = [_event(rng, at_s, silent, partition, series, high, last) for _ in range(count)]
            payload = (events[0] if len(events) == 1 else f"[{','.join(events)}]").encode()
        made.append(Record(i, round(at_s * 1000), payload))
    return made


def _event(
    rng: np.random.Generator,
    at_s: float,
    silent: bool,
    partition: int,
    series: int,
    high: bool,
    last: dict[int, list[float]],
) -> str:
    s = int(rng.integers(series))
    t, kind = at_s, rng.random()
    if kind < 0.05 and last.get(s):
        t = float(rng.choice(last[s]))  # a double or late: never newer than its series
    elif kind < 0.07:
        t = at_s + 4000  # refused: beyond max_future
    elif kind < 0.27 and silent and last.get(s):
        # Held up on its way, perhaps for longer than stale_after.
        t = min(max(last[s]) + float(rng.choice([0.5, 2.0, 15.0])), at_s)
    elif kind < 0.17 and not silent:
        t = at_s + float(rng.choice([-3.0, -600.0, 2.0, 300.0]))
    x = 60 + float(rng.normal(0, 3)) + float(rng.choice([0.0, 30.0, 200.0, -80.0], p=[0.85, 0.09, 0.03, 0.03]))
    x += 50 if high else 0
    good = rng.random() < 0.97
    value = json.dumps(x) if good else BAD_VALUES[int(rng.integers(len(BAD_VALUES)))]
    labels = json.dumps({"odd": "yes" if s % 2 == 0 else "no", "p": str(partition)})
    if good and t <= at_s:
        last.setdefault(s, []).append(t)
    return f'{{"metric": "m{s}", "labels": {labels}, "timestamp": {t}, "value": {value}}}'


@lru_cache(maxsize=1000)
def controls(number: int, silent: bool) -> list[tuple[float, Control]]:
    """What people say, and when: of any series, for a while before or after, and some of it taken back."""
    rng = np.random.default_rng([number, silent, 7])
    last_s = records(number, 0, silent)[-1].timestamp / 1000
    made: list[tuple[float, Control]] = []
    for at_s in sorted(rng.uniform(T0, last_s, int(rng.integers(1, CONTROLS_MAX)))):
        holds_from_s = round(at_s + float(rng.choice([-600.0, -7.0, -0.5, 0.0, 1.0, 30.0, 700.0])), 3)
        s, p = int(rng.integers(3)), int(rng.integers(2))
        one = Control(
            id=rng.bytes(8).hex(),
            verdict=VERDICTS[int(rng.choice(3, p=[0.4, 0.2, 0.4]))],
            rule=str(rng.choice(["bar", "bar", "bar", "both", "high", "gone"])),
            metric=f"m{s}",
            labels={"odd": "yes" if s % 2 == 0 else "no", "p": str(p)},
            at=rfc3339(holds_from_s),
            holds_from=rfc3339(holds_from_s),
        )
        if made and rng.random() < 0.3:
            before = made[int(rng.integers(len(made)))][1]
            one = replace(before, id=one.id, undo=before.id, holds_from=rfc3339(max(holds_from_s, before.holds_from_s)))
        made.append((float(at_s), one))
    return made


@lru_cache(maxsize=1000)
def oracle(
    number: int,
    partition: int,
    silent: bool,
    decided: tuple[tuple[int, int], ...] = (),
    admitted: tuple[tuple[str, int], ...] = (),
) -> Oracle:
    made, people = config_of(silent), {one.id: one for _, one in controls(number, silent)}
    log = records(number, partition, silent)
    return run(made, TP(TOPIC, partition), log, silent, dict(decided), dict(admitted), people)


def run(
    made: Config,
    tp: TP,
    log: list[Record],
    silent: bool,
    decided: Mapping[int, int] | None = None,
    admitted: Mapping[str, int] | None = None,
    people: Mapping[str, Control] | None = None,
) -> Oracle:
    """One uninterrupted run from the first record on; time alone ended alerts where `decided` says, and what people
    said counts from where `admitted` says."""
    partition = Partition(Engine(made.rules, made.limits), tp.topic, tp.partition, made.inputs[0].format, 0, PARTITIONS)
    partition.recall(decided or {}, admitted, people or {})
    outcome = partition.process(log)
    alerts = list(outcome.alerts)
    if silent:
        alerts += partition.shard.advance(partition.shard.newest_t + SILENCE_S)
    saved = capture(partition.shard)
    return Oracle(
        {alert_key(event): encode_alert(event) for event in alerts},
        {letter_key(letter): encode_dead_letter(letter) for letter in outcome.dead_letters},
        saved,
        state_bytes(saved, silent),
    )


def state_bytes(saved: SavedShard, silent: bool) -> dict[str, bytes]:
    """All arrays. Of a silent stream without what is never read again, and differs by who ended an alert.

    Those are, of a level that is not open, since when it was so, and whether its next point has come.
    """
    cells = _settled if silent else np.asarray
    return {name: (cells(a) if name.endswith(".cells") else a).tobytes() for name, a in saved.arrays.items()}


def _settled(cells: Any) -> Any:
    cells = cells.copy()
    closed = np.isin(cells["state"], (State.INACTIVE, State.RESOLVED))
    cells["since_s"][closed], cells["state"][closed] = 0.0, State.INACTIVE
    return cells


def must_be_finite(saved: SavedShard) -> None:
    """Every number of the state; times of series that had no valid point yet are NaN by design."""
    for name, array in saved.arrays.items():
        for field in array.dtype.names or [""]:
            values = array[field] if field else array
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                if name == "last_t" and (saved.arrays["point_count"][np.isnan(values)] == 0).all():
                    continue
                raise AssertionError(f"state {name}.{field} is not finite")
