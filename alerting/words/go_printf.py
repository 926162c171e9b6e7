"""Go's `print` and `printf`, and the bound of every text that a template makes."""

import re

from alerting.words.go_values import go_text, go_type

TEXT_CHARS_MAX = 131_072  # of any text that a function makes, and of what a template puts out
_WIDTH_MAX = 1_000


class SafeText(str):
    """Written by the template's author, or escaped already: put out as it is."""

    __slots__ = ()


def bounded(text: str) -> str:
    """Raises ValueError where it is longer than any message may be."""
    if len(text) > TEXT_CHARS_MAX:
        raise ValueError(f"a text of {len(text)} characters; at most {TEXT_CHARS_MAX}")
    return text


def sprint(*values: object) -> str:
    """A space between two values of which neither is a text, as Go does."""
    parts: list[str] = []
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            parts.append(" ")
        parts.append(go_text(value))
    return bounded("".join(parts))


def printf(layout: object, *values: object) -> str:
    """Go's verbs: %s %v %q %d %f %g %e %x %t %%, with flags, width and precision.

    >>> printf("%-5s|%5.2f|%03d|%q|%v|%%", "a", 1.5, 7, "x", True)
    'a    | 1.50|007|"x"|true|%'
    """
    if not isinstance(layout, str):
        raise TypeError(f"printf needs a text, got {go_type(layout)}")
    left = list(values)

    def verb(found: "re.Match[str]") -> str:
        flags, width, precision, letter = found.groups()
        if letter == "%":
            return "%"
        if int(width or 0) > _WIDTH_MAX or int(precision or 0) > _WIDTH_MAX:
            raise ValueError(f"printf: a width over {_WIDTH_MAX}")
        if not left:
            return f"%!{letter}(MISSING)"
        return _formatted(left.pop(0), flags, int(width or 0), int(precision) if precision else None, letter)

    text = _VERB.sub(verb, layout)
    if left:
        text += "%!(EXTRA " + ", ".join(f"{_go_kind(v)}={go_text(v)}" for v in left) + ")"
    return bounded(text)


_VERB = re.compile(r"%([-+ #0]*)(\d{0,9})(?:\.(\d{0,9}))?([a-zA-Z%])")


def _go_kind(value: object) -> str:
    kinds = ((str, "string"), (bool, "bool"), (int, "int"), (float, "float64"))
    return next((name for kind, name in kinds if isinstance(value, kind)), go_type(value))


def _formatted(value: object, flags: str, width: int, precision: int | None, letter: str) -> str:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if letter in "sv" and not (letter == "s" and number is not None):
        text = go_text(value)
        text = text if precision is None or not isinstance(value, str) else text[:precision]
    elif letter == "q" and isinstance(value, str):
        text = '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'
    elif letter == "d" and isinstance(number, int):
        text = f"{number:{'+' if '+' in flags else ''}d}"
    elif letter in "feEgG" and isinstance(number, float):
        plus = "+" if "+" in flags else ""
        if letter in "gG" and precision is None:
            text = go_text(number)
        else:
            text = f"{number:{plus}.{6 if precision is None else precision}{letter}}"
    elif letter in "xX" and isinstance(number, int):
        text = f"{number:{letter}}"
    elif letter in "xX" and isinstance(value, str):
        text = value.encode().hex()
    elif letter == "t" and isinstance(value, bool):
        text = go_text(value)
    else:
        return f"%!{letter}({_go_kind(value)}={go_text(value)})"
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and number is not None:
        return text.zfill(width)
    return text.rjust(width)


def _refused(*_: object) -> object:
    raise TypeError("call is not for texts of notifications")
