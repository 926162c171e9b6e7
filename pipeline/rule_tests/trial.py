"""The inputs of one test through the engine, stopped at the times it asks about.

An event counts when its series has come so far: a late one right after the newest of its series, so that it stays late.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from detectors.base import Floats, Rows
from pipeline.engine import Batch, Engine
from pipeline.replay import read_file
from schemas.alert import AlertEvent
from schemas.config import Config
from schemas.formats import Columns, Decoder, Skip
from schemas.formats.times import rfc3339_s
from schemas.rule_tests import RuleTest

START_S = 1767571200.0  # 2026-01-05T00:00:00Z, a Monday


class Trial:
    """`go_to` times that never fall. history: every transition so far, in the order of their times within each step."""

    def __init__(self, test: RuleTest, config: Config, folder: Path) -> None:
        """folder: where the files of the test are named from. Raises OSError, CsvError."""
        self.history: list[AlertEvent] = []
        self._shard = Engine(config.rules, config.limits).shard()
        self._rejected: Counter[str] = Counter()
        files = [columns for name in test.files for columns in self._read(folder / name, config.inputs[0].format)]
        earliest = min((float(columns.t.min()) for columns in files if len(columns)), default=START_S)
        self.start_s = earliest if test.start_s is None else test.start_s
        self._events = _in_order([*files, *self._written(test)])
        self._done = 0

    def go_to(self, at_s: float) -> list[AlertEvent]:
        """The transitions that a worker would have told since the step before, and by `at_s` (Unix seconds)."""
        events, first = self._events, self._done
        self._done = int(np.searchsorted(events.counts_s, at_s, side="right"))
        part = slice(first, self._done)
        found = self._shard.apply(Batch(events.series[part], events.t[part], events.x[part]))
        # Silence ends just after its last moment, when an event could still come; what is dated `at_s` is seen then.
        found += self._shard.advance(math.nextafter(at_s, math.inf))
        found.sort(key=lambda event: (rfc3339_s(event.at), event.id, event.seq))
        self.history += found
        return found

    def newest(self, series: Iterable[int], values: int, at_s: float) -> dict[str, list[float]]:
        """The last values of each of these series by `at_s`, oldest first."""
        by_then = int(np.searchsorted(self._events.counts_s, at_s, side="right"))
        seen, x = self._events.series[:by_then], self._events.x[:by_then]
        return {str(self._shard.series[one]): x[seen == one][-values:].tolist() for one in series}

    def watched(self, rule: str) -> list[int]:
        """Series of the inputs that the rule matches."""
        selectors = [binding.rule.selector for binding in self._shard.bindings if binding.rule.name == rule]
        return [k for k, one in enumerate(self._shard.series) if any(selector.matches(one) for selector in selectors)]

    def came(self, series: Iterable[int]) -> bool:
        """Whether any event of these has come until now."""
        return bool(np.isin(self._events.series[: self._done], list(series)).any())

    def held_back(self, rule: str) -> dict[str, int]:
        """Openings of the rule that back-off or budget held back until now, by reason."""
        prefix = f"held_back:{rule}:"
        return {name.removeprefix(prefix): n for name, n in self._shard.counts.items() if name.startswith(prefix) and n}

    def left_out(self) -> Counter[str]:
        """Events of the inputs that were not judged until now, by reason."""
        ignored = {name: self._shard.counts[name] for name in ("duplicate", "late") if self._shard.counts[name]}
        return self._rejected + Counter(ignored)

    def _read(self, path: Path, format: str) -> Iterator[Columns]:
        decoder = Decoder(format, self._shard.intern)
        for columns in read_file(path, decoder, self._shard.intern):
            self._rejected.update(str(reject.reason) for reject in columns.rejects)
            self._rejected.update(columns.skipped)
            yield columns

    def _written(self, test: RuleTest) -> Iterator[Columns]:
        for one in test.series:
            x = np.array(one.values, np.float64) + 0.0  # -0.0 becomes 0.0
            at = np.flatnonzero(~np.isnan(x))
            index = self._shard.intern(one.series.metric, dict(one.series.labels))
            if index < 0:
                self._rejected[Skip.SERIES_CAP] += len(at)
                continue
            t = np.asarray(self.start_s + at * test.interval_s, np.float64)
            yield Columns(np.full(len(at), index, np.int64), t, x[at], at)


@dataclass(frozen=True)
class _Events:
    series: Rows
    t: Floats  # Unix seconds
    x: Floats
    counts_s: Floats = field(repr=False)  # when each counts; never falling


def _in_order(columns: list[Columns]) -> _Events:
    series = np.concatenate([np.zeros(0, np.int64), *(one.series for one in columns)])
    t = np.concatenate([np.zeros(0), *(one.t for one in columns)])
    x = np.concatenate([np.zeros(0), *(one.x for one in columns)])
    counts_s = t.copy()
    by_series = np.argsort(series, kind="stable")
    for mine in np.split(by_series, np.flatnonzero(np.diff(series[by_series])) + 1):
        counts_s[mine] = np.maximum.accumulate(t[mine])
    order = np.argsort(counts_s, kind="stable")
    return _Events(series[order], t[order], x[order], counts_s[order])
