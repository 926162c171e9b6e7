"""The doubles refuse what the services' documents forbid, also where their published schemas don't."""

import json
from typing import Any

import httpx
import pytest

from tests.doubles.http import Double, Fault, Response
from tests.doubles.opsgenie import OpsgenieDouble
from tests.doubles.pagerduty import PagerDutyDouble

PAYLOAD = {"summary": "s", "source": "x", "severity": "error"}
GOOD = {"routing_key": "r" * 32, "event_action": "trigger", "dedup_key": "k", "payload": PAYLOAD}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 202),
        ({"payload": {**PAYLOAD, "summary": "x" * 1024}}, 202),
        ({"payload": {**PAYLOAD, "summary": "x" * 1025}}, 400),
        ({"payload": {**PAYLOAD, "severity": "page"}}, 400),
        ({"payload": {"summary": "s", "source": "x"}}, 400),
        ({"payload": None}, 400),
        ({"routing_key": "short"}, 400),
        ({"dedup_key": "k" * 256}, 400),
        ({"event_action": "acknowledge", "dedup_key": None}, 400),
        ({"event_action": "acknowledge", "payload": None}, 202),
        ({"event_action": "close"}, 400),
        ({"images": [{"src": "http://x/y.png"}]}, 400),
        ({"payload": {**PAYLOAD, "custom_details": {"x": "y" * 600_000}}}, 400),
    ],
)
def test_pagerduty_refuses(change: dict[str, Any], status: int) -> None:
    event = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    with PagerDutyDouble() as double:
        answer = httpx.post(f"{double.url}/v2/enqueue", json=event, trust_env=False)
        assert answer.status_code == status, answer.text
        assert (answer.json()["status"] == "success") is (status == 202)


def test_pagerduty_drops_an_end_without_a_beginning_and_opens_again_after_one() -> None:
    with PagerDutyDouble() as double:
        for action in ("resolve", "trigger", "trigger", "resolve", "trigger"):
            httpx.post(f"{double.url}/v2/enqueue", json={**GOOD, "event_action": action}, trust_env=False)
        assert [incident.state for incident in double.incidents] == ["resolved", "triggered"]
        assert [len(incident.events) for incident in double.incidents] == [3, 1]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"message": "m"}, 202),
        ({}, 422),
        ({"message": "m" * 131}, 422),
        ({"message": "m", "alias": "a" * 513}, 422),
        ({"message": "m", "tags": ["t"] * 21}, 422),
        ({"message": "m", "details": {"a": 1}}, 422),
        ({"message": "m", "details": {"a": "x" * 8000}}, 422),
        ({"message": "m", "priority": "P0"}, 422),
        ({"message": "m", "responders": [{"type": "team"}]}, 422),
        ({"message": "m", "surprise": 1}, 422),
    ],
)
def test_opsgenie_refuses(body: dict[str, Any], status: int) -> None:
    with OpsgenieDouble() as double:
        headers = {"Authorization": "GenieKey og-key"}
        answer = httpx.post(f"{double.url}/v2/alerts", json=body, headers=headers, trust_env=False)
        assert answer.status_code == status, answer.text
        wrong = httpx.post(f"{double.url}/v2/alerts", json=body, headers={"Authorization": "k"}, trust_env=False)
        assert wrong.status_code == 401
        by_id = httpx.post(f"{double.url}/v2/alerts/a/close", json={}, headers=headers, trust_env=False)
        assert by_id.status_code == 422


def test_faults_come_in_their_order_and_once() -> None:
    with Double(lambda request: Response(200, json.dumps(len(request.body)).encode())) as double:
        double.fail(Fault(status=429, retry_after_s=2.5), None, Fault(is_reply_lost=True))
        first = httpx.get(double.url, trust_env=False)
        assert (first.status_code, first.headers["retry-after"]) == (429, "2.5")
        assert httpx.post(double.url, content=b"abc", trust_env=False).json() == 3
        with pytest.raises(httpx.HTTPError):
            httpx.get(double.url, trust_env=False)
        assert httpx.get(double.url, trust_env=False).status_code == 200
        assert len(double.requests) == 3  # a status of its own looks at no request, a lost reply does
