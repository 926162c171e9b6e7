"""What is right as it is written, but can't be meant: rules, levels and routes that nothing ever reaches.

Each lint is a function from the resolved config to what it found, in a table. They judge by what is written alone and
stay quiet where they can't be sure: two regular expressions, for one, are never compared.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from schemas.config.borders import within
from schemas.config.errors import Path
from schemas.config.rules import Rule
from schemas.desk import Route
from schemas.levels import LEVELS
from schemas.selector import Matcher, compile_regex

Found = Iterator[tuple[Path, str]]
OpensOn = Callable[[str], str]

SCORE_MAX = 50.0
"""A score is in units of its series' own border: 3 is rare, and a plain number such as 80 was meant for the value."""


def shadowed_rules(rules: Sequence[Rule], opens_on: OpensOn) -> Found:
    """A rule whose every alert another rule tells too, at the same level or a worse one, under the same labels."""
    kinds = [_kind(rule) for rule in rules]
    conditions = [frozenset(rule.selector.matchers) for rule in rules]
    often = Counter(one for each in conditions for one in each)
    # A wider rule's conditions are all among one's own, so its rarest is too: ten thousand rules stay quick to compare.
    by_rarest: dict[tuple[object, Matcher | None], list[int]] = defaultdict(list)
    for number, mine in enumerate(conditions):
        by_rarest[kinds[number], min(mine, key=lambda one: often[one], default=None)].append(number)
    for number in range(len(rules)):
        for rarest in (*rules[number].selector.matchers, None):
            near = by_rarest.get((kinds[number], rarest), ())
            wider = next((k for k in near if _hides(k, number, rules, conditions)), None)
            if wider is not None:
                yield (
                    ("rules", number, "match"),
                    f'rule "{rules[wider].name}" tells all that this rule would, with the same detector and labels: '
                    "drop one, or set them apart by match, levels or labels",
                )
                break


def _kind(rule: Rule) -> object:
    """What must be the same for one rule to stand for another; their levels are compared then."""
    detectors = tuple((spec.kind, spec.params.model_dump_json()) for spec in rule.detectors)
    return detectors, rule.group_by, rule.align_s, rule.labels, rule.back_off, rule.budget_a_day


def _hides(wider: int, number: int, rules: Sequence[Rule], conditions: Sequence[frozenset[Matcher]]) -> bool:
    one, other, theirs, mine = rules[wider], rules[number], conditions[wider], conditions[number]
    if wider == number or not theirs <= mine:
        return False
    if one.budget_a_day and theirs != mine:
        return False  # a budget is spent by all the series of its rule
    if theirs == mine and wider > number and _tells_all(one, other) and _tells_all(other, one):
        return False  # of two that are the same the later one is told
    return _tells_all(one, other)


def _tells_all(one: Rule, other: Rule) -> bool:
    return all(
        any(
            mine.rank >= level.rank
            and mine.detector == level.detector
            and mine.for_s <= level.for_s
            and within(level.open, mine.open)
            for mine in one.levels
        )
        for level in other.levels
    )


def empty_matches(rules: Sequence[Rule], opens_on: OpensOn) -> Found:
    """A selector whose conditions exclude each other."""
    for number, rule in enumerate(rules):
        if clash := _clash(rule.selector.matchers):
            a, b = clash
            yield ("rules", number, "match"), f"no series can match: {a} and {b} exclude each other; drop one of them"


def impossible_levels(rules: Sequence[Rule], opens_on: OpensOn) -> Found:
    """A border that was meant for the value, where the score is compared."""
    for number, rule in enumerate(rules):
        for level in rule.levels:
            kind = rule.detectors[level.detector].kind
            if opens_on(kind) == "score" and level.open.low >= SCORE_MAX:
                yield (
                    ("rules", number, "levels", level.name),
                    f"a score of {level.open.low:g} is {level.open.low:g} times the border that {kind} has, and hardly "
                    f'ever reached; 1.0 to 3.0 are usual. For a limit of the value: detector: threshold, "> '
                    f'{level.open.low:g}"',
                )


RULE_LINTS: tuple[Callable[[Sequence[Rule], OpensOn], Found], ...] = (
    shadowed_rules,
    empty_matches,
    impossible_levels,
)


def unreachable_routes(root: Route) -> Found:
    """A route whose conditions, with those above it, no alert can meet."""
    yield from _routes(root, ("route",), ())


def _routes(parent: Route, at: Path, above: tuple[Matcher, ...]) -> Found:
    for position, route in enumerate(parent.routes):
        here = (*at, "routes", position)
        conditions = (*above, *route.matchers.matchers)
        if clash := _clash(conditions):
            a, b = clash
            yield here, f"no alert comes here: {a} and {b} exclude each other; drop one of them"
            continue
        if never := _no_level(route.matchers.matchers):
            yield here, f"no alert comes here: {never} is none of the levels {', '.join(LEVELS)}"
            continue
        yield from _routes(route, here, conditions)


def _no_level(matchers: Sequence[Matcher]) -> Matcher | None:
    """A condition on `level` that none of the levels meets."""
    return next((m for m in matchers if m.name == "level" and not any(_holds(m, level) for level in LEVELS)), None)


def _clash(matchers: Sequence[Matcher]) -> tuple[Matcher, Matcher] | None:
    """Two conditions that exclude each other: where a label must be one text, all others on it are tried with that."""
    for fixed in matchers:
        if fixed.op == "=":
            for other in matchers:
                if other.name == fixed.name and not _holds(other, fixed.value):
                    return fixed, other
    return None


def _holds(matcher: Matcher, value: str) -> bool:
    if matcher.op in ("=", "!="):
        found = matcher.value == value
    else:
        found = compile_regex(matcher.value)(value.encode("utf-8", "surrogatepass")) is not None
    return found is (matcher.op in ("=", "=~"))
