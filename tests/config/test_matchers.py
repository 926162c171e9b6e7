"""Conditions on labels: read as Alertmanager reads them, written as it writes them."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.matchers import Matchers
from schemas.selector import Matcher, MatchOp

AMTOOL = shutil.which("amtool")
# Spelling -> labels as amtool takes them, and whether they match; None: refused.
SPELLINGS: list[tuple[str, str, bool | None]] = [
    ('a="b"', "a=b", True),
    ("a=b", "a=b", True),
    ("a = b", "a=b", True),
    ('{a="b"}', "a=b", True),
    ('{a="b",c!="d",}', "a=b", True),
    ('{a = "b" , c != "d" , }', "a=b", True),
    ('a="b"}', "a=b", True),
    ('{a="b"', "a=b", True),
    ("a=b,c=d", "a=b", False),
    ('a="b,c"', "a=b,c", True),
    ("a=b c", "a=b c", True),
    ("a='b'", "a='b'", True),
    ("a='b'", "a=b", False),
    ("a==b", "a==b", True),
    ("a=~~~", "a=~~", True),
    (r"a=\=", r"a=\=", True),
    (r'a="\""', 'a="', True),
    (r'a="\d"', r"a=\d", True),
    (r'a="b\\"', "a=b\\", True),
    ("a=b\\", "a=b\\", True),
    ('a=""', "c=d", True),
    ('a!=""', "c=d", False),
    ('a=~""', "c=d", True),
    ('a=~".*"', "c=d", True),
    ('a=~"b"', "a=bb", False),
    ('a=~"b|c"', "a=c", True),
    ('a=~"b.*"', "a=b.", True),
    ('a!~"b|c"', "a=c", False),
    ("a:b=c", "d=e", False),
    ("a", "", None),
    ('a="b', "", None),
    ('a=b"', "", None),
    ('a="b"c', "", None),
    ("=b", "", None),
    ("a=b,,c=d", "", None),
    ("{{a=b}}", "", None),
    ('a=~"("', "", None),
    ("a-b", "", None),
]


@pytest.mark.parametrize(("text", "labels", "expected"), SPELLINGS)
def test_a_spelling_means_what_alertmanager_takes_it_for(text: str, labels: str, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match=r"at character \d+: |not an RE2 regular expression"):
            Matchers.parse(text)
    else:
        name, _, value = labels.partition("=")
        assert Matchers.parse(text).matches({name: value}) is expected


@pytest.mark.skipif(AMTOOL is None, reason="amtool of Debian's prometheus-alertmanager isn't installed")
@pytest.mark.parametrize(("text", "labels", "expected"), SPELLINGS)
def test_amtool_agrees_what_a_spelling_means(tmp_path: Path, text: str, labels: str, expected: bool | None) -> None:
    config = tmp_path / "am.yml"
    quoted = text.replace("'", "''")
    config.write_text(
        f"route: {{receiver: no, routes: [{{receiver: yes, matchers: ['{quoted}']}}]}}\n"
        "receivers: [{name: no}, {name: yes}]"
    )
    command = [AMTOOL or "amtool", "config", "routes", "test", f"--config.file={config}"]
    name, _, value = labels.partition("=")
    pairs = [f'{name}="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'] if labels else []
    done = subprocess.run([*command, *pairs], capture_output=True, text=True, timeout=30, check=False)
    if expected is None:
        assert done.returncode != 0
    else:
        assert done.stdout.strip() == ("yes" if expected else "no"), done.stderr


@pytest.mark.parametrize("text", ['"a b"=c', '{"a b"="c"}', "a-b=c", "ä=~'c'", '"\\u00e4"="c"'])
def test_names_of_any_letters_are_read_as_later_alertmanagers_do(text: str) -> None:
    if "'" in text:
        with pytest.raises(ValueError, match="double quotes"):
            Matchers.parse(text)
    else:
        (matcher,) = Matchers.parse(text).matchers
        assert matcher.name in ("a b", "a-b", "ä")
        assert matcher.value == "c"


def test_the_canonical_text_is_alertmanagers() -> None:
    """pkg/labels/matcher.go: by name, value, then = != =~ !~; doubles stay; only names that need it are quoted."""
    written = ['b!~"x"', 'b=~"x"', 'b!="x"', "b=x", "b=a", "a=z", "a=z", '"c d"="tab\\there"', r'e="back\slash \"q\""']
    assert str(Matchers.parse(written)) == (
        r'{a="z",a="z",b="a",b="x",b!="x",b=~"x",b!~"x","c d"="tab\there",e="back\\slash \"q\""}'
    )


NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,3}", fullmatch=True) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4
)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(['"', "\\", "a,b", "}", "\n"])
OPS: list[MatchOp] = ["=", "!="]


@given(st.lists(st.builds(Matcher, NAMES, st.sampled_from(OPS), VALUES), max_size=4))
def test_what_is_written_is_read_back_equal(matchers: list[Matcher]) -> None:
    written = Matchers(tuple(matchers))
    assert Matchers.parse(str(written)) == written
    assert Matchers.from_api(written.as_api()) == written


@given(st.text(max_size=40) | st.text('ab={}!~",\\ \n', max_size=12))
def test_any_text_is_conditions_or_a_reason(text: str) -> None:
    try:
        found = Matchers.parse(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        assert Matchers.parse(str(found)) == found


@given(
    st.lists(st.builds(Matcher, st.sampled_from("ab"), st.sampled_from(["=", "!=", "=~", "!~"]), st.sampled_from(
        ["", "x", "x|y", "x.*", "|x", ".+"])), max_size=3),
    st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "x", "y", "xy", "x\n"])),
)  # fmt: skip
def test_a_missing_label_is_an_empty_one(matchers: list[Matcher], labels: dict[str, str]) -> None:
    conditions = Matchers(tuple(matchers))
    assert conditions.matches(labels) == conditions.matches({"a": "", "b": "", **labels})
    one_by_one = [Matchers((matcher,)).matches(labels) for matcher in matchers]
    assert conditions.matches(labels) == all(one_by_one)


def test_too_many_conditions_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 64 conditions"):
        Matchers.parse([f"a{i}=b" for i in range(65)])


def test_ten_thousand_alerts_are_matched_with_a_hundred_conditions_within_a_second() -> None:
    routes = [Matchers.parse(f'team="t{i}",env=~"prod.*",service!~"a|b"') for i in range(50)]
    routes += [Matchers.parse(f'service=~"s{i}.*"') for i in range(50)]
    alerts = [{"team": f"t{i % 50}", "env": "prod-1", "service": f"s{i % 70}"} for i in range(10_000)]
    began_s = time.process_time()
    assert sum(route.matches(alert) for alert in alerts for route in routes) == 25_720
    assert time.process_time() - began_s < 1.0
