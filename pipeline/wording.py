"""From a transition to the alert event that other services read: its labels, its numbers, and one sentence why."""

import math
from dataclasses import dataclass
from typing import Literal

from detectors.base import Detector, Point
from schemas.alert import AlertEvent, Evidence, Source, alert_id, fingerprint, rfc3339
from schemas.config import Level, Rule
from schemas.duration import format_duration
from schemas.levels import LEVELS, LevelName, Op
from schemas.metric import Series


@dataclass(frozen=True)
class Change:
    """A transition with all that its event says. Times in Unix seconds, numbers in the series' unit, NaN: not known.

    point is None where the series went silent, or its rule was removed: `cause` says which.
    """

    rule: Rule
    series: Series
    rank: int
    previous_rank: int
    seq: int
    at_s: float
    starts_at_s: float
    evidence: Evidence
    point: Point | None = None
    cause: str = ""
    source: Source | None = None


def to_event(change: Change, level: Level, detector: Detector) -> AlertEvent:
    """The event of a change. level: the one reached, or the one that was left where the alert resolves."""
    rule, point = change.rule, change.point
    labels = labels_of(rule, change.series)
    return AlertEvent(
        id=alert_id(rule.name, change.series, change.starts_at_s),
        seq=change.seq,
        status="firing" if change.rank else "resolved",
        level=_name(change.rank),
        previous_level=_name(change.previous_rank),
        rule=rule.name,
        detector=detector.kind,
        fingerprint=fingerprint(labels),
        labels=labels,
        annotations={"summary": f"{rule.name}: {change.series}", **dict(rule.annotations)},
        starts_at=rfc3339(change.starts_at_s),
        at=rfc3339(change.at_s),
        ends_at=None if change.rank else rfc3339(change.at_s),
        value=_number(point.value) if point else None,
        expected=_number(point.expected) if point else None,
        lower=_number(point.lower) if point else None,
        upper=_number(point.upper) if point else None,
        score=_number(point.score) if point else None,
        deviation=_number(point.deviation) if point else None,
        direction=_direction(point, level) if point and change.rank else None,
        evidence=change.evidence,
        why=_why(change, level, detector),
        source=change.source,
        config=rule.config_hash,
    )


def labels_of(rule: Rule, series: Series) -> dict[str, str]:
    """Sorted. The rule's labels stand over the series' own, and what names the alert over both, as in Prometheus."""
    labels = {**dict(series.labels), **dict(rule.labels), "alertname": rule.name, "metric": series.metric}
    return dict(sorted(labels.items()))


def _name(rank: int) -> LevelName | None:
    return LEVELS[rank - 1] if rank else None


def _number(x: float) -> float | None:
    return x if math.isfinite(x) else None


def _direction(point: Point, level: Level) -> Literal["above", "below"] | None:
    match level.open.op if level.clear_deviation is None else None:
        case Op.ABOVE | Op.AT_LEAST:
            return "above"
        case Op.BELOW | Op.AT_MOST:
            return "below"
        case Op.OUTSIDE:
            return "above" if point.value > level.open.high else "below"
        case Op.INSIDE:
            return None
    return "above" if point.deviation > 0 else "below" if point.deviation < 0 else None


def _why(change: Change, level: Level, detector: Detector) -> str:
    lasted = format_duration(change.at_s - change.starts_at_s)
    if not change.rank:
        left = f"Resolved from {_name(change.previous_rank)}"
        if change.point is None:
            return f"{left}: {change.cause}."
        return f"{left}: {_back(change.point, level)}, {lasted} after it was first over the border."
    name = str(_name(change.rank)).capitalize()
    was = f" (was {_name(change.previous_rank)})" if change.previous_rank else ""
    since = f", since {rfc3339(change.starts_at_s)}" + (f" ({lasted})" if change.at_s > change.starts_at_s else "")
    if change.rank < change.previous_rank:
        # It stepped down: this level is held, its own border need not be passed at this point.
        return (
            f"{name}{was}: value {change.point.value:g} is better but not clear of {name.lower()}{since}."
            if (change.point)
            else f"{name}{was}: {change.cause}."
        )
    assert change.point is not None  # noqa: S101 - only points raise a level
    return f"{name}{was}: {detector.why(change.point)}{since}."


def _back(point: Point, level: Level) -> str:
    if level.clear_deviation is not None:
        return (
            f"value {point.value:g} is back within {level.clear_deviation:g} sigmas of the expected {point.expected:g}"
        )
    return f"value {point.value:g} is " + (f"{level.clear}" if level.clear else f"no longer {level.open}")
