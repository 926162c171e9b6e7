"""The incident event: what other services read from the incidents topic, one for each entry of a timeline."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

SCHEMA = "tidegauge.incident/1"


class IncidentState(msgspec.Struct, frozen=True, kw_only=True):
    """The incident as it stands when the event is published. Times are RFC 3339 UTC, null: not yet."""

    title: str
    state: Literal["open", "acknowledged", "mitigated", "resolved", "closed"]
    severity: int
    severity_reason: str
    service: str
    labels: dict[str, str]
    rule: str
    policy: str
    team: str
    summary: str
    opened_by: str
    opened_at: str
    detected_at: str
    acknowledged_at: str | None
    acknowledged_by: str
    mitigated_at: str | None
    resolved_at: str | None
    closed_at: str | None
    roles: dict[str, str]
    verdict: str
    merged_into: str | None
    version: int


class IncidentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of one incident's timeline, with its place in the chain."""

    schema: Literal["tidegauge.incident/1"] = "tidegauge.incident/1"
    id: str
    seq: int
    what: str
    text: str
    at: str
    written_at: str
    by: str
    source: str
    details: dict[str, Any]
    previous: str
    hash: str
    incident: IncidentState


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(IncidentEvent)


def encode_incident(event: IncidentEvent) -> bytes:
    return _encoder.encode(event)


def decode_incident(data: bytes) -> IncidentEvent:
    """Raises msgspec.ValidationError where `data` is no incident event."""
    return _decoder.decode(data)


def incident_headers(event: IncidentEvent, source: str, kind: str) -> tuple[tuple[str, bytes], ...]:
    """CloudEvents 1.0, binary mode on Kafka, as alerts have: a consumer drops doubles by `ce_id`. kind: `ce_type`."""
    given: Mapping[str, str] = {
        "ce_specversion": "1.0",
        "ce_id": f"{event.id}:{event.seq}",
        "ce_source": source,
        "ce_type": kind,
        "ce_subject": event.id,
        "ce_time": event.at,
        "content-type": "application/json",
    }
    return tuple((name, value.encode()) for name, value in given.items())
