"""The config as JSON Schema, for editors. What the loader takes is valid; a few of its checks are beyond the schema."""

from collections.abc import Mapping

from pydantic import BaseModel

from schemas.config.models import DESK_KEYS, FileConfig
from schemas.config.values import DURATION_FORMAT, duration_text

_Json = dict[str, object]
ID = "urn:tidegauge:config:1"


def config_schema(params: Mapping[str, type[BaseModel]]) -> _Json:
    """JSON Schema 2020-12 of the file, with the settings of each detector in `params` where that detector is named."""
    schema: _Json = FileConfig.model_json_schema(mode="validation", by_alias=True)
    definitions = {name: _tidy(inner) for name, inner in _mapping(schema["$defs"]).items()}
    kinds: list[_Json] = []
    for kind, model in sorted(params.items()):
        settings = model.model_json_schema(mode="validation", ref_template=f"#/$defs/{kind}.{{model}}")
        inner = _mapping(settings.pop("$defs", {}))
        definitions |= {f"{kind}.{name}": _tidy(value, keep_null=True) for name, value in inner.items()}
        definitions[kind] = _tidy(settings, keep_null=True)
        named = {"properties": {"detector": {"const": kind}}, "required": ["detector"]}
        kinds.append({"if": named, "then": {"properties": {"params": {"$ref": f"#/$defs/{kind}"}}}})
    for name in ("FileRule", "FileLevel"):
        definition = _mapping(definitions[name])
        detector = _mapping(_mapping(definition["properties"])["detector"])
        detector["enum"] = sorted(params)
        definitions[name] = definition | {"allOf": kinds}
    properties = _mapping(_tidy(schema["properties"]))
    desk = {key: {"description": text} for key, text in DESK_KEYS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Tidegauge config",
        "description": "What Tidegauge watches and alerts on; docs/config.md explains each key.",
        "type": "object",
        "properties": properties | desk,
        "required": ["rules"],
        "additionalProperties": False,
        "$defs": definitions,
    }


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
