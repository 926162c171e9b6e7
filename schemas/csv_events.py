"""Events from CSV: a header `timestamp,value[,metric][,label...]`, then a line a row. Wide: a column a metric.

Pure: it is told lines, no file. A timestamp is a Unix number whose unit its size tells, or RFC 3339 (without an
offset it is read as UTC).
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.formats.base import (
    EARLIEST_S,
    LATEST_S,
    Bad,
    Columns,
    Intern,
    Reason,
    Reject,
    Skip,
    check_labels,
    check_metric,
)
from schemas.formats.times import rfc3339_s, unix_s, unix_s_column

_ROWS_A_CHUNK = 20_000
_SHOWN_MAX = 5
Row = list[str]


class CsvError(ValueError):
    """The file can't be read as events at all; says where and what would do."""


@dataclass(frozen=True)
class Table:
    """One series, row by row."""

    t: NDArray[np.float64]  # Unix seconds; NaN where the cell is empty
    x: NDArray[np.float64]  # NaN where the cell is empty
    rows: list[tuple[str, str]]  # timestamp and value as they are written


def read_series(lines: Iterable[str]) -> Table:
    """Every row in its order, empty and NaN cells kept as NaN.

    >>> table = read_series(["timestamp,value", "1795412000,1.5", "2026-11-23T05:33:21Z,"])
    >>> table.t.tolist(), table.x.tolist()
    ([1795412000.0, 1795412001.0], [1.5, nan])

    Raises CsvError for a wrong header, for cells that are neither empty nor what they should be, for several metrics.
    """
    reader = _Reader(lines)
    time_at, value_at = reader.column("timestamp"), reader.column("value")
    metric_at = reader.find("metric")
    rows: list[tuple[str, str]] = []
    numbers: list[int] = []
    metrics: set[str] = set()
    for chunk, line_numbers in reader.chunks():
        rows += [(row[time_at], row[value_at]) for row in chunk]
        numbers += line_numbers
        if metric_at is not None:
            metrics.update(row[metric_at] for row in chunk)
    if len(metrics) > 1:
        some = ", ".join(sorted(metrics)[:_SHOWN_MAX])
        raise CsvError(f"holds {len(metrics)} metrics ({some}): one series a file; split it, or use `tidegauge replay`")
    times, t_wrong = _column([row[0] for row in rows], _times, _time)
    values, x_wrong = _column([row[1] for row in rows], _values, _value)
    problems = sorted(
        [(numbers[k], f"timestamp {rows[k][0][:40]!r} is neither a number nor RFC 3339") for k in t_wrong]
        + [(numbers[k], f"value {rows[k][1][:40]!r} is not a number") for k in x_wrong]
        + [(number, f"{len(row)} cells, the header has {len(reader.header)}") for number, row in reader.too_long]
    )
    _raise(problems)
    return Table(times, values, rows)


@dataclass(frozen=True)
class WideTable:
    """Several series, a column each, row by row."""

    t: NDArray[np.float64]  # Unix seconds; NaN where the cell is empty
    x: NDArray[np.float64]  # rows x columns; NaN where the cell is empty
    timestamps: list[str]  # as they are written
    names: list[str]  # of the columns


def read_wide(lines: Iterable[str]) -> WideTable:
    """Every row in its order: `timestamp`, and a column a metric. Empty and NaN cells are kept as NaN.

    >>> table = read_wide(["timestamp,cpu,disk", "1795412000,1.5,", "1795412060,2,7"])
    >>> table.names, table.x.tolist()
    (['cpu', 'disk'], [[1.5, nan], [2.0, 7.0]])

    Raises CsvError as `read_series`.
    """
    reader = _Reader(lines)
    time_at = reader.column("timestamp")
    at = [k for k in range(len(reader.header)) if k != time_at]
    if not at:
        raise CsvError("line 1: no column beside timestamp; give each metric its own")
    timestamps: list[str] = []
    numbers: list[int] = []
    t: list[NDArray[np.float64]] = [np.zeros(0)]
    x: list[NDArray[np.float64]] = [np.zeros((0, len(at)))]
    problems: list[tuple[int, str]] = []
    for chunk, line_numbers in reader.chunks():
        times = [row[time_at] for row in chunk]
        column, wrong = _column(times, _times, _time)
        t.append(column)
        problems += [(line_numbers[k], f"timestamp {times[k][:40]!r} is neither a number nor RFC 3339") for k in wrong]
        columns = np.empty((len(chunk), len(at)))
        for place, cell in enumerate(at):
            columns[:, place], wrong = _column([row[cell] for row in chunk], _values, _value)
            problems += [
                (line_numbers[k], f"{reader.header[cell]} {chunk[k][cell][:40]!r} is not a number") for k in wrong
            ]
        x.append(columns)
        timestamps += times
        numbers += line_numbers
    problems += [(number, f"{len(row)} cells, the header has {len(reader.header)}") for number, row in reader.too_long]
    _raise(sorted(problems))
    return WideTable(np.concatenate(t), np.concatenate(x), timestamps, [reader.header[k] for k in at])


def _raise(problems: list[tuple[int, str]]) -> None:
    if problems:
        first = "; ".join(f"line {number}: {what}" for number, what in problems[:_SHOWN_MAX])
        more = len(problems) - _SHOWN_MAX
        raise CsvError(first + (f"; and {more} more" if more > 0 else ""))


def read_events(
    lines: Iterable[str],
    default_metric: str,
    intern: Intern,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Columns]:
    """Columns of some thousand rows each; `record` and `Reject.record` are line numbers, from 1.

    default_metric: names rows without a metric. Every other column is a label; an empty cell is no label. `progress`
    is told how many characters were read.

    Raises CsvError for a wrong header. Bad rows are rejected alone, with the same reasons as other events.
    """
    reader = _Reader(lines)
    time_at, value_at, metric_at = reader.column("timestamp"), reader.column("value"), reader.find("metric")
    label_at = [k for k in range(len(reader.header)) if k not in (time_at, value_at, metric_at)]
    names = [reader.header[k] for k in label_at]
    told_at = label_at if metric_at is None else [metric_at, *label_at]
    known: dict[tuple[str, ...], int] = {}

    def series_of(told: tuple[str, ...]) -> int:
        metric, cells = (told[0], told[1:]) if metric_at is not None else ("", told)
        labels = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
        check_metric(metric or default_metric)
        check_labels(labels)
        return intern(metric or default_metric, labels)

    for chunk, line_numbers in reader.chunks():
        times = [row[time_at] for row in chunk]
        values = [row[value_at] for row in chunk]
        t, _ = _column(times, _times, _time)
        x, _ = _column(values, _values, _value)
        told = list(zip(*([row[k] for row in chunk] for k in told_at), strict=True)) or [()] * len(chunk)
        good = np.isfinite(x) & (t >= EARLIEST_S) & (t < LATEST_S)
        series = np.array([known.get(one, -1) for one in told], np.int64)
        rejects = [
            Reject(
                line, None, Reason.ROW_TOO_LONG, f"{len(row)} cells, the header has {len(reader.header)}", _text(row)
            )
            for line, row in reader.too_long
        ]
        reader.too_long.clear()
        skipped: Counter[str] = Counter()
        for k in np.flatnonzero(~good | (series < 0)).tolist():
            try:
                if not good[k]:
                    raise _why(times[k], values[k], float(t[k]))
                index = known[told[k]] if told[k] in known else series_of(told[k])
            except Bad as bad:
                good[k] = False
                rejects.append(Reject(line_numbers[k], None, bad.reason, bad.detail, _text(chunk[k])))
                continue
            if index < 0:
                good[k] = False
                skipped[Skip.SERIES_CAP] += 1
            else:
                series[k] = known[told[k]] = index
        record = np.array(line_numbers, np.int64)
        rejects.sort(key=lambda r: r.record)
        yield Columns(series[good], t[good], x[good] + 0.0, record[good], rejects, skipped)
        progress(reader.take_chars())


class _Reader:
    """Rows of the header's width, with the line each ends on. A short row is filled with empty cells."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._chars = 0
        self.too_long: list[tuple[int, Row]] = []  # rows of more cells than the header, with their lines
        self._rows = csv.reader(self._counted(lines))
        header = next(self._safely(), None)
        if header is None:
            raise CsvError("line 1: there is nothing; write a header such as timestamp,value")
        self.header = [name.strip() for name in header]
        for name, times in Counter(self.header).items():
            if times > 1:
                raise CsvError(f"line 1: {times} columns are named {name!r}; give each its own name")
        if "" in self.header:
            raise CsvError("line 1: a column has no name")

    def find(self, name: str) -> int | None:
        return self.header.index(name) if name in self.header else None

    def column(self, name: str) -> int:
        at = self.find(name)
        if at is None:
            raise CsvError(f"line 1: no column {name}; there are {', '.join(self.header[:20])}"[:400])
        return at

    def chunks(self) -> Iterator[tuple[list[Row], list[int]]]:
        width = len(self.header)
        rows: list[Row] = []
        numbers: list[int] = []
        for row in self._safely():
            if len(row) != width:
                if not row:
                    continue  # an empty line is no row
                if len(row) > width:
                    self.too_long.append((self._rows.line_num, row))
                    continue
                row += [""] * (width - len(row))
            rows.append(row)
            numbers.append(self._rows.line_num)
            if len(rows) == _ROWS_A_CHUNK:
                yield rows, numbers
                rows, numbers = [], []
        if rows or self.too_long:
            yield rows, numbers

    def take_chars(self) -> int:
        chars, self._chars = self._chars, 0
        return chars

    def _safely(self) -> Iterator[Row]:
        try:
            yield from self._rows
        except (csv.Error, UnicodeDecodeError) as error:
            raise CsvError(f"line {self._rows.line_num + 1}: {error}") from None

    def _counted(self, lines: Iterable[str]) -> Iterator[str]:
        first = True
        for line in lines:
            self._chars += len(line)
            yield line.removeprefix("\ufeff") if first else line
            first = False


def _column(
    cells: Sequence[str],
    whole: Callable[[Sequence[str]], NDArray[np.float64]],
    one: Callable[[str], float],
) -> tuple[NDArray[np.float64], list[int]]:
    """Numbers of a column, NaN where a cell is empty or wrong; and which are wrong. `whole` reads clean ones fast."""
    try:
        return whole(cells), []
    except ValueError:
        pass
    numbers = np.full(len(cells), np.nan)
    wrong = []
    for k, cell in enumerate(cells):
        try:
            numbers[k] = one(cell) if cell.strip() else np.nan
        except ValueError:
            wrong.append(k)
    return numbers, wrong


def _text(row: Row) -> bytes:
    return ",".join(row).encode("utf-8", "replace")


def _plain(cells: Sequence[str]) -> None:
    if "_" in "".join(cells):
        raise ValueError("Python reads 1_000 as a number, nobody else does")


def _times(cells: Sequence[str]) -> NDArray[np.float64]:
    _plain(cells)
    try:
        return unix_s_column(list(map(int, cells)))
    except ValueError:
        pass
    if cells and ":" in cells[0]:
        return np.array([rfc3339_s(cell, naive_is_utc=True) for cell in cells], np.float64)
    if any(len(cell) > 15 and cell.strip().lstrip("+-").isdecimal() for cell in cells):
        raise ValueError("a float would round an integer of so many digits: each cell for itself")
    return unix_s_column(list(map(float, cells)))


def _time(cell: str) -> float:
    _plain(cell)
    try:
        return unix_s(int(cell)) + 0.0
    except ValueError:
        pass
    try:
        return unix_s(float(cell)) + 0.0
    except ValueError:
        return rfc3339_s(cell.strip(), naive_is_utc=True)


def _values(cells: Sequence[str]) -> NDArray[np.float64]:
    _plain(cells)
    return np.array(list(map(float, cells)), np.float64)


def _value(cell: str) -> float:
    _plain(cell)
    return float(cell)


def _why(time: str, value: str, t: float) -> Bad:
    """The first check that a row fails, in the order of `Reason`."""
    if not time.strip():
        return Bad(Reason.TIMESTAMP_MISSING)
    if t != t:
        return Bad(Reason.TIMESTAMP_INVALID, f"timestamp {time[:40]!r} is neither a number nor RFC 3339")
    if not EARLIEST_S <= t < LATEST_S:
        return Bad(Reason.TIMESTAMP_OUT_OF_RANGE, f"timestamp {time[:40]!r} is before the year 1653 or after 5138")
    if not value.strip():
        return Bad(Reason.VALUE_MISSING)
    try:
        _value(value)
    except ValueError:
        return Bad(Reason.VALUE_NOT_NUMBER, f"value {value[:40]!r} is not a number")
    return Bad(Reason.VALUE_NOT_FINITE, f"value {value[:40]!r} is not finite")
