"""YAML text to plain data that remembers its lines. Knows YAML, and nothing of what the keys mean.

YAML 1.2's plain words: only `true` and `false` are truth values, so that `no` stays a country and `09:00` a time; merge
keys (`<<`) work as in Alertmanager's files. Nothing is constructed but text, numbers, truth values, lists and mappings,
and size, depth and what aliases expand to are bounded. The pure Python parser is used on purpose: it takes 0.2 s for
100 KB, and its messages and lines don't depend on whether libyaml is there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from schemas.config.errors import Path, Problem, shown

CHARS_MAX = 1_000_000
DEPTH_MAX = 32
NODES_MAX = 100_000
_INT = re.compile(r"[-+]?[0-9][0-9_]*\Z|0x[0-9a-fA-F]+\Z|0o[0-7]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WORDS_NULL = ("", "~", "null", "Null", "NULL")
_NUMBER_CHARS_MAX = 40
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CORE = "tag:yaml.org,2002:"
_WORDS_FOR = {  # the parser's own words, for a person
    "mapping values are not allowed here": "a second : on this line; indent it, or put the value in quotes",
    "could not find expected ':'": "a key without its : before here",
    "found unexpected end of stream": "a quote that is never closed",
}


class Broken(Exception):
    """The text is not YAML, or too much of it; nothing else can be said about it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass
class Node:
    """A value where it stands: a scalar with its spelling, a list of nodes, or (key, line of the key, node) each."""

    line: int
    text: str = ""
    scalar: str | int | float | bool | None = None
    items: list["Node"] | None = None
    entries: list[tuple[str, int, "Node"]] | None = None


@dataclass
class Tree:
    """Plain data; the line of every key and item in it (counting from 1); mistakes that left it readable.

    texts: how a number or a truth value is spelled, for who wants a text (`env: 010`).
    """

    data: object
    lines: dict[Path, int] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    mappings: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of the longest part of `path` that is in the file."""
        return self.lines.get(self.known(path), 1)

    def written(self, path: Path) -> Path:
        """`path` as a person would name the place: no `at` in `warning: 80`, the short form of `warning: {at: 80}`."""
        known = self.known(path)
        return path if known in self.mappings else known

    def known(self, path: Path) -> Path:
        while path and path not in self.lines:
            path = path[:-1]
        return path


def read_yaml(text: str) -> Tree:
    """Raises Broken where there is no reading on."""
    if len(text) > CHARS_MAX:
        raise Broken(Problem(1, (), f"larger than {CHARS_MAX:,} characters, which no config needs"))
    text = text.removeprefix("\ufeff")
    if bad := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise Broken(Problem(line, (), f"a character that a text file can't have: {shown(bad.group())}; remove it"))
    tree = Tree(None)
    reader = _Reader(text, tree.problems)
    _Plain(tree).fill(reader.document())
    return tree


class _Reader:
    """Events of the parser to nodes; an alias is the node it names, not a copy."""

    def __init__(self, text: str, problems: list[Problem]) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._problems = problems
        self._anchors: dict[str, Node] = {}
        self._line = 1

    def document(self) -> Node:
        node = Node(1)
        documents = 0
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Broken(Problem(self._line, (), "a second document; a config is one: remove this ---"))
                node = self._node(self._next(), 0)
        return node

    def _next(self) -> yaml.Event:
        try:
            event = next(self._events)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else self._line
            problem = error.problem or "not understood"
            if "'\\t'" in problem:
                problem = "a tab; indent with spaces"
            context = f" ({error.context})" if error.context and problem not in _WORDS_FOR else ""
            raise Broken(Problem(line, (), f"not YAML: {_WORDS_FOR.get(problem, problem)}{context}")) from None
        except (yaml.YAMLError, ValueError) as error:
            # ValueError: an escape such as "\U00110000" beyond Unicode.
            raise Broken(Problem(self._line, (), f"not YAML at or after this line: {error}".splitlines()[0])) from None
        self._line = event.start_mark.line + 1 if event.start_mark else self._line
        return event

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if depth > DEPTH_MAX:
            raise Broken(Problem(self._line, (), f"nested more than {DEPTH_MAX} deep, which no config needs"))
        node = Node(self._line)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise Broken(
                    Problem(self._line, (), f"*{event.anchor} stands for nothing: no &{event.anchor} above it")
                )
            return self._anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            node.scalar, node.text = self._scalar(event), event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            self._refuse_tag(event.tag, "seq")
            node.items = []
            while not isinstance(child := self._next(), yaml.SequenceEndEvent):
                node.items.append(self._node(child, depth + 1))
        elif isinstance(event, yaml.MappingStartEvent):
            self._refuse_tag(event.tag, "map")
            node.entries = []
            while not isinstance(child := self._next(), yaml.MappingEndEvent):
                line = self._line
                key = child.value if isinstance(child, yaml.ScalarEvent) else None
                key_node = self._node(child, depth + 1)
                if key is None and isinstance(key_node.scalar, str):
                    key = key_node.scalar  # an alias of a text
                value = self._node(self._next(), depth + 1)
                if key is None:
                    self._problems.append(Problem(line, (), "a key must be a text, not a list or a mapping"))
                else:
                    node.entries.append((key, line, value))
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _scalar(self, event: yaml.ScalarEvent) -> str | int | float | bool | None:
        text = event.value
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise Broken(Problem(self._line, (), "half of a surrogate pair, which is no character"))
        if event.tag in ("!", f"{_CORE}str") or (not event.tag and not event.implicit[0]):
            return text
        if event.tag and event.tag not in tuple(_CORE + kind for kind in ("int", "float", "bool", "null")):
            self._refuse_tag(event.tag, "str")
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text in _WORDS_NULL:
            return None
        number = text.replace("_", "") if _INT.match(text) else text
        is_int, is_float = bool(_INT.match(number)), bool(_FLOAT.match(number))
        if not is_int and not is_float:
            return text
        if len(text) > _NUMBER_CHARS_MAX or (not is_int and float(number) in (float("inf"), float("-inf"))):
            return text  # no number that anything here could use: whoever wants a number says so
        if is_int:
            return int(number, {"0x": 16, "0o": 8}.get(number[:2], 10))
        return float(number)

    def _refuse_tag(self, tag: str | None, kind: str) -> None:
        if tag not in (None, "!", _CORE + kind):
            self._problems.append(Problem(self._line, (), f"the tag {shown(tag)} has no meaning here; remove it"))


class _Plain:
    """Nodes to plain data; here aliases become copies, so here they are counted."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._nodes = 0

    def fill(self, node: Node) -> None:
        self._tree.data = self._value(node, ())

    def _value(self, node: Node, path: Path) -> object:
        self._count(node, path)
        if node.items is not None:
            values = []
            for position, item in enumerate(node.items):
                self._tree.lines[(*path, position)] = item.line
                values.append(self._value(item, (*path, position)))
            return values
        if node.entries is None:
            if not isinstance(node.scalar, str | None):
                self._tree.texts[path] = node.text
            return node.scalar
        data: dict[str, object] = {}
        self._tree.mappings.add(path)
        for key, line, value in self._entries(node, path, 0):
            # A text may start on the line after its key: the mistake is where the text is.
            is_scalar = value.items is None and value.entries is None
            self._tree.lines[(*path, key)] = value.line if is_scalar and value.scalar is not None else line
            data[key] = self._value(value, (*path, key))
        return data

    def _count(self, node: Node, path: Path) -> None:
        self._nodes += 1
        # Depth again: an alias can hang deep under deep without any single place of the text being deep.
        if self._nodes > NODES_MAX or len(path) > DEPTH_MAX:
            raise Broken(
                Problem(
                    node.line, (), f"more than {NODES_MAX:,} values or {DEPTH_MAX} deep once its aliases are filled in"
                )
            )

    def _entries(self, node: Node, path: Path, depth: int) -> list[tuple[str, int, Node]]:
        """Own keys first; then those merged in by `<<`, which never replace one that is there."""
        self._nodes += len(node.entries or ())
        self._count(node, path)
        seen: dict[str, int] = {}
        entries, merged = [], []
        for key, line, value in node.entries or ():
            if key == "<<":
                merged.append((line, value))
            elif key in seen:
                message = f"given twice, first on line {seen[key]}; keep one of them"
                self._tree.problems.append(Problem(line, (*path, key), message))
            else:
                seen[key] = line
                entries.append((key, line, value))
        for line, value in merged:
            for source in [value] if value.items is None else value.items:
                if source.entries is None or depth > DEPTH_MAX:
                    self._tree.problems.append(Problem(line, (*path, "<<"), "merges a mapping, or a list of mappings"))
                    continue
                for key, key_line, inner in self._entries(source, path, depth + 1):
                    if key not in seen:
                        seen[key] = key_line
                        entries.append((key, key_line, inner))
        return entries
