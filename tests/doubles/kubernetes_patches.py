"""How an API server of Kubernetes says no, and what a PATCH makes of an object."""

import copy
import json
from typing import Any

from tests.doubles.http import Request, Response

Object = dict[str, Any]
JSON_PATCH = "application/json-patch+json"
MERGE_PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json")
HASH = "pod-template-hash"


class Status(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.response = Response.of(
            code,
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
             "reason": reason, "code": code},
        )  # fmt: skip


def patched(request: Request, before: Object) -> Object:
    """Raises Status."""
    kind = request.headers.get("content-type", "")
    if kind not in (JSON_PATCH, *MERGE_PATCHES):
        accepted = ", ".join((JSON_PATCH, *MERGE_PATCHES, "application/apply-patch+yaml"))
        raise Status(
            415, "UnsupportedMediaType",
            f"the body of the request was in an unknown format - accepted media types include: {accepted}",
        )  # fmt: skip
    try:
        change = json.loads(request.body)
    except ValueError as error:
        raise Status(400, "BadRequest", f"error decoding patch: {error}") from None
    if kind != JSON_PATCH:
        return _merged(before, change)
    after = copy.deepcopy(before)
    for operation in change:
        *way, last = operation["path"].strip("/").split("/")
        holder = after
        for part in way:
            holder = holder[part]
        if operation["op"] == "test" and holder.get(last) != operation["value"]:
            raise Status(422, "Invalid", "the server rejected our request due to an error in our request")
        if operation["op"] == "replace" and last not in holder:
            raise Status(422, "Invalid", f"replace operation does not apply: doc is missing key: {operation['path']}")
        if operation["op"] in ("add", "replace"):
            holder[last] = operation["value"]
    return after


def _merged(before: Object, change: Object) -> Object:
    """RFC 7386."""
    after = copy.deepcopy(before)
    for key, value in change.items():
        if value is None:
            after.pop(key, None)
        elif isinstance(value, dict):
            after[key] = _merged(after[key] if isinstance(after.get(key), dict) else {}, value)
        else:
            after[key] = value
    return after


def without_hash(template: Object) -> Object:
    plain = copy.deepcopy(template)
    plain["metadata"]["labels"].pop(HASH, None)
    return plain
