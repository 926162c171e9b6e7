"""Back-off: an alert that opens again and again waits longer each time before it may open. Knows one alert, and rows.

A hold of 30 rows doubles, up to 500, when the next opening comes within 4 holds of the last, and halves when it comes
later. Twice as bad as what was told last breaks it. Told in rows, not in time: what "again and again" means is then the
same for a series of one value a second and one of a value an hour.
"""

from typing import Any

from schemas.compiled import compiled

BACK_OFF_FIELDS: list[tuple[str, str]] = [
    ("told", "f4"),  # score that was told last, in units of its border
    ("peak", "f4"),  # highest score of the opening that is pending or held
    ("since", "u2"),  # rows since the last opening; stays at the most it can hold
    ("asked", "u2"),  # the same when it was asked last
    ("hold", "u2"),  # rows; 0: it never opened
]
"""Fields of an alert's cell. All zero: never asked."""

HOLD_ROWS, HOLD_MAX_ROWS = 30, 500
WORSE = 2.0  # times what was told: breaks the hold
CALM_HOLDS = 4  # quiet for so many holds: the next hold is half as long
SINCE_MAX = 65_535


@compiled
def count_row(cell: Any) -> None:
    """A row of the series has come."""
    if cell.hold != 0 and cell.since < SINCE_MAX:
        cell.since += 1


@compiled
def may_open(cell: Any, score: float) -> bool:
    """Whether an opening of this score, in units of its border, is told now."""
    if cell.hold == 0:
        cell.hold = HOLD_ROWS
        _tell(cell, score)
        return True
    since = cell.since
    again = since - cell.asked > HOLD_ROWS  # else it is still the opening that asked before
    cell.asked = since
    over = since > cell.hold
    if not over and score <= WORSE * cell.told:
        return False
    if again and since < CALM_HOLDS * cell.hold:
        cell.hold = min(2 * cell.hold, HOLD_MAX_ROWS)
    elif again:
        cell.hold = max(cell.hold // 2, HOLD_ROWS)
    _tell(cell, score if over else max(score, cell.told))
    return True


@compiled
def _tell(cell: Any, score: float) -> None:
    cell.told, cell.since, cell.asked, cell.peak = score, 0, 0, 0.0


@compiled
def got_worse(cell: Any, score: float) -> None:
    """An open alert pulsed again: people see that too, and the same episode asks no second time."""
    cell.told, cell.asked = max(score, cell.told), cell.since


@compiled
def forget(cell: Any) -> None:
    """The series starts fresh."""
    cell.told = cell.peak = 0.0
    cell.since = cell.asked = cell.hold = 0
