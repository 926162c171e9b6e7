r"""The spelling of matchers, both of Alertmanager's: the classic one, and the one with UTF-8 names.

Alertmanager reads a text both ways; where only one understands it that one counts, where they disagree the classic
one does. So the classic one is asked first here. It takes anything as a value (`a=b c`), knows the escapes \n, \" and
\\ only, and takes another backslash for itself; the other one wants a value in double quotes with Go's escapes, or a
single word.
"""

import re
from collections.abc import Iterator

from schemas.promql_text import Scanner, quoted
from schemas.selector import CHARS_MAX, Matcher, MatchOp

_SPACE = " \t\n\f\r"
_CLASSIC = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)[{_SPACE}]*(=~|=|!=|!~)(.*)", re.DOTALL)
_CLASSIC_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}
_RESERVED = re.compile(r"[\s\x85{}!=~,\\\"'`]")
_WORD = re.compile(r"[^\s\x85{}!=~,\"'`]+")
_OPS: dict[str, MatchOp] = {"=~": "=~", "!~": "!~", "!=": "!=", "=": "="}  # longest first
_GO_ESCAPES = {"\\x07": "\\a", "\\x08": "\\b", "\\x0c": "\\f", "\\x0d": "\\r", "\\x09": "\\t", "\\x0b": "\\v"}


def read_matchers(text: str) -> list[Matcher]:
    """The conditions in one text. Raises ValueError with the place, what was seen, and what would do.

    >>> [str(m) for m in read_matchers('{team=db, env!~"dev|test"}')], [str(m) for m in read_matchers('"a b"=c')]
    (['team="db"', 'env!~"dev|test"'], ['"a b"="c"'])
    """
    if len(text) > CHARS_MAX:
        raise ValueError(f"longer than {CHARS_MAX} characters: match with a regular expression or fewer labels")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("half of a surrogate pair, which is no character; write the character itself")
    classic = [_classic(part) for part in _parts(text.removeprefix("{").removesuffix("}"))]
    found = [matcher for matcher in classic if matcher is not None]
    return found if len(found) == len(classic) else _read_utf8(text)


def needs_quotes(name: str) -> bool:
    """Whether Alertmanager writes this label name in quotes."""
    return _RESERVED.search(name) is not None or not name


def open_metrics_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def go_quoted(text: str) -> str:
    r"""As Go's `strconv.Quote`.

    >>> print(go_quoted('a "b"' + chr(9) + chr(27) + chr(0x200B)))
    "a \"b\"\t\x1b\u200b"
    """
    escape = re.compile(r"\\(?:\\|\"|x[0-9a-f]{2})")
    return escape.sub(lambda found: _GO_ESCAPES.get(found.group(), found.group()), quoted(text))


def _parts(text: str) -> Iterator[str]:
    """Between commas outside of double quotes; the last one only if there is anything in it."""
    start, in_quotes, escaped = 0, False, False
    for position, c in enumerate(text):
        if c == "," and not in_quotes:
            yield text[start:position]
            start = position + 1
        elif c == '"':
            in_quotes = in_quotes if escaped else not in_quotes
            escaped = False
        elif c != ",":
            escaped = c == "\\" and not escaped
    if text[start:].strip():
        yield text[start:]


def _classic(part: str) -> Matcher | None:
    found = _CLASSIC.fullmatch(part.strip(_SPACE))
    if not found:
        return None
    name, op, raw = found[1], found[2], found[3].strip(_SPACE)
    in_quotes = raw.startswith('"')
    if in_quotes:
        if len(raw) < 2 or not raw.endswith('"'):
            return None
        raw = raw[1:-1]
    out, escaped = "", False
    for c in raw:
        if escaped:
            out += _CLASSIC_ESCAPES.get(c, "\\" + c)
            escaped = False
        elif c == '"':
            return None
        elif c == "\\":
            escaped = True
        else:
            out += c
    if escaped and in_quotes:
        return None  # the closing quote was escaped
    return Matcher(name, _OPS[op], out + "\\" * escaped)


def _read_utf8(text: str) -> list[Matcher]:
    scanner = Scanner(text)
    in_braces = scanner.literal("{")
    found: list[Matcher] = []
    while not (scanner.at("}") if in_braces else scanner.ended):
        found.append(_utf8_matcher(scanner))
        if not scanner.literal(","):
            break
    if in_braces and not scanner.literal("}"):
        raise scanner.error("expected , or }")
    if not scanner.ended:
        raise scanner.error('expected , or the end; write for example team="db"')
    return found


def _utf8_matcher(scanner: Scanner) -> Matcher:
    name = _text_or_word(scanner)
    if not name:
        raise scanner.error('expected a label name; write for example team="db"')
    op = next((op for op in _OPS if scanner.literal(op)), None)
    if op is None:
        raise scanner.error('expected =, !=, =~ or !~ after the label name; write for example team="db"')
    value = _text_or_word(scanner)
    if value is None:
        raise scanner.error(f"expected a value after {op}; put it in double quotes")
    return Matcher(name, _OPS[op], value)


def _text_or_word(scanner: Scanner) -> str | None:
    return scanner.string() if scanner.at('"') else scanner.take(_WORD) or None
