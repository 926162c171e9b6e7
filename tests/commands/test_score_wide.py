"""`tidegauge score --wide`: a file is one group, a line a row, holes are legal."""

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli import app

HEADER = ["timestamp", "value", "expected", "lower", "upper", "score", "deviation"]


def wide(path: Path, rows: int = 500) -> list[str]:
    rng = np.random.default_rng(2)
    lines = ["timestamp,cpu,disk,memory"]
    for row in range(rows):
        fault = 50.0 if row == 450 else 0.0
        cells = [repr(float(x)) for x in rng.normal(20.0, 1.0, 3) + fault]
        if row % 50 == 7:
            cells[row % 3] = "" if row % 100 == 7 else "NaN"
        if row % 125 == 60:
            cells = ["", "", ""]
        lines.append(",".join([str(1_795_412_000 + 60 * (row if row != 300 else 299)), *cells]))
    path.write_text("\n".join(lines) + "\n")
    return lines


def scored(tmp_path: Path, *more: str) -> list[list[str]]:
    result = CliRunner().invoke(
        app, ["score", "--wide", str(tmp_path / "host.csv"), "-o", str(tmp_path / "out"), *more]
    )
    assert result.exit_code == 0, result.output
    return list(csv.reader((tmp_path / "out" / "host.csv").read_text().splitlines()))


def test_a_line_a_row_in_order_and_the_fault_is_found(tmp_path: Path) -> None:
    lines = wide(tmp_path / "host.csv")
    header, *rows = scored(tmp_path)
    assert header == HEADER
    assert [row[0] for row in rows] == [line.partition(",")[0] for line in lines[1:]]
    score = np.array([float(row[5]) for row in rows])
    assert score[450] >= 1.0
    assert int((score >= 1.0).sum()) <= 2
    assert float(rows[450][1]) > float(rows[450][4])  # the joint surprise over its border
    assert rows[60][1:] == ["", "", "", "", "0.0", "0.0"]  # nobody came
    assert rows[300][5] == "0.0"  # repeated time


def test_each_row_is_judged_from_what_came_before_only(tmp_path: Path) -> None:
    lines = wide(tmp_path / "host.csv")
    whole = scored(tmp_path)
    (tmp_path / "host.csv").write_text("\n".join(lines[:421]) + "\n")
    assert scored(tmp_path) == whole[:421]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timestamp\n1\n", "no column beside timestamp"),
        ("timestamp,cpu\n1795412000,abc\n", "line 2: cpu 'abc' is not a number"),
        ("time,cpu\n1795412000,1\n", "no column timestamp"),
    ],
)
def test_what_is_no_wide_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "host.csv").write_text(text)
    result = CliRunner().invoke(app, ["score", "--wide", str(tmp_path / "host.csv"), "-o", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


def test_a_config_without_groups_is_refused(tmp_path: Path) -> None:
    wide(tmp_path / "host.csv", 5)
    (tmp_path / "c.yaml").write_text("rules:\n  - {name: a, match: cpu, detector: baseline}\n")
    result = CliRunner().invoke(
        app, ["score", "--wide", str(tmp_path / "host.csv"), "-o", str(tmp_path), "-c", str(tmp_path / "c.yaml")]
    )
    assert result.exit_code == 2
