"""The config's keys as Markdown tables, made from the models. They stand in docs/config.md; a test compares."""

import json
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.config.desk import automation, escalation, incidents, oncall
from schemas.config.desk.alertmanager import (
    FileInhibitRule,
    FileInterval,
    FileReceiver,
    FileRoute,
    FileTimeInterval,
    FileTimes,
    Global,
)
from schemas.config.desk.own import FileDesk, FileFlapping, FileMaintenance, FileStorm, FileToken
from schemas.config.desk.receivers import SUFFIX, settings_of
from schemas.config.desk.remedies import Kinds
from schemas.config.desk.spec import Notifiers
from schemas.config.http_config import Authorization, BasicAuth, HttpConfig, TlsConfig
from schemas.config.json_schema import properties_of
from schemas.config.models import (
    FileClear,
    FileLevel,
    FileLevels,
    FileRule,
    Input,
    Kafka,
    Limits,
    Snapshots,
    Topics,
    WholeFile,
)
from schemas.config.words import file_key, models_in
from schemas.duration import format_duration

BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"
SECTIONS: dict[str, type[BaseModel]] = {
    "Top level": WholeFile,
    "kafka": Kafka,
    "inputs[]": Input,
    "topics": Topics,
    "snapshots": Snapshots,
    "limits": Limits,
    "rules[]": FileRule,
    "rules[].levels": FileLevels,
    "rules[].levels.<level>": FileLevel,
    "rules[].clear": FileClear,
    "route": FileRoute,
    "receivers[]": FileReceiver,
    "inhibit_rules[]": FileInhibitRule,
    "time_intervals[]": FileTimeInterval,
    "time_intervals[].time_intervals[]": FileInterval,
    "time_intervals[].time_intervals[].times[]": FileTimes,
    "global": Global,
    "http_config": HttpConfig,
    "http_config.authorization": Authorization,
    "http_config.basic_auth": BasicAuth,
    "http_config.tls_config": TlsConfig,
    "desk": FileDesk,
    "desk.tokens[]": FileToken,
    "maintenance[]": FileMaintenance,
    "flapping": FileFlapping,
    "storm": FileStorm,
    **incidents.SECTIONS,
    **oncall.SECTIONS,
    **escalation.SECTIONS,
    **automation.SECTIONS,
}
"""Where a mapping stands -> its model. Those of receivers' entries come from `receiver_sections`, of remedies' kinds
from `remedy_sections`."""


def receiver_sections(notifiers: Notifiers) -> dict[str, type[BaseModel]]:
    """The entries of each kind, and the mappings in them that have no section yet."""
    found: dict[str, type[BaseModel]] = {}
    for kind, spec in sorted(notifiers.items()):
        at = f"receivers[].{kind}{SUFFIX}[]"
        found[at] = settings_of(spec)
        for path, model in _inside(found[at], at):
            if model not in (*SECTIONS.values(), *found.values()):
                found[path] = model
    return found


def remedy_sections(remedies: Kinds) -> dict[str, type[BaseModel]]:
    """The settings of each kind, and the mappings in them that have no section yet."""
    found: dict[str, type[BaseModel]] = {}
    for kind, model in sorted(remedies.items()):
        at = f"automation.remedies[].{kind}"
        found[at] = model
        for path, inner in _inside(model, at):
            if inner not in (*SECTIONS.values(), *found.values()):
                found[path] = inner
    return found


def _inside(model: type[BaseModel], at: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, info in model.model_fields.items():
        for inner in models_in(info.annotation):
            path = f"{at}.{file_key(model, name)}"
            yield path, inner
            yield from _inside(inner, path)


def reference(notifiers: Notifiers, remedies: Kinds) -> str:
    """A heading, a sentence and a table for every mapping in the file."""
    sections = SECTIONS | receiver_sections(notifiers) | remedy_sections(remedies)
    return "\n".join(line for title, model in sections.items() for line in _section(title, model))


def with_reference(page: str, notifiers: Notifiers, remedies: Kinds) -> str:
    """`page` with its tables renewed. Raises ValueError where it has no place for them."""
    head, found, rest = page.partition(BEGIN)
    _, found_end, tail = rest.partition(END)
    if not (found and found_end):
        raise ValueError(f"the page needs {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{reference(notifiers, remedies)}\n{END}{tail}"


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    properties = properties_of(model)
    yield f"### {title if model is WholeFile else f'`{title}`'}\n"
    yield f"{' '.join((model.__doc__ or '').split())}\n"
    yield "| key | value | default | meaning |\n|---|---|---|---|"
    for name, info in model.model_fields.items():
        key = file_key(model, name)
        cells = [f"`{key}`", _kind(properties[key]), _default(info, properties[key]), _cell(info.description or "")]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _kind(schema: object) -> str:
    """What may be written, in a word or two."""
    if not isinstance(schema, dict):
        raise TypeError(f"a JSON Schema that is {schema!r}")
    if schema.get("format"):
        return "duration"
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return ", ".join(f"`{option}`" for option in _list(schema["enum"]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        kinds = {option.get("type") for option in _list(schema["anyOf"]) if isinstance(option, dict)}
        return "text or list" if kinds == {"string", "array"} else "border, score or keys"
    if "$ref" in schema or schema.get("type") == "object":
        return "keys"
    names = {"array": "list", "boolean": "`true`, `false`", "integer": "whole number", "string": "text"}
    kind = schema.get("type")
    return names.get(kind, kind) if isinstance(kind, str) else "border or score"


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _default(info: FieldInfo, schema: object) -> str:
    if info.is_required():
        return "**needed**"
    default = schema.get("default") if isinstance(schema, dict) else None
    if not default and not isinstance(default, bool | int | float):
        return "-"
    if isinstance(default, list) and isinstance(default[0], dict):
        return f"one: `{next(iter(default[0].values()))}`"
    if isinstance(default, list):
        return f"`[{', '.join(map(str, default))}]`"
    if isinstance(default, dict):
        given = [_pair(key, value) for key, value in default.items() if value is not None]
        return f"`{{{', '.join(given)}}}`" if given else "-"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _pair(key: str, value: object) -> str:
    """
    >>> _pair("window_s", 3600.0), _pair("count", 3)
    ('window: 1 h', 'count: 3')
    """
    if key.endswith("_s") and isinstance(value, int | float):
        return f"{key.removesuffix('_s')}: {format_duration(value)}"
    return f"{key}: {value if isinstance(value, str) else json.dumps(value)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
