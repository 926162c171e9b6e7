"""How an array is cut into blocks: along its bytes, or slice by slice where little changes between two snapshots.

The cuts follow from type and shape alone, so that a manifest need not repeat them and can't contradict itself.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SMALL_BYTES = 16_384
"""Slices of few rows are taken together up to this: below it a block costs more than it spares."""


@dataclass(frozen=True)
class Cut:
    """A block of an array. Bytes `first..last` of it; or, of rows `first..last`, the slices `low..high`."""

    size: int  # bytes
    first: int
    last: int
    low: int = 0
    high: int = 0


@dataclass(frozen=True)
class Plan:
    """The cuts of one array.

    slow: axis along which it is cut, at least 1; None: by its bytes. block_bytes: the largest block there may be.
    """

    shape: tuple[int, ...]
    itemsize: int
    slow: int | None
    block_bytes: int

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.itemsize

    @property
    def sliced(self) -> bool:
        """A row's slice larger than a block would not be one; then the bytes are cut as they lie."""
        return self.slow is not None and self.size > 0 and self._slice_bytes <= self.block_bytes

    def cuts(self) -> Iterator[Cut]:
        if not self.sliced:
            for first in range(0, self.size, self.block_bytes):
                last = min(first + self.block_bytes, self.size)
                yield Cut(last - first, first, last)
            return
        width = self.shape[self.slow or 0]
        for first, last in self.ranges():
            slice_bytes = (last - first) * self._slice_bytes
            together = max(1, SMALL_BYTES // slice_bytes) if slice_bytes < self.block_bytes else 1
            together = min(together, self.block_bytes // slice_bytes)
            for low in range(0, width, together):
                high = min(low + together, width)
                yield Cut((high - low) * slice_bytes, first, last, low, high)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Of rows, each cut into slices for itself."""
        rows = self.block_bytes // self._slice_bytes
        for first in range(0, self.shape[0], rows):
            yield first, min(first + rows, self.shape[0])

    def slices(self, array: Array) -> Array:
        """A view of a contiguous array with the slow axis second: rows x slices x what lies before x after it."""
        slow = self.slow or 0
        after = math.prod(self.shape[slow + 1 :]) * self.itemsize
        before = math.prod(self.shape[1:slow])
        raw = array.reshape(-1).view(np.uint8).view(f"V{after}")
        return raw.reshape(self.shape[0], before, self.shape[slow]).transpose(0, 2, 1)

    @property
    def _slice_bytes(self) -> int:
        return self.size // self.shape[0] // self.shape[self.slow or 0]


def pieces(array: Array, plan: Plan) -> Iterator[memoryview]:
    """The blocks' bytes, in the order of the cuts. Copies at most one range of rows at a time, without the GIL."""
    array = np.ascontiguousarray(array)
    if not plan.sliced:
        raw = _raw(array)
        for cut in plan.cuts():
            yield raw[cut.first : cut.last]
        return
    view = plan.slices(array)
    raw, at = memoryview(b""), 0
    rows = (-1, -1)
    for cut in plan.cuts():
        if rows != (cut.first, cut.last):
            rows = (cut.first, cut.last)
            raw, at = _raw(np.ascontiguousarray(view[cut.first : cut.last].transpose(1, 0, 2))), 0
        yield raw[at : at + cut.size]
        at += cut.size


class Sink:
    """An array that is being put together from its blocks."""

    def __init__(self, dtype: np.dtype[Any], plan: Plan) -> None:
        self.array: Array = np.empty(plan.shape, dtype)
        self._plan = plan
        self._raw = memoryview(b"") if plan.sliced else _raw(self.array)
        self._slices = plan.slices(self.array) if plan.sliced else self.array

    def buffer(self, cut: Cut) -> memoryview:
        """Where the bytes of a block are to be written; `place` must follow."""
        return memoryview(bytearray(cut.size)) if self._plan.sliced else self._raw[cut.first : cut.last]

    def place(self, cut: Cut, data: memoryview) -> None:
        if self._plan.sliced:
            target = self._slices[cut.first : cut.last, cut.low : cut.high]
            rows, slices, before = target.shape
            target[...] = np.frombuffer(data, target.dtype).reshape(slices, rows, before).transpose(1, 0, 2)


def _raw(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
