"""Durations as people write them in Prometheus and Alertmanager: `30s`, `1h30m`, `250ms`, `0`. In seconds inside."""

import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_SHAPE = re.compile(r"(?:\d+(?:ms|[ywdhms]))+\Z")
_PART = re.compile(r"(\d+)(ms|[ywdhms])")


def parse_duration_s(text: str) -> float:
    """Seconds of a Prometheus duration.

    >>> parse_duration_s("1h30m"), parse_duration_s("250ms"), parse_duration_s("0")
    (5400.0, 0.25, 0.0)

    Raises ValueError with what would do.
    """
    if text == "0":
        return 0.0
    if not _SHAPE.match(text):
        raise ValueError(f'not a duration: {text!r}; write for example "30s", "5m" or "1h30m"')
    return sum(int(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """The two largest units, for a person.

    >>> format_duration(5400), format_duration(42), format_duration(0.25), format_duration(93784)
    ('1 h 30 min', '42 s', '0.25 s', '1 d 2 h')
    """
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    parts = [(whole // 86400, "d"), (whole % 86400 // 3600, "h"), (whole % 3600 // 60, "min"), (whole % 60, "s")]
    first = next(i for i, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number)
