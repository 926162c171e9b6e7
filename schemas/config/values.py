"""Single values of the config: how each kind is written in the file, and what to say where it isn't."""

import math
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from schemas.config.errors import shown, suggestion
from schemas.duration import parse_duration_s
from schemas.formats import FORMATS
from schemas.levels import Border
from schemas.secret import Secret
from schemas.selector import Selector

DURATION_FORMAT = "prometheus-duration"  # marks durations in the JSON Schema
_DURATION_CHARS_MAX = 32
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}\Z")
_BROKER = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:,/\[\]@]+):([0-9]{1,5})\Z")


def _duration(value: object, info: ValidationInfo) -> object:
    if info.mode != "json":
        return value  # code gives seconds
    if isinstance(value, str):
        if len(value) > _DURATION_CHARS_MAX:
            raise ValueError(f'not a duration: {shown(value)}; write for example "30s", "5m" or "1h30m"')
        try:
            return parse_duration_s(value)
        except ValueError:
            unit = re.fullmatch(r"\s*(\d+)\s*([a-zA-Z]*)\s*", value)
            meant = _units(unit.group(1), unit.group(2)) if unit else '"30s", "5m" or "1h30m"'
            raise ValueError(f"not a duration: {shown(value)}; write for example {meant}") from None
    if isinstance(value, int) and not isinstance(value, bool):
        if value == 0:
            return 0.0
        raise ValueError(f"a duration needs a unit, got {shown(value)}; write for example {abs(value)}s")
    raise ValueError(f'must be a duration such as "30s" or "1h30m", got {shown(value)}')


def _units(number: str, word: str) -> str:
    """What was probably meant by `5 minutes`: the unit whose letter the word starts with."""
    letter = "ms" if word.lower().startswith(("ms", "mil")) else word[:1].lower()
    return f'"{number}{letter if letter in ("ms", "s", "m", "h", "d", "w", "y") else "s"}"'


def duration_text(seconds: float) -> str:
    """As it is written in the file, in one unit.

    >>> duration_text(259200.0), duration_text(0.25), duration_text(90.0)
    ('3d', '250ms', '90s')
    """
    for unit, size_s in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size_s and seconds % size_s == 0:
            return f"{seconds / size_s:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms" if seconds else "0s"


_BUDGET = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*/\s*(hour|day|week)\s*\Z")
_DAYS = {"hour": 1.0 / 24.0, "day": 1.0, "week": 7.0}
_BUDGET_CHARS_MAX = 32


def _budget(value: object, info: ValidationInfo) -> object:
    if info.mode != "json" and not isinstance(value, str):
        return value  # code gives alerts a day
    found = _BUDGET.match(value) if isinstance(value, str) and len(value) <= _BUDGET_CHARS_MAX else None
    if not found or not float(found[1]) > 0.0:
        raise ValueError(f'not a number of alerts: {shown(value)}; write for example "10/day", "2/hour" or "1/week"')
    return float(found[1]) / _DAYS[found[2]]


def _topic(value: str) -> str:
    if not _TOPIC.match(value) or value in (".", ".."):
        raise ValueError(f'not a Kafka topic name: {shown(value)}; use letters, digits, ".", "_" and "-", at most 249')
    return value


def _format(value: str) -> str:
    if value not in FORMATS:
        raise ValueError(f"no format {shown(value)}; {suggestion(value, FORMATS)}")
    return value


def _bootstrap(value: str) -> str:
    for broker in value.split(","):
        found = _BROKER.match(broker.strip())
        if not found or not 0 < int(found.group(1)) < 65536:
            raise ValueError(
                f"not a broker address: {shown(broker.strip())}; write host:port, for example 127.0.0.1:9092"
            )
    return value


def _match(value: object) -> Selector:
    if not isinstance(value, str):
        raise ValueError(
            f"must be a selector such as 'cpu_usage{{host=~\"web-.*\"}}', got {shown(value)}; put it in quotes"
        )
    return Selector.parse(value)


def _at(value: object) -> str | float:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _FLOAT_MAX:
        return float(value)
    raise ValueError(f'must be a border such as "> 80" or a score such as 1.0, got {shown(value)}')


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        # What stands there is not shown: it may be the secret itself.
        raise ValueError("a secret must be a text: ${env:NAME}, file:PATH, or the secret itself in quotes")
    secret = Secret.written(value)
    if not secret.source:
        raise ValueError("is empty; write ${env:NAME} or file:PATH, or leave the key out")
    return secret


def _secret_address(secret: Secret) -> Secret:
    if secret.kind == "text":
        web_address(secret.source)
    return secret


def web_address(value: str) -> str:
    """An http or https address as it stands. Raises ValueError without showing it: such addresses hold passwords."""
    try:
        found = urlsplit(value)
        right = found.scheme in ("http", "https") and bool(found.hostname) and (found.port is None or found.port > 0)
    except ValueError:
        right = False
    if not right:
        raise ValueError("not a web address; write for example https://host.example/path")
    return value


_FLOAT_MAX = 1.7976931348623157e308


def level_shorthand(value: object) -> object:
    """`"> 80"` and `1.0` for `{at: ...}`."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list | tuple):
        raise ValueError(
            'must be a border such as "> 80", a score such as 1.0, or {detector: ..., at: ...}, got a list'
        )
    return {"at": _at(value)}


def border_of(text: str) -> Border:
    """Raises ValueError, also where its number is too large to be one."""
    border = Border.parse(text)
    if not (math.isfinite(border.low) and math.isfinite(border.high)):
        raise ValueError(f"a number too large in {shown(text)}")
    return border


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    WithJsonSchema(
        {
            "format": DURATION_FORMAT,
            "anyOf": [{"type": "string", "pattern": "^(([0-9]+(ms|[ywdhms]))+|0)$"}, {"const": 0}],
            "examples": ["30s", "5m", "1h30m"],
        }
    ),
]
"""Seconds; in the file a Prometheus duration."""
Budget = Annotated[
    float,
    BeforeValidator(_budget),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*/\s*(hour|day|week)\s*$",
            "examples": ["10/day", "1/week"],
        }
    ),
]
"""Alerts a day; in the file a number, and of what time."""
Topic = Annotated[str, AfterValidator(_topic), WithJsonSchema({"type": "string", "pattern": "^[a-zA-Z0-9._-]{1,249}$"})]
InputFormat = Annotated[str, AfterValidator(_format), WithJsonSchema({"type": "string", "enum": list(FORMATS)})]
Bootstrap = Annotated[str, AfterValidator(_bootstrap)]
Match = Annotated[Selector, PlainValidator(_match), WithJsonSchema({"type": "string", "minLength": 1})]
LevelAt = Annotated[str | float, PlainValidator(_at), WithJsonSchema({"type": ["string", "number"]})]
SecretText = Annotated[
    Secret, PlainValidator(_secret), PlainSerializer(str), WithJsonSchema({"type": "string", "minLength": 1})
]
"""In the file `${env:NAME}`, `file:PATH`, or the secret itself; never shown again."""
SecretAddress = Annotated[SecretText, AfterValidator(_secret_address)]
"""A secret that is an http or https address; one that stands in place is looked at, and still not shown."""
WebAddress = Annotated[
    str, AfterValidator(web_address), WithJsonSchema({"type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://"})
]
"""An http or https address that is no secret."""
