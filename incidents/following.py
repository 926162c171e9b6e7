"""What the transitions of its alerts do to an incident: each becomes a line, and some an act."""

from collections.abc import Iterable, Sequence
from math import isfinite

import msgspec

from incidents.model import Line, Part
from incidents.opening import because, shown
from schemas.alert import AlertEvent
from schemas.formats.times import rfc3339_s
from schemas.levels import LEVELS

_EXACT_S = 1e-6  # so exact is a start in an alert event


def follow(part: Part, events: Sequence[AlertEvent], now_s: float) -> tuple[Part, list[Line], bool]:
    """The part after all transitions of its episode, in their order, what the timeline says, and whether it got worse.

    Worse: it fires again, or at a level that it hadn't reached before.
    """
    lines, is_worse = [], False
    for event in events:
        since = values_since(part.starts_at_s, event.evidence.t, event.evidence.v)
        part = msgspec.structs.replace(part, highest=highest([part.highest, event.value, *since]))
    for event in events:
        if event.seq <= part.seq:
            continue
        was, part = part, _after(part, event, now_s)
        is_worse |= part.is_firing and (not was.is_firing or part.worst != was.worst)
        if (was.level, was.is_firing) != (part.level, part.is_firing):
            lines.append(_line(was, part, rfc3339_s(event.at)))
    return part, lines, is_worse


def highest(values: Iterable[float | None]) -> float | None:
    """
    >>> highest([0.1, None, float("inf"), 0.12]), highest([None])
    (0.12, None)
    """
    return max((value for value in values if value is not None and isfinite(value)), default=None)


def values_since(start_s: float, times: Sequence[float], values: Sequence[float]) -> list[float]:
    """Of evidence, what belongs to the alert: a peak before it that was no alert is no impact of it.

    >>> values_since(20.0, [10.0, 20.0, 30.0], [1.0, 0.1, 0.2])
    [0.1, 0.2]
    """
    return [value for at_s, value in zip(times, values, strict=False) if at_s >= start_s - _EXACT_S]


def ended(part: Part, reason: str, now_s: float) -> tuple[Part, Line]:
    """For a part whose own end will never be heard of."""
    over = msgspec.structs.replace(part, is_firing=False, ends_at_s=now_s, updated_s=now_s)
    return over, Line(what="alert", text=f"{shown(part)} is over: {reason}", details=_details(over))


def _after(part: Part, event: AlertEvent, now_s: float) -> Part:
    is_firing = event.status == "firing"
    level = event.level or part.level
    return msgspec.structs.replace(
        part,
        seq=event.seq,
        level=level,
        worst=max(part.worst, level, key=LEVELS.index),
        is_firing=is_firing,
        annotations=event.annotations,
        ends_at_s=rfc3339_s(event.ends_at) if event.ends_at is not None else None,
        value=event.value,
        expected=event.expected,
        why=event.why,
        updated_s=now_s,
    )


def _line(was: Part, now: Part, at_s: float) -> Line:
    if not now.is_firing:
        change = "is over"
    elif not was.is_firing:
        change = f"fires again, {now.level}"
    else:
        rose = LEVELS.index(now.level) > LEVELS.index(was.level)
        change = f"{'rose' if rose else 'fell'} from {was.level} to {now.level}"
    text = f"{shown(now)} {change}{because(now)}"
    return Line(what="alert", text=text, source="alerts", at_s=at_s, details=_details(now))


def _details(part: Part) -> dict[str, object]:
    return {
        "episode": part.episode,
        "seq": part.seq,
        "status": "firing" if part.is_firing else "resolved",
        "level": part.level,
        "value": part.value,
        "expected": part.expected,
    }
