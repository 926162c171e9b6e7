"""The labelled series, which are not ours to ship: a folder that a person gives, as docs/quality.md says.

nab/NAME.npz            timestamp (Unix s), value;  nab/windows.json: NAME -> [[first row, last row], ...]
kpi/NAME.npz            timestamp, value, label (0 or 1 a row)
multivariate/NAME.npz   train, test (rows x metrics), label of the test rows
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import SetupError
from detectors.base import Flags, Floats

VARIABLE = "TIDEGAUGE_DATA"
Windows = list[tuple[int, int]]  # first and last row of each labelled window


@dataclass(frozen=True)
class Labelled:
    """One series. t: Unix seconds; x: values, NaN where the row has none; label: True in a fault."""

    name: str
    t: Floats
    x: Floats
    label: Flags

    @property
    def period_s(self) -> float:
        return float(np.median(np.diff(self.t)))


@dataclass(frozen=True)
class NabSeries:
    """One series of the Numenta Anomaly Benchmark."""

    name: str
    t: Floats
    x: Floats
    windows: Windows


def folder(given: Path | None) -> Path:
    """`given`, else where TIDEGAUGE_DATA points. Raises SetupError."""
    path = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if path is None:
        raise SetupError(f"no labelled series: give --data DIR or {VARIABLE}; docs/quality.md says where to get them")
    if not path.is_dir():
        raise SetupError(f"{path} is no folder; docs/quality.md says what it holds")
    return path


def kpi(data: Path) -> list[Labelled]:
    """All of `kpi/`, by name. Raises SetupError."""
    return [
        Labelled(path.stem, _floats(held["timestamp"]), _floats(held["value"]), np.asarray(held["label"], np.bool_))
        for path in _files(data / "kpi")
        for held in [np.load(path)]
    ]


def nab(data: Path) -> list[NabSeries]:
    """All of `nab/`, by name. Raises SetupError."""
    files = _files(data / "nab")
    windows = json.loads((data / "nab" / "windows.json").read_text(encoding="utf-8"))
    series = []
    for path in files:
        held = np.load(path)
        spans = [(int(first), int(last)) for first, last in windows[path.stem]]
        series.append(NabSeries(path.stem, _floats(held["timestamp"]), _floats(held["value"]), spans))
    return series


def halves(names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """All names in order; every other one from the first on (what constants may be looked at on); the rest.

    >>> halves(["c", "a", "b"])
    (['a', 'b', 'c'], ['a', 'c'], ['b'])
    """
    ordered = sorted(names)
    return ordered, ordered[::2], ordered[1::2]


def _files(path: Path) -> list[Path]:
    files = sorted(path.glob("*.npz"))
    if not files:
        raise SetupError(f"{path} holds no .npz files; docs/quality.md says where to get them")
    return files


def _floats(column: NDArray[np.generic]) -> Floats:
    return np.asarray(column, np.float64)
