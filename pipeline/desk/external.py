"""Alerts that don't come from our detectors: sent by Prometheus or a webhook, or made by the desk about itself.

They have no sequence numbers; they are seen again and again, and end when they say so or aren't seen any more. Here
each sighting becomes the transition it stands for, if any.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from alerting.alert import Alert, Origin
from schemas.alert import AlertEvent, Evidence, fingerprint, rfc3339
from schemas.levels import LevelName

LEVEL_OF_SEVERITY: dict[str, LevelName] = {
    **dict.fromkeys(("critical", "page", "emergency", "fatal", "error", "high"), "critical"),
    **dict.fromkeys(("warning", "warn", "medium", "minor"), "warning"),
    **dict.fromkeys(("info", "none", "low"), "info"),
}
_LEVEL_ELSE: LevelName = "warning"


class External(msgspec.Struct, frozen=True, kw_only=True):
    """One sighting. starts_at_s: None is now. ends_at_s: None is `resolve_timeout` after this sighting."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at_s: float | None = None
    ends_at_s: float | None = None
    generator_url: str = ""
    origin: Origin = "api"


def level_of(labels: Mapping[str, str]) -> LevelName:
    """From the label `severity`, in capitals or not; warning where it is missing or says something else.

    >>> level_of({"severity": "Page"}), level_of({})
    ('critical', 'warning')
    """
    return LEVEL_OF_SEVERITY.get(labels.get("severity", "").strip().lower(), _LEVEL_ELSE)


def start(seen: External, before: Alert | None, now_s: float) -> AlertEvent:
    """The first transition of a new episode. before: the alert as it stood, resolved, or None."""
    starts_at_s = now_s if seen.starts_at_s is None else seen.starts_at_s
    # A chain of ids: two episodes differ whatever starts their sightings give, and the same sightings in the same order
    # make the same ones.
    after = before.episode if before is not None else ""
    print_ = fingerprint(seen.labels)
    key = msgspec.json.encode([print_, starts_at_s, after])
    return AlertEvent(
        id=hashlib.blake2b(key, digest_size=16).hexdigest(),
        seq=0,
        status="firing",
        level=level_of(seen.labels),
        previous_level=None,
        rule=seen.labels.get("alertname", ""),
        detector="external",
        fingerprint=print_,
        labels=dict(sorted(seen.labels.items())),
        annotations=seen.annotations,
        starts_at=rfc3339(starts_at_s),
        at=rfc3339(now_s),
        ends_at=None,
        value=None,
        expected=None,
        lower=None,
        upper=None,
        score=None,
        deviation=None,
        direction=None,
        evidence=Evidence([], []),
        why="",
        source=None,
        config="",
    )


def end(alert: Alert, ends_at_s: float, why: str) -> AlertEvent:
    """The last transition of the episode that fires now."""
    return AlertEvent(
        id=alert.episode,
        seq=alert.seq + 1,
        status="resolved",
        level=None,
        previous_level=alert.level,
        rule=alert.rule,
        detector=alert.detector,
        fingerprint=alert.fingerprint,
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=rfc3339(alert.starts_at_s),
        at=rfc3339(ends_at_s),
        ends_at=rfc3339(ends_at_s),
        value=None,
        expected=None,
        lower=None,
        upper=None,
        score=None,
        deviation=None,
        direction=None,
        evidence=Evidence([], []),
        why=why,
        source=None,
        config="",
    )
