"""A Go template as a tree of actions: read by `go_templates.py`, walked by `go_run.py`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal


class BrokenTemplate(ValueError):
    """What is wrong with a text, and on which of its lines (from 1)."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.message, self.line = message, line


@dataclass(frozen=True)
class Operand:
    """A word of a command: what it starts from, and the fields after it (`$alert.Labels.host`).

    kind: dot, variable, function, constant, pipe (in brackets). value: name, constant or Pipe.
    """

    kind: Literal["dot", "variable", "function", "constant", "pipe"]
    value: object
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pipe:
    """`$a, $b := command | command`. A command is operands: the first is called with the others."""

    commands: tuple[tuple[Operand, ...], ...]
    variables: tuple[str, ...] = ()
    declares: bool = True  # `:=` makes variables, `=` changes them


@dataclass(frozen=True)
class Node:
    line: int


@dataclass(frozen=True)
class Text(Node):
    text: str


@dataclass(frozen=True)
class Output(Node):
    pipe: Pipe


@dataclass(frozen=True)
class Branch(Node):
    """`if`, `with`, `range`: their own part, and the one after `else`."""

    word: Literal["if", "with", "range"]
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True)
class Include(Node):
    name: str
    pipe: Pipe | None


@dataclass(frozen=True)
class Leave(Node):
    word: Literal["break", "continue"]


Defines = dict[str, tuple[Node, ...]]


@dataclass(frozen=True)
class Parsed:
    """What a text puts out, and the named templates that it defines."""

    body: tuple[Node, ...]
    defines: Defines = field(default_factory=dict)

    def includes(self) -> Iterator[Include]:
        """All `{{ template "name" }}` in it."""
        yield from _includes(self.body)
        for nodes in self.defines.values():
            yield from _includes(nodes)


def _includes(nodes: Iterable[Node]) -> Iterator[Include]:
    for node in nodes:
        if isinstance(node, Include):
            yield node
        elif isinstance(node, Branch):
            yield from _includes(node.body)
            yield from _includes(node.otherwise)
