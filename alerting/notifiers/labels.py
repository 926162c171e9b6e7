"""Notifications as receivers that know alerts by their labels see them: which label sets fire, which have ended.

The level is one of the labels, so a change of level is two of them: the new set fires, the old one has ended.
"""

from dataclasses import dataclass

from alerting.alert import Alert, Notification, Told
from schemas.levels import LEVELS, LevelName


@dataclass(frozen=True)
class LabelSet:
    """One label set of one alert. ends_at_s: Unix seconds, None while it fires."""

    alert: Alert
    labels: dict[str, str]
    starts_at_s: float
    ends_at_s: float | None


def label_sets(note: Notification) -> list[tuple[LabelSet, ...]]:
    """In the order of telling; what stands together in a tuple must be told together.

    What fires comes first, the highest level before others; what has ended comes last, the lowest level first. So an
    alert that inhibits others is there before them, and goes after them.
    """
    firing = sorted(note.firing, key=lambda told: -LEVELS.index(told.alert.level))
    ended = sorted(note.resolved, key=lambda told: LEVELS.index(told.previous_level or told.alert.level))
    return [_firing(told, note.at_s) for told in firing] + [(_ended(told, note.at_s),) for told in ended]


def evidence(alert: Alert) -> dict[str, str]:
    """The alert's numbers and its reason in words, as annotations: what changes must never be a label."""
    numbers = {name: getattr(alert, name) for name in ("value", "expected", "lower", "upper", "score", "deviation")}
    found = {name: f"{number:.6g}" for name, number in numbers.items() if number is not None}
    return found | ({"why": alert.why} if alert.why else {})


def _firing(told: Told, now_s: float) -> tuple[LabelSet, ...]:
    alert, before = told.alert, told.previous_level
    # Event time may run ahead of the wall clock; a receiver takes a start in the future for a mistake.
    starts_at_s = min(alert.starts_at_s, now_s)
    fires = LabelSet(alert, alert.matchable(), starts_at_s, None)
    if before is None or before == alert.level:
        return (fires,)
    return (fires, LabelSet(alert, at_level(alert, before), starts_at_s, now_s))


def _ended(told: Told, now_s: float) -> LabelSet:
    """What the receiver last knew as firing has ended, whatever the alert did after that."""
    alert = told.alert
    starts_at_s = min(alert.starts_at_s, now_s)
    ends_at_s = now_s if told.what == "departed" or alert.ends_at_s is None else alert.ends_at_s
    labels = at_level(alert, told.previous_level or alert.level)
    return LabelSet(alert, labels, starts_at_s, min(max(ends_at_s, starts_at_s), now_s))


def at_level(alert: Alert, level: LevelName) -> dict[str, str]:
    """`alert.matchable()` as it was at another level."""
    return {"severity": level, **alert.labels, "level": level}
