"""The control record: what people tell the workers through Kafka. Read strictly; a later kind is passed over.

`feedback`: what a person says to an alert, or to one that did not come. It holds from an event time of its series on,
so that whoever reads the same events and the same controls comes to the same alerts.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from schemas.formats.times import rfc3339_s
from schemas.metric import Series

SCHEMA: Final = "tidegauge.control/1"
VERDICTS: Final = ("noise", "normal", "missed")
RECORD_BYTES_MAX: Final = 65_536
Verdict = Literal["noise", "normal", "missed"]
ControlId = Annotated[str, Meta(pattern="^[0-9a-f]{16}$", description="16 hex digits, as is the record's key.")]
Time = Annotated[str, Meta(max_length=40)]
Text = Annotated[str, Meta(max_length=2_000)]


class ControlError(ValueError):
    """The record is not a control. Its text says what was seen and what must be."""


class ForeignKind(Exception):
    """A control of a kind that this program doesn't know, such as a later one's."""


class Control(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A verdict of a person on one series of one rule, or the taking back of one.

    >>> made = Control(id="00" * 8, verdict="noise", rule="r", metric="m", labels={"host": "a"},
    ...                at="2026-11-23T05:33:20Z", holds_from="2026-11-23T05:35:00Z", by="ann")
    >>> decode_control(encode_control(made)) == made, str(made.series), made.holds_from_s
    (True, 'm{host="a"}', 1795412100.0)
    """

    schema: Literal["tidegauge.control/1"] = "tidegauge.control/1"
    id: ControlId
    kind: Literal["feedback"] = "feedback"
    verdict: Verdict
    undo: ControlId | bool = False  # the id of the verdict that is taken back, or false
    rule: Annotated[str, Meta(min_length=1, max_length=200)]
    metric: Annotated[str, Meta(min_length=1, max_length=1_000)]
    labels: dict[str, str]  # the series' own
    alert_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")] | None = None
    at: Time  # event time of the alert or point that is judged
    holds_from: Time  # event time of the series from which on it counts
    by: Text = ""
    note: Text = ""

    @property
    def series(self) -> Series:
        return Series.of(self.metric, self.labels)

    @property
    def holds_from_s(self) -> float:
        """Unix seconds."""
        return rfc3339_s(self.holds_from)


class _Head(msgspec.Struct, frozen=True):
    schema: str
    kind: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Control)
_head = msgspec.json.Decoder(_Head)


def encode_control(control: Control) -> bytes:
    return _encoder.encode(control)


def decode_control(data: bytes | None) -> Control:
    """Raises ControlError; ForeignKind where a program newer than this one may have written it.

    >>> decode_control(b'{"schema": "tidegauge.control/1", "kind": "feedback"}')
    Traceback (most recent call last):
    schemas.control.ControlError: Object missing required field `id`
    """
    if not data or len(data) > RECORD_BYTES_MAX:
        raise ControlError(f"{len(data or b''):,} bytes where 1 to {RECORD_BYTES_MAX:,} must be")
    try:
        head = _head.decode(data)
        if head.schema != SCHEMA or head.kind != "feedback":
            raise ForeignKind(f"{head.schema[:60]}, {head.kind[:60]}")
        control = _decoder.decode(data)
        times: Any = (rfc3339_s(control.at), control.holds_from_s)
    except (ValueError, UnicodeDecodeError, RecursionError) as error:  # msgspec's own are ValueErrors too
        raise ControlError(str(error)[:300]) from None
    if control.undo is True:
        raise ControlError("undo must be the id of what is taken back, or false")
    if not all(0.0 <= time < 1e11 for time in times):
        raise ControlError(f"no such time: {control.at}, {control.holds_from}")
    return control
