"""Scores of one series or group, row by row, without alerts: what `tidegauge score` writes and the quality benchmark
reads."""

from collections.abc import Sequence

import numpy as np

from detectors import make
from detectors.base import VERDICT, Floats, Records
from detectors.group import Seat
from detectors.pulse import HELD
from pipeline.points import admit
from schemas.config import Rule
from schemas.metric import Series


def score_series(rules: Sequence[Rule], t: Floats, x: Floats, idle_after_s: float) -> Records:
    """A VERDICT a row, from that row and earlier ones only; the detector that says most speaks for the row.

    t: Unix seconds; x: values. Rows whose time or value isn't finite, and repeated or late ones, are legal: they score
    0 and teach nothing. A score is in units of the rule's mildest level, so that 1.0 is where an alert would open.
    """
    best = np.zeros(len(t), VERDICT)
    for name in ("expected", "lower", "upper"):
        best[name] = np.nan
    usable = np.flatnonzero(np.isfinite(t) & np.isfinite(x))
    n = len(usable)
    gap_s, fresh, kept = np.empty(n), np.empty(n, np.bool_), np.empty(n, np.int64)
    n, _, _ = admit(np.zeros(n, np.int64), t[usable], idle_after_s, np.full(1, np.nan), gap_s, fresh, kept)
    rows = usable[kept[:n]]
    for order, spec in enumerate(spec for rule in rules for spec in rule.detectors):
        detector = make(spec.kind, spec.params, spec.borders)
        detector.grow(1)
        verdicts = np.zeros(n, VERDICT)
        detector.update(np.zeros(n, np.int64), fresh[:n], t[rows], x[rows], verdicts)
        if detector.levels_on != "value":
            verdicts["score"] /= spec.borders[0].low
        else:
            _only_where_it_worsens(verdicts["score"])
        better = verdicts["score"] > best["score"][rows] if order else np.ones(n, np.bool_)
        best[rows[better]] = verdicts[better]
    return best


def score_group(
    rules: Sequence[Rule], names: Sequence[str], t: Floats, x: Floats, idle_after_s: float
) -> tuple[Floats, Records]:
    """The one number that stands for each row of the group (NaN: none), and a VERDICT a row, as `score_series`.

    names: of the columns of `x` (rows x columns, NaN where a cell is empty). A row without any value is legal too.
    """
    best, values = np.zeros(len(t), VERDICT), np.full(len(t), np.nan)
    for name in ("expected", "lower", "upper"):
        best[name] = np.nan
    x = np.where(np.isfinite(x), x, np.nan)
    usable = np.flatnonzero(np.isfinite(t) & np.isfinite(x).any(axis=1))
    n = len(usable)
    gap_s, fresh, kept = np.empty(n), np.empty(n, np.bool_), np.empty(n, np.int64)
    n, _, _ = admit(np.zeros(n, np.int64), t[usable], idle_after_s, np.full(1, np.nan), gap_s, fresh, kept)
    rows = usable[kept[:n]]
    for order, spec in enumerate(spec for rule in rules for spec in rule.detectors):
        verdicts, joint = np.zeros(n, VERDICT), np.full(n, np.nan)
        detector = make(spec.kind, spec.params, spec.borders, grouped=True)
        if isinstance(detector, Seat):
            detector.grow(1)
            detector.widen(len(names))
            for member, name in enumerate(names):
                detector.detector.join(0, member, Series(name))
            detector.given = x[rows]
        else:
            detector.grow(1)  # about silence: any member speaks for all
        detector.update(np.zeros(n, np.int64), fresh[:n], t[rows], joint, verdicts)
        if isinstance(detector, Seat):
            joint = detector.values
        verdicts["score"] /= spec.borders[0].low
        better = verdicts["score"] > best["score"][rows] if order else np.ones(n, np.bool_)
        best[rows[better]] = verdicts[better]
        values[rows[better]] = joint[better]
    return values, best


def _only_where_it_worsens(score: Floats) -> None:
    """A value over its border says so in every row; 1.0 is for where an alert opens or gets worse, the rest is held."""
    before = np.concatenate([[0.0], score[:-1]])
    score[(score >= 1.0) & (score <= before)] = HELD
