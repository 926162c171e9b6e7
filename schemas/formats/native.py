"""Our own metric event: `{"metric", "labels", "timestamp", "value", "kind", "unit"}`, with aliases."""

import contextlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import takewhile
from operator import attrgetter
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from schemas.formats.base import DEPTH_MAX, UNIT_CHARS_MAX, Bad, Payload, Reason, Sink, shown
from schemas.formats.json_format import (
    NULL,
    JsonFormat,
    Object,
    as_string,
    read_labels,
    read_metric,
    read_number,
    read_time,
)
from schemas.formats.spellings import Spellings
from schemas.formats.times import rfc3339_s_or_nan

# The first of these that is there, and not null, is read; the others are ignored like any unknown key.
METRIC_KEYS = ("metric", "name")
LABELS_KEYS = ("labels", "tags")
TIME_KEYS = ("timestamp", "ts", "time", "@timestamp")
KINDS = ("gauge", "counter", "delta")

_CHUNK = 1024
_DIALECTS_MAX = 4


class Native(JsonFormat):
    """Quick on single objects that use one name for each thing, with a spelling of the series seen before."""

    def __init__(self) -> None:
        self._series: Spellings[int] = Spellings()
        self._dialects = [
            Dialect("metric", "labels", "timestamp", text_time=False, extras=False)
        ]  # the latest in use first

    def claims(self, item: Object) -> bool:
        return True

    def read_object(self, item: Object, text: bytes, sink: Sink) -> None:
        metric_key = _present(item, METRIC_KEYS)
        labels_key = _present(item, LABELS_KEYS)
        time_key = _present(item, TIME_KEYS)
        metric = read_metric(item.get(metric_key), metric_key)
        labels = read_labels(item.get(labels_key), labels_key)
        t = read_time(item.get(time_key), sink, time_key)
        if "value" not in item:
            raise Bad(Reason.VALUE_MISSING)
        x = read_number(bytes(item["value"]))
        _check_kind(item)
        _check_unit(item)
        series = sink.emit(metric, labels, t, x)
        if series >= 0:
            raw = bytes(item.get(labels_key, _NO_LABELS))
            self._series.learn((metric, raw), len(metric) + len(raw), series)
            extras = not item.keys() <= {metric_key, labels_key, time_key, "value", "kind", "unit"}
            self._speak(Dialect(metric_key, labels_key, time_key, bytes(item[time_key]).startswith(b'"'), extras))

    def quick(self, pieces: Sequence[Payload], start: int, sink: Sink, exact: Callable[[int, Sink], None]) -> int:
        at = start
        while at < len(pieces):
            for dialect in self._dialects:
                if (after := self._take(dialect, pieces, at, sink, exact)) > at:
                    self._speak(dialect)
                    break
            else:
                return at
            at = after
        return at

    def forget(self) -> None:
        self._series.clear()

    def _speak(self, dialect: "Dialect") -> None:
        if dialect != self._dialects[0]:
            self._dialects = [dialect, *(d for d in self._dialects if d != dialect)][:_DIALECTS_MAX]

    def _take(
        self,
        dialect: "Dialect",
        pieces: Sequence[Payload],
        start: int,
        sink: Sink,
        exact: Callable[[int, Sink], None],
    ) -> int:
        # A spelling that is known was read exactly before, so neither bad UTF-8 nor depth can hide in it; what skips
        # other keys looks for them first. Mapping over C functions costs 0.5 us an event, a plain loop 0.65.
        chunk = pieces[start : start + _CHUNK]
        if dialect.extras:
            chunk = list(takewhile(_may_be_skipped, chunk))
        events: list[Any] = []
        # extend() keeps what came before an error.
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
            events.extend(map(decoder(dialect), chunk))
        if not events:
            return start
        spellings = list(zip(map(_METRIC, events), map(bytes, map(_LABELS, events)), strict=True))
        series = list(map(self._series.get, spellings))
        times = list(map(_TIME, events))
        if dialect.text_time:
            times = list(map(rfc3339_s_or_nan, times))
        values = list(map(_VALUE, events))
        done = 0
        for k in [k for k, known in enumerate(series) if known is None] if None in series else ():
            if (known := self._series.get(spellings[k])) is not None:  # learned from an earlier one of these
                series[k] = known
                continue
            _extend(sink, series[done:k], times[done:k], values[done:k], start + done)
            exact(start + k, sink)
            done = k + 1
        _extend(sink, series[done:], times[done:], values[done:], start + done)
        return start + len(events)


class Dialect(NamedTuple):
    """Which names a publisher uses, whether it writes times as text, and whether there are keys beside ours."""

    metric: str
    labels: str
    time: str
    text_time: bool
    extras: bool


_NO_LABELS = msgspec.Raw(b"{}")
_METRIC, _LABELS, _TIME, _VALUE = map(attrgetter, ("metric", "labels", "timestamp", "value"))


@lru_cache(maxsize=64)
def decoder(dialect: Dialect) -> Callable[..., Any]:
    """Decodes one event of the dialect, and raises on any other."""
    used = (dialect.metric, dialect.labels, dialect.time)
    others = [key for key in (*METRIC_KEYS, *LABELS_KEYS, *TIME_KEYS) if key not in used]
    event = msgspec.defstruct(
        "Event",
        [
            ("value", float),
            ("metric", str),
            ("timestamp", str if dialect.text_time else int | float),
            ("labels", msgspec.Raw, _NO_LABELS),
            ("kind", Literal["gauge", "counter", "delta"] | None, None),
            ("unit", Annotated[str, msgspec.Meta(max_length=UNIT_CHARS_MAX)] | None, None),
            *((f"other{k}", None, None) for k in range(len(others) * dialect.extras)),
        ],
        rename={
            "metric": dialect.metric,
            "labels": dialect.labels,
            "timestamp": dialect.time,
            **{f"other{k}": other for k, other in enumerate(others)},
        },
        forbid_unknown_fields=not dialect.extras,
        gc=False,
    )
    return msgspec.json.Decoder(event).decode


def _extend(sink: Sink, series: list[Any], times: list[Any], values: list[float], first: int) -> None:
    sink.series.extend(series)
    sink.times.extend(times)
    sink.values.extend(values)
    sink.pieces.extend(range(first, first + len(series)))


def _present(item: Object, keys: tuple[str, ...]) -> str:
    for key in keys:
        if item.get(key, NULL) != NULL:
            return key
    return keys[0]


def _may_be_skipped(piece: Payload) -> bool:
    """Whether whatever a decoder skips in it is UTF-8 and not too deep, so that only its syntax matters."""
    return piece is not None and piece.isascii() and piece.count(b"{") + piece.count(b"[") <= DEPTH_MAX


def _check_kind(item: Object) -> None:
    raw = item.get("kind", NULL)
    token = bytes(raw)
    if raw != NULL and (token[:1] != b'"' or as_string(token) not in KINDS):
        raise Bad(Reason.KIND_INVALID, f"kind should be gauge, counter or delta, here is {shown(token)}")


def _check_unit(item: Object) -> None:
    raw = item.get("unit", NULL)
    token = bytes(raw)
    if raw != NULL and (token[:1] != b'"' or len(as_string(token)) > UNIT_CHARS_MAX):
        raise Bad(Reason.UNIT_INVALID, f"unit should be a string of at most {UNIT_CHARS_MAX} characters")
