"""Newest points of a watched series, as a worker tells them to who scales: topic `tidegauge-load`, keyed by series."""

import msgspec

from schemas.metric import Series

SCHEMA = "tidegauge.load/1"


class LoadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """t: event times in Unix seconds, rising; v: the values then. At least one."""

    schema: str = SCHEMA
    metric: str
    labels: dict[str, str]
    t: list[float]
    v: list[float]

    @property
    def series(self) -> Series:
        return Series.of(self.metric, self.labels)


class LoadError(ValueError):
    """Not such a record."""


def load_key(series: Series) -> bytes:
    """
    >>> load_key(Series.of("cpu_usage", {"host": "web-1"}))
    b'cpu_usage{host="web-1"}'
    """
    return str(series).encode()


def encode_load(series: Series, times: list[float], values: list[float]) -> bytes:
    """Raises UnicodeEncodeError for a label that no UTF-8 can hold."""
    return msgspec.json.encode(LoadRecord(metric=series.metric, labels=dict(series.labels), t=times, v=values))


def decode_load(data: bytes) -> LoadRecord:
    """Raises LoadError."""
    try:
        found = _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError) as error:
        raise LoadError(str(error)) from None
    if found.schema != SCHEMA:
        raise LoadError(f"schema {found.schema!r}, expected {SCHEMA!r}")
    if not found.t or len(found.t) != len(found.v) or any(b <= a for a, b in zip(found.t, found.t[1:], strict=False)):
        raise LoadError("times and values must be as many, at least one, and times must rise")
    return found


_DECODER = msgspec.json.Decoder(LoadRecord)
