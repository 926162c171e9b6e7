"""Telegraf's JSON: `{"fields": {...}, "name", "tags", "timestamp"}`, and its batch `{"metrics": [...]}`.

Each numeric field is an event of the series NAME_FIELD with the tags as labels.
"""

import contextlib
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from operator import attrgetter
from typing import Any

import msgspec

from schemas.formats.base import Bad, Payload, Reason, Sink, Skip, check_metric, shown
from schemas.formats.json_format import (
    NULL,
    JsonFormat,
    Object,
    as_object,
    read_labels,
    read_metric,
    read_number,
    read_time,
)
from schemas.formats.spellings import Spellings
from schemas.formats.times import rfc3339_s_or_nan

_SKIPPED = {
    ord('"'): Skip.STRING_FIELD,
    ord("t"): Skip.BOOL_FIELD,
    ord("f"): Skip.BOOL_FIELD,
    ord("n"): Skip.NULL_FIELD,
}
_CHUNK = 256


class TelegrafJson(JsonFormat):
    """Quick on single metrics whose fields are all numbers, with a name, tags and field names seen before."""

    def __init__(self) -> None:
        self._layouts: Spellings[list[int]] = Spellings()
        self._text_time = False

    def claims(self, item: Object) -> bool:
        return "value" not in item and ("fields" in item or self.envelope(item) is not None)

    def envelope(self, item: Object) -> msgspec.Raw | None:
        return None if "fields" in item or "value" in item else item.get("metrics")

    def read_object(self, item: Object, text: bytes, sink: Sink) -> None:
        name = read_metric(item.get("name"), "name")
        labels = read_labels(item.get("tags"), "tags")
        t = read_time(item.get("timestamp"), sink)
        fields = _fields(item)
        if not fields:
            sink.skip(Skip.NO_FIELDS)
        layout = []
        for field, raw in fields.items():
            try:
                layout.append(_read_field(f"{name}_{field}", labels, t, bytes(raw), sink))
            except Bad as bad:  # the other fields are good
                sink.reject(bad, text)
                layout.append(-1)
        if fields and min(layout) >= 0 and item.keys() <= {"fields", "name", "tags", "timestamp"}:
            tags = bytes(item.get("tags", _NO_TAGS))
            key_bytes = len(name) + len(tags) + 64 * len(layout)
            self._layouts.learn((name, tags, tuple(fields)), key_bytes, layout)
            self._text_time = bytes(item["timestamp"]).startswith(b'"')

    def quick(self, pieces: Sequence[Payload], start: int, sink: Sink, exact: Callable[[int, Sink], None]) -> int:
        at = start
        while at < len(pieces) and (after := self._take(pieces, at, sink, exact)) > at:
            at = after
        return at

    def forget(self) -> None:
        self._layouts.clear()

    def _take(self, pieces: Sequence[Payload], start: int, sink: Sink, exact: Callable[[int, Sink], None]) -> int:
        # As in the native format: no unknown key is skipped unread, and no spelling is taken that wasn't read exactly.
        metrics: list[Any] = []
        # extend() keeps what came before an error.
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
            metrics.extend(map(_DECODERS[self._text_time], pieces[start : start + _CHUNK]))
        if not metrics:
            return start
        fields: list[dict[str, float]] = list(map(_FIELDS, metrics))
        spellings = list(zip(map(_NAME, metrics), map(bytes, map(_TAGS, metrics)), map(tuple, fields), strict=True))
        layouts = list(map(self._layouts.get, spellings))
        times = list(map(_TIME, metrics))
        if isinstance(times[0], str):
            times = list(map(rfc3339_s_or_nan, times))
        done = 0
        for k in [k for k, known in enumerate(layouts) if known is None]:
            if (known := self._layouts.get(spellings[k])) is not None:  # learned from an earlier one of these
                layouts[k] = known
                continue
            _extend(sink, layouts[done:k], times[done:k], fields[done:k], start + done)
            exact(start + k, sink)
            done = k + 1
        _extend(sink, layouts[done:], times[done:], fields[done:], start + done)
        return start + len(metrics)


class _Metric(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    fields: dict[str, float]
    name: str
    timestamp: int | float
    tags: msgspec.Raw = msgspec.Raw(b"{}")


class _TextTimeMetric(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    fields: dict[str, float]
    name: str
    timestamp: str
    tags: msgspec.Raw = msgspec.Raw(b"{}")


_NO_TAGS = msgspec.Raw(b"{}")
_DECODERS: tuple[Callable[..., Any], ...] = (
    msgspec.json.Decoder(_Metric).decode,
    msgspec.json.Decoder(_TextTimeMetric).decode,
)
_FIELDS, _NAME, _TAGS, _TIME = map(attrgetter, ("fields", "name", "tags", "timestamp"))


def _extend(sink: Sink, layouts: list[Any], times: list[Any], fields: list[dict[str, float]], first: int) -> None:
    lengths = list(map(len, layouts))
    sink.series.extend(chain.from_iterable(layouts))
    sink.times.extend(chain.from_iterable(map(repeat, times, lengths)))
    sink.values.extend(chain.from_iterable(map(dict.values, fields)))
    sink.pieces.extend(chain.from_iterable(map(repeat, range(first, first + len(layouts)), lengths)))


def _fields(item: Object) -> Object:
    raw = item.get("fields", NULL)
    if raw == NULL:
        raise Bad(Reason.FIELDS_MISSING)
    token = bytes(raw)
    if token[:1] != b"{":
        raise Bad(Reason.FIELDS_NOT_OBJECT, f"fields should be an object, here is {shown(token)}")
    return as_object(token)


def _read_field(metric: str, labels: dict[str, str], t: float, token: bytes, sink: Sink) -> int:
    """The series, or -1 where the field gives no event."""
    if token[0] in _SKIPPED:
        sink.skip(_SKIPPED[token[0]])
        return -1
    return sink.emit(check_metric(metric), labels, t, read_number(token, metric))
