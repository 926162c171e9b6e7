"""From a transition to the alert event that other services read: its labels, its numbers, and one sentence why."""

import math
from dataclasses import dataclass
from typing import Literal

from detectors.base import Point
from schemas.alert import AlertEvent, Evidence, Source, alert_id, fingerprint, rfc3339, rfc3339_seconds
from schemas.config import Level
from schemas.duration import format_duration
from schemas.levels import LEVELS, Border, LevelName, Op
from schemas.metric import Series


@dataclass(frozen=True)
class RuleWords:
    """What an alert event takes from its rule: enough to end an alert whose rule is gone."""

    name: str
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    config_hash: str


@dataclass(frozen=True)
class Change:
    """A transition with all that its event says. Times in Unix seconds.

    detector: kind that speaks for it; evidence: the series' last points; source: None where no record made it.
    """

    rule: RuleWords
    series: Series
    detector: str
    rank: int
    previous_rank: int
    seq: int
    at_s: float
    starts_at_s: float
    evidence: Evidence
    source: Source | None = None


@dataclass(frozen=True)
class Cause:
    """The point that made a transition, and the level that it reached or left. clause: the detector's `why`.

    back: what to say where the alert resolves, if it isn't about a value that came back.
    ends: `clause` says why it resolves.
    """

    point: Point
    level: Level
    clause: str
    back: str = ""
    ends: bool = False


def to_event(change: Change, cause: Cause | str) -> AlertEvent:
    """The event of a change. cause: a point, or in words what else ended the alert."""
    rule = change.rule
    labels = labels_of(rule, change.series)
    point = cause.point if isinstance(cause, Cause) else _NO_POINT
    return AlertEvent(
        id=alert_id(rule.name, change.series, change.starts_at_s),
        seq=change.seq,
        status="firing" if change.rank else "resolved",
        level=_name(change.rank),
        previous_level=_name(change.previous_rank),
        rule=rule.name,
        detector=change.detector,
        fingerprint=fingerprint(labels),
        labels=labels,
        annotations={"summary": f"{rule.name}: {change.series}", **dict(rule.annotations)},
        starts_at=rfc3339(change.starts_at_s),
        at=rfc3339(change.at_s),
        ends_at=None if change.rank else rfc3339(change.at_s),
        value=_number(point.value),
        expected=_number(point.expected),
        lower=_number(point.lower),
        upper=_number(point.upper),
        score=_number(point.score),
        deviation=_number(point.deviation),
        direction=_direction(cause) if isinstance(cause, Cause) and change.rank else None,
        evidence=change.evidence,
        why=f"{_why(change, cause)}.",
        source=change.source,
        config=rule.config_hash,
    )


_NO_POINT = Point(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, Border(Op.ABOVE, math.nan))


def labels_of(rule: RuleWords, series: Series) -> dict[str, str]:
    """Sorted. A series' own label that the rule sets too, or that names the alert, becomes `exported_...`, as in
    Prometheus: were it dropped, two series could have one fingerprint."""
    labels = {**dict(rule.labels), "alertname": rule.name, "metric": series.metric}
    names = {name for name, _ in series.labels}
    for name, value in series.labels:
        free = name
        while free in labels or (free != name and free in names):
            free = f"exported_{free}"
        labels[free] = value
    return dict(sorted(labels.items()))


def _name(rank: int) -> LevelName | None:
    return LEVELS[rank - 1] if rank else None


def _number(x: float) -> float | None:
    return x if math.isfinite(x) else None


def _direction(cause: Cause) -> Literal["above", "below"] | None:
    point, level = cause.point, cause.level
    if level.clear_deviation is not None:
        return "above" if point.deviation > 0 else "below" if point.deviation < 0 else None
    match level.open.op:
        case Op.ABOVE | Op.AT_LEAST:
            return "above"
        case Op.BELOW | Op.AT_MOST:
            return "below"
        case Op.OUTSIDE:
            return "above" if point.value > level.open.high else "below"
        case Op.INSIDE:
            return None


def _why(change: Change, cause: Cause | str) -> str:
    lasted = format_duration(change.at_s - change.starts_at_s)
    since = f"since {rfc3339_seconds(change.starts_at_s)}"
    since += f" ({lasted})" if change.at_s > change.starts_at_s else ""
    before = _name(change.previous_rank)
    name = str(_name(change.rank)).capitalize() + (f" (was {before})" if before else "")
    if isinstance(cause, str):
        return f"{name if change.rank else f'Resolved from {before}'}: {cause}"
    if not change.rank and cause.back:
        return f"Resolved from {before}: {cause.back}"
    if not change.rank:
        return f"Resolved from {before}: {_back(cause)}, {lasted} after it was first over the border"
    if change.rank < change.previous_rank:
        # Held by its clear condition: this level's own border need not be passed at this point.
        return f"{name}: value {cause.point.value:.6g} is better but not clear of {_name(change.rank)}, {since}"
    return f"{name}: {cause.clause}, {since}"


def _back(cause: Cause) -> str:
    point, level = cause.point, cause.level
    if cause.ends:
        return cause.clause
    value = f"value {point.value:.6g} is"
    if level.clear_deviation is not None:
        if not math.isfinite(point.expected):
            return f"what it was about is over at value {point.value:.6g}"
        return f"{value} back within {level.clear_deviation:g} sigmas of the expected {point.expected:.6g}"
    return f"{value} {level.clear.words}" if level.clear else f"{value} no longer {level.open.words}"
