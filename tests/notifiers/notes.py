"""Notifications to render: plain ones by hand, hostile ones by hypothesis."""

import math
from collections.abc import Mapping

import msgspec

from alerting.alert import Alert, Group, GroupKind, Notification, Reason, Told, What
from schemas.alert import fingerprint
from schemas.levels import LevelName

NOW_S = 1_795_412_000.0
ERRORS = {"alertname": "errors", "metric": "errors_total", "service": "checkout", "region": "eu-1"}


def alert(labels: Mapping[str, str] | None = None, **fields: object) -> Alert:
    given = dict(ERRORS if labels is None else labels)
    made: dict[str, object] = {
        "fingerprint": fingerprint(given),
        "episode": "e" * 32,
        "seq": 0,
        "status": "firing",
        "level": "critical",
        "labels": given,
        "annotations": {},
        "starts_at_s": NOW_S - 720.0,
        "ends_at_s": None,
        "first_seen_s": NOW_S - 700.0,
        "updated_s": NOW_S,
        "rule": given.get("alertname", ""),
        "value": 0.123,
        "expected": 0.01,
        "lower": 0.002,
        "upper": 0.02,
        "deviation": 9.4,
        "score": 3.1,
        "direction": "above",
        "why": "Critical: value 0.123 is 9.4 sigmas above the expected 0.01, since 2026-11-23T05:21:20Z (12 min).",
        "evidence_t": [NOW_S - 720.0 + 30 * i for i in range(24)],
        "evidence_v": [0.01 + 0.002 * math.sin(i) for i in range(23)] + [0.123],
    }
    return msgspec.convert({**made, **fields}, Alert)


def told(one: Alert | None = None, what: What = "new", previous: LevelName | None = None) -> Told:
    return Told(one or alert(), what, previous)


def note(
    *alerts: Told,
    reason: Reason = "first_notification",
    kind: GroupKind = "group",
    number: int = 1,
    muted: int = 0,
    at_s: float = NOW_S,
    labels: Mapping[str, str] | None = None,
    receiver: str = "oncall",
) -> Notification:
    by = {"alertname": "errors"} if labels is None else dict(labels)
    key = "{}:{" + ",".join(f'{name}="{value}"' for name, value in sorted(by.items())) + "}"
    group = Group(
        id="0123456789abcdef0123456789abcdef", kind=kind, key=key, receiver=receiver, route="0", labels=by,
        first_seen_s=NOW_S - 700.0, next_flush_s=NOW_S, told_count=number - 1,
    )  # fmt: skip
    return Notification(
        id=f"{number:032x}", number=number, group=group, reason=reason, alerts=list(alerts or (told(),)), at_s=at_s,
        repeat_interval_s=14_400.0, muted=muted,
    )  # fmt: skip


def resolved(one: Alert | None = None) -> Told:
    ended = msgspec.structs.replace(one or alert(), status="resolved", ends_at_s=NOW_S, seq=1)
    return Told(ended, "resolved", ended.level)
