"""Conditions on an alert's labels, as Alertmanager spells and means them: routes, inhibitions, silences.

A label that is missing is the empty text; a regular expression is RE2 and must match the whole value.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from schemas.promql_text import Scanner, quoted
from schemas.selector import Matcher, MatchOp, Regex, compile_regex

MATCHERS_MAX = 64
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_BARE_NAME = re.compile(r"[^\s{}!=~,\\\"'`]+")
_BARE_VALUE = re.compile(r"[^\s{}!=~,\\\"'`]*")
_OPS: tuple[MatchOp, ...] = ("=~", "!~", "!=", "=")  # longest first
_Test = tuple[str, str, Regex | None, bool]  # label, text, regex or None for "equals", whether it must hold


class ApiMatcher(TypedDict):
    """A matcher in Alertmanager's API."""

    name: str
    value: str
    isRegex: bool
    isEqual: bool


@dataclass(frozen=True)
class Matchers:
    """Conditions that must all hold; without any, everything matches.

    >>> db = Matchers.parse('team=db, env!~"dev|test"')
    >>> db.matches({"team": "db"}), db.matches({"team": "db", "env": "dev"})
    (True, False)
    >>> print(db)
    {env!~"dev|test",team="db"}
    """

    matchers: tuple[Matcher, ...] = ()
    _tests: tuple[_Test, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ValueError where a regular expression is not RE2 or too large."""
        ordered = sorted(set(self.matchers), key=lambda m: (m.name, m.value, m.op))
        tests = [
            (m.name, m.value, compile_regex(m.value) if m.op in ("=~", "!~") else None, m.op in ("=", "=~"))
            for m in ordered
        ]
        tests.sort(key=lambda test: test[2] is not None)  # the cheap ones first
        object.__setattr__(self, "matchers", tuple(ordered))
        object.__setattr__(self, "_tests", tuple(tests))

    @classmethod
    def parse(cls, written: str | Sequence[str]) -> "Matchers":
        """One text (`{a="b",c!="d"}`) or a list of such. Raises ValueError with the place and what would do."""
        texts = [written] if isinstance(written, str) else written
        found = [matcher for text in texts for matcher in _read(text)]
        if len(found) > MATCHERS_MAX:
            raise ValueError(f"more than {MATCHERS_MAX} conditions; join them in a regular expression")
        return cls(tuple(found))

    @classmethod
    def of(cls, match: Mapping[str, str], match_re: Mapping[str, str]) -> "Matchers":
        """From Alertmanager's older `match` and `match_re`."""
        equal = [Matcher(name, "=", value) for name, value in match.items()]
        return cls((*equal, *(Matcher(name, "=~", value) for name, value in match_re.items())))

    @classmethod
    def from_api(cls, written: Sequence[ApiMatcher]) -> "Matchers":
        ops: dict[tuple[bool, bool], MatchOp] = {
            (False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"
        }  # fmt: skip
        return cls(tuple(Matcher(m["name"], ops[m["isRegex"], m["isEqual"]], m["value"]) for m in written))

    def as_api(self) -> list[ApiMatcher]:
        return [
            {"name": m.name, "value": m.value, "isRegex": m.op in ("=~", "!~"), "isEqual": m.op in ("=", "=~")}
            for m in self.matchers
        ]

    def matches(self, labels: Mapping[str, str]) -> bool:
        for name, text, regex, holds in self._tests:
            seen = labels.get(name, "")
            found = seen == text if regex is None else regex(seen.encode("utf-8", "surrogatepass")) is not None
            if found is not holds:
                return False
        return True

    def __str__(self) -> str:
        """As Alertmanager writes it, in route keys too; parsing it gives equal matchers."""
        names = (m.name if _NAME.fullmatch(m.name) else quoted(m.name) for m in self.matchers)
        return "{" + ",".join(f"{n}{m.op}{quoted(m.value)}" for n, m in zip(names, self.matchers, strict=True)) + "}"


def _read(text: str) -> list[Matcher]:
    scanner = Scanner(text)
    in_braces = scanner.literal("{")
    found: list[Matcher] = []
    while not (scanner.at("}") if in_braces else scanner.ended):
        found.append(_matcher(scanner))
        if not scanner.literal(","):
            break
    if in_braces and not scanner.literal("}"):
        raise scanner.error("expected , or }")
    if not scanner.ended:
        raise scanner.error('expected , or the end; write for example team="db"')
    return found


def _matcher(scanner: Scanner) -> Matcher:
    name = scanner.string() if scanner.at_quote else scanner.take(_BARE_NAME)
    if not name:
        raise scanner.error('expected a label name; write for example team="db"')
    op = next((op for op in _OPS if scanner.literal(op)), None)
    if op is None:
        raise scanner.error('expected =, !=, =~ or !~ after the label name; write for example team="db"')
    value = scanner.string() if scanner.at_quote else scanner.take(_BARE_VALUE) or ""
    if op in ("=~", "!~"):
        compile_regex(value)
    return Matcher(name, op, value)
