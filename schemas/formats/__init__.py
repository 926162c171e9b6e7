"""Payloads of Kafka records into columns of events. Each payload ends as events, rejects or skips: nothing vanishes."""

from schemas.formats.base import Bad, Columns, Format, Intern, Reason, Reject, Sink, Skip
from schemas.formats.decoder import FORMATS, Decoder

__all__ = ["FORMATS", "Bad", "Columns", "Decoder", "Format", "Intern", "Reason", "Reject", "Sink", "Skip"]
