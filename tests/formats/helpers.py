"""A decoder with its own table of series, and columns as plain rows that compare bit for bit."""

import struct
from collections.abc import Sequence
from pathlib import Path

from schemas.formats import Columns, Decoder
from schemas.formats.base import Payload
from schemas.metric import Series

SAMPLES = Path(__file__).parent.parent / "samples"
Event = tuple[int, str, bytes, bytes]  # record, series, bits of t, bits of x


class Reader:
    """Decodes like one partition of a worker would."""

    def __init__(self, format: str = "auto", max_future_s: float | None = None, quick: bool = True, cap: int = 10**9):
        self.series: dict[Series, int] = {}
        self._cap = cap
        self.decoder = Decoder(format, self._intern, max_future_s, quick)

    def _intern(self, metric: str, labels: dict[str, str]) -> int:
        series = Series.of(metric, labels)
        if series not in self.series and len(self.series) >= self._cap:
            return -1
        return self.series.setdefault(series, len(self.series))

    def decode(self, *payloads: Payload, times_s: Sequence[float] | None = None) -> Columns:
        return self.decoder.decode(payloads, times_s)

    def events(self, columns: Columns) -> list[Event]:
        names = [str(series) for series in self.series]
        rows = zip(columns.record, columns.series, columns.t, columns.x, strict=True)
        return [event(int(r), names[s], float(t), float(x)) for r, s, t, x in rows]

    def read(self, *payloads: Payload, times_s: Sequence[float] | None = None) -> tuple[object, ...]:
        """All that `decode` says, in a form that compares exactly."""
        columns = self.decode(*payloads, times_s=times_s)
        return self.events(columns), columns.rejects, columns.skipped


def event(record: int, series: str, t: float, x: float) -> Event:
    return record, series, struct.pack("d", t), struct.pack("d", x)
