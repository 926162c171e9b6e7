"""PagerDuty's Events API v2 as its documents describe it, also where its published schema is more generous."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

from tests.doubles.http import Double, Request, Response

BODY_BYTES_MAX = 512 * 1024
_LINK = {"type": "object", "required": ["href"], "properties": {"href": {"type": "string", "pattern": "^https?://"}}}
_IMAGE = {"type": "object", "required": ["src"], "properties": {"src": {"type": "string", "pattern": "^https://"}}}
_CHANGE_FIELDS: dict[str, object] = {
    "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
    "source": {"type": "string", "minLength": 1},
    "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$"},
    "custom_details": {"type": "object"},
}
_PAYLOAD = {
    "type": "object",
    "required": ["summary", "source", "severity"],
    "properties": {
        **_CHANGE_FIELDS,
        "severity": {"enum": ["critical", "error", "warning", "info"]},
        "component": {"type": "string"},
        "group": {"type": "string"},
        "class": {"type": "string"},
    },
    "additionalProperties": False,
}
_KEY = {"type": "string", "minLength": 32, "maxLength": 32}
_LISTS = {"images": {"type": "array", "items": _IMAGE}, "links": {"type": "array", "items": _LINK}}
EVENT = Draft202012Validator(
    {
        "type": "object",
        "required": ["routing_key", "event_action"],
        "properties": {
            "routing_key": _KEY,
            "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
            "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
            "payload": _PAYLOAD,
            "client": {"type": "string"},
            "client_url": {"type": "string"},
            **_LISTS,
        },
        "additionalProperties": False,
        # What PagerDuty's own schema forgets.
        "if": {"properties": {"event_action": {"const": "trigger"}}},
        "then": {"required": ["payload"]},
        "else": {"required": ["dedup_key"]},
    }
)
CHANGE = Draft202012Validator(
    {
        "type": "object",
        "required": ["routing_key", "payload"],
        "properties": {
            "routing_key": _KEY,
            "payload": {
                "type": "object",
                "required": ["summary"],
                "properties": _CHANGE_FIELDS,
                "additionalProperties": False,
            },
            **_LISTS,
        },
        "additionalProperties": False,
    }
)


@dataclass
class Incident:
    """What a person has on the phone."""

    dedup_key: str
    state: str = "triggered"
    events: list[dict[str, Any]] = field(default_factory=list)


class PagerDutyDouble(Double):
    """incidents: each that was ever opened, oldest first; changes: change events."""

    def __init__(self) -> None:
        super().__init__(self._enqueue)
        self.incidents: list[Incident] = []
        self.changes: list[dict[str, Any]] = []

    @property
    def open(self) -> list[Incident]:
        return [incident for incident in self.incidents if incident.state != "resolved"]

    def _enqueue(self, request: Request) -> Response:
        schema = {"/v2/enqueue": EVENT, "/v2/change/enqueue": CHANGE}.get(request.path)
        if schema is None or request.method != "POST":
            return Response(404)
        errors = list(_wrong(request, schema))
        if errors:
            answer = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            return Response.of(400, answer)
        event = request.json
        if schema is CHANGE:
            self.changes.append(event)
            return Response.of(202, {"status": "success", "message": "Change event processed"})
        key = event.get("dedup_key") or f"made-up-{len(self.incidents)}"
        self._apply(key, event)
        return Response.of(202, {"status": "success", "message": "Event processed", "dedup_key": key})

    def _apply(self, key: str, event: dict[str, Any]) -> None:
        incident = next((incident for incident in self.open if incident.dedup_key == key), None)
        if incident is None:
            if event["event_action"] != "trigger":
                return  # dropped, with 202 all the same
            incident = Incident(key)
            self.incidents.append(incident)
        incident.events.append(event)
        if event["event_action"] != "trigger":
            incident.state = event["event_action"] + "d"


def _wrong(request: Request, schema: Draft202012Validator) -> Iterator[str]:
    if len(request.body) > BODY_BYTES_MAX:
        yield "Event is larger than 512 KB"
        return
    try:
        event = json.loads(request.body.decode("utf-8"), parse_constant=_no_json)
    except ValueError as error:
        yield f"not JSON: {error}"
        return
    yield from (f"{found.json_path}: {found.message}" for found in schema.iter_errors(event))


def _no_json(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
