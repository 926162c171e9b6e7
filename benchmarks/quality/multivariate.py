"""Event quality of groups: faults of a machine, found in its metrics together.

Each file (`NAME.npz` with train, test: rows x metrics; label: of the test rows) is one group: as much of train as test
is long, then test. Counted over test, one border (1.0) for all: an alert is a row at the border after 30 quiet ones,
right within a fault or 30 rows after; a fault is found by a row at the border anywhere in it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import default_group_rules
from pipeline.scoring import score_group

FAMILIES = {"SMD": ("machine-", 60.0), "ASD": ("omi-", 300.0)}  # files, seconds between rows
START_S = 1.7e9
QUIET_ROWS, GRACE_ROWS, GAP_ROWS = 30, 30, 5


@dataclass
class Events:
    """Counts that make precision and recall."""

    right: int = 0
    wrong: int = 0
    found: int = 0
    faults: int = 0
    days: float = 0.0

    def add(self, other: "Events") -> None:
        self.right, self.wrong = self.right + other.right, self.wrong + other.wrong
        self.found, self.faults = self.found + other.found, self.faults + other.faults
        self.days += other.days

    def figures(self) -> dict[str, float]:
        precision, recall = self.right / max(self.right + self.wrong, 1), self.found / max(self.faults, 1)
        return {
            "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 3),
            "precision": round(precision, 3),
            "recall": round(recall, 3),
            "faults": self.faults,
            "false_alerts_per_day": round(self.wrong / max(self.days, 1e-9), 3),
        }


def faults(label: NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last row of each; those closer than GAP_ROWS are one.

    >>> faults(np.array([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]))
    [(1, 5), (13, 13)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], label, [0]])))
    joined: list[tuple[int, int]] = []
    for first, last in zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True):
        if joined and first - joined[-1][1] <= GAP_ROWS + 1:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def count(score: NDArray[np.float64], label: NDArray[np.int64], days: float) -> Events:
    """
    >>> count(np.array([0.0, 2.0, 0.0]), np.array([0, 1, 1]), 1.0)
    Events(right=1, wrong=0, found=1, faults=1, days=1.0)
    """
    spans = faults(label)
    on = np.flatnonzero(score >= 1.0)
    alerts = on[np.diff(on, prepend=-QUIET_ROWS - 1) > QUIET_ROWS]
    right = sum(any(first <= row <= last + GRACE_ROWS for first, last in spans) for row in alerts.tolist())
    found = sum(bool((score[first : last + 1] >= 1.0).any()) for first, last in spans)
    return Events(right, len(alerts) - right, found, len(spans), days)


def measure(data_dir: Path) -> dict[str, dict[str, float]]:
    """Figures by family, and of the halves of its files (even, odd in the order of their names)."""
    rules = default_group_rules()
    figures = {}
    for family, (prefix, step_s) in FAMILIES.items():
        halves = (Events(), Events())
        for k, path in enumerate(sorted((data_dir / "multivariate").glob(f"{prefix}*.npz"))):
            data = np.load(path)
            test = data["test"].astype(np.float64)
            x = np.concatenate([data["train"].astype(np.float64)[-len(test) :], test])
            t = START_S + step_s * np.arange(len(x), dtype=np.float64)
            _, verdicts = score_group(rules, [f"m{j}" for j in range(x.shape[1])], t, x, 3 * 86400.0)
            label = data["label"].astype(np.int64).ravel()
            halves[k % 2].add(count(verdicts["score"][-len(test) :], label, len(test) * step_s / 86400.0))
        whole = Events()
        for name, half in zip(("even", "odd"), halves, strict=True):
            figures[f"{family}, {name} files"] = half.figures()
            whole.add(half)
        figures[family] = whole.figures()
    return figures
