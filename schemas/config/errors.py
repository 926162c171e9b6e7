"""What is wrong in a config, for the person who wrote it: where, what was seen, what would do."""

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]  # keys and positions from the top of the file
_SHOWN_CHARS_MAX = 60


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. `line` counts from 1; `file` is empty where there is only one."""

    line: int
    path: Path
    message: str
    file: str = ""


@dataclass(frozen=True)
class ConfigError:
    """One mistake."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        """
        >>> print(ConfigError("tidegauge.yaml", 14, "rules[2].for", 'not a duration: "5"; write "5s"'))
        tidegauge.yaml:14: rules[2].for: not a duration: "5"; write "5s"

        One line whatever the names in it are: a file may be called anything.

        >>> print(ConfigError("t.yaml", 5, "include[0]", chr(13) + "x: no such file"))
        t.yaml:5: include[0]: \\rx: no such file
        """
        text = f"{self.file}:{self.line}: {self.path}: {self.message}"
        return "".join(c if c.isprintable() else _escaped(c) for c in text)


class ConfigErrors(Exception):
    """Every mistake of a config, in the order of its lines; never empty."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(map(str, self.errors)))


def path_text(path: Path) -> str:
    """
    >>> path_text(("rules", 2, "labels", "a.b"))
    'rules[2].labels["a.b"]'
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", part):
            text += f".{part}" if text else part
        else:
            text += f"[{shown(part)}]"
    return text or "config"


def shown(value: object) -> str:
    """A value as it stands in the file, on one line, not too long, and unable to forge a terminal's lines.

    >>> shown("a" + chr(27)), shown(True), shown({"a": 1}), shown("x" * 70)[-6:]
    ('"a\\\\u001b"', 'true', 'keys and values', 'xx..."')
    """
    match value:
        case dict():
            return "keys and values"
        case list() | tuple():
            return "a list"
        case None:
            return "nothing"
        case str():
            cut = value if len(value) <= _SHOWN_CHARS_MAX else value[: _SHOWN_CHARS_MAX - 3] + "..."
            return '"' + "".join(_printable(c) for c in cut) + '"'
        case bool() | int() | float():
            return json.dumps(value)
    return repr(value)[:_SHOWN_CHARS_MAX]


def _printable(c: str) -> str:
    return c if c.isprintable() and c not in '"\\' else _escaped(c)


def _escaped(c: str) -> str:
    return json.dumps(c)[1:-1] if ord(c) < 0x80 else f"\\u{ord(c):04x}"


def closest(word: str, options: Iterable[str]) -> str | None:
    """The option that was probably meant.

    >>> closest("thresold", ["threshold", "baseline"])
    'threshold'
    """
    return next(iter(difflib.get_close_matches(word[:100], list(options), n=1)), None)


def suggestion(word: str, options: Iterable[str]) -> str:
    """What to add to `no such ...`: the option that was probably meant, else all of them.

    >>> suggestion("slak", ["slack", "mail"]), suggestion("x", ["slack", "mail"])
    ('did you mean "slack"?', 'known here: mail, slack')
    """
    names = sorted(options)
    meant = closest(word, names)
    if meant:
        return f'did you mean "{meant}"?'
    return f"known here: {', '.join(names)}" if names else "none are known here"
