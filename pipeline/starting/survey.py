"""What a sample of events holds: metrics, labels, values, how often. Told columns, no file and no topic."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors.base import Floats
from pipeline.starting.kinds import Seen
from schemas.formats import FORMATS, Columns, Decoder
from schemas.metric import Series

HOST_LABELS = ("host", "hostname", "instance", "node", "pod", "server", "machine")  # the first that all have counts


@dataclass
class Survey:
    """Give `intern` to the decoder, its columns to `add`."""

    series: list[Series] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    _index: dict[Series, int] = field(default_factory=dict)
    _columns: list[Columns] = field(default_factory=list)

    def intern(self, metric: str, labels: Mapping[str, str]) -> int:
        one = Series.of(metric, labels)
        index = self._index.setdefault(one, len(self.series))
        if index == len(self.series):
            self.series.append(one)
        return index

    def add(self, columns: Columns) -> None:
        self.rejected.update(str(reject.reason) for reject in columns.rejects)
        self._columns.append(columns)

    @property
    def events(self) -> int:
        return sum(map(len, self._columns))

    def span_s(self) -> tuple[float, float]:
        """Unix seconds of the earliest and the latest event; there must be one."""
        t = np.concatenate([one.t for one in self._columns])
        return float(t.min()), float(t.max())

    def seen(self) -> list[Seen]:
        """By name."""
        found: dict[str, list[tuple[Series, Floats]]] = {}
        for one, _, x in self._by_series():
            if len(x):
                found.setdefault(one.metric, []).append((one, x))
        return [_seen(metric, parts) for metric, parts in sorted(found.items())]

    def interval_s(self) -> float | None:
        """Median time between two events of a series; None where each came once."""
        gaps = [np.diff(np.unique(t)) for _, t, _ in self._by_series()]
        all_gaps = np.concatenate([np.zeros(0), *gaps])
        return float(np.median(all_gaps)) if len(all_gaps) else None

    def host_label(self) -> str | None:
        names = [dict(one.labels).keys() for one in self.series]
        return next((label for label in HOST_LABELS if names and all(label in each for each in names)), None)

    def _by_series(self) -> Iterator[tuple[Series, Floats, Floats]]:
        """Each series with the times and values of its events, by time."""
        index = np.concatenate([np.zeros(0, np.int64), *(one.series for one in self._columns)])
        t = np.concatenate([np.zeros(0), *(one.t for one in self._columns)])
        x = np.concatenate([np.zeros(0), *(one.x for one in self._columns)])
        order = np.lexsort((t, index))
        index, t, x = index[order], t[order], x[order]
        cuts = np.searchsorted(index, np.arange(len(self.series) + 1))
        for k, one in enumerate(self.series):
            yield one, t[cuts[k] : cuts[k + 1]], x[cuts[k] : cuts[k + 1]]


def _seen(metric: str, parts: list[tuple[Series, Floats]]) -> Seen:
    steps = [np.diff(x) for _, x in parts]
    return Seen(
        metric=metric,
        series=len(parts),
        labels=frozenset.intersection(*(frozenset(name for name, _ in one.labels) for one, _ in parts)),
        values=sum(len(x) for _, x in parts),
        low=min(float(x.min()) for _, x in parts),
        high=max(float(x.max()) for _, x in parts),
        rises=any((each > 0).any() for each in steps) and not any((each < 0).any() for each in steps),
        steps=max(int(np.count_nonzero(each > 0)) for each in steps),
    )


def format_of(payloads: Sequence[bytes]) -> str:
    """The format that reads every one of these; `auto` where several are mixed, or none reads all.

    >>> format_of([b'{"metric": "up", "timestamp": 1795412000, "value": 1}'])
    'native'
    """
    for name in FORMATS:
        if name != "auto":
            columns = Decoder(name, lambda metric, labels: 0).decode(payloads)
            if len(columns) and not columns.rejects:
                return name
    return "auto"
