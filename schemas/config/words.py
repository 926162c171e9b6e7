"""pydantic's findings in plain words: what was seen, and what would do. Also which keys a mapping knows."""

from collections.abc import Callable, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from schemas.config.errors import Path, shown, suggestion

_Context = dict[str, Any]
_MUST_BE: dict[str, str] = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "dataclass_type": "keys and values",
}
_BOUNDS: dict[str, Callable[[_Context], str]] = {
    "greater_than": lambda c: f"must be > {c['gt']:g}",
    "greater_than_equal": lambda c: f"must be >= {c['ge']:g}",
    "less_than": lambda c: f"must be < {c['lt']:g}",
    "less_than_equal": lambda c: f"must be <= {c['le']:g}",
    "multiple_of": lambda c: f"must be a multiple of {c['multiple_of']:g}",
    "string_too_short": lambda c: f"must have at least {c['min_length']} characters",
    "string_too_long": lambda c: f"must have at most {c['max_length']} characters",
    "too_short": lambda c: f"must have at least {c['min_length']} entries",
    "too_long": lambda c: f"must have at most {c['max_length']} entries",
    "string_pattern_mismatch": lambda c: f"must look like {c['pattern']}",
}


def plain_words(error: ErrorDetails, seen: object, siblings: tuple[str, ...]) -> str:
    """One line for a person. `seen`: what stands in the file; `siblings`: the keys known beside an unknown one."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return "missing; it has no default"
    if kind == "extra_forbidden":
        return f"unknown key; {suggestion(str(error['loc'][-1]), siblings)}"
    if kind in ("literal_error", "enum"):
        return _choice(seen, str(context["expected"]))
    if kind == "value_error":
        return str(context["error"])
    if kind == "assertion_error":
        return f"{context['error']}, got {shown(seen)}"
    if kind == "alternatives":
        hint = "; leave it out where it shall be on" if seen is True else ""
        return f"must be one of: {error['msg']}; got {shown(seen)}{hint}"
    if kind in _MUST_BE:
        hint = ""
        if kind == "string_type" and isinstance(seen, bool | int | float):
            hint = f'; put it in quotes: "{shown(seen)}"'
        elif isinstance(seen, str) and kind.startswith(("int", "float")) and seen.strip().lstrip("+-").isdigit():
            hint = "; leave out the quotes"
        return f"must be {_MUST_BE[kind]}, got {shown(seen)}{hint}"
    if kind in ("string_too_short", "too_short") and context["min_length"] == 1:
        return "must not be empty"
    if kind in _BOUNDS:
        return f"{_BOUNDS[kind](context)}, got {shown(seen)}"
    return f"{error['msg'].replace('Input should be', 'must be').replace('Value error, ', '')}, got {shown(seen)}"


def without_alternatives(errors: list[ErrorDetails], data: object) -> list[ErrorDetails]:
    """One error where a value fits none of several types: pydantic gives one for each, the type's name in `loc`. None
    about what holds other errors: it fits a type but for those, or would without them."""
    kept: dict[Path, ErrorDetails] = {}
    for error in errors:
        path = _in_file(data, error["loc"], adds=error["type"] == "missing")
        first = kept.get(path)
        if first and (first["type"] in _MUST_BE or first["type"] == "alternatives") and (word := _alternative(error)):
            before = first["msg"] if first["type"] == "alternatives" else _MUST_BE[first["type"]]
            kept[path] = {**first, "type": "alternatives", "msg": f"{before}, {word}"}
        elif not first:
            kept[path] = {**error, "loc": path}
    deeper = {path[:depth] for path in kept for depth in range(len(path))}
    return [error for path, error in kept.items() if path not in deeper]


def _alternative(error: ErrorDetails) -> str:
    """What another type would have taken; empty where the error is no matter of type."""
    if error["type"] == "literal_error":
        expected = str(error.get("ctx", {})["expected"])
        return {"True": "true", "False": "false"}.get(expected, expected)
    return _MUST_BE.get(error["type"], "")


def _in_file(data: Any, path: Path, adds: bool) -> Path:
    """The parts of `path` that are in `data`, the others being names of types. adds: the last is a key that is not."""
    found: list[str | int] = []
    for depth, part in enumerate(path):
        if isinstance(part, int) and isinstance(data, list):
            is_there = part < len(data)
        else:
            is_there = isinstance(data, dict) and part in data
        if is_there:
            found.append(part)
            data = data[part]
        elif adds and depth == len(path) - 1:
            found.append(part)
    return tuple(found)


def _choice(seen: object, expected: str) -> str:
    options = [option.strip("'") for option in expected.replace(" or ", ", ").split(", ")]
    if len(options) == 1:
        return f"must be {options[0]}, got {shown(seen)}"
    if isinstance(seen, str):
        return f"can't be {shown(seen)}; {suggestion(seen, options)}"
    return f"must be one of {', '.join(options)}; got {shown(seen)}"


def keys_at(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    """The keys that the mapping at `path` knows, as written in the file; empty where it takes any."""
    models = [model]
    for part in path:
        annotations = [a for m in models for a in ([_field(m, part)] if isinstance(part, str) else [m])]
        models = [m for a in annotations for m in models_in(a)]
    return tuple(dict.fromkeys(key for m in models for key in _names(m)))


def file_key(model: type[BaseModel], name: str) -> str:
    """How the field is called in the file: attributes carry units, and dodge Python's own words."""
    alias = model.model_fields[name].validation_alias if name in model.model_fields else None
    return alias if isinstance(alias, str) else name


def _names(model: type[BaseModel]) -> Iterator[str]:
    yield from (file_key(model, name) for name in model.model_fields)


def _field(model: type[BaseModel], key: str) -> object:
    return next(
        (i.annotation for n, i in zip(_names(model), model.model_fields.values(), strict=True) if n == key), None
    )


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models inside `FileLevel | None`, `tuple[FileRule, ...]`, `Annotated[...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from models_in(get_args(annotation)[0])
    elif origin in (Union, UnionType, tuple, list, dict):
        for inner in get_args(annotation):
            yield from models_in(inner)
