"""The dead letter: one bad event, where it was, and why; so that a person can find its publisher and send it again."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.formats.base import Reject

KEPT_BYTES_MAX = 1024


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """JSON-safe for any bytes: `payload` where they are UTF-8, else `payload_base64`."""

    schema: Literal["tidegauge.dead-letter/1"] = "tidegauge.dead-letter/1"
    reason: Annotated[str, Meta(description="A word from the list in docs/inputs.md.")]
    detail: Annotated[str, Meta(description="What was seen, for a person.")]
    topic: Annotated[str, Meta(description="Where the record was read.")]
    partition: int
    offset: int
    event: Annotated[int | None, Meta(description="Element or line of the record, from 0; null: all of it.")] = None
    timestamp: Annotated[str | None, Meta(description="The record's own time, RFC 3339 UTC, or null.")] = None
    size: Annotated[int, Meta(description="Bytes of the bad piece before it was cut.")]
    truncated: Annotated[bool, Meta(description="Whether only the first 1024 bytes are kept.")] = False
    payload: Annotated[str | None, Meta(description="The bad piece, as text.")] = None
    payload_base64: Annotated[bytes | None, Meta(description="The bad piece, where it isn't UTF-8.")] = None

    @property
    def kept(self) -> bytes:
        """The bytes that were kept: all of the piece unless `truncated`."""
        return self.payload.encode() if self.payload is not None else self.payload_base64 or b""


def dead_letter(reject: Reject, *, topic: str, partition: int, offset: int, timestamp: str | None) -> DeadLetter:
    """`timestamp`: RFC 3339, of the record; None where it has none.

    >>> from schemas.formats.base import Reason
    >>> bad = Reject(record=0, event=None, reason=Reason.NOT_JSON, detail="", payload=bytes([123, 255]))
    >>> letter = dead_letter(bad, topic="metrics", partition=0, offset=7, timestamp=None)
    >>> letter.payload, letter.payload_base64, letter.truncated
    (None, b'{\\xff', False)
    """
    size = len(reject.payload)
    kept = reject.payload[:KEPT_BYTES_MAX]
    text = _text(kept, cut=size > KEPT_BYTES_MAX)
    return DeadLetter(
        reason=str(reject.reason),
        detail=reject.detail,
        topic=topic,
        partition=partition,
        offset=offset,
        event=reject.event,
        timestamp=timestamp,
        size=size,
        truncated=size > KEPT_BYTES_MAX,
        payload=text,
        payload_base64=kept if text is None else None,
    )


def _text(kept: bytes, cut: bool) -> str | None:
    """The text of UTF-8; where it was cut inside a character, without that one."""
    try:
        return kept.decode()
    except UnicodeDecodeError as error:
        if cut and error.reason == "unexpected end of data":
            return kept[: error.start].decode()
        return None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(DeadLetter)


def encode_dead_letter(letter: DeadLetter) -> bytes:
    return _encoder.encode(letter)


def decode_dead_letter(data: bytes) -> DeadLetter:
    """Raises msgspec.ValidationError or DecodeError where `data` is not a dead letter."""
    return _decoder.decode(data)
