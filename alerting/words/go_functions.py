"""The functions that Alertmanager's texts may call: Go's own and Alertmanager's, with their order of arguments.

Each raises TypeError or ValueError where Go would stop too. `since` needs the time and is bound by `go_run.py`.
"""

import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from urllib.parse import quote_plus

import re2

from alerting.words.escaping import as_html
from alerting.words.go_printf import TEXT_CHARS_MAX, SafeText, bounded, printf, sprint
from alerting.words.go_time import Moment, Seconds
from alerting.words.go_values import KV, GoObject, Listing, go_text, go_type, truth

_REGEX_BYTES_MAX = 1 << 20


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"needs a text, got {go_type(value)}")
    return value


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"needs a list of texts, such as .GroupLabels.Values, got {go_type(value)}")
    return value


def _title(text: object) -> str:
    """Each word's first letter large and the others small; an apostrophe is inside a word."""
    return _WORD.sub(lambda found: found.group()[0].title() + found.group()[1:].lower(), _text(text))


_WORD = re.compile(r"[^\W\d_](?:\w|['\u2019](?=\w))*")


def _join(separator: object, texts: object) -> str:
    return bounded(_text(separator).join(_texts(texts)))


@cache
def _regex(pattern: str) -> "re2._Regexp[bytes]":
    options = re2.Options()
    options.max_mem, options.log_errors = _REGEX_BYTES_MAX, False
    try:
        return re2.compile(pattern.encode("utf-8", "surrogatepass"), options)
    except re2.error as error:
        raise ValueError(f"not an RE2 regular expression: {str(error.args[0])[:80]}") from None


def _match(pattern: object, text: object) -> bool:
    return _regex(_text(pattern)).search(_text(text).encode("utf-8", "surrogatepass")) is not None


def _replace_all(pattern: object, replacement: object, text: object) -> str:
    """Go's `$1`, `${1}`, `${name}`, `$$`."""
    source, into = _text(text).encode("utf-8", "surrogatepass"), _text(replacement)
    parts: list[bytes] = []
    done = size = 0
    for found in _regex(_text(pattern)).finditer(source):
        groups = (found.group(), *found.groups())
        names = found.groupdict()

        def expand(
            sign: "re.Match[str]",
            groups: tuple[bytes | None, ...] = groups,
            names: dict[str, bytes | None] = names,
        ) -> str:
            name = sign.group(1) or sign.group(2)
            if name is None:
                return "$"
            number = int(name) if name.isdecimal() and len(name) < 4 else None
            value = names.get(name) if number is None else groups[number] if number < len(groups) else None
            return (value or b"").decode("utf-8", "surrogatepass")

        made = _EXPAND.sub(expand, into).encode("utf-8", "surrogatepass")
        size += len(made) + found.start() - done
        if size > 4 * TEXT_CHARS_MAX:
            break
        parts += [source[done : found.start()], made]
        done = found.end()
    return bounded(b"".join([*parts, source[done:]]).decode("utf-8", "replace"))


_EXPAND = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


def humanize_duration(value: object) -> str:
    """As Prometheus writes it.

    >>> [humanize_duration(s) for s in (93784.0, 5400.0, 90.0, 1.5, 0.25, 0.0)]
    ['1d 2h 3m 4s', '1h 30m 0s', '1m 30s', '1.5s', '250ms', '0s']
    """
    seconds = _number(value.seconds if isinstance(value, Seconds) else value)
    if not math.isfinite(seconds):
        return go_text(seconds)
    if abs(seconds) >= 1:
        whole, sign = int(abs(seconds)), "-" if seconds < 0 else ""
        days, hours, minutes, left = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
        parts = [f"{days}d", f"{hours}h", f"{minutes}m", f"{left}s"]
        first = 0 if days else 1 if hours else 2 if minutes else 3
        return sign + (" ".join(parts[first:]) if first < 3 else f"{abs(seconds):.4g}s")
    for prefix in ("", "m", "u", "n", "p", "f", "a", "z"):
        if abs(seconds) >= 1 or not seconds:
            return f"{seconds:.4g}{prefix}s"
        seconds *= 1000
    return f"{seconds:.4g}ys"


def _number(value: object) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise TypeError(f"needs a number, got {go_type(value)}")
        return float(value)
    except ValueError:
        raise ValueError(f"needs a number, got {value!r}") from None


def _date(layout: object, moment: object) -> str:
    return _moment(moment).formatted(_text(layout))


def _tz(zone: object, moment: object) -> Moment:
    return Moment(_moment(moment).unix_s, _text(zone))


def _moment(value: object) -> Moment:
    if not isinstance(value, Moment):
        raise TypeError(f"needs a time such as .StartsAt, got {go_type(value)}")
    return value


def _len(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))  # bytes, as Go counts
    if isinstance(value, list | KV | Listing):
        return len(value)
    raise TypeError(f"len needs a text or a list, got {go_type(value)}")


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, KV):
            value = value.values_by_name.get(_text(key), "")
        elif isinstance(value, list | Listing) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise ValueError(f"index {key} of a list of {len(value)}; test its len before")
            value = value[key]
        else:
            raise TypeError(f"index needs a list and a number, or labels and a name, got {go_type(value)}")
    return value


def _slice(value: object, *borders: object) -> object:
    if not isinstance(value, str | list) or not all(isinstance(border, int) for border in borders):
        raise TypeError(f"slice needs a text or a list, and numbers, got {go_type(value)}")
    low, high = [*(b for b in borders if isinstance(b, int)), *([0, len(value)][len(borders) :])][:2]
    if not 0 <= low <= high <= len(value):
        raise ValueError(f"slice {low}:{high} of {len(value)}; test its len before")
    return value[low:high]


def _equal(first: object, *others: object) -> bool:
    if not others:
        raise TypeError("eq needs two values to compare")
    return any(_same(first, other) for other in others)


def _same(a: object, b: object) -> bool:
    if a is None or b is None:
        return a is b
    if _basic(a) != _basic(b):
        raise TypeError(f"can't compare {go_type(a)} with {go_type(b)}")
    return a == b


def _less(a: object, b: object) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return a < b
    if _basic(a) == _basic(b) == "number" and isinstance(a, int | float) and isinstance(b, int | float):
        return a < b
    raise TypeError(f"can't compare {go_type(a)} with {go_type(b)}")


def _basic(value: object) -> str:
    """Go refuses to compare 1 with 1.0; a person who writes it means it, so numbers are one kind here."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    raise TypeError(f"can't compare {go_type(value)}; compare a text or a number of it")


def _and(*values: object) -> object:
    return next((value for value in values if not truth(value)), values[-1])


def _or(*values: object) -> object:
    return next((value for value in values if truth(value)), values[-1])


def _without_time(*_: object) -> object:
    raise TypeError("since needs the time, which go_run.py lends it")


FUNCTIONS: dict[str, Callable[..., object]] = {
    "toUpper": lambda text: _text(text).upper(),
    "toLower": lambda text: _text(text).lower(),
    "title": _title,
    "trimSpace": lambda text: _text(text).strip(),
    "join": _join,
    "match": _match,
    "safeHtml": lambda text: SafeText(_text(text)),
    "reReplaceAll": _replace_all,
    "stringSlice": lambda *texts: [_text(text) for text in texts],
    "date": _date,
    "tz": _tz,
    "since": _without_time,
    "humanizeDuration": humanize_duration,
    "len": _len,
    "index": _index,
    "slice": _slice,
    "print": sprint,
    "println": lambda *values: bounded(" ".join(map(go_text, values)) + "\n"),
    "printf": printf,
    "html": lambda *values: SafeText(as_html(sprint(*values))),
    "js": lambda *values: "".join(f"\\u{ord(c):04X}" if c in "<>&='\"\\\n\r" else c for c in sprint(*values)),
    "urlquery": lambda *values: quote_plus(sprint(*values), safe="~"),
    "eq": _equal,
    "ne": lambda a, b: not _same(a, b),
    "lt": _less,
    "le": lambda a, b: _less(a, b) or _same(a, b),
    "gt": lambda a, b: _less(b, a),
    "ge": lambda a, b: _less(b, a) or _same(a, b),
    "and": _and,
    "or": _or,
    "not": lambda value: not truth(value),
}


def items(value: object) -> Iterable[tuple[object, object]]:
    """What `range` walks: positions and items, or names and values in the order of names."""
    if value is None:
        return ()
    if isinstance(value, KV):
        return [(name, value.values_by_name[name]) for name in sorted(value.values_by_name)]
    if isinstance(value, list | Listing):
        return enumerate(value)
    raise TypeError(f"range needs a list or labels, got {go_type(value)}")


def is_method(value: object) -> bool:
    """Fields whose value is a function are called."""
    return callable(value) and not isinstance(value, GoObject | str)
