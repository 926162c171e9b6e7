"""Selectors mean what PromQL means, and cost little."""

import pickle
import re
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.metric import Series
from schemas.selector import METRIC_LABEL, Matcher, MatchOp, Selector

NAMES = st.sampled_from(["host", "env", "a", METRIC_LABEL])
# Patterns that mean the same to RE2 and to Python: no escapes, classes by name, or counted repeats.
ATOMS = st.sampled_from(["a", "b", "web", ".", "[ab]", "[^a]", "é", "x?", "a|b", "-", "\n"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        inner.map(lambda p: f"(?:{p})*"),
        inner.map(lambda p: f"(?:{p})+"),
        st.tuples(inner, inner).map(lambda p: f"(?:{p[0]}|{p[1]})"),
    ),
    max_leaves=6,
)
TEXTS = st.one_of(st.text("ab-é\nwex", max_size=8), st.text(max_size=4))
SERIES = st.builds(
    Series.of, TEXTS.filter(bool), st.dictionaries(st.sampled_from(["host", "env", "a", "zone"]), TEXTS, max_size=4)
)


@st.composite
def matchers(draw: st.DrawFn) -> Matcher:
    op: MatchOp = draw(st.sampled_from(("=", "!=", "=~", "!~")))
    return Matcher(draw(NAMES), op, draw(PATTERNS if op in ("=~", "!~") else TEXTS))


SELECTORS = st.lists(matchers(), max_size=4).map(lambda found: Selector(tuple(found)))


def model(matcher: Matcher, series: Series) -> bool:
    labels = dict(series.labels) | {METRIC_LABEL: series.metric}
    seen = labels.get(matcher.name, "")
    if matcher.op in ("=", "!="):
        return (seen == matcher.value) == (matcher.op == "=")
    return (re.fullmatch(f"(?:{matcher.value})", seen, re.DOTALL) is not None) == (matcher.op == "=~")


@given(SELECTORS, SERIES)
def test_a_selector_matches_where_a_plain_model_does(selector: Selector, series: Series) -> None:
    assert selector.matches(series) == all(model(matcher, series) for matcher in selector.matchers)


@given(SELECTORS)
def test_a_selector_reads_back_what_it_writes(selector: Selector) -> None:
    again = Selector.parse(str(selector))
    assert again == selector
    assert str(again) == str(selector)
    assert str(selector).isprintable()
    assert pickle.loads(pickle.dumps(selector)) == selector  # noqa: S301


@given(SERIES)
def test_a_series_is_matched_by_the_selector_that_names_it(series: Series) -> None:
    named = [Matcher(METRIC_LABEL, "=", series.metric), *(Matcher(n, "=", v) for n, v in series.labels)]
    assert Selector(tuple(named)).matches(series)


@given(st.one_of(st.text(max_size=40), st.text("ab{}=!~\"'`,\\. \n(x0[", max_size=30)))
def test_any_text_is_a_selector_or_a_value_error_on_one_line(text: str) -> None:
    try:
        selector = Selector.parse(text)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
    else:
        assert Selector.parse(str(selector)) == selector


def test_parts_are_sorted_and_doubled_ones_dropped() -> None:
    one = Selector.parse('cpu{b="2",a=~"x", b="2" ,}')
    assert one == Selector.parse("{a=~`x`, __name__='cpu', b=\"2\"}")
    assert str(one) == 'cpu{a=~"x", b="2"}'
    assert len({one, Selector.parse(str(one))}) == 1


@pytest.mark.parametrize(
    ("text", "metric", "labels"),
    [
        ("cpu", "cpu", {}),
        ("node:cpu:rate5m", "node:cpu:rate5m", {}),
        ("  cpu { host = 'a' } ", "cpu", {"host": "a"}),
        ("cpu{}", "cpu", {"host": "a"}),
        ("{}", "anything", {"host": "a"}),
        ('{"cpu.usage", "host.name"="a"}', "cpu.usage", {"host.name": "a"}),
        ('{__name__="cpu.usage"}', "cpu.usage", {}),
        (r'cpu{a="\"\\\n\t\x41\101\u00e9\U0001F600\xc3\xa9"}', "cpu", {"a": '"\\\n\tAAé😀é'}),
        (r"cpu{a='\''}", "cpu", {"a": "'"}),
        (r"cpu{a=`\d`}", "cpu", {"a": r"\d"}),
        (r'cpu{a=~"web-\\d+"}', "cpu", {"a": "web-12"}),
        ('cpu{a=~"a.b"}', "cpu", {"a": "a\nb"}),
        ('cpu{host=""}', "cpu", {}),
        ('cpu{host!="dev"}', "cpu", {}),
        ('cpu{host=~"|a"}', "cpu", {}),
        ('{__name__=~"c.u",__name__!="cxu"}', "cpu", {}),
    ],
)
def test_promql_spellings_match(text: str, metric: str, labels: dict[str, str]) -> None:
    assert Selector.parse(text).matches(Series.of(metric, labels))


@pytest.mark.parametrize(
    ("text", "metric", "labels"),
    [
        ("cpu", "cpu2", {}),
        ('cpu{host=~"web"}', "cpu", {"host": "web-1"}),  # anchored at both ends
        ('cpu{host=~"a|b"}', "cpu", {"host": "ab"}),  # the alternatives too
        ('cpu{host="a"}', "cpu", {}),
        ('cpu{host!~"a.*"}', "cpu", {"host": "ab"}),
        ('cpu{host=~".+"}', "cpu", {}),
        ('cpu{host=~"WEB"}', "cpu", {"host": "web"}),
        ('{__name__=""}', "cpu", {}),
    ],
)
def test_promql_spellings_dont_match(text: str, metric: str, labels: dict[str, str]) -> None:
    assert not Selector.parse(text).matches(Series.of(metric, labels))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at character 1: expected a metric name or {"),
        (
            "cpu.usage",
            'at character 4: expected { or the end; a metric name with other characters is written {__name__="',
        ),
        ("cpu{", "at character 5: expected a label name"),
        ("{,}", "at character 2: expected a label name"),
        ("cpu{host}", "at character 9: expected =, !=, =~ or !~"),
        ('cpu{host-name="a"}', "at character 9: expected =, !=, =~ or !~"),
        ('cpu{host=="a"}', "at character 10: expected a text in quotes after =; = is written once"),
        ("cpu{host=a}", "at character 10: expected a text in quotes after =; seen: 'a}'"),
        ('cpu{host="a', 'at character 10: this text has no closing "'),
        ('cpu{host="a"', "at character 13: expected , or }; seen: the end"),
        ('cpu{host="a" env="b"}', "at character 14: expected , or }"),
        ("rate(cpu[5m])", "at character 5: a match is a selector, not an expression"),
        ("cpu[5m]", "at character 4: a match has no time range"),
        (r'cpu{a="\d"}', r"at character 8: no such escape"),
        (r'cpu{a="\400"}', r"at character 8: no such escape"),
        (r'cpu{a="\ud800"}', r"at character 8: no such escape"),
        (r'cpu{a="\xff"}', "the escapes of this text are not UTF-8"),
        ('cpu{a="x\ny"}', "a text in quotes ends on its line"),
        ('cpu{__name__="x"}', "the metric name is set twice"),
        (
            'cpu{a=~"(?!x)"}',
            "at character 8: not an RE2 regular expression: invalid perl operator: (?!; RE2 has no look-a",
        ),
        ('cpu{a=~"*"}', "not an RE2 regular expression: no argument for repetition operator: *"),
        (r"cpu{a=~`(\pL{90}){9}`}", "regular expression too large"),
        ('cpu{a=~"a{2000}"}', "regular expression too large"),
        ('cpu{a=~"' + "a" * 4097 + '"}', "regular expression longer than 4096 characters"),
        ("cpu{" + 'a="b",' * 65 + "}", "more than 64 conditions"),
        ("a" * 16_385, "longer than 16384 characters"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_would_do(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        Selector.parse(text)


def test_a_match_by_equality_takes_less_than_two_microseconds() -> None:
    selector = Selector.parse('cpu{host="web-1", env="prod"}')
    series = Series.of("cpu", {"host": "web-1", "env": "prod", "zone": "a", "rack": "7", "team": "x"})
    best_s = min(timeit.repeat(lambda: selector.matches(series), number=2_000, repeat=20)) / 2_000
    assert best_s < 2e-6


def test_a_regular_expression_that_backtracks_elsewhere_is_quick_here() -> None:
    selector = Selector.parse('{a=~"(a*)*b"}')
    best_s = min(timeit.repeat(lambda: selector.matches(Series.of("m", {"a": "a" * 5_000})), number=1, repeat=3))
    assert best_s < 0.05
