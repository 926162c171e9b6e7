"""Jinja2 for texts of notifications: no globals, listed filters, no attribute of a Python object, bounded work.

Texts come from the config and are trusted not to steal; they may still be wrong, and one that never ends or fills the
memory would take every other receiver's messages with it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jinja2 import ChainableUndefined, StrictUndefined, Undefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from alerting.words import escaping
from alerting.words.go_functions import humanize_duration
from alerting.words.go_printf import TEXT_CHARS_MAX, bounded
from alerting.words.go_time import Moment, Seconds
from alerting.words.go_values import GoObject, Listing, Missing, Pairs, go_text
from alerting.words.sparkline import sparkline
from schemas.duration import format_duration

STEPS_MAX = 200_000  # rounds of loops in one text
_NUMBER_MAX = 10**18
BUDGET = "_budget"  # name of the context's step counter

# What may be called on Python's own values; all else of theirs is out of reach.
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset({"upper", "lower", "strip", "split", "startswith", "endswith", "title"}),
    dict: frozenset({"items", "keys", "values", "get"}),
}


class _Generator(CodeGenerator):
    """Joins with `~` within bounds."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class Sandbox(ImmutableSandboxedEnvironment):
    """For one channel: what is put out is escaped for it, and what the author wrote is not."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, channel: escaping.Channel, is_strict: bool, load: Callable[[str], str | None]) -> None:
        escape = escaping.ESCAPES[channel]

        def finalize(value: object) -> Markup | Undefined:
            if isinstance(value, Undefined):
                return value
            return value if isinstance(value, Markup) else _marked(escape(bounded(_shown(value))))

        undefined: type[Undefined] = StrictUndefined if is_strict else ChainableUndefined
        super().__init__(autoescape=True, finalize=finalize, undefined=undefined, loader=_Loader(load), cache_size=64)
        self.globals.clear()
        self.filters = _FILTERS
        self.tests = {name: self.tests[name] for name in _TESTS}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Each loop counts its rounds."""
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            step = nodes.Filter(nodes.Const(None), "_step", [], [], None, None, lineno=loop.lineno)
            loop.body.insert(0, nodes.ExprStmt(step, lineno=loop.lineno))
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._member(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, GoObject) and isinstance(argument, str):
            return self._member(obj, argument)
        if isinstance(obj, dict | list | tuple | str | Listing):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                return self.undefined(f"there is no item {argument!r}", obj=obj, name=str(argument))
        return self._member(obj, str(argument))

    def _member(self, obj: object, name: str) -> object:
        if isinstance(obj, GoObject):
            try:
                found = obj.member(name)
            except Missing as missing:
                return self.undefined(str(missing), obj=obj, name=name)
            # Lists and labels offer what in Go is a method (`Alerts.Firing`) without brackets.
            if name in _WITHOUT_BRACKETS and callable(found):
                return found()
            if name in ("items", "keys", "values") and found == "" and isinstance(obj, Mapping):
                return getattr(obj, name)
            return found
        if isinstance(obj, LoopContext) and name in _LOOP:
            return getattr(obj, name)
        if isinstance(obj, dict) and name in obj:
            return obj[name]
        if any(isinstance(obj, kind) and name in names for kind, names in _METHODS.items()):
            return getattr(obj, name)
        if isinstance(obj, Undefined):
            return obj if isinstance(obj, ChainableUndefined) else str(obj)  # the text of a strict one raises
        return self.undefined(f"{type(obj).__name__} has no {name} here", obj=obj, name=name)

    def is_safe_callable(self, obj: Any) -> bool:
        if isinstance(obj, Macro | LoopContext | Undefined):  # calling what is undefined raises, and says what
            return True
        owner = getattr(obj, "__self__", None)
        return isinstance(owner, GoObject | str | dict | LoopContext) or getattr(obj, "__name__", "") == "<lambda>"

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        numbers = all(isinstance(side, int | float) for side in (left, right))
        if operator in ("*", "**", "%") and not numbers:
            raise SecurityError(f"{operator} takes numbers; the texts of a notification aren't multiplied or formatted")
        if operator == "**" and (abs(right) > 64 or abs(left) > 1e6):
            raise SecurityError("** of numbers so large")
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return self.joined((left, right))
        if operator == "+" and not numbers:
            raise SecurityError("+ takes two numbers or two texts")
        made = super().call_binop(context, operator, left, right)
        if abs(made) > _NUMBER_MAX:
            raise SecurityError(f"a number over {_NUMBER_MAX:.0e}")
        return made

    def joined(self, parts: Sequence[object]) -> str:
        """`a ~ b`. What has been escaped stays so, and what stands beside it is escaped too."""
        shown = [part if isinstance(part, str) else _shown(part) for part in parts]
        if sum(map(len, shown)) > TEXT_CHARS_MAX:
            raise SecurityError(f"a text of more than {TEXT_CHARS_MAX} characters")
        if any(isinstance(part, Markup) for part in shown) and self.finalize:
            return _marked("".join(self.finalize(part) for part in shown))
        return "".join(shown)


class _Loader:
    """Stands in for jinja2.BaseLoader: texts come from the config, none from a disk."""

    has_source_access = False

    def __init__(self, load: Callable[[str], str | None]) -> None:
        self._load = load

    def load(self, environment: Sandbox, name: str, globals: Any = None) -> Any:
        source = self._load(name)
        if source is None:
            raise TemplateRuntimeError(f'no template "{name}"')
        return environment.from_string(source)


def _marked(text: str) -> Markup:
    """Not to be escaped: it has been, or its author took it on himself."""
    return Markup(text)  # noqa: S704 - this is where it is decided


def _shown(value: object) -> str:
    if value is None:
        return ""
    return go_text(value) if isinstance(value, GoObject | bool | float) else str(value)


@pass_context
def _step(context: Context, _: object) -> str:
    budget = context[BUDGET]
    budget[0] -= 1
    if budget[0] < 0:
        raise SecurityError(f"more than {STEPS_MAX} rounds of loops; leave out a loop inside a loop")
    return ""


def _number(value: object, digits: int = 6) -> str:
    return f"{float(str(value)):.{min(max(int(digits), 1), 17)}g}"


def _duration(value: object) -> str:
    return format_duration(value.seconds if isinstance(value, Seconds) else float(str(value)))


def _date(value: object, layout: str = "2006-01-02 15:04:05 MST", zone: str = "UTC") -> str:
    return Moment(value.unix_s if isinstance(value, Moment) else float(str(value)), zone).formatted(layout)


def _join(values: Iterable[object], separator: str = "") -> str:
    parts: list[str] = []
    size = 0
    for value in values:
        parts.append(_shown(value))
        size += len(parts[-1]) + len(separator)
        if size > TEXT_CHARS_MAX:
            raise SecurityError(f"a text of more than {TEXT_CHARS_MAX} characters")
    return separator.join(parts)


def _replace(text: object, old: str, new: str) -> str:
    source = _shown(text)
    if len(source) + source.count(old) * len(new) > TEXT_CHARS_MAX:
        raise SecurityError(f"a text of more than {TEXT_CHARS_MAX} characters")
    return source.replace(old, new)


def _default(value: object, other: object = "") -> object:
    return other if isinstance(value, Undefined) or value in ("", None) else value


def _attribute(value: object, name: str) -> object:
    for part in name.split("."):
        try:
            value = value.member(part) if isinstance(value, GoObject) else None
        except Missing:
            return ""
    return value


def _pairs(value: object) -> list[tuple[str, str]]:
    pairs = value.member("SortedPairs") if isinstance(value, GoObject) else None
    found = pairs() if callable(pairs) else pairs
    return list(zip(found.names(), found.texts(), strict=True)) if isinstance(found, Pairs) else []


_FILTERS: dict[str, Callable[..., Any]] = {
    "_step": _step,
    "upper": lambda value: _shown(value).upper(),
    "lower": lambda value: _shown(value).lower(),
    "title": lambda value: _shown(value).title(),
    "capitalize": lambda value: _shown(value).capitalize(),
    "trim": lambda value: _shown(value).strip(),
    "replace": _replace,
    "join": _join,
    "length": len,
    "count": len,
    "first": lambda values: next(iter(values), ""),
    "last": lambda values: list(values)[-1] if len(values) else "",
    "list": list,
    "sort": lambda values, attribute="": sorted(
        values, key=lambda value: _shown(_attribute(value, attribute) if attribute else value)
    ),
    "unique": lambda values: list(dict.fromkeys(_shown(value) for value in values)),
    "map": lambda values, attribute: [_attribute(value, attribute) for value in values],
    "where": lambda values, attribute, equals: [v for v in values if _attribute(v, attribute) == equals],
    "pairs": _pairs,
    "default": _default,
    "d": _default,
    "int": lambda value: int(float(str(value))),
    "float": lambda value: float(str(value)),
    "round": lambda value, digits=0: round(float(str(value)), max(min(int(digits), 15), 0)),
    "abs": abs,
    "clip": lambda value, limit: escaping.clip(_shown(value), int(limit)),
    "line": lambda value: escaping.line(_shown(value)),
    "web": lambda value: escaping.web_address(_shown(value)),
    "number": _number,
    "duration": _duration,
    "humanize_duration": humanize_duration,
    "date": _date,
    "spark": lambda values: sparkline(list(values)),
    "safe": lambda value: _marked(_shown(value)),
}
_TESTS = (
    "defined", "undefined", "none", "string", "number", "odd", "even", "in", "eq", "==", "ne", "!=", "lt", "<", "le",
    "<=", "gt", ">", "ge", ">=", "true", "false", "divisibleby",
)  # fmt: skip
_LOOP = frozenset({"index", "index0", "first", "last", "length", "revindex", "revindex0", "previtem", "nextitem"})
_WITHOUT_BRACKETS = frozenset({"Firing", "Resolved", "firing", "resolved", "SortedPairs", "Names", "Values"})
