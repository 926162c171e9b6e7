"""The config's keys as Markdown tables, made from the models. They stand in docs/config.md; a test compares."""

import json
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.config.json_schema import config_schema
from schemas.config.models import (
    DESK_KEYS,
    FileClear,
    FileConfig,
    FileLevel,
    FileLevels,
    FileRule,
    Input,
    Kafka,
    Limits,
    Snapshots,
    Topics,
)

BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"
SECTIONS: dict[str, type[BaseModel]] = {
    "Top level": FileConfig,
    "kafka": Kafka,
    "inputs[]": Input,
    "topics": Topics,
    "snapshots": Snapshots,
    "limits": Limits,
    "rules[]": FileRule,
    "rules[].levels": FileLevels,
    "rules[].levels.<level>": FileLevel,
    "rules[].clear": FileClear,
}


def reference() -> str:
    """A heading, a sentence and a table for every mapping in the file."""
    return "\n".join(line for title, model in SECTIONS.items() for line in _section(title, model))


def with_reference(page: str) -> str:
    """`page` with its tables renewed. Raises ValueError where it has no place for them."""
    head, found, rest = page.partition(BEGIN)
    _, found_end, tail = rest.partition(END)
    if not (found and found_end):
        raise ValueError(f"the page needs {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{reference()}\n{END}{tail}"


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    schema = config_schema({})
    definitions = schema["$defs"]
    own = schema if model is FileConfig else definitions.get(model.__name__) if isinstance(definitions, dict) else None
    properties = own.get("properties") if isinstance(own, dict) else None
    if not isinstance(properties, dict):
        raise ValueError(f"the JSON Schema has nothing for {model.__name__}")
    yield f"### {title if model is FileConfig else f'`{title}`'}\n"
    yield f"{model.__doc__}\n"
    yield "| key | value | default | meaning |\n|---|---|---|---|"
    for name, info in model.model_fields.items():
        key = info.validation_alias if isinstance(info.validation_alias, str) else name
        cells = [f"`{key}`", _kind(properties[key]), _default(info, properties[key]), _cell(info.description or "")]
        yield f"| {' | '.join(cells)} |"
    if model is FileConfig:
        yield from (f"| `{key}` | of the desk | - | {_cell(text)} |" for key, text in DESK_KEYS.items())
    yield ""


def _kind(schema: dict[str, object]) -> str:
    """What may be written, in a word or two."""
    if schema.get("format"):
        return "duration"
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return ", ".join(f"`{option}`" for option in _list(schema["enum"]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return "border, score or keys"
    if "$ref" in schema or schema.get("type") == "object":
        return "keys"
    names = {"array": "list", "boolean": "`true`, `false`", "integer": "whole number", "string": "text"}
    kind = schema.get("type")
    return names.get(kind, kind) if isinstance(kind, str) else "border or score"


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _default(info: FieldInfo, schema: dict[str, object]) -> str:
    if info.is_required():
        return "**needed**"
    default = schema.get("default")
    if default is None or isinstance(default, list | dict):
        return "-" if default is None else "one: `metrics`"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
