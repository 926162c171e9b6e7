"""What becomes of the desk's own keys, of includes, and of a tree of routes whatever its shape."""

import hashlib
from dataclasses import fields

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.config import desk_without_route
from schemas.desk import ApiToken, Dependency, DeskServer, Flapping, Maintenance, Route, Storm
from schemas.matchers import Matchers
from schemas.secret import Secret
from tests.config.standins import ChatSettings, MailSettings, a_machine, desk_errors, load_desk

OWN = """
desk:
  database: ${env:DB}
  host: desk.example
  port: 8480
  external_url: https://desk.example/
  max_page_age: 30m
  keep_days: 7
  service_label: app
  tokens:
    - {name: ann, role: admin, token_sha256: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}
    - {name: bob, role: viewer, token: "${env:BOB}"}
    - {name: eve, role: responder, token_file: run/eve}
maintenance:
  - name: backup
    matchers: ['role="db"']
    starts_at: 2026-12-01T22:00
    duration: 2h
    rrule: FREQ=DAILY
    time_zone: Asia/Tokyo
dependencies: {checkout: [database, cache]}
flapping: {enabled: false}
storm: {groups_max: 9, window: 2m}
"""


def test_the_desks_own_keys_are_what_they_say() -> None:
    machine = a_machine({"run/eve": "eve-has-a-long-token\n"}, {"DB": "postgresql://db/desk", "BOB": "b" * 16})
    desk = load_desk(OWN, machine).desk
    digests = [hashlib.sha256(token).hexdigest() for token in (b"b" * 16, b"eve-has-a-long-token")]
    assert desk.server == DeskServer(
        database_url="postgresql://db/desk",
        host="desk.example",
        port=8480,
        external_url="https://desk.example",
        tokens=(
            ApiToken("ann", "admin", "a" * 64),
            ApiToken("bob", "viewer", digests[0]),
            ApiToken("eve", "responder", digests[1]),
        ),
        max_page_age_s=1800,
        keep_days=7,
    )
    assert desk.maintenance == (
        Maintenance("backup", Matchers.parse("role=db"), "2026-12-01T22:00", 7200, "FREQ=DAILY", "Asia/Tokyo"),
    )
    assert desk.dependencies == (Dependency("checkout", ("database", "cache")),)
    assert (desk.service_label, desk.flapping, desk.storm) == ("app", Flapping(enabled=False), Storm(9, 120.0))


def test_without_any_of_it_the_desk_tells_nobody() -> None:
    assert load_desk("version: 1").desk == desk_without_route()
    assert desk_without_route().receivers["none"].integrations == ()


def test_dependencies_can_be_a_list_too() -> None:
    written = ["dependencies: {a: [b, c]}", "dependencies: [{service: a, depends_on: [b, c]}]"]
    assert [load_desk(text).desk.dependencies for text in written] == [(Dependency("a", ("b", "c")),)] * 2


def test_the_machines_own_time_zone_stands_for_local() -> None:
    text = "time_intervals: [{name: t, time_intervals: [{location: Local}, {}]}]"
    (local, plain) = load_desk(text, a_machine({}, time_zone="Asia/Tokyo")).desk.time_intervals["t"]
    assert (local.location, plain.location) == ("Asia/Tokyo", "UTC")


# --- receivers


def test_an_entry_falls_back_to_global_unless_it_says_either_of_a_pair() -> None:
    desk = load_desk(
        "global: {slack_api_url: https://u, smtp_from: f, smtp_smarthost: s, smtp_require_tls: no, "
        "http_config: {no_proxy: h}}\n"
        "route: {receiver: x}\n"
        "receivers: [{name: x, slack_configs: [{channel: 1}, {api_url_file: p, http_config: {}}], "
        "email_configs: [{to: t}, {to: t, from: g, require_tls: yes, retries: 5, send_resolved: true}]}]"
    ).desk
    first, second, *mails = desk.receivers["x"].integrations
    assert isinstance(first.settings, ChatSettings)
    assert isinstance(second.settings, ChatSettings)
    assert first.settings.api_url is not None
    assert (first.settings.api_url.source, first.settings.channel) == ("https://u", "1")
    assert (second.settings.api_url, second.settings.api_url_file) == (None, "p")
    ways = [settings.http_config and settings.http_config.no_proxy for settings in (first.settings, second.settings)]
    assert ways == ["h", None]
    found = [each.settings for each in mails if isinstance(each.settings, MailSettings)]
    assert [(m.sender, m.smarthost, m.require_tls, m.retries) for m in found] == [
        ("f", "s", False, 3),
        ("g", "s", True, 5),
    ]
    assert [(each.name, each.send_resolved) for each in mails] == [("x/email[0]", False), ("x/email[1]", True)]


def test_a_secret_in_the_file_is_not_shown_by_anything() -> None:
    config = load_desk("route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{api_url: hunter2}]}]")
    (integration,) = config.desk.receivers["x"].integrations
    assert "hunter2" not in repr(config) + str(integration)
    assert getattr(integration.settings, "api_url", None) == Secret("text", "hunter2")


# --- includes


def test_an_included_file_counts_as_if_it_stood_here() -> None:
    files = {
        "etc/alertmanager.yml": "route: {receiver: x}\nreceivers: [{name: x}]\n"
        "templates: ['t/*.tmpl']\ninclude: [more.yaml]",
        "etc/more.yaml": "storm: {groups_max: 9}",
        "etc/t/a.tmpl": "A",
    }
    desk = load_desk("include: [etc/alertmanager.yml]", a_machine(files)).desk
    assert (desk.route.receiver, desk.storm.groups_max, desk.templates) == ("x", 9, {"etc/t/a.tmpl": "A"})


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        ("include: [a.yaml]", {}, ["1: include[0]: a.yaml: no such file"]),
        ("include: a.yaml", {}, ['1: include: must be a list of files, got "a.yaml"']),
        ("include: [3]", {}, ["1: include[0]: must be a file's name, got 3"]),
        ("include: [a.yaml]", {"a.yaml": ""}, ["1: include[0]: a.yaml is empty"]),
        ("include: [a.yaml]", {"a.yaml": "- x"}, ["1: include[0]: a.yaml must be keys and values"]),
        ("include: [a.yaml]", {"a.yaml": "\na: ["}, ["a.yaml:2: config: not YAML: "]),
        ("include: [a.yaml]", {"a.yaml": "\nroute: {receiver: y}\nreceivers: [{name: x}]"},
         ['a.yaml:2: route.receiver: no receiver "y"; known here: x']),
        ("include: [a.yaml]\nroute: {receiver: x}\nreceivers: [{name: x}]",
         {"a.yaml": "version: 1\nroute: {receiver: x}"},
         ["a.yaml:2: route: stands in t.yaml:2 too; keep one of them"]),
        ("include: [a.yaml]", {"a.yaml": "include: [b.yaml]", "b.yaml": "storm: {}\ninclude: [a.yaml]"},
         ["b.yaml:2: include[0]: a.yaml is read already; each file is included once, and never by itself"]),
        ("include: [t.yaml]", {"t.yaml": "{}"},
         ["1: include[0]: t.yaml is read already; each file is included once, and never by itself"]),
        ("storm: {groups: 1}\ninclude: [a.yaml]", {"a.yaml": "flapping: {strat_percent: 1}"},
         ['1: storm.groups: unknown key; did you mean "groups_max"?',
          'a.yaml:1: flapping.strat_percent: unknown key; did you mean "start_percent"?']),
    ],
)  # fmt: skip
def test_a_mistake_names_the_file_it_stands_in(text: str, files: dict[str, str], expected: list[str]) -> None:
    found = desk_errors(text, a_machine(files))
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True)), found


# --- routes, whatever their shape

TIMES = {"group_wait": "group_wait_s", "group_interval": "group_interval_s", "repeat_interval": "repeat_interval_s"}
DEFAULTS = {"group_wait": 30.0, "group_interval": 300.0, "repeat_interval": 14_400.0}
OPTIONS = {
    "receiver": st.sampled_from("xyz"),
    "group_by": st.sampled_from([[], ["..."], ["a"], ["b", "a"]]),
    "continue": st.booleans(),
    **{key: st.integers(1, 99).map(lambda s: f"{s}s") for key in TIMES},
}
CHILD = {"matchers": st.lists(st.sampled_from(["a=b", 'c=~"d"', "e!=f"]), max_size=2)}
ROUTES = st.recursive(
    st.fixed_dictionaries(CHILD, optional=OPTIONS),
    lambda inner: st.fixed_dictionaries({**CHILD, "routes": st.lists(inner, max_size=3)}, optional=OPTIONS),
    max_leaves=8,
)


@given(ROUTES)
def test_a_child_has_what_it_leaves_out_from_the_nearest_parent_that_says_it(tree: dict[str, object]) -> None:
    root = {"receiver": "x", **{key: value for key, value in tree.items() if key not in ("matchers", "continue")}}
    text = yaml.safe_dump({"route": root, "receivers": [{"name": name} for name in "xyz"]})
    check_route(load_desk(text).desk.route, [root], "0", "{}")


def check_route(route: Route, way: list[dict[str, object]], path: str, key: str) -> None:
    """way: what is written from the root down to this route."""
    nearest = {name: node[name] for node in way for name in node if node[name] or name != "group_by"}
    assert (route.path, route.key) == (path, key)
    assert route.receiver == nearest["receiver"]
    names = nearest.get("group_by", [])
    assert isinstance(names, list)
    assert route.group_by == (None if names == ["..."] else tuple(sorted(names)))
    for name, attribute in TIMES.items():
        assert getattr(route, attribute) == (float(str(nearest[name])[:-1]) if name in nearest else DEFAULTS[name])
    assert route.continues is way[-1].get("continue", False)
    children = way[-1].get("routes", [])
    assert isinstance(children, list)
    assert len(route.routes) == len(children)
    for position, (child, written) in enumerate(zip(route.routes, children, strict=True)):
        check_route(child, [*way, written], f"{path}.{position}", f"{key}/{Matchers.parse(written['matchers'])}")


def test_every_field_of_a_route_can_be_written() -> None:
    text = (
        "route: {receiver: x, routes: [{receiver: y, matchers: [a=b], group_by: [c], group_wait: 1s, "
        "group_interval: 2s, repeat_interval: 3s, continue: true, mute_time_intervals: [t], "
        "active_time_intervals: [t], digest: 24h, routes: [{}, {digest: 0s}]}]}\n"
        "receivers: [{name: x}, {name: y}]\ntime_intervals: [{name: t}]"
    )
    top = load_desk(text).desk.route
    route = top.routes[0]
    same = [each.name for each in fields(Route) if getattr(route, each.name) == getattr(top, each.name)]
    assert same == []
    inherited, without = route.routes
    assert (route.digest_s, inherited.digest_s, without.digest_s) == (86_400, 86_400, None)
    assert (inherited.mute_time_intervals, inherited.active_time_intervals, inherited.continues) == ((), (), False)
