"""Plain numeric dtypes as words, and back. Nothing else passes: no objects, no strings, no padding.

Padding would be saved as whatever stood in memory, so that a block would never look the same twice.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from pipeline.snapshots.errors import SnapshotInvalid

FORMATS = frozenset(["|b1", "|i1", "|u1", *(f"<{kind}{size}" for kind in "iuf" for size in (2, 4, 8))])
FIELDS_MAX = 1_000
ITEM_BYTES_MAX = 65_536
DIMENSIONS_MAX = 8


class Column(msgspec.Struct, frozen=True, array_like=True):
    """A field of a record, or with an empty name the whole of a plain number. shape: of a field that is an array."""

    name: str
    format: str
    shape: tuple[int, ...] = ()


@lru_cache(maxsize=1_000)
def describe(dtype: np.dtype[Any]) -> tuple[Column, ...]:
    """Raises TypeError for what can't be kept: the detector that has such an array is at fault.

    >>> describe(np.dtype("f8")), describe(np.dtype([("a", "i4"), ("b", "f4", (3,))]))
    ((Column(name='', format='<f8', shape=()),), (Column(name='a', format='<i4', shape=()), \
Column(name='b', format='<f4', shape=(3,))))
    """
    fields = dtype.fields
    columns: tuple[Column, ...]
    if fields is None:
        columns = (Column("", dtype.str),)
    else:
        columns = tuple(Column(name, fields[name][0].base.str, fields[name][0].shape) for name in dtype.names or ())
    try:
        same = parse(columns) == dtype
    except SnapshotInvalid as error:
        raise TypeError(f"state of type {dtype} can't be kept: {error}") from None
    if not same:
        raise TypeError(f"state of type {dtype} can't be kept: it has padding, or a byte order that is not ours")
    return columns


@lru_cache(maxsize=1_000)  # a save and a load ask for each array's several times over
def parse(columns: tuple[Column, ...]) -> np.dtype[Any]:
    """Raises SnapshotInvalid for anything but numbers, or records of numbers and small arrays of numbers."""
    if not columns or len(columns) > FIELDS_MAX:
        raise SnapshotInvalid(f"a type of {len(columns)} fields")
    size = 0
    for column in columns:
        if column.format not in FORMATS:
            raise SnapshotInvalid(f"type {column.format[:20]!r} is no plain number")
        if 0 in column.shape:
            raise SnapshotInvalid("a field of size 0")
        size += int(column.format[2:]) * product(column.shape)
        if size > ITEM_BYTES_MAX:
            raise SnapshotInvalid(f"a record of more than {ITEM_BYTES_MAX:,} bytes")
    if len(columns) == 1 and not columns[0].name:
        if columns[0].shape:
            raise SnapshotInvalid("a plain number with a shape")
        return np.dtype(columns[0].format)
    names = [column.name for column in columns]
    if len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise SnapshotInvalid("field names that are empty, odd or twice there")
    return np.dtype([(c.name, c.format, c.shape) if c.shape else (c.name, c.format) for c in columns])


def product(shape: Sequence[int]) -> int:
    """Elements of an array of that shape, at least 1: numpy multiplies the sizes of an empty array too.

    Raises SnapshotInvalid where a size is negative or absurd.
    """
    if len(shape) > DIMENSIONS_MAX:
        raise SnapshotInvalid(f"an array of {len(shape)} dimensions")
    count = 1
    for size in shape:
        if not 0 <= size < 2**48:
            raise SnapshotInvalid(f"an array of size {size}")
        count *= max(size, 1)
    return count
