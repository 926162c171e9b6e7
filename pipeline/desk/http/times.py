"""Moments as Alertmanager's API writes and reads them."""

import re
from datetime import UTC, datetime, timedelta, timezone

_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?(?:([Zz])|([+-])(\d\d):?(\d\d))?\Z", re.ASCII
)
# Go's zero time, 0001-01-01, and whatever else lies before anyone measured anything.
_NEVER_BEFORE_S = 0.0
_LAST_S = 253_402_300_799.0  # the end of the year 9999


def written(at_s: float) -> str:
    """
    >>> written(1795410000.123456), written(0)
    ('2026-11-23T05:00:00.123Z', '1970-01-01T00:00:00.000Z')
    """
    moment = datetime.fromtimestamp(min(max(at_s, 0.0), _LAST_S), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def read(text: str | None) -> float | None:
    """Unix seconds; None where nothing is said, as null, an empty text, and Go's zero time mean. Raises ValueError.

    >>> read("2026-11-23T06:00:00.123456789+01:00"), read("2026-11-23T05:00:00"), read("0001-01-01T00:00:00Z")
    (1795410000.123456, 1795410000.0, None)
    """
    if not text:
        return None
    found = _FORM.match(text)
    if found is None:
        raise ValueError(f"not a time: {text[:40]!r}; write for example 2026-11-23T05:00:00Z")
    year, month, day, hour, minute, second, fraction, _, sign, off_hours, off_minutes = found.groups()
    micro = int((fraction or "0").ljust(9, "0")[:6])
    offset = timedelta(hours=int(off_hours or 0), minutes=int(off_minutes or 0)) * (-1 if sign == "-" else 1)
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micro, timezone(offset))
        at_s = moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError(f"not a time: {text[:40]!r}: {error}") from None
    return at_s if at_s > _NEVER_BEFORE_S else None
