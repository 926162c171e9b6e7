"""What a file of tests holds: `File...` as written, the others as run. Keys have promtool's names where it has them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, PlainValidator

from schemas.config import Duration, Section
from schemas.config.errors import shown
from schemas.duration import parse_duration_s
from schemas.formats.times import rfc3339_s
from schemas.levels import LevelName
from schemas.metric import Series
from schemas.rule_tests.notation import series_of, values_of


@dataclass(frozen=True)
class Moment:
    """`s` seconds after the test's start, or Unix seconds where `is_absolute`."""

    s: float
    is_absolute: bool = False

    def unix_s(self, start_s: float) -> float:
        return self.s if self.is_absolute else start_s + self.s


def _text(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a text, got {shown(value)}; write for example {example}")
    return value


def _moment(value: object) -> Moment:
    if value == 0 and not isinstance(value, bool):
        return Moment(0.0)
    text = _text(value, '"5m"')
    try:
        return Moment(parse_duration_s(text))
    except ValueError:
        pass
    try:
        return Moment(rfc3339_s(text), is_absolute=True)
    except ValueError:
        told = 'neither a duration such as "5m" nor a time such as "2026-01-05T09:00:00Z"'
        raise ValueError(f"{told}: {shown(text)}") from None


def _start(value: object) -> float:
    text = _text(value, '"2026-01-05T00:00:00Z"')
    try:
        return rfc3339_s(text)
    except ValueError:
        raise ValueError(f"not a time: {shown(text)}; write for example 2026-01-05T00:00:00Z") from None


def _values(value: object) -> tuple[float, ...]:
    # A single number is what YAML makes of `values: 5`.
    return values_of(
        str(value) if isinstance(value, int | float) and not isinstance(value, bool) else _text(value, '"50x10"')
    )


When = Annotated[Moment, PlainValidator(_moment)]


class FileInputSeries(Section):
    """One series, a value each interval."""

    series: Annotated[Series, PlainValidator(lambda value: series_of(_text(value, "'up{job=\"web\"}'")))]
    values: Annotated[tuple[float, ...], PlainValidator(_values)]


class FileExpected(Section):
    """An alert that shall be firing. What is left out is not compared."""

    level: LevelName | None = None
    exp_labels: dict[str, str] | None = None
    exp_annotations: dict[str, str] = Field(default_factory=dict)


class FileCheck(Section):
    """What shall be firing at a time, or from it until another: these alerts, and no others of that rule."""

    eval_time: When
    until: When | None = None
    alertname: str | None = Field(default=None, min_length=1)
    exp_alerts: tuple[FileExpected, ...] = Field(default=(), max_length=10_000)


class FileTest(Section):
    """Inputs, and what is expected of them."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    interval: Annotated[Duration, Field(gt=0)] = 60.0
    start: Annotated[float, PlainValidator(_start)] | None = None
    input_series: tuple[FileInputSeries, ...] = Field(default=(), max_length=10_000)
    input_files: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), max_length=100)
    alert_rule_test: tuple[FileCheck, ...] = Field(min_length=1, max_length=10_000)


class FileTests(Section):
    """The file."""

    config: str | None = Field(default=None, min_length=1)
    tests: tuple[FileTest, ...] = Field(min_length=1, max_length=10_000)


@dataclass(frozen=True)
class Expected:
    """None: any. labels: all but `alertname` and `metric`, which may be left out; annotations: those to compare."""

    level: LevelName | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Check:
    """`alerts`, and no others of `rule` (None: of all rules), fire at `at`, or all the time from `at` to `until`."""

    line: int
    at: Moment
    until: Moment | None
    rule: str | None
    alerts: tuple[Expected, ...]


@dataclass(frozen=True)
class InputSeries:
    """values: one each interval from the start on; NaN: none."""

    series: Series
    values: tuple[float, ...]


@dataclass(frozen=True)
class RuleTest:
    """start_s: Unix seconds; None: where the earliest event of the files is, else `START_S`."""

    name: str
    line: int
    interval_s: float
    start_s: float | None
    series: tuple[InputSeries, ...]
    files: tuple[str, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class TestFile:
    """config: as written, beside this file; None: the usual one. line: where a key or item stands."""

    __test__ = False  # for pytest

    file: str
    config: str | None
    tests: tuple[RuleTest, ...]
    line: Callable[[tuple[str | int, ...]], int]
