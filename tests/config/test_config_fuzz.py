"""Whatever is in the file: a config or ConfigErrors, on lines that are in the file."""

from collections.abc import Callable

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas.config import Config, ConfigErrors
from schemas.config.desk.alertmanager import AlertmanagerPart, FileInhibitRule, FileInterval, FileReceiver, FileRoute
from schemas.config.desk.own import FileDesk, FileMaintenance, FileToken, OwnPart
from schemas.config.models import FileLevel, FileRule, Kafka, Limits, Snapshots, Topics, WholeFile
from schemas.config.words import keys_at
from schemas.levels import LEVELS
from tests.config.standins import load_desk

Load = Callable[[str], Config]
KEYS = sorted(
    {key for m in (WholeFile, FileRule, FileLevel, Kafka, Limits, Snapshots, Topics) for key in keys_at(m, ())}
    | {*LEVELS, "half_life_s", "season", "model", "a.b", "", "<<"}
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["> 80", "< 5", "outside 1..2", "30s", "0", "up", 'up{a=~"b"}', "baseline", "threshold", "river", "x"]
    ),
    st.sampled_from(["folder", "auto", "metrics", "alerts", "day", "127.0.0.1:9092", 1, 1.0, 2.0]),
)
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)
LEVEL = SCALARS | st.fixed_dictionaries({}, optional=dict.fromkeys(keys_at(FileLevel, ()), SCALARS))
RULES = st.fixed_dictionaries(
    {"name": st.sampled_from("ab"), "match": st.sampled_from(["up", "{}", "up{", 3])},
    optional={
        "detector": SCALARS | st.sampled_from(["threshold", "baseline", "river"]),
        "levels": ANY | st.dictionaries(st.sampled_from(LEVELS), LEVEL, min_size=1),
        "clear": ANY | st.dictionaries(st.sampled_from(LEVELS), SCALARS),
        "params": ANY,
        "for": SCALARS,
        "labels": ANY,
        "typo": ANY,
    },
)
CONFIGS = ANY | st.fixed_dictionaries(
    {"rules": st.lists(RULES | ANY, max_size=3)},
    optional={key: ANY for key in keys_at(WholeFile, ()) if key != "rules"},
)
DESK_SCALARS = SCALARS | st.sampled_from(
    [
        "a=b",
        'a=~"b|c"',
        "x",
        "t",
        "5m",
        "0",
        "...",
        "monday:friday",
        "1:7",
        "-1",
        "09:00",
        "24:00",
        "2026",
        "Europe/Berlin",
    ]
)
DESK_ANY = DESK_SCALARS | st.lists(DESK_SCALARS, max_size=3)


def section(*models: type[BaseModel], **keys: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Some of the keys that a mapping knows, with anything in them but where `keys` says what."""
    known = dict.fromkeys((key for model in models for key in keys_at(model, ())), DESK_ANY)
    return st.fixed_dictionaries({}, optional={**known, **keys}) | DESK_SCALARS


ROUTES = st.recursive(
    section(FileRoute),
    lambda inner: section(FileRoute, receiver=st.just("x"), routes=st.lists(inner, max_size=2)),
    max_leaves=4,
)
DESKS = section(
    AlertmanagerPart,
    OwnPart,
    route=ROUTES,
    receivers=st.lists(
        section(FileReceiver, name=st.sampled_from("xy"), slack_configs=ANY, email_configs=ANY, jira_configs=ANY),
        max_size=2,
    ),
    inhibit_rules=st.lists(section(FileInhibitRule), max_size=2),
    time_intervals=st.lists(
        st.fixed_dictionaries({"name": DESK_SCALARS, "time_intervals": st.lists(section(FileInterval), max_size=2)})
    ),
    maintenance=st.lists(section(FileMaintenance), max_size=2),
    desk=section(FileDesk, tokens=st.lists(section(FileToken), max_size=2)),
    dependencies=ANY | st.dictionaries(st.sampled_from("abc"), st.lists(st.sampled_from("abc"))),
)


def check(load: Load, text: str) -> None:
    try:
        config = load(text)
    except ConfigErrors as found:
        assert found.errors  # noqa: PT017
        lines = len(text.splitlines()) + 1
        for error in found.errors:
            assert 1 <= error.line <= lines
            assert error.path
            assert len(str(error).splitlines()) == 1
    else:
        assert config.rules or config.desk.receivers


@given(st.text(max_size=200) | st.text("abc: -[]{}&*#!|>'\"\n\t%@`?<,~0.\\x", max_size=80))
def test_any_text_is_a_config_or_config_errors(load: Load, text: str) -> None:
    check(load, text)


@settings(max_examples=400)
@given(CONFIGS, st.booleans())
def test_any_tree_is_a_config_or_config_errors(load: Load, tree: object, flow: bool) -> None:
    check(load, yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True))


@settings(max_examples=400)
@given(DESKS, st.booleans())
def test_any_desk_is_a_desk_or_config_errors(tree: object, flow: bool) -> None:
    check(load_desk, yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True))


GOOD = {
    "kafka": {"group": "g"},
    "limits": {"max_series": 5, "idle_after": "1h"},
    "rules": [
        {"name": f"r{i}", "match": "up", "detector": "threshold", "levels": {"info": "> 1", "critical": {"at": "> 2"}}}
        for i in range(3)
    ],
}
PLACES = [
    ("kafka", "group"),
    ("limits", "max_series"),
    ("limits", "idle_after"),
    *[("rules", i, *rest) for i in range(3) for rest in (("match",), ("levels", "info"), ("levels", "critical", "at"))],
]


@given(st.sets(st.sampled_from(PLACES), min_size=1), st.lists(st.integers(0, 3), min_size=40, max_size=40))
def test_each_mistake_is_reported_on_its_own_line_whatever_stands_around_it(
    load: Load, places: set[tuple[str | int, ...]], gaps: list[int]
) -> None:
    """Wrong values are put in, and comments between the lines; then every wrong line is named, and no other."""
    tree = yaml.safe_load(yaml.safe_dump(GOOD))
    for place in places:
        holder = tree
        for part in place[:-1]:
            holder = holder[part]
        holder[place[-1]] = ["wrong"]
    lines: list[str] = []
    wrong: set[int] = set()
    for line, gap in zip(yaml.safe_dump(tree, sort_keys=False).splitlines(), gaps, strict=False):
        lines += ["# a comment"] * gap + [line]
        if line.endswith("- wrong"):
            wrong.add(len(lines))
    try:
        load("\n".join(lines))
    except ConfigErrors as found:
        keys = {max(n for n in range(1, at) if not lines[n - 1].startswith("#")) for at in wrong}
        assert {error.line for error in found.errors} == keys  # noqa: PT017
    else:
        raise AssertionError("nothing was found")
