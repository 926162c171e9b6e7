"""A Teams Workflow: takes an Adaptive Card by POST, answers 202 before it has posted, refuses what Teams refuses.

The rules of a card are a compact schema of what adaptivecards.io's 1.4 says of the elements that we use; the size is
what Teams expands a card to (24,453 bytes became 28,897: MicrosoftDocs/msteams-docs#11274).
"""

import re
from typing import Any

from jsonschema import Draft202012Validator

from tests.doubles.http import Double, Request, Response

EXPANDED_BYTES_MAX, EXPANSION = 28_672, 28_897 / 24_453
PATH = "/powerautomate/automations/direct/workflows/abc/triggers/manual/paths/invoke"

_RUN = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {
        "type": {"const": "TextRun"},
        "text": {"type": "string", "minLength": 1},
        "weight": {"enum": ["Default", "Lighter", "Bolder"]},
        "size": {"enum": ["Default", "Small", "Medium", "Large", "ExtraLarge"]},
        "isSubtle": {"type": "boolean"},
        "color": {"enum": ["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]},
    },
    "additionalProperties": False,
}
_ELEMENT: dict[str, Any] = {
    "type": "object",
    "required": ["type"],
    "oneOf": [
        {
            "properties": {
                "type": {"const": "TextBlock"},
                "text": {"type": "string"},
                "weight": {"enum": ["Default", "Lighter", "Bolder"]},
                "size": {"enum": ["Default", "Small", "Medium", "Large", "ExtraLarge"]},
                "wrap": {"type": "boolean"},
                "style": {"enum": ["default", "heading"]},
                "color": {"enum": ["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]},
            },
            "required": ["type", "text"],
            "additionalProperties": False,
        },
        {
            "properties": {
                "type": {"const": "RichTextBlock"},
                "inlines": {"type": "array", "minItems": 1, "items": _RUN},
            },
            "required": ["type", "inlines"],
            "additionalProperties": False,
        },
        {
            "properties": {
                "type": {"const": "Container"},
                "items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/element"}},
                "style": {"enum": ["default", "emphasis", "good", "attention", "warning", "accent"]},
                "bleed": {"type": "boolean"},
                "separator": {"type": "boolean"},
            },
            "required": ["type", "items"],
            "additionalProperties": False,
        },
    ],
}
_ACTION = {
    "type": "object",
    "properties": {
        "type": {"const": "Action.OpenUrl"},  # a card that came by webhook may not submit or execute
        "title": {"type": "string", "minLength": 1},
        "url": {"type": "string", "pattern": "^https?://[^ ]+$"},
    },
    "required": ["type", "title", "url"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "$defs": {"element": _ELEMENT},
    "type": "object",
    "required": ["type", "attachments"],
    "properties": {
        "type": {"const": "message"},
        "summary": {"type": "string"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["contentType", "content"],
                "properties": {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "contentUrl": {"type": "null"},
                    "content": {
                        "type": "object",
                        "required": ["type", "version", "body"],
                        "properties": {
                            "$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"},
                            "type": {"const": "AdaptiveCard"},
                            "version": {"enum": ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"]},
                            "body": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/element"}},
                            "actions": {"type": "array", "maxItems": 6, "items": _ACTION},
                            "msteams": {"type": "object", "properties": {"width": {"const": "full"}}},
                        },
                        "additionalProperties": False,
                    },
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
_VALIDATOR = Draft202012Validator(SCHEMA)


class Teams:
    """Use it as a context. `cards` holds what was posted; answers: what the next requests are answered instead."""

    def __init__(self) -> None:
        self.cards: list[dict[str, Any]] = []
        self.answers: list[Response] = []
        self.http = Double(self._respond)

    @property
    def url(self) -> str:
        return f"{self.http.url}{PATH}?api-version=1&sp=%2Ftriggers&sv=1.0&sig=secret"

    def __enter__(self) -> "Teams":
        self.http.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.http.__exit__(*error)

    def _respond(self, request: Request) -> Response:
        if not request.path.startswith(PATH) or "sig=secret" not in request.path:
            return Response(404, b'{"error":{"code":"WorkflowNotFound"}}')
        if self.answers:
            return self.answers.pop(0)
        if problem := refusal(request):
            return problem
        self.cards.append(request.json)
        return Response(202)


def refusal(request: Request) -> Response | None:
    """None where Teams would post it."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return Response(400, b"not JSON")
    try:
        body = request.json
    except ValueError:
        return Response(400, b"not JSON")
    if len(request.body) * EXPANSION > EXPANDED_BYTES_MAX:
        return Response(413, b"the message is too large")
    if error := next(_VALIDATOR.iter_errors(body), None):
        return Response(400, error.message[:200].encode())
    return None


def read(body: dict[str, Any]) -> tuple[list[str], list[str]]:
    """(texts that are Markdown, texts that are not) of a message."""
    markdown: list[str] = []
    letters: list[str] = []

    def walk(element: dict[str, Any]) -> None:
        if element["type"] == "TextBlock":
            markdown.append(element["text"])
        letters.extend(run["text"] for run in element.get("inlines", []))
        for inner in element.get("items", []):
            walk(inner)

    for attachment in body["attachments"]:
        for element in attachment["content"]["body"]:
            walk(element)
    return markdown, letters


def links(body: dict[str, Any]) -> list[str]:
    """Where the card's buttons, and links in its Markdown, lead."""
    buttons = [a["url"] for one in body["attachments"] for a in one["content"].get("actions", [])]
    written = [url for text in read(body)[0] for url in re.findall(r"(?<!\\)\]\(([^)]*)\)", text)]
    return buttons + written
