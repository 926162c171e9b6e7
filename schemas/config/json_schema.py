"""The config as JSON Schema, for editors. What the loader takes is valid; a few of its checks are beyond the schema.

But for truth values and numbers in quotes, which Alertmanager's keys take and nobody should write.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel

from schemas.config.desk.alertmanager import (
    FileInhibitRule,
    FileInterval,
    FileReceiver,
    FileRoute,
    FileTimeInterval,
    FileTimes,
    Global,
)
from schemas.config.desk.receivers import SUFFIX, settings_of
from schemas.config.desk.remedies import Kinds
from schemas.config.desk.spec import Notifiers
from schemas.config.http_config import Authorization, BasicAuth, HttpConfig, TlsConfig
from schemas.config.models import WholeFile
from schemas.config.values import DURATION_FORMAT, duration_text

_Json = dict[str, object]
_NO_REMEDIES: Kinds = MappingProxyType({})
ID = "urn:tidegauge:config:1"
_ALERTMANAGERS = tuple(
    model.__name__
    for model in (
        Authorization, BasicAuth, FileInhibitRule, FileInterval, FileReceiver, FileRoute, FileTimeInterval, FileTimes,
        Global, HttpConfig, TlsConfig,
    )
)  # fmt: skip


def config_schema(params: Mapping[str, type[BaseModel]], notifiers: Notifiers, remedies: Kinds = _NO_REMEDIES) -> _Json:
    """JSON Schema 2020-12 of the file, with the settings of each detector and each kind of receiver in their places."""
    schema: _Json = WholeFile.model_json_schema(mode="validation", by_alias=True)
    definitions = {name: _tidy(inner) for name, inner in _mapping(schema["$defs"]).items()}
    kinds: list[_Json] = []
    for kind, model in sorted(params.items()):
        definitions |= _definitions(kind, model, keep_null=True)
        named = {"properties": {"detector": {"const": kind}}, "required": ["detector"]}
        kinds.append({"if": named, "then": {"properties": {"params": {"$ref": f"#/$defs/{kind}"}}}})
    for name in ("FileRule", "FileLevel"):
        definition = _mapping(definitions[name])
        detector = _mapping(_mapping(definition["properties"])["detector"])
        detector["enum"] = sorted(params)
        definitions[name] = definition | {"allOf": kinds}
    for name in _ALERTMANAGERS:
        definitions[name] = _any_scalar(definitions[name])
    receiver = _mapping(definitions["FileReceiver"])
    for kind, spec in sorted(notifiers.items()):
        name = f"{kind}{SUFFIX}"
        of_kind = _definitions(name, settings_of(spec), keep_null=False)
        definitions |= {used: _any_scalar(inner) for used, inner in of_kind.items()}
        description = f"Ways to tell it by {kind}."
        entries = {"type": "array", "items": {"$ref": f"#/$defs/{name}"}, "description": description}
        receiver = receiver | {"properties": _mapping(receiver["properties"]) | {name: entries}}
    definitions["FileReceiver"] = receiver | {"additionalProperties": False}
    remedy = _mapping(definitions["FileRemedy"])
    for kind, settings in sorted(remedies.items()):
        definitions |= _definitions(f"remedy.{kind}", settings, keep_null=False)
        what: _Json = {"$ref": f"#/$defs/remedy.{kind}", "description": f"What is done: {kind}."}
        remedy = remedy | {"properties": _mapping(remedy["properties"]) | {kind: what}}
    definitions["FileRemedy"] = remedy | {"additionalProperties": False}
    properties = _mapping(_tidy(schema["properties"]))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Tidegauge config",
        "description": "What Tidegauge watches and alerts on; docs/config.md explains each key.",
        "type": "object",
        "properties": properties,
        # A file that is included may hold any part.
        "minProperties": 1,
        "additionalProperties": False,
        "$defs": definitions,
    }


def properties_of(model: type[BaseModel]) -> _Json:
    """Key in the file -> what may stand there."""
    schema = model.model_json_schema(mode="validation", by_alias=True)
    if "properties" not in schema:  # a model that holds itself
        schema = schema["$defs"][model.__name__]
    return _mapping(_tidy(schema["properties"]))


def _any_scalar(value: object) -> object:
    """Where Alertmanager wants a text, it takes a number or a truth value for one."""
    if isinstance(value, list):
        return [_any_scalar(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: _any_scalar(inner) for key, inner in value.items()}
    is_text = out.get("type") == "string" and not {"enum", "pattern"} & set(out)
    return out | {"type": ["string", "number", "boolean"]} if is_text else out


def _definitions(name: str, model: type[BaseModel], keep_null: bool) -> _Json:
    """The model's under `name`, those it uses under `name.Model`."""
    settings = model.model_json_schema(mode="validation", by_alias=True, ref_template=f"#/$defs/{name}.{{model}}")
    inner = _mapping(settings.pop("$defs", {}))
    found: _Json = {f"{name}.{used}": _tidy(value, keep_null) for used, value in inner.items()}
    return found | {name: _tidy(settings, keep_null)}


def _mapping(value: object) -> _Json:
    if not isinstance(value, dict):
        raise TypeError(f"a JSON Schema with {value!r} where keys and values must be")
    return value


def _tidy(value: object, keep_null: bool = False) -> object:
    """Without the titles that repeat the key, and without null: in the file, a key without a value is a mistake."""
    if isinstance(value, list):
        return [_tidy(item, keep_null) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: _tidy(inner, keep_null) for key, inner in value.items() if key != "title" or isinstance(inner, dict)}
    if not keep_null:
        options = out.get("anyOf")
        if isinstance(options, list) and {"type": "null"} in options:
            rest = [option for option in options if option != {"type": "null"}]
            out.pop("anyOf")
            out |= rest[0] if len(rest) == 1 else {"anyOf": rest}
        if out.get("format") == DURATION_FORMAT:
            out.pop("gt", None)  # pydantic's, no word of JSON Schema
            default_s = out.get("default")
            out |= {"default": duration_text(default_s)} if isinstance(default_s, float) else {}
        if out.get("default", 0) is None:
            out.pop("default")
    return out
