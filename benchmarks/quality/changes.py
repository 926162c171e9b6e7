"""How soon a lasting shift is found, at how many false alerts: by the detectors of changes, the default beside them."""

import numpy as np

from benchmarks.quality import faults, kpi
from benchmarks.quality.report import Row
from benchmarks.quality.scores import Judged, of_kind
from benchmarks.quality.work import Work
from detectors import KINDS

SIGMAS = (3.0, 5.0, 12.0)
SHIFTS = ("shift",) * 6  # in each series
WITHIN_ROWS = 240
TOLD = ("changepoint", "drift")


def part(work: Work) -> list[Row]:
    judged: dict[str, Judged] = {"the default": work.judged}
    judged |= {kind: of_kind(kind) for kind in TOLD if kind in KINDS}
    return [row for told, rules in judged.items() for row in _rows(work, told, rules)]


def _rows(work: Work, told: str, rules: Judged) -> list[Row]:
    delays: dict[tuple[float, int], list[float]] = {}
    quiet = [kpi.Kpi(), kpi.Kpi()]
    for k, series in enumerate(work.hosts):
        quiet[k % 2] += kpi.judge(series, rules.score(series.t, series.x))
        for sigmas in SIGMAS:
            changed, put = faults.inject(series, sigmas, 1, SHIFTS)
            on = rules.score(changed.t, changed.x) >= 1.0
            for fault in put:
                after = on[fault.first : fault.first + WITHIN_ROWS]
                delays.setdefault((sigmas, k % 2), []).append(float(np.argmax(after)) if after.any() else np.inf)
    rows = []
    for sigmas in SIGMAS:
        even, odd = delays.get((sigmas, 0), []), delays.get((sigmas, 1), [])
        sets = [even + odd, even, odd]
        found = tuple(float(np.mean(np.isfinite(each))) if each else float("nan") for each in sets)
        late = tuple(
            float(np.median(some)) if (some := [d for d in each if d < np.inf]) else float("nan") for each in sets
        )
        rows.append(Row(f"shift of {sigmas:g} sigmas found within {WITHIN_ROWS} rows: {told}", found, form=".2f"))
        rows.append(Row(f"shift of {sigmas:g} sigmas, median delay in rows: {told}", late, form=".0f"))
    false = tuple(each.false_per_day for each in (quiet[0] + quiet[1], *quiet))
    return [*rows, Row(f"false alerts a day without shifts: {told}", false)]
