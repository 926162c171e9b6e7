"""Opsgenie's Alert API v2 by its documents: limits that its specification lacks, and a 202 that only promises."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from jsonschema import Draft202012Validator

from tests.doubles.http import Double, Request, Response

DETAILS_CHARS_MAX = 8000


def _text(chars_max: int, chars_min: int = 0) -> dict[str, object]:
    return {"type": "string", "maxLength": chars_max, "minLength": chars_min}


def _body(required: list[str], **properties: object) -> Draft202012Validator:
    said = {"source": _text(100), "user": _text(100), "note": _text(25_000)}
    return Draft202012Validator(
        {"type": "object", "required": required, "properties": said | properties, "additionalProperties": False}
    )


_MESSAGE, _DESCRIPTION, _PRIORITY = _text(130, 1), _text(15_000), {"enum": ["P1", "P2", "P3", "P4", "P5"]}
_RESPONDER = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": {"enum": ["team", "user", "escalation", "schedule"]}}
    | {name: {"type": "string", "minLength": 1} for name in ("id", "name", "username")},
    "anyOf": [{"required": ["id"]}, {"required": ["name"]}, {"required": ["username"]}],
    "additionalProperties": False,
}
_CREATE = _body(
    ["message"],
    message=_MESSAGE,
    alias=_text(512),
    description=_DESCRIPTION,
    responders={"type": "array", "items": _RESPONDER, "maxItems": 50},
    tags={"type": "array", "items": _text(50, 1), "maxItems": 20},
    actions={"type": "array", "items": _text(50, 1), "maxItems": 10},
    details={"type": "object", "additionalProperties": {"type": "string"}},
    entity=_text(512),
    priority=_PRIORITY,
)
_VERBS = {
    ("POST", "close"): _body([]),
    ("POST", "acknowledge"): _body([]),
    ("POST", "notes"): _body(["note"]),
    ("PUT", "priority"): _body(["priority"], priority=_PRIORITY),
    ("PUT", "message"): _body(["message"], message=_MESSAGE),
    ("PUT", "description"): _body(["description"], description=_DESCRIPTION),
}


@dataclass
class Alert:
    """count: how often it was made while open."""

    alias: str
    made: dict[str, Any]
    count: int = 1
    state: str = "open"
    notes: list[str] = field(default_factory=list)


class OpsgenieDouble(Double):
    """alerts: each that was ever opened. later: that many questions for a request's end are answered `not yet`."""

    def __init__(self, key: str = "og-key", base: str = "", later: int = 0) -> None:
        super().__init__(self._answer)
        self.alerts: list[Alert] = []
        self.later = later
        self.fails_later = ""  # why accepted requests come to nothing
        self._key, self._base = key, base
        self._ends: list[str] = []

    @property
    def open(self) -> list[Alert]:
        return [alert for alert in self.alerts if alert.state != "closed"]

    def _answer(self, request: Request) -> Response:
        split = urlsplit(request.path)
        base = f"{self._base}/v2/alerts"
        if not split.path.startswith(base):
            return Response.of(404, {"message": "No such path"})
        if request.headers.get("authorization") != f"GenieKey {self._key}":
            return Response.of(401, {"message": "Could not authenticate"})
        parts = [unquote(part) for part in split.path.removeprefix(base).split("/") if part]
        if request.method == "GET":
            return self._end(parts)
        schema = _CREATE if (request.method, parts) == ("POST", []) else None
        if len(parts) == 2:
            schema = _VERBS.get((request.method, parts[1]))
            if parse_qs(split.query).get("identifierType") != ["alias"]:
                return Response.of(422, {"message": "id is no UUID; did you mean identifierType=alias?"})
        if schema is None:
            return Response.of(405, {"message": "No such request"})
        try:
            body = json.loads(request.body.decode())
        except ValueError:
            return Response.of(400, {"message": "Body is not JSON"})
        errors = {found.json_path: found.message[:200] for found in schema.iter_errors(body)}
        if not errors and sum(len(k) + len(v) for k, v in body.get("details", {}).items()) > DETAILS_CHARS_MAX:
            errors = {"details": f"longer than {DETAILS_CHARS_MAX} characters"}
        if errors:
            return Response.of(422, {"message": "Request body is not processable", "errors": errors})
        self._ends.append(self.fails_later or self._apply(parts, body))
        request_id = f"request-{len(self._ends) - 1}"
        return Response.of(202, {"result": "Request will be processed", "took": 0.1, "requestId": request_id})

    def _apply(self, parts: list[str], body: dict[str, Any]) -> str:
        alias = parts[0] if parts else body.get("alias", f"made-up-{len(self.alerts)}")
        alert = next((alert for alert in self.open if alert.alias == alias), None)
        if not parts:
            if alert is None:
                self.alerts.append(Alert(alias, body))
            else:
                alert.count += 1
            return ""
        if alert is None:
            return "Alert does not exist"
        match parts[1]:
            case "close":
                alert.state = "closed"
            case "acknowledge":
                alert.state = "acknowledged"
            case "notes":
                alert.notes.append(body["note"])
            case verb:
                alert.made[verb] = body[verb]
        return ""

    def _end(self, parts: list[str]) -> Response:
        if self.later > 0 or len(parts) != 2 or parts[0] != "requests":
            self.later -= 1
            return Response.of(404, {"message": "Request not found. It might not be processed, yet."})
        failed = self._ends[int(parts[1].removeprefix("request-"))]
        data = {"success": not failed, "isSuccess": not failed, "status": failed or "Created alert", "action": "Create"}
        return Response.of(200, {"data": data, "took": 0.01, "requestId": "r"})
