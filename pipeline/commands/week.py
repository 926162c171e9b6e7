"""A week of a schedule as a calendar in the terminal: a line a day, a colour a person."""

import itertools
from datetime import datetime, timedelta

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from incidents.oncall.clock import first_s, shown_at
from pipeline.commands.rendering import plain
from pipeline.desk.incidents.rota import Rota
from schemas.duration import format_duration
from schemas.formats.times import rfc3339_s

CELLS_AN_HOUR = 3
_HOURS = 24
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan", "bright_magenta")
_NOBODY = "nobody"
_DAY = timedelta(days=1)
_CELL = timedelta(minutes=60 // CELLS_AN_HOUR)


def monday_s(at_s: float, zone: str, weeks_later: int = 0) -> float:
    """The beginning of the week with that moment.

    >>> monday_s(1795412000.0, "UTC")  # a Monday, 05:33
    1795392000.0
    """
    midnight = shown_at(at_s, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return first_s(midnight - midnight.weekday() * _DAY + 7 * weeks_later * _DAY, zone)


def drawn(rota: Rota, now_s: float) -> Text:
    """Days on the wall clock: what it skips isn't there, and an hour that it shows twice is drawn as the first time."""
    turns = [(rfc3339_s(turn.start), rfc3339_s(turn.end), turn.person) for turn in rota.turns]
    start_s, end_s = rfc3339_s(rota.start), rfc3339_s(rota.end)
    styles = dict(zip(_in_order([name for *_, name in turns]), itertools.cycle(_COLOURS), strict=False))
    text = Text()
    text.append(plain(rota.schedule), "bold")
    text.append(f"  {rota.time_zone}\n", "dim")
    hours = "".join(f"{hour:<{3 * CELLS_AN_HOUR}}" for hour in range(0, _HOURS, 3))
    text.append(f"{'':13}{hours}\n", "dim")
    day = shown_at(start_s, rota.time_zone)
    while first_s(day, rota.time_zone) < end_s:
        _day(text, day, rota.time_zone, turns, styles, now_s)
        day += _DAY
    _totals(text, turns, styles, end_s - start_s)
    return text


def _day(
    text: Text,
    day: datetime,
    zone: str,
    turns: list[tuple[float, float, str]],
    styles: dict[str, str],
    now_s: float,
) -> None:
    is_today = first_s(day, zone) <= now_s < first_s(day + _DAY, zone)
    text.append(f"{'▸' if is_today else ' '} {day:%a %d %b} ", "bold" if is_today else "")
    cells = [day + count * _CELL for count in range(_HOURS * CELLS_AN_HOUR)]
    names = [_on_call(turns, first_s(cell, zone)) for cell in cells]
    for name, run in itertools.groupby(names):
        width = len(list(run))
        label = f"▏{plain(name) if name else _NOBODY}"
        shown = set_cell_size(label, width) if width > 2 else "▏" + " " * (width - 1)
        text.append(shown, f"black on {styles[name]}" if name else "bold white on red")
    length_h = (first_s(day + _DAY, zone) - first_s(day, zone)) / 3600
    text.append("\n" if length_h == _HOURS else f"  {length_h:g} h: the clock is set\n", "dim")


def _on_call(turns: list[tuple[float, float, str]], at_s: float) -> str | None:
    return next((name for start_s, end_s, name in turns if start_s <= at_s < end_s), None)


def _totals(text: Text, turns: list[tuple[float, float, str]], styles: dict[str, str], whole_s: float) -> None:
    text.append(" " * 13)
    for name in styles:
        total_s = sum(end_s - start_s for start_s, end_s, whose in turns if whose == name)
        text.append("■ ", styles[name])
        text.append(f"{plain(name)} {format_duration(total_s)}   ")
    nobody_s = whole_s - sum(end_s - start_s for start_s, end_s, _ in turns)
    if nobody_s > 0:
        text.append("■ ", "red")
        text.append(f"{_NOBODY} {format_duration(nobody_s)}")
    text.append("\n")


def _in_order(names: list[str]) -> list[str]:
    """Each once, by name: so a person keeps a colour from week to week."""
    return sorted(set(names), key=lambda name: (cell_len(name) == 0, name))
