"""Walks the tree of a Go template over the data of a notification and puts out a text, within bounds."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alerting.words.escaping import ESCAPES, Channel
from alerting.words.go_functions import FUNCTIONS, is_method, items
from alerting.words.go_printf import TEXT_CHARS_MAX, SafeText, bounded
from alerting.words.go_time import Moment, Seconds
from alerting.words.go_tree import Branch, BrokenTemplate, Defines, Include, Leave, Node, Operand, Output, Pipe, Text
from alerting.words.go_values import GoObject, go_text, go_type, truth

STEPS_MAX = 400_000  # actions that one text may take: about a second
_DEPTH_MAX = 40  # templates that call each other


class Full(Exception):
    """What is put out has reached its bound."""


class _Left(Exception):
    def __init__(self, word: str) -> None:
        self.word = word


@dataclass
class _Variable:
    value: object


_Scope = dict[str, _Variable]


def run(body: tuple[Node, ...], defines: Defines, data: object, channel: Channel, now_s: float) -> tuple[str, bool]:
    """The text, and whether it was cut at its bound. Raises BrokenTemplate where Go would stop too."""
    runner = _Runner(defines, channel, now_s)
    try:
        runner.nodes(body, data, {"$": _Variable(data)})
    except Full:
        return "".join(runner.out)[:TEXT_CHARS_MAX], True
    return "".join(runner.out), False


class _Runner:
    def __init__(self, defines: Defines, channel: Channel, now_s: float) -> None:
        self.out: list[str] = []
        self._size = 0
        self._steps = 0
        self._depth = 0
        self._defines = defines
        self._escape = ESCAPES[channel]
        # In Go's HTML a text in an action is data like another; elsewhere its author wrote it to be put out.
        self._literals_are_safe = channel != "html"
        self._functions: Mapping[str, Callable[..., object]] = {
            **FUNCTIONS,
            "since": lambda moment: Seconds(now_s - _moment(moment).unix_s),
        }

    def nodes(self, nodes: tuple[Node, ...], dot: object, scope: _Scope) -> None:
        for node in nodes:
            self._step(node)
            try:
                self._node(node, dot, scope)
            except BrokenTemplate:
                raise
            except (TypeError, ValueError, LookupError, ArithmeticError) as error:
                raise BrokenTemplate(str(error), node.line) from None

    def _node(self, node: Node, dot: object, scope: _Scope) -> None:
        if isinstance(node, Text):
            self._put(node.text)
        elif isinstance(node, Output):
            value = self._pipe(node.pipe, dot, scope)
            if not node.pipe.variables:
                text = "<no value>" if value is None else go_text(value)
                self._put(text if isinstance(value, SafeText) else self._escape(text))
        elif isinstance(node, Include):
            self._include(node, dot, scope)
        elif isinstance(node, Leave):
            raise _Left(node.word)
        elif isinstance(node, Branch) and node.word == "range":
            self._range(node, dot, scope)
        elif isinstance(node, Branch):
            inner = dict(scope)
            value = self._pipe(node.pipe, dot, inner)
            if truth(value):
                self.nodes(node.body, value if node.word == "with" else dot, inner)
            else:
                self.nodes(node.otherwise, dot, inner)

    def _range(self, node: Branch, dot: object, scope: _Scope) -> None:
        variables = node.pipe.variables
        over = items(self._pipe(Pipe(node.pipe.commands), dot, scope))
        walked = False
        for key, item in over:
            walked = True
            self._step(node)
            inner = dict(scope)
            named = dict(zip(variables, (key, item) if len(variables) == 2 else (item,), strict=False))
            for name, value in named.items():
                if node.pipe.declares:
                    inner[name] = _Variable(value)
                else:
                    scope[name].value = value
            try:
                self.nodes(node.body, item, inner)
            except _Left as left:
                if left.word == "break":
                    break
        if not walked:
            self.nodes(node.otherwise, dot, dict(scope))

    def _include(self, node: Include, dot: object, scope: _Scope) -> None:
        if node.name not in self._defines:
            raise BrokenTemplate(f'no template "{node.name}"', node.line)
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise BrokenTemplate(f'template "{node.name}" calls itself, more than {_DEPTH_MAX} deep', node.line)
        data = self._pipe(node.pipe, dot, scope) if node.pipe else None
        self.nodes(self._defines[node.name], data, {"$": _Variable(data)})
        self._depth -= 1

    def _pipe(self, pipe: Pipe, dot: object, scope: _Scope) -> object:
        value: object = None
        for position, command in enumerate(pipe.commands):
            last = (value,) if position else ()
            value = self._command(command, dot, scope, last)
        for name in pipe.variables:
            if pipe.declares:
                scope[name] = _Variable(value)
            else:
                scope[name].value = value
        return value

    def _command(self, command: tuple[Operand, ...], dot: object, scope: _Scope, last: tuple[object, ...]) -> object:
        first, *rest = command
        if first.kind == "function":
            return self._called(str(first.value), rest, dot, scope, last)
        arguments = [*(self._value(operand, dot, scope) for operand in rest), *last]
        return self._value(first, dot, scope, arguments)

    def _called(self, name: str, rest: list[Operand], dot: object, scope: _Scope, last: tuple[object, ...]) -> object:
        if name in ("and", "or"):  # what stands after the answer isn't looked at
            value: object = None
            for operand in rest:
                value = self._value(operand, dot, scope)
                if truth(value) is (name == "or"):
                    return value
            return last[0] if last else value
        arguments = [*(self._value(operand, dot, scope) for operand in rest), *last]
        return self._call(name, self._functions[name], arguments)

    def _call(self, name: str, function: Callable[..., object], arguments: list[object]) -> object:
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError:
            wants = sum(p.kind is not p.VAR_POSITIONAL for p in inspect.signature(function).parameters.values())
            raise TypeError(f"{name} takes {wants} values, got {len(arguments)}") from None
        # What an author wrote into the template stays as it is; what came with an alert is escaped beside it.
        if name in _KEEPS_LITERALS and any(isinstance(a, SafeText) and self._escape(a) != a for a in arguments):
            keeps = _KEEPS_LITERALS[name]
            result = function(
                *(self._escaped(a) if i >= keeps or name == "join" else a for i, a in enumerate(arguments))
            )
            return SafeText(result) if isinstance(result, str) else result
        result = function(*arguments)
        return bounded(result) if type(result) is str else result

    def _escaped(self, value: object) -> object:
        if isinstance(value, list):
            return [self._escaped(item) for item in value]
        return self._escape(value) if isinstance(value, str) and not isinstance(value, SafeText) else value

    def _value(self, operand: Operand, dot: object, scope: _Scope, arguments: list[object] | None = None) -> object:
        value: object
        match operand.kind:
            case "dot":
                value = dot
            case "variable":
                value = scope[str(operand.value)].value
            case "constant":
                is_text = isinstance(operand.value, str) and self._literals_are_safe
                value = SafeText(operand.value) if is_text else operand.value
            case "function":
                value = self._call(str(operand.value), self._functions[str(operand.value)], [])
            case "pipe":
                value = self._pipe(operand.value, dot, scope) if isinstance(operand.value, Pipe) else None
        for position, name in enumerate(operand.fields):
            is_last = position == len(operand.fields) - 1
            value = self._field(value, name, (arguments or []) if is_last else [])
        if arguments and not operand.fields:
            raise TypeError(f"{go_type(value)} can't be called; is a function's name missing before it?")
        return value

    def _field(self, value: object, name: str, arguments: list[object]) -> object:
        if not isinstance(value, GoObject):
            raise TypeError(f".{name} of {go_type(value)}, which has no fields")
        found = value.member(name)
        if is_method(found) and callable(found):
            return self._call(name, found, arguments)
        if arguments:
            raise TypeError(f".{name} is {go_type(found)} and can't be called")
        return found

    def _put(self, text: str) -> None:
        self.out.append(text)
        self._size += len(text)
        if self._size > TEXT_CHARS_MAX:
            raise Full

    def _step(self, node: Node) -> None:
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise BrokenTemplate(f"more than {STEPS_MAX} steps; leave out a loop inside a loop", node.line)


# Functions through which an author's own marks go into the text: how many arguments from the first stay unescaped.
_KEEPS_LITERALS = {"printf": 1, "print": 0, "println": 0, "join": 1, "reReplaceAll": 2}


def _moment(value: object) -> Moment:
    if not isinstance(value, Moment):
        raise TypeError(f"since needs a time such as .StartsAt, got {go_type(value)}")
    return value
