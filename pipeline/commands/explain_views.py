"""What `explain` shows of the detection: a picture of the points in their band, who said what, and each level's reason.

Made from what `--json` prints. Names and labels come from strangers: they are shown, never obeyed.
"""

from collections.abc import Callable, Iterator
from typing import Any

from rich.text import Text

from pipeline.commands.rendering import STYLES, plain
from schemas.duration import format_duration

_HEIGHT, _WIDTH_MAX = 8, 72
_LIST_MAX = 10
_EVENTS_MAX = 8

Said = dict[str, Any]


def detection_lines(found: Said, rows: int) -> Iterator[Text]:
    """rows: of each rule's points that are listed."""
    yield Text(plain(found["series"]), "bold")
    yield Text(f"  at {found['at']}; its newest point by then: {found['newest']}")
    if found["passed_over"]:
        yield Text(f"  {found['passed_over']:,} of its points came late or twice and were not applied", "yellow")
    if not found["rules"]:
        yield Text("  no rule matches it: nothing watches this series", "yellow")
    for one in found["rules"]:
        yield from _rule(one, rows)
    if names := found["rules_that_dont_match"]:
        yield Text(plain(f"\n  rules that don't match it: {', '.join(names)}"[1:]), "dim")


def told_lines(told: Said) -> Iterator[Text]:
    """What the alert event says itself: its evidence as a picture, numbers, sentence. An alert of others: none."""
    if not told.get("rule"):
        return
    nothing = {"lower": None, "upper": None, "score": None}
    points = [{**nothing, **point} for point in told["evidence"]]
    if points and points[-1]["value"] == told["value"]:
        points[-1].update(score=told["score"], lower=told["lower"], upper=told["upper"])
    yield from chart(points)
    numbers = ", ".join(f"{name} {_short(told[name])}" for name in ("value", "expected", "lower", "upper", "score"))
    yield Text(plain(f"  rule {told['rule']}, {told['detector']}: {numbers}"))
    yield Text(f"  {plain(told['why'])}", "italic")


def _rule(one: Said, rows: int) -> Iterator[Text]:
    yield Text()
    yield Text(plain(f"rule {one['rule']} on {one['about']}"), "bold")
    yield from map(Text, _resolved(one["resolved"]))
    points = one["points"]
    if points:
        yield from chart(points[-_WIDTH_MAX:])
        yield from _table(points[-min(rows, _LIST_MAX) :])
    for detector in (one["point"] or {}).get("detectors", []):
        yield from _detector(detector)
    if one["silence"]:
        yield Text(f"  {one['silence']}")
    for level in one["levels"]:
        line = Text(f"  {level['level']:<8} ", "bold").append(f"{level['state']:<10} ", _style(level))
        yield line.append(plain(level["reason"]), "default")
    if not one["events"]:
        yield Text("  it told no alert up to then", "dim")
    for event in one["events"][-_EVENTS_MAX:]:
        yield Text(f"  {event['at']}  alert {event['id']} seq {event['seq']}: {plain(event['why'])}", "dim")


def _style(level: Said) -> str:
    return STYLES.get(level["level"], "") if level["state"] in ("firing", "recovering") else "default"


def _resolved(rule: Said) -> Iterator[str]:
    detectors = ", ".join(one["kind"] for one in rule["detectors"])
    grouped = "" if rule["group_by"] is None else f", by ({', '.join(rule['group_by'])})"
    yield plain(f"  as resolved: {rule['match']}{grouped} -> {detectors}; config {rule['config']}")
    for name, level in rule["levels"].items():
        clears = f"{level['clears']:g} sigmas" if isinstance(level["clears"], float) else level["clears"]
        timers = [f"for {format_duration(level['for_s'])}"] if level["for_s"] else []
        timers += [f"held {format_duration(level['keep_firing_for_s'])}"] if level["keep_firing_for_s"] else []
        parts = [f"{level['detector']} {level['opens']}", f"clears {clears}" if clears else "", *timers]
        yield f"    {name}: {'; '.join(filter(None, parts))}"
    extras = ["back-off"] if rule["back_off"] else []
    extras += [f"budget {rule['budget_a_day']:g} a day"] if rule["budget_a_day"] else []
    yield f"    {', '.join([*extras, 'ends when silent for ' + format_duration(rule['stale_after_s'])])}"


def _table(points: list[Said]) -> Iterator[Text]:
    head = (
        f"  {'time':<24} {'value':>11} {'expected':>11} {'lower':>11} {'upper':>11} {'score':>7} {'sigmas':>7}  level"
    )
    yield Text(head, "dim")
    for one in points:
        numbers = " ".join(f"{_short(one[name]):>11}" for name in ("value", "expected", "lower", "upper"))
        line = f"  {one['at']:<24} {numbers} {_short(one['score']):>7} {_short(one['deviation']):>7}  "
        yield Text(line, "bold" if (one["score"] or 0.0) >= 1.0 else "").append(one.get("level") or "-")


def _detector(one: Said) -> Iterator[Text]:
    line = Text(f"  {one['detector']}: ", "bold").append(f"score {_short(one['score'])}", "default")
    yield line.append(f", deviation {_short(one['deviation'])} sigmas", "default")
    for part, vote in one.get("votes", {}).items():
        speaks = "  <- speaks" if one.get("speaks") == part else ""
        yield Text(f"    {part:<9} score {_short(vote['score'])}, deviation {_short(vote['deviation'])}{speaks}")
    if "why" in one:
        yield Text(f"    {plain(one['why'])}", "italic")


def _short(x: float | None) -> str:
    return "-" if x is None else f"{x:.4g}"


def chart(points: list[Said]) -> Iterator[Text]:
    """Values over their band, oldest left: `·` in the band, `●` a value, `!` one that scores 1.0 or more.

    >>> band = {"lower": 0.0, "upper": 7.0, "score": 0.0, "at": "2026-11-23T18:00:00Z"}
    >>> for line in chart([{**band, "value": 3.0}, {**band, "value": 14.0, "score": 2.0}]):
    ...     print(line.plain.rstrip())
                  14 │ !
                     │
                     │
                     │··
                   6 │··
                     │●·
                     │··
                   0 │··
    """
    numbers = [one[name] for one in points for name in ("value", "lower", "upper") if one[name] is not None]
    if not numbers:
        return
    low, high = min(numbers), max(numbers)
    step = (high - low) / (_HEIGHT - 1) or 1.0

    def place(x: float) -> int:
        return int(min(_HEIGHT - 1, max(0, round((x - low) / step))))

    for height in range(_HEIGHT - 1, -1, -1):
        label = f"{low + height * step:.6g}" if height in (0, 3, _HEIGHT - 1) else ""
        line = Text(f"{label:>16} │")
        for one in points:
            is_told = (one["score"] or 0.0) >= 1.0
            if one["value"] is not None and place(one["value"]) == height:
                line.append("!" if is_told else "●", "bold red" if is_told else "bold")
            else:
                line.append("·" if _is_in_band(one, height, place) else " ", "dim")
        yield line


def _is_in_band(one: Said, height: int, place: Callable[[float], int]) -> bool:
    if one["lower"] is None and one["upper"] is None:
        return False
    bottom = 0 if one["lower"] is None else place(one["lower"])
    top = _HEIGHT - 1 if one["upper"] is None else place(one["upper"])
    return bottom <= height <= top
