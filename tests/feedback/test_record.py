"""The control record is read strictly; whatever else stands in the topic is told by a sentence, never by a crash."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.control import Control, ControlError, ForeignKind, decode_control, encode_control
from tests.feedback.streams import T0, says

GOOD = json.loads(encode_control(says("noise", T0)))


def test_it_has_the_fields_that_others_rely_on() -> None:
    assert GOOD == {
        "schema": "tidegauge.control/1",
        "id": "0000000000000001",
        "kind": "feedback",
        "verdict": "noise",
        "undo": False,
        "rule": "bar",
        "metric": "m1",
        "labels": {"odd": "yes", "host": "h1"},
        "alert_id": None,
        "at": "2026-11-23T05:33:20.000Z",
        "holds_from": "2026-11-23T05:33:20.000Z",
        "by": "ann",
        "note": "",
    }
    assert decode_control(json.dumps(GOOD).encode()) == says("noise", T0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"verdict": "nice"}, "Invalid enum value 'nice'"),
        ({"id": "1"}, "matching regex"),
        ({"undo": True}, "undo must be the id"),
        ({"undo": "x"}, "matching regex"),
        ({"rule": ""}, "length >= 1"),
        ({"labels": {"a": 1}}, "Expected `str`, got `int`"),
        ({"holds_from": "soon"}, "not RFC 3339"),
        ({"holds_from": "1900-01-01T00:00:00Z"}, "no such time"),
        ({"at": 5}, "Expected `str`, got `int`"),
        ({"alert_id": "1"}, "matching regex"),
        ({"unheard": 1}, "unknown field"),
        ({"note": "x" * 70_000}, "bytes where 1 to 65,536 must be"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ControlError, match=sentence):
        decode_control(json.dumps({**GOOD, **change}).encode())


@pytest.mark.parametrize("change", [{"kind": "config"}, {"schema": "tidegauge.control/2"}])
def test_a_later_kind_is_told_apart_from_a_bad_record(change: dict[str, object]) -> None:
    with pytest.raises(ForeignKind):
        decode_control(json.dumps({**GOOD, **change}).encode())


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode()))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(ControlError, ForeignKind):
        assert isinstance(decode_control(data), Control)
