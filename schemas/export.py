"""JSON Schemas (draft 2020-12) of the words that other programs write and read."""

from typing import Any

import msgspec

from schemas.alert import AlertEvent, Evidence, Source
from schemas.control import Control
from schemas.dead_letter import DeadLetter
from schemas.formats.base import (
    LABEL_NAME_CHARS_MAX,
    LABEL_VALUE_CHARS_MAX,
    LABELS_MAX,
    METRIC_CHARS_MAX,
    UNIT_CHARS_MAX,
)
from schemas.formats.native import KINDS, LABELS_KEYS, METRIC_KEYS, TIME_KEYS
from schemas.incident import IncidentEvent, IncidentState

Schema = dict[str, object]
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_RFC3339 = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$"

_ALERT_FIELDS = {
    "schema": "Name and version of this schema.",
    "id": "One episode of one rule on one series: 32 hex digits, the same wherever it is computed.",
    "seq": "0, 1, 2, ... counts the transitions of the episode. Drop what repeats (id, seq).",
    "status": "firing, or resolved at its end.",
    "level": "The level reached; null when resolved.",
    "previous_level": "The level before; null at the first transition.",
    "rule": "Name of the rule in the config.",
    "detector": "Kind of the detector that decided.",
    "fingerprint": "16 hex digits of the labels, as Alertmanager makes it. The record's key.",
    "labels": "alertname, metric, the labels of the series and of the rule. Never the level or a value.",
    "annotations": "summary, description, runbook_url, ... from the rule.",
    "starts_at": "Event time of the first point over the border, RFC 3339 UTC.",
    "at": "Event time of this transition, RFC 3339 UTC.",
    "ends_at": "Event time of the end of the episode, or null while it lasts.",
    "value": "The point that made the transition, in the unit of the series.",
    "expected": "What the detector expected there, or null where it has no expectation.",
    "lower": "Lower edge of what is normal, or null.",
    "upper": "Upper edge of what is normal, or null.",
    "score": "1.0 or more: an alert opens or gets worse here.",
    "deviation": "Signed distance from what was expected, in robust sigmas.",
    "direction": "Which way the point left what is normal, or null.",
    "evidence": "The last points up to the transition, oldest first, at most 32.",
    "why": "One sentence for a person: which test, how far, since when.",
    "source": "The Kafka record of the point, or null where time alone decided or a file was read.",
    "config": "Hash of what decides in the rule.",
}
_CONTROL_FIELDS = {
    "schema": "Name and version of this schema.",
    "id": "16 hex digits, as is the record's key, made at random; a second record of one id is ignored.",
    "kind": "What a person does: feedback. Other kinds are passed over.",
    "verdict": "noise: no alert was due; normal: this is how it is now; missed: an alert was due. Of an undoing: that "
    "of what it takes back.",
    "undo": "The id of the verdict that is taken back, or false.",
    "rule": "Name of the rule in the config.",
    "metric": "Metric of the series; of a group, the rule's name.",
    "labels": "The series' own labels, without those that the rule adds; of a group, those of group_by.",
    "alert_id": "The alert that was judged, or null.",
    "at": "Event time of what was judged, RFC 3339.",
    "holds_from": "Event time of the series from which on it counts, RFC 3339.",
    "by": "Who says so.",
    "note": "Why, for people.",
}
_SOURCE_FIELDS = {"topic": "Its topic.", "partition": "Its partition.", "offset": "Its offset."}
_EVIDENCE_FIELDS = {"t": "Unix seconds.", "v": "Values in the unit of the series."}

_INCIDENT_FIELDS = {
    "schema": "Name and version of this schema.",
    "id": "The incident, as people call it: INC-12. The record's key.",
    "seq": "0, 1, 2, ... counts the entries of its timeline. Drop what repeats (id, seq).",
    "what": "Kind of the entry: opened, joined, left, alert, state, severity, role, page, act, comment, ...",
    "text": "The entry in one sentence for a person.",
    "at": "When it was, RFC 3339 UTC: of an alert's change, event time.",
    "written_at": "When it was written down, RFC 3339 UTC.",
    "by": "The person, or the part of Tidegauge.",
    "source": "Whence it is known: desk, alerts, api, slack, pagerduty, opsgenie, changes, ...",
    "details": "What a program may want; depends on what.",
    "previous": "Hash of the entry before; zeros for the first.",
    "hash": "SHA-256 of the entry with the one before in it: whoever has all entries can tell that none was changed.",
    "incident": "The incident as it stands when this is published, which may be later than the entry.",
}
_INCIDENT_STATE_FIELDS = {
    "severity": "1 is the worst, 5 the least.",
    "labels": "Labels in which its alerts agree, by which others join.",
    "detected_at": "Event time at which its first alert started.",
    "acknowledged_at": "The newest acknowledgement while it holds.",
    "merged_into": "The incident that its alerts are in now, or null.",
    "version": "Grows with each change.",
}


def metric_schema() -> Schema:
    """A native metric event, or an array of them. What it takes the decoder takes, but for the range of times."""
    metric: Schema = {"type": "string", "minLength": 1, "maxLength": METRIC_CHARS_MAX, "description": "Metric name."}
    labels: Schema = {
        "type": ["object", "null"],
        "maxProperties": LABELS_MAX,
        "propertyNames": {"minLength": 1, "maxLength": LABEL_NAME_CHARS_MAX},
        "additionalProperties": {"type": "string", "maxLength": LABEL_VALUE_CHARS_MAX},
        "description": "With the metric name they are the series. Values are strings.",
    }
    time: Schema = {
        "description": "Unix seconds, milliseconds, microseconds or nanoseconds, told apart by size; or RFC 3339.",
        "anyOf": [{"type": "number"}, {"type": "string", "pattern": _RFC3339}],
    }
    properties: Schema = {
        "value": {"type": "number", "description": "Finite."},
        "kind": {"enum": [*KINDS, None], "description": "gauge where it is missing."},
        "unit": {"type": ["string", "null"], "maxLength": UNIT_CHARS_MAX, "description": "For people: ms, bytes, ..."},
    }
    for keys, schema in ((METRIC_KEYS, metric), (LABELS_KEYS, labels), (TIME_KEYS, time)):
        for key in keys:
            properties[key] = schema if key == keys[0] else {**schema, "description": f"Another name of {keys[0]}."}
    event: Schema = {
        "type": "object",
        "description": "One measurement. Other keys are ignored.",
        "properties": properties,
        "required": ["value"],
        "allOf": [{"anyOf": [{"required": [key]} for key in keys]} for keys in (METRIC_KEYS, TIME_KEYS)],
    }
    return {
        "$schema": _DRAFT,
        "$id": "urn:tidegauge:metric:1",
        "title": "Tidegauge metric event",
        "anyOf": [{"$ref": "#/$defs/event"}, {"type": "array", "items": {"$ref": "#/$defs/event"}}],
        "$defs": {"event": event},
    }


def alert_schema() -> Schema:
    """A transition of an alert, as published on the alerts topic."""
    return _exported(
        AlertEvent,
        "alert",
        "Tidegauge alert event",
        {AlertEvent: _ALERT_FIELDS, Source: _SOURCE_FIELDS, Evidence: _EVIDENCE_FIELDS},
    )


def incident_schema() -> Schema:
    """An entry of an incident's timeline, as published on the incidents topic."""
    return _exported(
        IncidentEvent,
        "incident",
        "Tidegauge incident event",
        {IncidentEvent: _INCIDENT_FIELDS, IncidentState: _INCIDENT_STATE_FIELDS},
    )


def dead_letter_schema() -> Schema:
    """A bad event, as published on the dead-letter topic."""
    where = {
        "schema": "Name and version of this schema.",
        "partition": "Partition of the record.",
        "offset": "Offset of the record.",
    }
    return _exported(DeadLetter, "dead-letter", "Tidegauge dead letter", {DeadLetter: where})


def control_schema() -> Schema:
    """What a person says to the workers, as read from the control topic: defaults may be left out."""
    schema = _exported(Control, "control", "Tidegauge control record", {Control: _CONTROL_FIELDS})
    definition: dict[str, Any] = dict(schema)
    control = definition["$defs"]["Control"]
    told = ("schema", "kind")  # by them a reader knows whether the rest is for it
    control["required"] = [name for name, one in control["properties"].items() if name in told or "default" not in one]
    control["description"] = "A verdict of a person on one series or group of one rule, or the taking back of one."
    control["properties"]["undo"] = {
        "anyOf": [{"type": "string", "pattern": "^[0-9a-f]{16}$"}, {"const": False}],
        "default": False,
        "description": _CONTROL_FIELDS["undo"],
    }
    return definition


def _exported(root: type, name: str, title: str, described: dict[type, dict[str, str]]) -> Schema:
    """The schema msgspec makes of a Struct, standing by itself, with a sentence for every field."""
    (top,), components = msgspec.json.schema_components([root], ref_template="#/$defs/{name}")
    definitions: dict[str, Any] = dict(components)
    for struct, sentences in described.items():
        properties = definitions[struct.__name__]["properties"]
        for field, sentence in sentences.items():
            properties[field]["description"] = sentence
    # The Literal with one member and a default says what it must be; consumers may rely on every field being there.
    for definition in definitions.values():
        definition["required"] = list(definition["properties"])
    return {"$schema": _DRAFT, "$id": f"urn:tidegauge:{name}:1", "title": title, **top, "$defs": definitions}
