"""What every format shares: the columns it fills, the reasons it may give, and the sink it writes to.

A format turns payloads into events. Its exact reading (`Format.read`) is the definition; `Format.quick` may take ahead
what it is sure gives the same answer. Adding a format: a file with a subclass, one line in `decoder.FORMATS`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

Payload = bytes | None
Intern = Callable[[str, dict[str, str]], int]
"""Series index of a metric and its labels, the same for every spelling; -1 where a cap refuses the series. The labels
are lent: it must copy what it keeps."""

METRIC_CHARS_MAX = 512
LABELS_MAX = 64
LABEL_NAME_CHARS_MAX = 128
LABEL_VALUE_CHARS_MAX = 1024
LABELS_BYTES_MAX = (
    16_384  # of all names and values: an alert repeats them, escaped up to fourfold, and must fit a record
)
UNIT_CHARS_MAX = 64
DEPTH_MAX = 32  # arrays and objects open at once
EARLIEST_S, LATEST_S = -1e10, 1e11  # years 1653 and 5138: every time of an event or an alert can be written as RFC 3339


class _Said(StrEnum):
    """A word for machines, with a sentence for people."""

    sentence: str

    def __new__(cls, word: str, sentence: str) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.sentence = sentence
        return member


class Reason(_Said):
    """Why an event is rejected, in the order of the checks: the first that holds is given."""

    EMPTY = "empty", "The payload is empty or white space."
    INVALID_UTF8 = "invalid_utf8", "The text isn't UTF-8, wherever in it the bad byte stands."
    TOO_DEEP = "too_deep", f"More than {DEPTH_MAX} arrays and objects are open at once."
    NOT_JSON = "not_json", "It isn't JSON, or a string has half a surrogate pair."
    NOT_OBJECT = "not_object", "It is JSON, but not an object where an event should be."
    METRIC_MISSING = "metric_missing", "There is no metric name, or it is null."
    METRIC_NOT_STRING = "metric_not_string", "The metric name isn't a string."
    METRIC_EMPTY = "metric_empty", "The metric name is the empty string."
    METRIC_TOO_LONG = "metric_too_long", f"The metric name has more than {METRIC_CHARS_MAX} characters."
    LABELS_NOT_OBJECT = "labels_not_object", "The labels aren't an object."
    LABEL_NOT_STRING = "label_not_string", 'A label value isn\'t a string; send "5", not 5.'
    LABEL_NAME_EMPTY = "label_name_empty", "A label has the empty string as its name."
    LABEL_TOO_LONG = (
        "label_too_long",
        f"A label name is longer than {LABEL_NAME_CHARS_MAX} characters, or its value than {LABEL_VALUE_CHARS_MAX}.",
    )
    LABELS_TOO_LARGE = "labels_too_large", f"All labels together have more than {LABELS_BYTES_MAX:,} bytes."
    TOO_MANY_LABELS = "too_many_labels", f"There are more than {LABELS_MAX} labels."
    TIMESTAMP_MISSING = "timestamp_missing", "There is no timestamp, or it is null."
    TIMESTAMP_INVALID = "timestamp_invalid", "The timestamp is neither a number nor RFC 3339 with an offset."
    TIMESTAMP_OUT_OF_RANGE = "timestamp_out_of_range", "The timestamp is before the year 1653 or after 5138."
    FUTURE = "future", "The event is further ahead of its Kafka record than max_future."
    VALUE_MISSING = "value_missing", "There is no value."
    VALUE_NOT_NUMBER = "value_not_number", "The value is null, a boolean, a string, an array or an object."
    VALUE_NOT_FINITE = "value_not_finite", "The value is NaN, infinite or beyond 1.8e308, the largest 64-bit float."
    KIND_INVALID = "kind_invalid", "The kind isn't gauge, counter or delta."
    UNIT_INVALID = "unit_invalid", f"The unit isn't a string of at most {UNIT_CHARS_MAX} characters."
    FIELDS_MISSING = "fields_missing", "A Telegraf metric has no fields, or they are null."
    POISON = "poison", "The record crashed the worker twice; nothing of it was applied."
    FIELDS_NOT_OBJECT = "fields_not_object", "The fields of a Telegraf metric aren't an object."
    ROW_TOO_LONG = "row_too_long", "A CSV row has more cells than the header."


class Skip(_Said):
    """What is left out without a dead letter, since nothing is wrong with it; counted in `Columns.skipped`."""

    TOMBSTONE = "tombstone", "A record without a value, as compacted topics have them."
    EMPTY_BATCH = "empty_batch", "An empty array."
    NO_FIELDS = "no_fields", "A Telegraf metric with empty fields."
    STRING_FIELD = "string_field", "A Telegraf field that is a string."
    BOOL_FIELD = "bool_field", "A Telegraf field that is true or false."
    NULL_FIELD = "null_field", "A Telegraf field that is null."
    SERIES_CAP = "series_cap", "A new series beyond limits.max_series."


@dataclass(frozen=True)
class Reject:
    """One bad event, or one payload that can't be read at all."""

    record: int  # index into the payloads
    event: int | None  # element or line of a batch, from 0; None where the payload is one event or unreadable
    reason: Reason
    detail: str
    payload: bytes  # the smallest piece that is bad


@dataclass
class Columns:
    """Events of many payloads, in their order."""

    series: NDArray[np.int64]
    t: NDArray[np.float64]  # Unix seconds
    x: NDArray[np.float64]  # finite, never -0.0
    record: NDArray[np.int64]  # index into the payloads, never falling
    rejects: list[Reject] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.series)


class Bad(Exception):
    """Raised inside a format at the first check that fails; never leaves the decoder."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail or reason.sentence


class Sink:
    """Takes the events of a list of pieces: the payloads, or the elements of one batch."""

    def __init__(self, intern: Intern, latest_s: NDArray[np.float64] | None, quick: bool) -> None:
        """`latest_s`: by piece, the time that no event may pass; NaN or None: any. `quick`: batches inside may be."""
        self.intern = intern
        self.latest_s = latest_s
        self.quick = quick
        self.series: list[int] = []
        self.times: list[int | float] = []  # as published: seconds, ms, us or ns
        self.values: list[float] = []
        self.pieces: list[int] = []
        self.rejects: list[Reject] = []
        self.skipped: Counter[str] = Counter()
        self.at = 0  # piece being read
        self.markers: tuple[tuple[bytes, bytes], ...] = ()  # what stands in the text for NaN and Infinity

    def latest(self) -> float:
        """Unix seconds that an event of the piece being read may not pass; NaN: any."""
        return float("nan") if self.latest_s is None else float(self.latest_s[self.at])

    def emit(self, metric: str, labels: dict[str, str], t: float, x: float) -> int:
        """One event, `t` in Unix seconds; returns its series, or -1 where the cap refused it (then it is counted)."""
        series = self.intern(metric, labels)
        if series < 0:
            self.skipped[Skip.SERIES_CAP] += 1
            return -1
        self.series.append(series)
        self.times.append(t + 0.0)
        self.values.append(x + 0.0)  # -0.0 becomes 0.0
        self.pieces.append(self.at)
        return series

    def reject(self, bad: Bad, piece: bytes, event: int | None = None) -> None:
        detail = bad.detail
        for marker, original in self.markers:
            piece = piece.replace(marker, original)
            detail = detail.replace(marker.decode(), original.decode())
        self.rejects.append(Reject(self.at, event, bad.reason, detail, piece))

    def skip(self, why: Skip) -> None:
        self.skipped[why] += 1


class Format(ABC):
    """Reads one kind of payload. One instance a decoder; what it remembers between payloads changes only its speed."""

    @abstractmethod
    def read(self, payload: bytes, sink: Sink) -> None:
        """The definition: every payload ends as events, rejects or skips. Never raises."""

    def quick(self, pieces: Sequence[Payload], start: int, sink: Sink, exact: Callable[[int, Sink], None]) -> int:
        """Take pieces from `start` on, as long as sure; the index of the first one not taken. `exact` reads one piece.

        What it puts into `sink.times` may still be in any unit and out of range: the caller settles that.
        """
        return start

    def forget(self) -> None:  # noqa: B027 - most formats remember nothing
        """Drop every remembered series index."""


def shown(raw: bytes, chars: int = 60) -> str:
    """The beginning of a piece of text, for a detail."""
    text = raw[: 4 * chars].decode("utf-8", "replace")
    return text if len(text) <= chars else text[:chars] + "..."


def check_metric(metric: str) -> str:
    if not metric:
        raise Bad(Reason.METRIC_EMPTY)
    if len(metric) > METRIC_CHARS_MAX:
        raise Bad(Reason.METRIC_TOO_LONG, f"the metric name has {len(metric)} characters, limit {METRIC_CHARS_MAX}")
    return metric


def check_labels(labels: Mapping[str, str]) -> None:
    """Raises Bad where a limit is passed."""
    total = sum(
        len(name.encode("utf-8", "replace")) + len(value.encode("utf-8", "replace")) for name, value in labels.items()
    )
    if total > LABELS_BYTES_MAX:
        raise Bad(Reason.LABELS_TOO_LARGE, f"labels of {total:,} bytes, limit {LABELS_BYTES_MAX:,}")
    if len(labels) > LABELS_MAX:
        raise Bad(Reason.TOO_MANY_LABELS, f"{len(labels)} labels, limit {LABELS_MAX}")
    for name, value in labels.items():
        if 0 < len(name) <= LABEL_NAME_CHARS_MAX and len(value) <= LABEL_VALUE_CHARS_MAX:
            continue
        if not name:
            raise Bad(Reason.LABEL_NAME_EMPTY)
        if len(name) > LABEL_NAME_CHARS_MAX:
            raise Bad(
                Reason.LABEL_TOO_LONG,
                f"label name {name[:40]!r}... has {len(name)} characters, limit {LABEL_NAME_CHARS_MAX}",
            )
        if len(value) > LABEL_VALUE_CHARS_MAX:
            raise Bad(
                Reason.LABEL_TOO_LONG,
                f"value of label {name!r} has {len(value)} characters, limit {LABEL_VALUE_CHARS_MAX}",
            )
