"""Formats whose payloads are JSON: one object, an array, lines, or an envelope with an array inside.

Texts are never joined or cut on a guess: each piece is what the parser delimited, so that a broken event can't borrow
from its neighbour.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import count, repeat

import msgspec
import numpy as np

from schemas.formats.base import (
    DEPTH_MAX,
    EARLIEST_S,
    LATEST_S,
    Bad,
    Format,
    Reason,
    Sink,
    Skip,
    check_labels,
    check_metric,
    shown,
)
from schemas.formats.settle import read_all
from schemas.formats.times import rfc3339_s, unix_s

Object = dict[str, msgspec.Raw]
"""JSON object whose values are still text: an unknown key is only checked for syntax. Of equal keys the last stands."""

as_object = msgspec.json.Decoder(Object).decode
as_string = msgspec.json.Decoder(str).decode
as_strings = msgspec.json.Decoder(dict[str, str]).decode
_as_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_as_anything = msgspec.json.Decoder(msgspec.Raw).decode

_WHITE = b" \t\r\n"
_NUMBER_STARTS = b"-0123456789"
_BOM = b"\xef\xbb\xbf"
_NOT_BRACKETS = bytes(set(range(256)) - set(b'{}[]"'))
_NON_FINITE = re.compile(rb'"(?:[^"\\]|\\.)*+"?|(?<![\w.+])(?:NaN|Infinity)(?!\w)', re.DOTALL)
_HUGE = re.compile(rb"(?=9e9(\d{7}))")  # numbers that may stand for NaN and Infinity, where the text hasn't the same
_QUICK_PIECES_MIN = 4  # below, settling costs more than it saves


class JsonFormat(Format):
    """Walks a payload down to its objects; a subclass reads those."""

    @abstractmethod
    def claims(self, item: Object) -> bool:
        """Whether `auto` should take the object for this format, by its keys. Never one with a metric or name, a
        timestamp and a `value` that is a number: those are native, and taken quickly."""

    @abstractmethod
    def read_object(self, item: Object, text: bytes, sink: Sink) -> None:
        """Emit the events of one object. Raises Bad at the first check that fails, before anything is emitted; where
        only a part of several is bad, rejects it with `text`, the whole object, which then can be sent again."""

    def envelope(self, item: Object) -> msgspec.Raw | None:
        """The array of events inside an object that is only their wrapping."""
        return None

    def read(self, payload: bytes, sink: Sink) -> None:
        text = payload.removeprefix(_BOM)
        if not text.strip(_WHITE):
            sink.reject(Bad(Reason.EMPTY), payload)
            return
        self._read_text(text, sink, payload)

    def _read_text(self, text: bytes, sink: Sink, whole: bytes, inside: bool = False) -> None:
        """`whole`: what a reject of all of it carries; `inside`: it is a line of a batch already."""
        value = None if too_deep(text) else _parsed(text)
        if isinstance(value, list):
            self._read_elements(value, sink, inside)
        elif value is not None:
            try:
                self.read_item(value, text, sink, inside)
            except Bad as bad:
                sink.reject(bad, whole)
        elif (inside or not self._read_lines(text, sink)) and not self._read_non_finite(text, sink, whole, inside):
            sink.reject(_why_unreadable(text), whole)

    def read_item(self, item: Object, text: bytes, sink: Sink, inside: bool = False) -> None:
        """An object, or what its envelope holds."""
        elements = self.envelope(item)
        if elements is None or not bytes(elements).startswith(b"["):
            check_utf8(text)
            self.read_object(item, text, sink)
            return
        if not text.isascii():
            check_utf8(text.replace(bytes(elements), b""))
        self._read_elements(_as_array(elements), sink, inside)

    def _read_element(self, text: bytes, sink: Sink) -> None:
        try:
            check_utf8(text)
            if text[:1] != b"{":
                raise Bad(Reason.NOT_OBJECT, f"an event should be an object, here is {shown(text)}")
            self.read_object(as_object(text), text, sink)
        except Bad as bad:
            sink.reject(bad, text)

    def _read_elements(self, elements: Sequence[msgspec.Raw], sink: Sink, inside: bool) -> None:
        if not elements:
            sink.skip(Skip.EMPTY_BATCH)
            return
        self._read_batch([bytes(element) for element in elements], self._read_element, sink, inside)

    def _read_lines(self, text: bytes, sink: Sink) -> bool:
        """One event a line, if there are several and at least one of them is whole; else it is one broken event."""
        lines = [line for line in text.split(b"\n") if line.strip(_WHITE)]
        if len(lines) < 2 or all(too_deep(line) or _parsed(line) is None for line in lines):
            return False
        self._read_batch(lines, lambda line, child: self._read_text(line, child, line, inside=True), sink, False)
        return True

    def _read_batch(
        self, pieces: Sequence[bytes], read_piece: Callable[[bytes, Sink], None], sink: Sink, inside: bool
    ) -> None:
        latest = None if sink.latest_s is None else np.full(len(pieces), sink.latest())

        def exact(k: int, child: Sink) -> None:
            child.at, child.markers = k, sink.markers
            read_piece(pieces[k], child)

        quick = self.quick if sink.quick and len(pieces) >= _QUICK_PIECES_MIN else None
        columns = read_all(pieces, quick, exact, Sink(sink.intern, latest, sink.quick))
        sink.series.extend(columns.series.tolist())
        sink.times.extend(columns.t.tolist())
        sink.values.extend(columns.x.tolist())
        sink.pieces.extend(repeat(sink.at, len(columns)))
        sink.skipped += columns.skipped
        for r in columns.rejects:
            sink.reject(Bad(r.reason, r.detail), r.payload, None if inside else r.record)

    def _read_non_finite(self, text: bytes, sink: Sink, whole: bytes, inside: bool) -> bool:
        """NaN and Infinity aren't JSON, but Python's json writes them: only their own events are bad.

        They are read as numbers too large for a float, and turned back where a reject shows its piece.
        """
        if sink.markers or not (b"NaN" in text or b"Infinity" in text):
            return False
        used = {int(digits) for digits in _HUGE.findall(whole)}
        free = next(k for k in count() if k not in used)
        marks = {b"NaN": b"9e9%07d1" % free, b"Infinity": b"9e9%07d2" % free}
        readable = _NON_FINITE.sub(lambda match: marks.get(match[0], match[0]), text)
        if readable == text:
            return False
        sink.markers = tuple((mark, original) for original, mark in marks.items())
        self._read_text(readable, sink, whole, inside)
        sink.markers = ()
        return True


def too_deep(text: bytes) -> bool:
    """More than DEPTH_MAX brackets open at once; strings don't count. A deep text would end the parser's own stack.

    >>> too_deep(b"[" * 32 + b"]" * 32), too_deep(b"[" * 33 + b"]" * 33), too_deep(b'"' + b"[" * 33 + b'"')
    (False, True, False)
    """
    if text.count(b"[") + text.count(b"{") <= DEPTH_MAX:
        return False
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(text.translate(None, _NOT_BRACKETS).split(b'"')[::2])
    codes = np.frombuffer(brackets, np.uint8)
    opens = (codes == ord("[")) | (codes == ord("{"))
    return bool(codes.size) and int(np.cumsum(np.where(opens, 1, -1)).max()) > DEPTH_MAX


def check_utf8(text: bytes) -> None:
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            utf16 = text[:2] in (b"\xff\xfe", b"\xfe\xff")
            hint = "; it looks like UTF-16" if utf16 else ""
            raise Bad(Reason.INVALID_UTF8, f"byte {error.start} isn't UTF-8{hint}") from None


def _parsed(text: bytes) -> Object | list[msgspec.Raw] | None:
    """The object or array that the text is, its inside unread; None where it isn't one."""
    try:
        return _as_array(text) if text.lstrip(_WHITE).startswith(b"[") else as_object(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _why_unreadable(text: bytes) -> Bad:
    try:
        check_utf8(text)
        if too_deep(text):
            return Bad(Reason.TOO_DEEP)
        _as_anything(text)
    except Bad as bad:
        return bad
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Bad(Reason.NOT_JSON, str(error))
    return Bad(Reason.NOT_OBJECT, f"an event should be an object, here is {shown(text)}")


NULL = msgspec.Raw(b"null")  # counts as absent, but for the value


def read_metric(raw: msgspec.Raw | None, key: str = "metric") -> str:
    if raw is None or raw == NULL:
        raise Bad(Reason.METRIC_MISSING, f"no {key}")
    token = bytes(raw)
    if token[:1] != b'"':
        raise Bad(Reason.METRIC_NOT_STRING, f"{key} should be a string, here is {shown(token)}")
    return check_metric(as_string(token))


def read_labels(raw: msgspec.Raw | None, key: str = "labels") -> dict[str, str]:
    if raw is None or raw == NULL:
        return {}
    token = bytes(raw)
    if token[:1] != b"{":
        raise Bad(Reason.LABELS_NOT_OBJECT, f"{key} should be an object, here is {shown(token)}")
    try:
        labels = as_strings(token)
    except msgspec.ValidationError:
        # Of equal names the last stands, even where an earlier one isn't a string.
        last = as_object(token)
        for name, value in last.items():
            if not bytes(value).startswith(b'"'):
                raise Bad(
                    Reason.LABEL_NOT_STRING, f"label {name[:40]!r} should be a string, here is {shown(bytes(value))}"
                ) from None
        labels = {name: as_string(value) for name, value in last.items()}
    check_labels(labels)
    return labels


def read_time(raw: msgspec.Raw | None, sink: Sink, key: str = "timestamp") -> float:
    """Unix seconds, within range and not beyond the record's time + max_future."""
    if raw is None or raw == NULL:
        raise Bad(Reason.TIMESTAMP_MISSING, f"no {key}")
    token = bytes(raw)
    if token[:1] == b'"':
        try:
            t = rfc3339_s(as_string(token))
        except ValueError as error:
            raise Bad(Reason.TIMESTAMP_INVALID, f"{key} {shown(token)}: {error}") from None
    elif token[0] in _NUMBER_STARTS:
        integer = len(token) < 40 and not any(mark in token for mark in b".eE")
        t = unix_s(int(token) if integer else float(token))
    else:
        raise Bad(Reason.TIMESTAMP_INVALID, f"{key} should be a number or RFC 3339, here is {shown(token)}")
    check_time(t, sink, f"{key} {shown(token)}")
    return t


def check_time(t: float, sink: Sink, what: str) -> None:
    if not EARLIEST_S <= t < LATEST_S:
        raise Bad(Reason.TIMESTAMP_OUT_OF_RANGE, f"{what} is before the year 1653 or after 5138")
    if t > sink.latest():
        raise Bad(Reason.FUTURE, f"{what} is {t - sink.latest():.3f} s beyond what max_future allows")


def read_number(token: bytes, key: str = "value") -> float:
    """The float nearest to a JSON number of any length."""
    if token[0] not in _NUMBER_STARTS:
        raise Bad(Reason.VALUE_NOT_NUMBER, f"{key} should be a number, here is {shown(token)}")
    x = float(token)
    if x - x != 0.0:
        raise Bad(Reason.VALUE_NOT_FINITE, f"{key} is NaN, infinite or beyond the range of a 64-bit float")
    return x
