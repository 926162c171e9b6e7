"""Files as records to publish: lines as they are, rows of a CSV as native events; by time, keyed by series."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from pathlib import Path

import msgspec

from pipeline.commands.host_metrics import Event
from schemas.alert import rfc3339
from schemas.csv_events import read_events
from schemas.formats.times import MS_MAX, S_MAX, US_MAX, rfc3339_s, unix_s
from schemas.metric import Series

Progress = Callable[[int], None]  # told how many bytes were read
_TIME_KEYS = ("timestamp", "ts", "time", "@timestamp")
_WHITE = b" \t\r\n"

_Json = dict[str, msgspec.Raw]
_as_object = msgspec.json.Decoder(_Json).decode
_as_objects = msgspec.json.Decoder(list[_Json]).decode
_as_time = msgspec.json.Decoder(str | int | float).decode
_encode = msgspec.json.encode


class _Named(msgspec.Struct):
    """What names a series, natively or in Telegraf's JSON (there: all fields of one metric, which stay together)."""

    metric: str | None = None
    name: str | None = None
    labels: dict[str, str] | None = None
    tags: dict[str, str] | None = None


_as_named = msgspec.json.Decoder(_Named).decode


@dataclass(frozen=True)
class Item:
    """A record to publish. first_s, last_s: Unix seconds of its events; where it tells none, of the item before."""

    value: bytes
    key: bytes | None
    first_s: float
    last_s: float


class Feed:
    """Files to publish, merged by time. A file whose own events are out of order stays so."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.left_out = 0  # rows of CSV files that are no event

    def items(self, progress: Progress = lambda _: None) -> Iterator[Item]:
        """Reads the files once. Raises OSError and schemas.csv_events.CsvError."""
        return merge(*(self._read(path, progress) for path in self._paths), key=lambda item: item.first_s)

    def _read(self, path: Path, progress: Progress) -> Iterator[Item]:
        return self._rows(path, progress) if path.suffix.lower() == ".csv" else _lines(path, progress)

    def _rows(self, path: Path, progress: Progress) -> Iterator[Item]:
        known: dict[Series, int] = {}
        names: list[Series] = []

        def intern(metric: str, labels: dict[str, str]) -> int:
            series = Series.of(metric, labels)
            if (index := known.setdefault(series, len(names))) == len(names):
                names.append(series)
            return index

        with path.open(newline="") as lines:
            for columns in read_events(lines, default_metric=path.stem, intern=intern, progress=progress):
                self.left_out += len(columns.rejects) + sum(columns.skipped.values())
                for index, t, x in zip(columns.series.tolist(), columns.t.tolist(), columns.x.tolist(), strict=True):
                    event = Event(names[index], t, x)
                    yield Item(event.encode(), event.key(), t, t)


def _lines(path: Path, progress: Progress) -> Iterator[Item]:
    newest_s = float("-inf")
    with path.open("rb") as lines:
        for line in lines:
            progress(len(line))
            value = line.strip(_WHITE)
            if value:
                times = _times_s(value) or [newest_s]
                newest_s = max(times)
                yield Item(value, key_of(value), min(times), newest_s)


def key_of(value: bytes) -> bytes | None:
    """The series of one event; None for batches and for what is no event.

    >>> key_of(b'{"name": "up", "tags": {"host": "a"}, "timestamp": 1795412000, "value": 1}')
    b'up{host="a"}'
    """
    try:
        named = _as_named(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    metric = named.metric or named.name
    return str(Series.of(metric, named.labels or named.tags or {})).encode() if metric else None


def shifted(value: bytes, by_s: float) -> bytes:
    """A record's value with all its times later by `by_s` seconds, each in its own unit; unchanged where it has none.

    >>> shifted(b'{"metric":"up","ts":1795412000500,"value":1.50}', 60)
    b'{"metric":"up","ts":1795412060500,"value":1.50}'
    """
    try:
        if value[:1] == b"[":
            return _encode([_shifted(item, by_s) for item in _as_objects(value)])
        item = _as_object(value)
        if "metrics" in item and _time_key(item) is None:
            batch = [_shifted(one, by_s) for one in _as_objects(item["metrics"])]
            return _encode({**item, "metrics": batch})
        return _encode(_shifted(item, by_s))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return value


def _shifted(item: _Json, by_s: float) -> dict[str, object]:
    key = _time_key(item)
    if key is None:
        return dict(item)
    written = _as_time(item[key])
    if isinstance(written, str):
        return {**item, key: rfc3339(rfc3339_s(written) + by_s)}
    size = abs(written)
    units = 1 if size < S_MAX else 1_000 if size < MS_MAX else 1_000_000 if size < US_MAX else 1_000_000_000
    later = written + by_s * units if isinstance(written, float) else written + round(by_s * units)
    return {**item, key: later}


def _times_s(value: bytes) -> list[float]:
    try:
        if value[:1] == b"[":
            items = _as_objects(value)
        else:
            item = _as_object(value)
            items = _as_objects(item["metrics"]) if "metrics" in item and _time_key(item) is None else [item]
        return [_time_s(item[key]) for item in items if (key := _time_key(item)) is not None]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return []


def _time_s(raw: msgspec.Raw) -> float:
    written = _as_time(raw)
    return rfc3339_s(written) if isinstance(written, str) else unix_s(written)


def _time_key(item: _Json) -> str | None:
    return next((key for key in _TIME_KEYS if key in item and item[key] != b"null"), None)
