"""The letters of PromQL: white space, names, and quoted texts with Go's escapes. Knows nothing of what they mean."""

import re

_SPACE = re.compile(r"[ \t\r\n]*")
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_PLAIN = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


class Scanner:
    """Walks one text from left to right, over white space between its parts."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._skip()

    @property
    def ended(self) -> bool:
        return self.position == len(self.text)

    @property
    def at_quote(self) -> bool:
        return self.text[self.position : self.position + 1] in ('"', "'", "`")

    def at(self, literal: str) -> bool:
        return self.text.startswith(literal, self.position)

    def literal(self, literal: str) -> bool:
        """Step over `literal` if it is next; whether it was."""
        found = self.at(literal)
        if found:
            self.position += len(literal)
            self._skip()
        return found

    def take(self, shape: re.Pattern[str]) -> str:
        """Step over what has this shape; empty if nothing has."""
        found = shape.match(self.text, self.position)
        if not found:
            return ""
        self.position = found.end()
        self._skip()
        return found.group()

    def string(self) -> str:
        """Step over a text in quotes, and return what it means. Raises ValueError."""
        start, quote = self.position, self.text[self.position]
        end = start + 1
        while self.text[end : end + 1] not in (quote, ""):
            end += 2 if quote != "`" and self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise self.error(f"this text has no closing {quote}")
        inside = self.text[start + 1 : end]
        if quote != "`":
            if "\n" in inside:
                raise self.error("a text in quotes ends on its line; write a line break as \\n, or use ` quotes")
            inside = self._unescaped(inside, start + 1, quote)
        self.position = end + 1
        self._skip()
        return inside

    def error(self, message: str) -> ValueError:
        """`message` with the place and what stands there."""
        rest = self.text[self.position : self.position + 20]
        seen = repr(rest) if rest else "the end"
        return ValueError(f"at character {self.position + 1}: {message}; seen: {seen}")

    def _skip(self) -> None:
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position

    def _unescaped(self, inside: str, start: int, quote: str) -> str:
        # Escapes of bytes (\x, octal) may together spell one UTF-8 character, so bytes are collected first.
        out, done = bytearray(), 0
        while (slash := inside.find("\\", done)) >= 0:
            out += inside[done:slash].encode()
            found = _ESCAPE.match(inside, slash)
            code = _bytes(found, quote) if found else None
            if not found or code is None:
                self.position = start + slash
                raise self.error("no such escape; to mean a backslash write two (\\\\), or put the text in ` quotes")
            out += code
            done = found.end()
        out += inside[done:].encode()
        try:
            return out.decode()
        except UnicodeDecodeError:
            raise self.error("the escapes of this text are not UTF-8; write \\u00e9 for é") from None


def _bytes(found: re.Match[str], quote: str) -> bytes | None:
    letter, octal, byte, short, long = found.groups()
    if letter is not None:
        if letter in "'\"":
            return letter.encode() if letter == quote else None
        return bytes([_PLAIN.get(letter, ord("\\"))])
    if octal or byte:
        number = int(octal, 8) if octal else int(byte, 16)
        return bytes([number]) if number < 256 else None
    number = int(short or long, 16)
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        return None
    return chr(number).encode()


def quoted(text: str) -> str:
    r"""A PromQL text literal on one line, which any PromQL parser reads back.

    >>> print(quoted('a"b' + chr(10) + chr(27) + chr(0x200B)))
    "a\"b\n\x1b\u200b"
    """
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _escaped(c) for c in text) + '"'


def _escaped(c: str) -> str:
    if c in '"\\':
        return "\\" + c
    if c == "\n":
        return "\\n"
    number = ord(c)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
