"""The alert event: what other services read from the alerts topic. Fixed in the contract; add, never change.

Everything in it is event time and follows from the events and the config alone, so that a replay gives the same bytes.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from schemas.levels import LevelName
from schemas.metric import Series

SCHEMA = "tidegauge.alert/1"
_FNV_OFFSET, _FNV_PRIME, _U64 = 0xCBF29CE484222325, 0x100000001B3, 0xFFFFFFFFFFFFFFFF


class Source(msgspec.Struct, frozen=True):
    """The Kafka record that made the transition."""

    topic: str
    partition: int
    offset: int


class Evidence(msgspec.Struct, frozen=True):
    """The series' last points up to the transition, oldest first, at most 32: Unix seconds and values."""

    t: list[float]
    v: list[float]


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One transition of one alert. `id` names the episode, `seq` counts its transitions from 0."""

    schema: Literal["tidegauge.alert/1"] = "tidegauge.alert/1"
    id: str
    seq: int
    status: Literal["firing", "resolved"]
    level: LevelName | None
    previous_level: LevelName | None
    rule: str
    detector: str
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    at: str
    ends_at: str | None
    value: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    score: float | None
    deviation: float | None
    direction: Literal["above", "below"] | None
    evidence: Evidence
    why: str
    source: Source | None
    config: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AlertEvent)


def encode_alert(event: AlertEvent) -> bytes:
    """Canonical JSON: fields in their fixed order, labels sorted by the maker of the event, no white space."""
    return _encoder.encode(event)


def decode_alert(data: bytes) -> AlertEvent:
    """Raises msgspec.ValidationError where `data` is not an alert event."""
    return _decoder.decode(data)


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hex digits, as Alertmanager makes it: FNV-1a 64 over `name 0xff value 0xff`, sorted by name.

    >>> fingerprint({})
    'cbf29ce484222325'
    """
    digest = _FNV_OFFSET
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            digest = (digest ^ byte) * _FNV_PRIME & _U64
    return f"{digest:016x}"


def alert_id(rule: str, series: Series, starts_at_s: float) -> str:
    """32 hex digits for one episode of one rule on one series; the same wherever and whenever it is computed."""
    key = _encoder.encode([rule, series.metric, series.labels, starts_at_s])
    return hashlib.blake2b(key, digest_size=16).hexdigest()


def rfc3339(unix_s: float) -> str:
    """RFC 3339 UTC with milliseconds, or microseconds where the time has them.

    >>> rfc3339(1795412000.123), rfc3339(0.000125)
    ('2026-11-23T05:33:20.123Z', '1970-01-01T00:00:00.000125Z')
    """
    micros = round(unix_s * 1e6)
    moment = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    return moment.isoformat(timespec="microseconds" if micros % 1000 else "milliseconds").replace("+00:00", "Z")


def rfc3339_seconds(unix_s: float) -> str:
    """For what people read: RFC 3339 UTC, the second that it is in.

    >>> rfc3339_seconds(1795412000.9)
    '2026-11-23T05:33:20Z'
    """
    return f"{rfc3339(unix_s)[:19]}Z"


def cloud_event_headers(event: AlertEvent, source: str) -> list[tuple[str, bytes]]:
    """CloudEvents 1.0, binary mode on Kafka: `ce_id` is `id:seq`, by which a consumer drops doubles."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{event.id}:{event.seq}".encode()),
        ("ce_source", source.encode()),
        ("ce_type", SCHEMA.encode()),
        ("ce_subject", event.fingerprint.encode()),
        ("ce_time", event.at.encode()),
        ("content-type", b"application/json"),
    ]
