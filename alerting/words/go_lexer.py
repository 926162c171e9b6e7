"""A Go template's letters as texts and actions, and an action's letters as words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from alerting.words.go_tree import BrokenTemplate


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    line: int
    spaced: bool  # white space stood before it


_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<end>-?\}\}) | (?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`) | (?P<char>'(?:\\.|[^'\\\n])+')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))
    | (?P<field>\.[^\W\d]\w*) | (?P<dot>\.) | (?P<variable>\$\w*) | (?P<word>[^\W\d]\w*) | (?P<op>:=|=|\||\(|\)|,)""",
    re.VERBOSE,
)
_COMMENT = re.compile(r"\{\{(-\s)?\s*/\*.*?\*/\s*?(\s-)?\}\}", re.DOTALL)


def lexed(text: str) -> Iterator[str | list[Token]]:
    """Texts and actions in turn. White space that `{{-` and `-}}` take away is gone."""
    position, trims = 0, False
    while True:
        start = text.find("{{", position)
        raw = text[position : start if start >= 0 else len(text)]
        trims_before = start >= 0 and text[start + 2 : start + 3] == "-" and text[start + 3 : start + 4].isspace()
        raw = raw.lstrip(" \t\r\n") if trims else raw
        yield raw.rstrip(" \t\r\n") if trims_before else raw
        if start < 0:
            return
        if comment := _COMMENT.match(text, start):
            position, trims = comment.end(), comment.group(2) is not None
            continue
        tokens, position, trims = _action(text, start + (3 if trims_before else 2))
        yield tokens


def _action(text: str, start: int) -> tuple[list[Token], int, bool]:
    tokens: list[Token] = []
    position, spaced = start, True
    line = text.count("\n", 0, start) + 1
    while True:
        found = _TOKEN.match(text, position)
        if not found:
            if position >= len(text):
                raise BrokenTemplate("{{ has no }}; close it", line)
            raise BrokenTemplate(_unreadable(text[position : position + 20]), line)
        kind, position = str(found.lastgroup), found.end()
        if kind == "end":
            trims = found.group() == "-}}"
            if trims and not spaced:
                raise BrokenTemplate("-}} needs a space before it", line)
            return tokens or [Token("empty", "", line, spaced)], position, trims
        if kind != "space":
            tokens.append(Token(kind, found.group(), line, spaced))
        line += found.group().count("\n")
        spaced = kind == "space"


def _unreadable(rest: str) -> str:
    if rest[0] in "\"`'":
        return f"a text that starts with {rest[0]} has no end"
    return f"unexpected {rest.split()[0] if rest.split() else rest!r}"
