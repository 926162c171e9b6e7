"""The parts of the benchmark, by the name that `--only` has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.quality import data, injected
from benchmarks.quality.data import Labelled, NabSeries
from benchmarks.quality.faults import AMPLITUDES, DENSE, KINDS, MISSING
from benchmarks.quality.injected import Injected, Scorer
from benchmarks.quality.kpi import Kpi, judge, total
from benchmarks.quality.nab import PROFILES, Nab
from benchmarks.quality.report import Row
from detectors.base import Floats


@dataclass(frozen=True)
class Work:
    """What the parts work on; read and scored once."""

    folder: Path
    score: Scorer

    @cached_property
    def kpi(self) -> list[Labelled]:
        return data.kpi(self.folder)

    @cached_property
    def nab(self) -> list[NabSeries]:
        return data.nab(self.folder)

    @cached_property
    def kpi_scores(self) -> dict[str, Floats]:
        return {series.name: self.score(series.t, series.x) for series in self.kpi}

    @cached_property
    def nab_scores(self) -> dict[str, Floats]:
        return {series.name: self.score(series.t, series.x) for series in self.nab}


def kpi_part(work: Work) -> list[Row]:
    """Alert quality on the score, at border 1.0."""
    return kpi_rows("KPI", work.kpi, work.kpi_scores)


def kpi_rows(what: str, series: list[Labelled], scores: Mapping[str, Floats]) -> list[Row]:
    """All figures of alert quality, then F1 of each family (the name up to its first dash)."""
    judged = {each.name: judge(each, scores[each.name]) for each in series}

    def row(
        told: str, of: Callable[[Kpi], float], floor: str = "", goal: str = "", form: str = ".3f", only: str = ""
    ) -> Row:
        names = data.halves([*judged])
        sums = (total(judged[name] for name in some if name.startswith(only)) for some in names)
        return Row(f"{what}: {told}", tuple(of(found) for found in sums), floor, goal, form)

    families = sorted({name.partition("-")[0] for name in judged})
    return [
        row("F1", lambda found: found.f1, "0.65", "0.75"),
        row("precision", lambda found: found.precision),
        row("recall", lambda found: found.recall),
        row("false alerts a day and series", lambda found: found.false_per_day, "0.10", "0.05"),
        row("median delay, rows", lambda found: found.delay_rows, "2", "1", ".0f"),
        row("rows at or over the border", lambda found: found.share_on, "0.3 %", "0.1 %", ".2%"),
        row("faults", lambda found: found.segments, form=",.0f"),
        *(row(f"F1 of {family} alone", lambda found: found.f1, only=family) for family in families),
    ]


def nab_part(work: Work) -> list[Row]:
    """Every row at or over the border taken as a detection."""
    return nab_rows("NAB on scored rows", work.nab, work.nab_scores)


def nab_rows(
    what: str, series: list[NabSeries], scores: Mapping[str, Floats], floor: str = "", goal: str = ""
) -> list[Row]:
    """Three profiles at border 1.0 (floor and goal are of the first), and standard at the border that suits best."""
    windows = {each.name: each.windows for each in series}
    sets = [Nab(scores, {name: windows[name] for name in names}) for names in data.halves([*windows])]
    rows = []
    for profile in PROFILES:
        bounds = (floor, goal) if profile == "standard" else ("", "")
        rows.append(Row(f"{what}, {profile}", tuple(each.at(1.0, profile).score for each in sets), *bounds, form=".1f"))
    return [
        *rows,
        Row(f"{what}, standard at best border", tuple(each.best().score for each in sets), form=".1f"),
        Row(f"{what}, false rows", tuple(each.at(1.0).false_rows for each in sets), form=".0f"),
        Row(f"{what}, windows found", tuple(each.at(1.0).hit for each in sets), form=".0f"),
    ]


_FLOORS = {
    **dict.fromkeys(("spike", "burst", "plateau", "shift", "variance"), ("0.4", "0.7")),
    "ramp": ("0.5", "0.9"),
    "stuck": ("0.8", "0.95"),
    MISSING: ("0.95", "1.0"),
}


def injected_part(work: Work) -> list[Row]:
    """Recall by kind and amplitude."""
    _, even, odd = data.halves([series.name for series in work.kpi])
    by_half = [injected.measure([s for s in work.kpi if s.name in names], work.score) for names in (even, odd)]
    sets = [by_half[0] + by_half[1], *by_half]
    rows = []
    for kind in [*KINDS, MISSING]:
        for amplitude in (0.0,) if kind in injected.NO_AMPLITUDE else AMPLITUDES:
            told = f", {amplitude:g} sigmas" if amplitude else ""
            bounds = _FLOORS.get(kind, ("", "")) if amplitude in (0.0, 12.0) else ("", "")
            rows.append(_recall(f"{kind}{told}", sets, kind, amplitude, *bounds))
    rows.append(_recall("15 sigmas, one in 200 rows, without a person", sets, DENSE, 0.0, "0.05", "0.4"))
    chance = tuple(each.chance for each in sets)
    rows.append(Row("share of these places that alert without a fault", chance, form=".3f"))
    quiet = tuple(each.quiet.false_per_day for each in sets)
    return [*rows, Row("false alerts a day, the same series without faults", quiet, "0.10", "0.05")]


def _recall(told: str, sets: list[Injected], kind: str, amplitude: float, floor: str, goal: str) -> Row:
    return Row(f"recall: {told}", tuple(each.cell(kind, amplitude).recall for each in sets), floor, goal, ".2f")


PARTS: dict[str, Callable[[Work], list[Row]]] = {"kpi": kpi_part, "nab": nab_part, "injected": injected_part}
