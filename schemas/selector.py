"""Which series a rule is about: a PromQL vector selector such as `cpu_usage{host=~"web-.*", env!="dev"}`.

PromQL's meaning: `=`, `!=`, `=~`, `!~`; a label that is missing is the empty text; a regular expression is RE2, must
match the whole text, and its `.` matches a line break too. Unlike PromQL, a selector may match every series (`{}`):
here that is a rule about everything, not a query that takes a server down.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import re2

from schemas.metric import Labels, Series
from schemas.promql_text import Scanner, quoted

MatchOp = Literal["=", "!=", "=~", "!~"]
METRIC_LABEL = "__name__"
CHARS_MAX = 16_384
MATCHERS_MAX = 64
REGEX_CHARS_MAX = 4_096
REGEX_BYTES_MAX = 1 << 20  # of RE2's program and its cache together; about 16,000 instructions
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_OPS: tuple[MatchOp, ...] = ("=~", "!~", "!=", "=")  # longest first
Regex = Callable[[bytes], object]
_Test = tuple[str, str, Regex | None, bool]  # label, text, regex or None for "equals", whether it must hold


@dataclass(frozen=True)
class Matcher:
    """One condition on one label; `__name__` is the metric's name."""

    name: str
    op: MatchOp
    value: str

    def __str__(self) -> str:
        name = self.name if re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", self.name) else quoted(self.name)
        return f"{name}{self.op}{quoted(self.value)}"


@dataclass(frozen=True)
class Selector:
    """Conditions that must all hold, sorted: two spellings of the same conditions are equal.

    >>> web = Selector.parse('cpu_usage{host=~"web-.*", env!="dev"}')
    >>> [web.matches(Series.of("cpu_usage", {"host": host})) for host in ("web-1", "my-web-1")]
    [True, False]
    >>> print(web)
    cpu_usage{env!="dev", host=~"web-.*"}
    """

    matchers: tuple[Matcher, ...]
    _metric: str | None = field(init=False, repr=False, compare=False)
    _pairs: Labels = field(init=False, repr=False, compare=False)
    _tests: tuple[_Test, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ValueError where a regular expression is not RE2 or too large."""
        ordered = sorted(set(self.matchers), key=lambda m: (m.name != METRIC_LABEL, m.name, m.op, m.value))
        metric: str | None = None
        pairs: list[tuple[str, str]] = []
        tests: list[_Test] = []
        for matcher in ordered:
            regex = compile_regex(matcher.value) if matcher.op in ("=~", "!~") else None
            if matcher.op == "=" and matcher.name == METRIC_LABEL and metric is None:
                metric = matcher.value
            elif matcher.op == "=" and matcher.name != METRIC_LABEL and matcher.value:
                pairs.append((matcher.name, matcher.value))
            else:
                tests.append((matcher.name, matcher.value, regex, matcher.op in ("=", "=~")))
        object.__setattr__(self, "matchers", tuple(ordered))
        object.__setattr__(self, "_metric", metric)
        object.__setattr__(self, "_pairs", tuple(pairs))
        object.__setattr__(self, "_tests", tuple(tests))

    @classmethod
    def parse(cls, text: str) -> "Selector":
        """Read what a person writes. Raises ValueError with the place, what was seen, and what would do."""
        if len(text) > CHARS_MAX:
            raise ValueError(f"longer than {CHARS_MAX} characters: match with a regular expression or fewer labels")
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise ValueError("half of a surrogate pair, which is no character; write the character itself")
        scanner = Scanner(text)
        metric = scanner.take(_METRIC)
        matchers: list[Matcher] = []
        if scanner.literal("{"):
            while not scanner.literal("}"):
                matchers.append(_matcher(scanner))
                if len(matchers) > MATCHERS_MAX:
                    raise scanner.error(f"more than {MATCHERS_MAX} conditions; join them in a regular expression")
                if not scanner.literal(",") and not scanner.at("}"):
                    raise scanner.error("expected , or }")
        elif not metric:
            raise scanner.error('expected a metric name or {; write for example cpu_usage{host="web-1"}')
        if not scanner.ended:
            raise scanner.error(_hint(scanner))
        if metric and any(m.name == METRIC_LABEL for m in matchers):
            raise ValueError(f"the metric name is set twice: {metric} and {METRIC_LABEL}; keep one of them")
        if metric:
            matchers.append(Matcher(METRIC_LABEL, "=", metric))
        return cls(tuple(matchers))

    def matches(self, series: Series) -> bool:
        """About 0.3 us where all conditions are `=`, and 1.5 us more for each regular expression."""
        if self._metric is not None and series.metric != self._metric:
            return False
        labels = series.labels
        for pair in self._pairs:
            if pair not in labels:
                return False
        for name, text, regex, holds in self._tests:
            seen = series.metric if name == METRIC_LABEL else _value(labels, name)
            # surrogatepass: a label that no UTF-8 can hold is a value like another, never an exception here.
            found = seen == text if regex is None else regex(seen.encode("utf-8", "surrogatepass")) is not None
            if found is not holds:
                return False
        return True

    def __str__(self) -> str:
        """Canonical PromQL; parsing it gives an equal selector."""
        metric, rest = "", self.matchers
        names = [m for m in rest if m.name == METRIC_LABEL]
        if len(names) == 1 and names[0].op == "=" and _METRIC.fullmatch(names[0].value):
            metric, rest = names[0].value, tuple(m for m in rest if m is not names[0])
        return metric if metric and not rest else f"{metric}{{{', '.join(map(str, rest))}}}"


def _value(labels: Labels, name: str) -> str:
    for label, value in labels:
        if label == name:
            return value
    return ""


def _matcher(scanner: Scanner) -> Matcher:
    is_quoted = scanner.at_quote
    name = scanner.string() if is_quoted else scanner.take(re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*"))
    if not name:
        raise scanner.error(
            'expected a label name; write for example host="web-1" (a name with other characters in quotes)'
        )
    op = next((op for op in _OPS if scanner.literal(op)), None)
    if op is None:
        if is_quoted and (scanner.at(",") or scanner.at("}")):
            return Matcher(METRIC_LABEL, "=", name)  # Prometheus 3: {"metric.name"}
        raise scanner.error('expected =, !=, =~ or !~ after the label name; write for example host="web-1"')
    if scanner.at("="):
        raise scanner.error(f"expected a text in quotes after {op}; = is written once")
    if not scanner.at_quote:
        raise scanner.error(f"expected a text in quotes after {op}")
    start = scanner.position
    value = scanner.string()
    if op in ("=~", "!~"):
        try:
            compile_regex(value)
        except ValueError as error:
            raise ValueError(f"at character {start + 1}: {error}") from None
    return Matcher(name, op, value)


def compile_regex(pattern: str, dot_is_any: bool = True) -> Regex:
    """Test of a whole text, as UTF-8. dot_is_any: `.` matches a line break too. Raises ValueError."""
    if len(pattern) > REGEX_CHARS_MAX:
        raise ValueError(f"regular expression longer than {REGEX_CHARS_MAX} characters; split the rule in two")
    options = re2.Options()
    options.max_mem, options.log_errors = REGEX_BYTES_MAX, False
    options.never_capture, options.dot_nl = True, dot_is_any
    try:
        # As bytes: a match of text computes offsets in characters, which costs 2.5 us and nobody asks for.
        return re2.compile(pattern.encode("utf-8", "surrogatepass"), options).fullmatch
    except re2.error as error:
        seen = error.args[0].decode("utf-8", "replace")[:80]
    if "too large" in seen or "repetition size" in seen:
        raise ValueError(f"regular expression too large ({seen}); use * or + instead of counted repeats")
    hint = "; RE2 has no look-around: add a second condition with !~" if "perl operator" in seen else ""
    hint = hint or (
        "; to mean the character itself, put \\ before it (in double quotes \\\\)" if "escape" not in seen else ""
    )
    raise ValueError(f"not an RE2 regular expression: {seen}{hint}")


def _hint(scanner: Scanner) -> str:
    if scanner.at("("):
        return "a match is a selector, not an expression: write only the metric and its {labels}"
    if scanner.at("[") or scanner.at("offset") or scanner.at("@"):
        return "a match has no time range: leave out what follows the selector"
    return 'expected { or the end; a metric name with other characters is written {__name__="..."}'
