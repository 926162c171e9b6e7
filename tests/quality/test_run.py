"""The whole command, on a folder of made series; what it says without one; its table."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import results
from benchmarks.quality import __main__ as command
from benchmarks.quality.data import VARIABLE, halves, kpi, nab
from benchmarks.quality.report import shown
from benchmarks.table import TABLES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two series of each family, with a spike that is labelled."""
    random = np.random.default_rng(1)
    for name in ("nab", "kpi"):
        (tmp_path / name).mkdir()
    for k in range(2):
        x = random.normal(100.0, 2.0, 6000)
        x[5000:5003] += 100.0
        t, label = 60 * np.arange(6000), np.zeros(6000, np.int8)
        label[5000:5003] = 1
        np.savez_compressed(tmp_path / "kpi" / f"made-{k}.npz", timestamp=t, value=x, label=label)
        np.savez_compressed(tmp_path / "nab" / f"made-{k}.npz", timestamp=t, value=x)
    windows = {f"made-{k}": [[4950, 5050]] for k in range(2)}
    (tmp_path / "nab" / "windows.json").write_text(json.dumps(windows))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, kept: Path, *words: str) -> tuple[int, dict[str, Any]]:
    monkeypatch.setattr(results, "FOLDER", kept)
    monkeypatch.setattr(sys, "argv", ["quality", *words])
    code = command.main()
    files = list(kept.glob("quality-*.json"))
    return code, json.loads(files[0].read_text()) if files else {}


def test_the_parts_asked_for_are_measured_and_make_a_table(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, result = run(monkeypatch, tmp_path / "results", "--data", str(folder), "--only", "kpi,nab")
    assert code == 0
    rows = TABLES["quality"].rows(result)
    assert "| measure | floor | goal | measured | even half | odd half |" in rows
    cells = {row.split(" | ")[0]: row.split(" | ")[1:] for row in rows if row.startswith("| ")}
    assert cells["| KPI: recall"][2] == "1.000"
    assert float(cells["| NAB on alert openings, standard"][2]) > 50.0


def test_without_data_it_says_what_would_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert run(monkeypatch, tmp_path, "--only", "kpi")[0] == 1
    assert "docs/quality.md" in capsys.readouterr().err


def test_a_part_whose_data_is_missing_is_left_out_and_said_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder / "nab").glob("*.npz"):
        path.unlink()
    code, result = run(monkeypatch, tmp_path / "results", "--data", str(folder), "--only", "kpi,nab")
    assert code == 0
    assert list(result["parts"]) == ["kpi"]
    assert "nab is left out" in capsys.readouterr().err


def test_series_come_by_name_and_halves_alternate(folder: Path) -> None:
    assert [series.name for series in kpi(folder)] == ["made-0", "made-1"]
    assert nab(folder)[0].windows == [(4950, 5050)]
    assert halves(["b", "a", "d", "c"]) == (["a", "b", "c", "d"], ["a", "c"], ["b", "d"])


def test_a_figure_that_is_not_there_is_a_dash() -> None:
    assert [shown(float("nan"), ".2f"), shown(0.125, ".1%")] == ["-", "12.5%"]
