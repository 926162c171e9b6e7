"""What a kind is said to learn from people's verdicts is what it learns from."""

import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from detectors import GROUP_KINDS, KINDS, heeded
from schemas.control import Verdict
from tests.detectors import groups, streams

NEEDS: dict[str, dict[str, object]] = {
    "river": {"model": "GaussianScorer"},
    "forecast": {"limit": "> 90"},
    "rate_of_change": {"limit": 1, "unit": "percent"},
}
rows = np.random.default_rng(1).normal(50.0, 1.0, 200)


@pytest.mark.parametrize("verdict", get_args(Verdict))
@pytest.mark.parametrize("kind", KINDS)
def test_of_series(kind: str, verdict: str) -> None:
    detector = streams.make(kind, 1, NEEDS.get(kind, {}))
    streams.run(detector, streams.one_row(rows))
    assert detector.feedback(0, verdict, False) == (verdict in heeded(kind))
    assert detector.heeds_people == bool(heeded(kind))


@pytest.mark.parametrize("verdict", get_args(Verdict))
@pytest.mark.parametrize("kind", GROUP_KINDS)
def test_of_groups(kind: str, verdict: str) -> None:
    detector = groups.make(kind, 1, 2)
    groups.run(detector, groups.one_group(rows.reshape(-1, 2)))
    assert detector.feedback(0, verdict, False) == (verdict in heeded(kind))


def test_the_docs_say_which_kind_takes_which_verdicts() -> None:
    text = (Path(__file__).parents[2] / "docs" / "feedback.md").read_text()
    table = text.split("| takes | kinds |")[1].split("\n\n")[0]
    told = {
        kind: frozenset(re.findall(r"`(\w+)`", takes))
        for takes, kinds in re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)
        for kind in re.findall(r"`(\w+)`", kinds)
    }
    assert told == {kind: heeded(kind) for kind in KINDS | GROUP_KINDS}
