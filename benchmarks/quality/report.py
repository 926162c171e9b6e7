"""What a part of the benchmark hands back: rows of the table, and more for whoever looks closer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measure. figures: of all series, then of the even and the odd half where it has halves; NaN: has none.

    Constants were chosen looking at the even half at most, so the odd one is the honest one.
    """

    measure: str
    figures: tuple[float, ...]
    floor: str = ""
    goal: str = ""
    form: str = ".3f"

    def cells(self) -> list[str]:
        return [shown(figure, self.form) for figure in self.figures] + ["-"] * (3 - len(self.figures))


def shown(figure: float, form: str) -> str:
    """
    >>> shown(0.5, ".0%"), shown(float("nan"), ".2f")
    ('50%', '-')
    """
    return "-" if math.isnan(figure) else format(figure, form)


def table(title: str, rows: Sequence[Row], halves: bool) -> Table:
    made = Table(title=title, title_justify="left")
    made.add_column("measure")
    for head in ("floor", "goal", "measured", *(("even half", "odd half") if halves else ())):
        made.add_column(head, justify="right")
    for row in rows:
        made.add_row(row.measure, row.floor, row.goal, *row.cells()[: 3 if halves else 1])
    return made
