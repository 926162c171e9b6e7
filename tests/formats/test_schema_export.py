"""What the published JSON Schemas say is what the code does."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from schemas.alert import AlertEvent, Evidence, Source, encode_alert
from schemas.control import ControlError, ForeignKind, decode_control
from schemas.export import alert_schema, control_schema, dead_letter_schema, metric_schema
from tests.formats.helpers import Reader
from tests.formats.test_formats_fuzz import aliased, natives

METRIC = Draft202012Validator(metric_schema())
ALERT = AlertEvent(
    id="0" * 32,
    seq=0,
    status="firing",
    level="warning",
    previous_level=None,
    rule="r",
    detector="threshold",
    fingerprint="0" * 16,
    labels={"alertname": "r"},
    annotations={},
    starts_at="2026-11-23T05:33:20.000Z",
    at="2026-11-23T05:33:20.000Z",
    ends_at=None,
    value=1.0,
    expected=None,
    lower=None,
    upper=None,
    score=None,
    deviation=None,
    direction="above",
    evidence=Evidence(t=[1.0], v=[1.0]),
    why="because",
    source=Source(topic="metrics", partition=0, offset=1),
    config="0" * 16,
)


@pytest.mark.parametrize("schema", [metric_schema(), alert_schema(), dead_letter_schema(), control_schema()])
def test_a_schema_is_valid_names_itself_and_describes_every_field(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].startswith("urn:tidegauge:")
    for definition in schema["$defs"].values():
        assert definition["description"]
        assert [name for name, field in definition["properties"].items() if not field.get("description")] == []


@settings(max_examples=300, deadline=None)
@given(natives | aliased)
def test_an_event_that_follows_the_schema_is_taken_unless_its_numbers_or_dates_are_out_of_range(
    event: dict[str, object],
) -> None:
    columns = Reader("native").decode(json.dumps(event).encode())
    ranges = {"timestamp_out_of_range", "timestamp_invalid", "value_not_finite"}
    if METRIC.is_valid(json.loads(json.dumps(event))):
        assert {str(r.reason) for r in columns.rejects} <= ranges


@pytest.mark.parametrize("key", ["metric", "value", "timestamp"])
def test_a_missing_key_fails_the_schema_as_it_fails_the_decoder(key: str) -> None:
    event: dict[str, object] = {"metric": "m", "value": 1, "timestamp": 1795412000}
    METRIC.validate(event)
    METRIC.validate([event, event])
    del event[key]
    assert not METRIC.is_valid(event)
    assert Reader().decode(json.dumps(event).encode()).rejects[0].reason == f"{key}_missing"


def test_alerts_follow_their_schema_and_every_field_is_required() -> None:
    validator = Draft202012Validator(alert_schema())
    document = json.loads(encode_alert(ALERT))
    validator.validate(document)
    for field in msgspec.structs.fields(AlertEvent):
        assert not validator.is_valid({key: value for key, value in document.items() if key != field.name})


CONTROL = Draft202012Validator(control_schema())
SAID = {
    "schema": "tidegauge.control/1",
    "kind": "feedback",
    "id": "00" * 8,
    "verdict": "noise",
    "rule": "r",
    "metric": "m",
    "labels": {"host": "a"},
    "at": "2026-11-23T05:33:20Z",
    "holds_from": "2026-11-23T05:35:00Z",
}


@pytest.mark.parametrize(
    ("change", "is_right"),
    [
        ({}, True),
        ({"undo": "11" * 8}, True),
        ({"undo": False, "alert_id": None, "by": "ann", "note": "n"}, True),
        ({"undo": True}, False),
        ({"undo": "x"}, False),
        ({"schema": None}, False),
        ({"kind": None}, False),
        ({"labels": None}, False),
        ({"verdict": "good"}, False),
        ({"more": 1}, False),
    ],
)
def test_a_control_follows_its_schema_where_a_worker_takes_it(change: dict[str, object], is_right: bool) -> None:
    record = {name: value for name, value in {**SAID, **change}.items() if value is not None or name == "alert_id"}
    assert CONTROL.is_valid(record) == is_right
    try:
        decode_control(json.dumps(record).encode())
    except (ControlError, ForeignKind):
        assert not is_right
    else:
        assert is_right
