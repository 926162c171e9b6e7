"""Any bad bytes fit into a dead letter, and come out of it."""

import json

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.dead_letter import KEPT_BYTES_MAX, DeadLetter, dead_letter, decode_dead_letter, encode_dead_letter
from schemas.export import dead_letter_schema
from schemas.formats import Reason, Reject

VALIDATOR = Draft202012Validator(dead_letter_schema())


def letter_of(payload: bytes, detail: str = "") -> DeadLetter:
    bad = Reject(record=3, event=1, reason=Reason.NOT_JSON, detail=detail, payload=payload)
    return dead_letter(bad, topic="metrics", partition=2, offset=2**40, timestamp="2026-11-23T05:33:20.000Z")


@given(st.binary(max_size=40) | st.binary(min_size=1020, max_size=1030) | st.text().map(str.encode), st.text())
def test_the_bytes_come_back_and_the_json_follows_its_schema(payload: bytes, detail: str) -> None:
    letter = letter_of(payload, detail)
    encoded = encode_dead_letter(letter)
    assert decode_dead_letter(encoded) == letter
    VALIDATOR.validate(json.loads(encoded))
    assert (letter.size, letter.truncated) == (len(payload), len(payload) > KEPT_BYTES_MAX)
    assert payload.startswith(letter.kept)
    assert letter.truncated or letter.kept == payload


@given(st.integers(1020, 1030), st.sampled_from(["é", "🌊"]))
def test_text_that_is_cut_inside_a_character_stays_text(ascii_bytes: int, character: str) -> None:
    letter = letter_of(b"x" * ascii_bytes + character.encode() * 9)
    assert letter.payload is not None
    assert letter.payload_base64 is None
    assert letter.truncated
    assert KEPT_BYTES_MAX - 4 < len(letter.kept) <= KEPT_BYTES_MAX


def test_bytes_that_are_no_text_are_base64() -> None:
    assert json.loads(encode_dead_letter(letter_of(b"\xff\x00")))["payload_base64"] == "/wA="
