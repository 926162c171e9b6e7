"""The parts of the benchmark, by the name that `--only` has."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.common import SetupError
from benchmarks.quality import changes, copies, cost, data, injected, peers, verdicts
from benchmarks.quality.faults import AMPLITUDES, KINDS, MISSING
from benchmarks.quality.injected import Injected
from benchmarks.quality.report import Row
from benchmarks.quality.work import Work, kpi_rows, nab_rows

OPENINGS = (("62", "70"), ("64", "75"))  # floor and goal of NAB standard: on openings, and at the best border


def kpi_part(work: Work) -> list[Row]:
    """Alert quality on the score, at border 1.0."""
    return kpi_rows("KPI", work.kpi, work.kpi_scores)


def nab_part(work: Work) -> list[Row]:
    """On the rows where the rule's alerts open, and on all rows at or over the border."""
    opened = {series.name: work.judged.openings(series.t, series.x) for series in work.nab}
    rows = [row for row in nab_rows("NAB on alert openings", work.nab, opened, OPENINGS) if "best" not in row.measure]
    scored = nab_rows("NAB on scored rows", work.nab, work.nab_scores, (("", ""), OPENINGS[1]))
    return [*rows, *scored]


def openings_part(work: Work) -> list[Row]:
    """Alert quality of the rows where alerts open: what a person is told, after back-off and budget."""
    opened = {series.name: work.judged.openings(series.t, series.x) for series in work.kpi}
    wanted = ("F1", "precision", "recall", "false alerts a day and series")
    rows = kpi_rows("KPI on alert openings", work.kpi, opened)
    return [Row(row.measure, row.figures, form=row.form) for row in rows if row.measure.partition(": ")[2] in wanted]


_BOUNDS = {
    **dict.fromkeys(("spike", "burst", "plateau", "shift", "variance"), ("0.4", "0.7")),
    "ramp": ("0.5", "0.9"),
    "stuck": ("0.8", "0.95"),
    MISSING: ("0.95", "1.0"),
}


def injected_part(work: Work) -> list[Row]:
    """Recall by kind and amplitude."""
    _, even, odd = data.halves([series.name for series in work.hosts])
    by_half = [injected.measure([s for s in work.hosts if s.name in some], work.judged.score) for some in (even, odd)]
    sets = [by_half[0] + by_half[1], *by_half]
    rows = []
    for kind in [*KINDS, MISSING]:
        for amplitude in (0.0,) if kind in injected.NO_AMPLITUDE else AMPLITUDES:
            told = f", {amplitude:g} sigmas" if amplitude else ""
            bounds = _BOUNDS.get(kind, ("", "")) if amplitude in (0.0, 12.0) else ("", "")
            rows.append(_recall(f"{kind}{told}", sets, kind, amplitude, *bounds))
    chance = tuple(each.chance for each in sets)
    rows.append(Row("share of these places that alert without a fault", chance))
    quiet = tuple(each.quiet.false_per_day for each in sets)
    return [*rows, Row("false alerts a day, the same series without faults", quiet, "0.10", "0.05")]


def _recall(told: str, sets: list[Injected], kind: str, amplitude: float, floor: str, goal: str) -> Row:
    return Row(f"recall: {told}", tuple(each.cell(kind, amplitude).recall for each in sets), floor, goal, ".2f")


SEED = 1


def trends_part(work: Work) -> list[Row]:
    """Limits foretold, and false ones, on made series."""
    found = _measured("trends")(SEED)
    return [
        Row("limit crossings foretold >= 30 min ahead", (found["foretold"],), "80%", "95%", ".0%"),
        Row("minutes ahead, median", (found["lead_min_median"],), form=".0f"),
        Row("false ones a series and month: forecast", (found["false_per_month"],), "1", "0.2", ".2f"),
        Row("false ones a series and month: trend", (found["false_trends_per_month"],), form=".2f"),
    ]


def multivariate_part(work: Work) -> list[Row]:
    """Event F1 of the shipped rule for groups, by family."""
    found = _measured("multivariate")(work.folder)
    bounds = {"SMD": ("0.60", "0.70"), "ASD": ("0.45", "0.55")}
    rows = []
    for family in [name for name in found if ", " not in name]:
        sets = [found.get(f"{family}{half}", {}) for half in ("", ", even files", ", odd files")]
        for figure in found[family]:
            told = bounds.get(family, ("", "")) if figure == "f1" else ("", "")
            figures = tuple(float(each.get(figure, float("nan"))) for each in sets)
            rows.append(Row(f"multivariate {family}: {figure.replace('_', ' ')}", figures, *told))
    return rows


def _measured(name: str) -> Any:
    """The `measure` of a part that stands in a file of its own. Raises SetupError where there is none."""
    if find_spec(f"benchmarks.quality.{name}") is None:
        raise SetupError(f"benchmarks/quality/{name}.py is not there")
    return import_module(f"benchmarks.quality.{name}").measure


PARTS: dict[str, Callable[[Work], list[Row]]] = {
    "kpi": kpi_part,
    "nab": nab_part,
    "openings": openings_part,
    "injected": injected_part,
    "dense": verdicts.part,
    "copies": copies.part,
    "changes": changes.part,
    "trends": trends_part,
    "multivariate": multivariate_part,
    "peers": peers.part,
    "cost": cost.part,
}
