"""Reads the texts of an existing alertmanager.yml, which are written in Go's text/template, into a tree.

Walked by `go_run.py` rather than turned into Jinja2: in Go `=` assigns across loops, `.` is bound anew by `range` and
`with`, a pipeline's value becomes the last argument, and a missing label is the empty text; each would need a
construction that nobody could read, and messages would name lines of a text that nobody wrote.
"""

import re
from collections.abc import Iterable
from typing import Literal, NoReturn

from alerting.words.go_functions import FUNCTIONS
from alerting.words.go_lexer import Token, lexed
from alerting.words.go_tree import (
    Branch,
    BrokenTemplate,
    Defines,
    Include,
    Leave,
    Node,
    Operand,
    Output,
    Parsed,
    Pipe,
    Text,
)
from schemas.config.errors import suggestion
from schemas.promql_text import Scanner

SOURCE_CHARS_MAX = 262_144
_DEPTH_MAX = 100


def is_go(text: str) -> bool:
    """Whether a text is Go's and not Jinja2's.

    `{%` and `{#` are Jinja2's alone; `{{ .X`, `{{ $x`, `{{ if`, `{{ toUpper ...` and the like are Go's alone.

    >>> is_go("{{ .Status | toUpper }}"), is_go("{{ Status|upper }}"), is_go("{% if a %}{{ range .Alerts }}{% endif %}")
    (True, False, False)
    """
    if "{%" in text or "{#" in text:
        return False
    return any(_GO_ONLY.search(_QUOTED.sub(" ''", found)) for found in _ACTION.findall(text))


_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|`[^`]*`|'(?:\\.|[^'\\])*'")
# A word that starts with a dot or dollar sign, a keyword, a function before its argument, or one that only Go has.
_GO_ONLY = re.compile(
    r"(?:^|[\s(|,=-])[.$](?!\d)|^-?\s*(?:/\*|(?:template|define|block|range|if|with|else|end|break|continue)\b)"
    r"|\b(?:" + "|".join(FUNCTIONS) + r")\s+(?:''|\d|[.$])"
    r"|\b(?:" + "|".join(name for name in FUNCTIONS if name != name.lower()) + r")\b"
)


def parse(text: str) -> Parsed:
    """Raises BrokenTemplate with the line and what would do."""
    if len(text) > SOURCE_CHARS_MAX:
        raise BrokenTemplate(f"longer than {SOURCE_CHARS_MAX} characters; split it into files", 1)
    return _Parser(text).parsed()


class _Parser:
    def __init__(self, text: str) -> None:
        self._defines: Defines = {}
        self._items = list(lexed(text))
        self._next = 0
        self._tokens: list[Token] = []
        self._at = 0
        self._line = 1
        self._scopes: list[set[str]] = [{"$"}]
        self._loops = 0
        self._depth = self._brackets = 0

    def parsed(self) -> Parsed:
        body, closer = self._nodes(())
        if closer:
            self._fail(f"{closer} closes nothing; take it out, or put its if, range or with before it")
        return Parsed(body, self._defines)

    # --- actions to nodes

    def _nodes(self, closers: Iterable[str]) -> tuple[tuple[Node, ...], str]:
        """Up to the first action that starts with one of `closers` (or any closer), which is left open."""
        nodes: list[Node] = []
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            self._fail(f"more than {_DEPTH_MAX} blocks inside each other")
        while self._next < len(self._items):
            item = self._items[self._next]
            self._next += 1
            if isinstance(item, str):
                if item:
                    nodes.append(Text(self._line, item))
                continue
            self._tokens, self._at = item, 0
            self._line = item[0].line
            word = item[0].text if item[0].kind == "word" else ""
            if word in ("end", "else"):
                self._at = 1
                self._depth -= 1
                return tuple(nodes), word
            node = self._node(word)
            if node is not None:
                nodes.append(node)
        self._depth -= 1
        if closers:
            self._fail("a block has no {{ end }}; add it")
        return tuple(nodes), ""

    def _node(self, word: str) -> Node | None:
        line = self._line
        if word in ("if", "with", "range"):
            self._at = 1
            return self._branch(line, "if" if word == "if" else "with" if word == "with" else "range")
        if word in ("break", "continue"):
            self._at = 1
            self._end()
            if not self._loops:
                self._fail(f"{word} stands in no range")
            return Leave(line, "break" if word == "break" else "continue")
        if word in ("define", "block"):
            return self._define(line, word)
        if word == "template":
            self._at = 1
            return Include(line, self._name(), self._rest())
        pipe = self._pipe()
        self._end()
        return Output(line, pipe)

    def _branch(self, line: int, word: Literal["if", "with", "range"]) -> Branch:
        self._scopes.append(set())
        pipe = self._pipe(in_range=word == "range")
        self._end()
        self._loops += word == "range"
        self._scopes.append(set())
        body, closer = self._nodes(("end", "else"))
        self._scopes.pop()
        self._loops -= word == "range"
        otherwise: tuple[Node, ...] = ()
        if closer == "else":
            token = self._peek()
            if token is None:
                self._scopes.append(set())
                otherwise, closer = self._nodes(("end",))
                self._scopes.pop()
                if closer == "else":
                    self._fail("a second else; only the first one can be reached")
                self._end()
            elif token.text in ("if", "with") and word != "range":
                self._at += 1
                # {{ else if }} shares its {{ end }} with the if that it belongs to.
                otherwise = (self._branch(token.line, "if" if token.text == "if" else "with"),)
            else:
                self._fail(f"{{{{ else {token.text} }}}} after {word}; write {{{{ else }}}} and the block inside it")
        else:
            self._end()
        self._scopes.pop()
        return Branch(line, word, pipe, body, otherwise)

    def _define(self, line: int, word: str) -> Node | None:
        if self._depth > 1 and word == "define":
            self._fail("define stands inside a block; move it out")
        self._at = 1
        name = self._name()
        pipe = self._rest()
        if pipe and word == "define":
            self._fail("define takes a name and nothing else")
        scopes, loops = self._scopes, self._loops
        self._scopes, self._loops = [{"$"}], 0
        body, closer = self._nodes(("end",))
        if closer == "else":
            self._fail(f"{word} has no else")
        self._scopes, self._loops = scopes, loops
        # As in Go: a name that is given again has its last meaning, but never an empty one over a full one.
        if name not in self._defines or not all(isinstance(n, Text) and not n.text.strip() for n in body):
            self._defines[name] = body
        return Include(line, name, pipe) if word == "block" else None

    # --- pipelines

    def _pipe(self, in_range: bool = False) -> Pipe:
        self._brackets += 1
        if self._brackets > _DEPTH_MAX:
            self._fail(f"more than {_DEPTH_MAX} brackets inside each other")
        variables, declares = self._declared(in_range)
        commands = [self._command()]
        while (token := self._peek()) and token.text == "|" and token.kind == "op":
            self._at += 1
            commands.append(self._command())
        for command in commands[1:]:
            if command[0].kind == "constant" or (command[0].kind in ("dot", "variable") and not command[0].fields):
                self._fail("what follows | must be a function, such as toUpper")
        if declares:
            self._scopes[-1].update(variables)
        self._brackets -= 1
        return Pipe(tuple(commands), variables, declares)

    def _declared(self, in_range: bool) -> tuple[tuple[str, ...], bool]:
        names = [token.text for token in self._tokens[self._at :: 2] if token.kind == "variable"][:2]
        for count in (1, 2):
            sign = self._tokens[self._at + 2 * count - 1 : self._at + 2 * count]
            if len(names) < count or not sign or (count == 1 and sign[0].text == "," and in_range):
                continue
            if sign[0].text not in (":=", "="):
                return (), True
            declares = sign[0].text == ":="
            if not declares:
                for name in names[:count]:
                    self._known(name)
            self._at += 2 * count
            return tuple(names[:count]), declares
        return (), True

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while (token := self._peek()) and token.text not in ("|", ")"):
            if operands and not token.spaced:
                self._fail(f"a space is missing before {token.text}")
            operands.append(self._operand())
        if not operands:
            self._fail("an empty {{ }}; write for example {{ .Status }}")
        if len(operands) > 1 and operands[0].kind == "constant":
            self._fail("a constant can't be called; is a function's name missing before it?")
        return tuple(operands)

    def _operand(self) -> Operand:
        token = self._tokens[self._at]
        self._at += 1
        match token.kind:
            case "dot":
                return Operand("dot", None)
            case "field":
                return Operand("dot", None, (token.text[1:], *self._fields()))
            case "variable":
                self._known(token.text)
                return Operand("variable", token.text, self._fields())
            case "string" | "char" | "number":
                return Operand("constant", self._constant(token))
            case "word" if token.text in ("true", "false", "nil"):
                return Operand("constant", {"true": True, "false": False, "nil": None}[token.text])
            case "word":
                if token.text not in FUNCTIONS:
                    said = suggestion(token.text, FUNCTIONS)
                    self._fail(f"no function {token.text}; {said} (a label or field has a dot before it)")
                return Operand("function", token.text)
            case "op" if token.text == "(":
                pipe = self._pipe()
                closer = self._peek()
                if closer is None or closer.text != ")":
                    self._fail("( has no )")
                self._at += 1
                return Operand("pipe", pipe, self._fields())
        raise BrokenTemplate(f"unexpected {token.text}", self._line)

    def _fields(self) -> tuple[str, ...]:
        fields: list[str] = []
        while (token := self._peek()) and token.kind == "field" and not token.spaced:
            fields.append(token.text[1:])
            self._at += 1
        return tuple(fields)

    def _constant(self, token: Token) -> object:
        if token.kind == "number":
            try:
                return int(token.text, 0)
            except ValueError:
                return float(token.text) if "x" not in token.text.lower() else int(token.text, 16)
        try:
            text = Scanner(token.text).string()
        except ValueError as error:
            self._fail(f"the text {token.text}: {error}")
        return ord(text) if token.kind == "char" and len(text) == 1 else text

    def _known(self, name: str) -> None:
        if not any(name in scope for scope in self._scopes):
            self._fail(f"{name} isn't set here; write {{{{ {name} := ... }}}} before it, outside of inner blocks")

    def _name(self) -> str:
        token = self._peek()
        if token is None or token.kind != "string":
            self._fail('a template\'s name stands in quotes: {{ template "name" . }}')
        self._at += 1
        return str(self._constant(token))

    def _rest(self) -> Pipe | None:
        pipe = self._pipe() if self._peek() else None
        self._end()
        return pipe

    def _end(self) -> None:
        if token := self._peek():
            self._fail(f"unexpected {token.text}")

    def _peek(self) -> Token | None:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        return None if token is None or token.kind == "empty" else token

    def _fail(self, message: str) -> NoReturn:
        raise BrokenTemplate(message, self._line)
