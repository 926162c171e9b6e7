"""What the services post to us, in the shape that their documents show, with names of our own."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

JSON = {"content-type": "application/json"}


def pagerduty(
    what: str, key: str = "", *, id: str = "01", agent: str | None = "user_reference", ref: str = "PINC1", **data: Any
) -> bytes:
    about: dict[str, Any] = {
        "id": ref,
        "type": "incident",
        "number": 2,
        "status": "acknowledged",
        "incident_key": key,
        "title": "checkout fails",
        "service": {"id": "PSVC1", "summary": "Checkout", "type": "service_reference"},
        "assignees": [{"id": "PUSR1", "summary": "Ann at PD", "type": "user_reference"}],
        "urgency": "high",
    }
    if what == "incident.annotated":
        about = {"incident": {"id": ref, "type": "incident_reference"}, "id": "PNOTE", "type": "incident_note"}
    event = {
        "id": id,
        "event_type": what,
        "resource_type": "incident",
        "occurred_at": "2027-01-15T08:00:01.169Z",
        "agent": None if agent is None else {"id": "PUSR1", "summary": "Ann at PD", "type": agent},
        "client": {"name": "PagerDuty"},
        "data": {**about, **data},
    }
    return json.dumps({"event": event}).encode()


def pagerduty_signature(body: bytes, *secrets: str) -> dict[str, str]:
    made = [f"v1={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}" for secret in secrets]
    return {**JSON, "x-pagerduty-signature": ",".join(made)}


def opsgenie(action: str, alias: str, user: str = "ann@example.org", *, source: str = "web", **alert: str) -> bytes:
    body = {
        "source": {"name": "", "type": source},
        "alert": {
            "alertId": "052652ac-5d1c-464a-812a-7dd18bbfba8c",
            "alias": alias,
            "message": "checkout fails",
            "username": user,
            "userId": "daed1180-0ce8-438b-8f8e-57e1a5920a2d",
            "tinyId": "23",
            "updatedAt": 1_420_452_224_764_002_246,
            **alert,
        },
        "action": action,
        "integrationId": "37c8f316-17c6-49d7-899b-9c7e540c048d",
        "integrationName": "Tidegauge",
    }
    return json.dumps(body).encode()


def slack(form: dict[str, str], secret: str, at_s: float) -> tuple[bytes, dict[str, str]]:
    """Body and headers."""
    body, timestamp = urlencode(form).encode(), f"{at_s:.0f}"
    made = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return body, {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": f"v0={made}",
    }
