"""The decoder of one input: payloads in, columns out."""

from collections.abc import Callable, Sequence

import numpy as np

from schemas.formats.auto import Auto
from schemas.formats.base import Columns, Format, Intern, Payload, Sink, Skip
from schemas.formats.json_format import JsonFormat
from schemas.formats.native import Native
from schemas.formats.settle import read_all
from schemas.formats.telegraf_json import TelegrafJson

FORMATS: dict[str, Callable[[], Format]] = {
    "auto": lambda: _auto(),
    "telegraf_json": TelegrafJson,
    "native": Native,  # last: in `auto` it takes every object that no other claims
}


def _auto() -> Format:
    made = [make() for name, make in FORMATS.items() if name != "auto"]
    return Auto([one for one in made if isinstance(one, JsonFormat)])


class Decoder:
    """Remembers spellings of series, so one is kept for each partition; `decode` never raises on what is published."""

    def __init__(self, format: str, intern: Intern, max_future_s: float | None = None, quick: bool = True) -> None:
        """
        format: a name in FORMATS.
        intern: gives the series index; asked again for a spelling that isn't remembered.
        max_future_s: how far an event may be ahead of its record's time; None: any.
        quick: False reads everything exactly, which gives the same columns, slower.

        Raises ValueError for an unknown format.
        """
        if format not in FORMATS:
            raise ValueError(f"unknown format {format!r}; there are {', '.join(FORMATS)}")
        self._format = FORMATS[format]()
        self._intern = intern
        self._max_future_s = max_future_s
        self._quick = quick

    def decode(self, payloads: Sequence[Payload], record_times_s: Sequence[float] | None = None) -> Columns:
        """Events of all payloads in their order. `record_times_s`: Unix seconds, NaN where unknown.

        >>> decoder = Decoder("auto", intern=lambda metric, labels: 7)
        >>> columns = decoder.decode([b'{"metric": "up", "timestamp": 1795412000123, "value": 1}', b"nonsense"])
        >>> columns.series.tolist(), columns.t.tolist(), columns.x.tolist(), columns.record.tolist()
        ([7], [1795412000.123], [1.0], [0])
        >>> [(r.record, str(r.reason)) for r in columns.rejects]
        [(1, 'not_json')]
        """
        latest_s = None
        if record_times_s is not None and self._max_future_s is not None:
            latest_s = np.asarray(record_times_s, np.float64) + self._max_future_s

        def exact(k: int, sink: Sink) -> None:
            sink.at = k
            payload = payloads[k]
            if payload is None:
                sink.skip(Skip.TOMBSTONE)
            else:
                self._format.read(payload, sink)

        quick = self._format.quick if self._quick else None
        return read_all(payloads, quick, exact, Sink(self._intern, latest_s, self._quick))

    def forget(self) -> None:
        """Drop remembered series indexes: call it when one is given to another series."""
        self._format.forget()
