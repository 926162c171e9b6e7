"""What the parts of the benchmark work on, read and scored once; and the table's rows of the two labelled families."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.quality import data
from benchmarks.quality.data import Labelled, NabSeries
from benchmarks.quality.faults import host
from benchmarks.quality.kpi import Kpi, judge, total
from benchmarks.quality.nab import PROFILES, Nab
from benchmarks.quality.report import Row
from benchmarks.quality.scores import Judged
from detectors.base import Floats


@dataclass(frozen=True)
class Work:
    """judged: the rules in question."""

    folder: Path
    judged: Judged

    @cached_property
    def kpi(self) -> list[Labelled]:
        return data.kpi(self.folder)

    @cached_property
    def hosts(self) -> list[Labelled]:
        """The newest rows of each, for what must be quick."""
        return [host(series) for series in self.kpi]

    @cached_property
    def nab(self) -> list[NabSeries]:
        return data.nab(self.folder)

    @cached_property
    def kpi_scores(self) -> dict[str, Floats]:
        return {series.name: self.judged.score(series.t, series.x) for series in self.kpi}

    @cached_property
    def host_scores(self) -> dict[str, Floats]:
        return {series.name: self.judged.score(series.t, series.x) for series in self.hosts}

    @cached_property
    def nab_scores(self) -> dict[str, Floats]:
        return {series.name: self.judged.score(series.t, series.x) for series in self.nab}


def kpi_rows(what: str, series: Sequence[Labelled], scores: Mapping[str, Floats]) -> list[Row]:
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
        row("rows at or over the border", lambda found: found.share_on, "0.3%", "0.1%", ".2%"),
        row("faults", lambda found: found.segments, form=",.0f"),
        *(row(f"F1 of {family} alone", lambda found: found.f1, only=family) for family in families),
    ]


def nab_rows(
    what: str, series: Sequence[NabSeries], scores: Mapping[str, Floats], bounds: Sequence[tuple[str, str]] = ()
) -> list[Row]:
    """Three profiles at border 1.0, and standard at its best border. bounds: floor, goal of the two standards."""
    windows = {each.name: each.windows for each in series}
    sets = [Nab(scores, {name: windows[name] for name in names}) for names in data.halves([*windows])]
    shipped, suited = bounds or (("", ""), ("", ""))
    rows = []
    for profile in PROFILES:
        told = shipped if profile == "standard" else ("", "")
        rows.append(Row(f"{what}, {profile}", tuple(each.at(1.0, profile).score for each in sets), *told, form=".1f"))
    return [
        *rows,
        Row(f"{what}, standard at best border", tuple(each.best().score for each in sets), *suited, form=".1f"),
        Row(f"{what}, false rows", tuple(each.at(1.0).false_rows for each in sets), form=".0f"),
        Row(f"{what}, windows found", tuple(each.at(1.0).hit for each in sets), form=".0f"),
    ]
