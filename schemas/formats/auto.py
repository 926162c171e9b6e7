"""Tells formats apart, payload by payload and inside a batch event by event, by their keys."""

from collections.abc import Callable, Sequence

from schemas.formats.base import Bad, Payload, Reason, Sink
from schemas.formats.json_format import JsonFormat, Object


class Auto(JsonFormat):
    """The first of `formats` that claims an object reads it; so those with telling keys stand before those without."""

    def __init__(self, formats: Sequence[JsonFormat]) -> None:
        self._formats = tuple(formats)
        self._latest_first = list(formats)

    def claims(self, item: Object) -> bool:
        return True

    def read_item(self, item: Object, text: bytes, sink: Sink, inside: bool = False) -> None:
        for one in self._formats:
            if one.claims(item):
                return one.read_item(item, text, sink, inside)
        raise Bad(Reason.NOT_OBJECT, "no format claims it")

    def read_object(self, item: Object, text: bytes, sink: Sink) -> None:
        self.read_item(item, text, sink)

    def quick(self, pieces: Sequence[Payload], start: int, sink: Sink, exact: Callable[[int, Sink], None]) -> int:
        for one in self._latest_first:
            if (after := one.quick(pieces, start, sink, exact)) > start:
                if one is not self._latest_first[0]:
                    self._latest_first.remove(one)
                    self._latest_first.insert(0, one)
                return after
        return start

    def forget(self) -> None:
        for one in self._formats:
            one.forget()
