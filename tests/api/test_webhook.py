"""Alertmanager's webhook brings alerts in: each by its own status, and what it left out stays as it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.scene import Api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path) as made:
        yield made


def alert(name: str, status: str = "firing", **fields: Any) -> dict[str, Any]:
    ends = "0001-01-01T00:00:00Z" if status == "firing" else "2027-01-15T07:59:00Z"
    return {
        "status": status,
        "labels": {"alertname": name},
        "annotations": {"summary": "s"},
        "startsAt": "2027-01-15T07:00:00.123456Z",
        "endsAt": ends,
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "0" * 16,
        **fields,
    }


def send(api: Api, *alerts: dict[str, Any], **fields: Any) -> Any:
    body = {
        "version": "4", "receiver": "all", "status": "firing", "groupKey": "{}:{}", "groupLabels": {},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am", "truncatedAlerts": 0,
        "alerts": list(alerts), **fields,
    }  # fmt: skip
    return api.ask("POST", "/api/v1/webhook", json=body)


def names(api: Api) -> list[str]:
    return sorted(one["labels"]["alertname"] for one in api.get("/api/v2/alerts"))


def test_each_alert_counts_by_its_own_status(api: Api) -> None:
    assert send(api, alert("A"), alert("B")).json() == {"taken": 2, "left_out": 0}
    assert names(api) == ["A", "B"]
    send(api, alert("A"), alert("B", "resolved"), status="firing")  # a group that fires holds one that doesn't
    assert names(api) == ["A"]
    send(api, alert("A", "resolved"), status="resolved")
    assert names(api) == []


def test_alerts_that_were_left_out_stay_as_they_are(api: Api) -> None:
    send(api, alert("A"), alert("B"))
    assert send(api, alert("A"), truncatedAlerts=1).json() == {"taken": 1, "left_out": 1}
    assert names(api) == ["A", "B"]


def test_the_newest_versions_fields_are_no_trouble(api: Api) -> None:
    assert send(api, alert("A"), notification_reason="FIRST", routeLabels={"a": "b"}).status_code == 200


def test_a_resolved_alert_that_nobody_knew_is_nothing(api: Api) -> None:
    assert send(api, alert("A", "resolved")).status_code == 200
    assert names(api) == []


def test_an_end_after_now_or_none_is_now(api: Api) -> None:
    for ends in ("2030-01-01T00:00:00Z", "0001-01-01T00:00:00Z", None):
        send(api, alert("A"))
        assert names(api) == ["A"]
        send(api, alert("A", "resolved", endsAt=ends))
        assert names(api) == []
        api.wait(1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"version": "3", "alerts": []}, "version"),
        ({"version": "4"}, "alerts"),
        ([], "Expected"),
        ({"version": "4", "alerts": [{"status": "on", "labels": {"a": "b"}}]}, "status must be firing or resolved"),
        ({"version": "4", "alerts": [{"status": "firing", "labels": {}}]}, "at least one label"),
        ({"version": "4", "alerts": [{"status": "firing", "labels": {"a": "b"}, "startsAt": "x"}]}, "not a time"),
    ],
)
def test_what_cant_be_read_is_a_400_that_says_why(body: object, says: str, api: Api) -> None:
    answer = api.ask("POST", "/api/v1/webhook", json=body)
    assert answer.status_code == 400
    assert says in answer.json()["message"]
