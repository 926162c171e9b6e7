"""What an alertmanager.yml may hold: the same as Alertmanager's own `amtool check-config` says."""

import shutil
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from detectors import LEVELS_ON, PARAMS
from pipeline.config import notifiers
from schemas.config import Config, ConfigErrors, config_schema, load_config
from schemas.config.tree import read_yaml
from schemas.desk import Desk, Route, Span, TimeInterval
from schemas.matchers import Matchers
from tests.config.alertmanager_files import BAD, GOOD

AMTOOL = shutil.which("amtool")
needs_amtool = pytest.mark.skipif(
    AMTOOL is None, reason="amtool (Debian: prometheus-alertmanager) is the second opinion"
)


def load(text: str) -> Config:
    return load_config(text, "am.yml", PARAMS, LEVELS_ON, notifiers(), need_rules=False)


def desk(name: str) -> Desk:
    return load(GOOD[name]).desk


def amtool(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([AMTOOL or "amtool", *args], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("name", GOOD)
def test_what_alertmanager_takes_is_taken(name: str) -> None:
    assert load(GOOD[name]).desk.route.receiver in load(GOOD[name]).desk.receivers


@pytest.mark.parametrize("name", GOOD)
def test_what_alertmanager_takes_is_right_in_an_editor_too(name: str) -> None:
    if name == "empty parts" or "yes" in GOOD[name] or " }" in GOOD[name]:
        return  # keys without a value, and `yes`, are taken but are nothing to advise
    validator = Draft202012Validator(config_schema(PARAMS, notifiers()))
    assert [error.message for error in validator.iter_errors(read_yaml(GOOD[name]).data)] == []


@pytest.mark.parametrize("name", BAD)
def test_what_alertmanager_refuses_is_refused(name: str) -> None:
    with pytest.raises(ConfigErrors):
        load(BAD[name])


@needs_amtool
@pytest.mark.parametrize(
    ("text", "is_good"), [(text, True) for text in GOOD.values()] + [(t, False) for t in BAD.values()]
)
def test_amtool_agrees(tmp_path: Path, text: str, is_good: bool) -> None:
    (tmp_path / "am.yml").write_text(text)
    done = amtool("check-config", str(tmp_path / "am.yml"))
    assert (done.returncode == 0) is is_good, done.stdout + done.stderr


def test_children_have_what_they_leave_out_from_their_parents() -> None:
    route = desk("teams").route
    x, _, database = route.routes
    assert (x.receiver, x.group_by, x.repeat_interval_s) == (
        "team-X-mails",
        ("alertname", "cluster", "service"),
        10_800,
    )
    assert (x.routes[0].receiver, x.routes[0].group_by) == ("team-X-pager", ("alertname", "cluster", "service"))
    assert database.routes[1].group_by == ("alertname", "cluster", "database")
    assert [child.continues for child in database.routes] == [True, False]


def test_routes_are_called_as_alertmanager_calls_them() -> None:
    def keys(route: Route) -> list[tuple[str, str]]:
        return [(route.path, route.key), *(pair for child in route.routes for pair in keys(child))]

    assert keys(desk("teams").route)[:3] == [
        ("0", "{}"),
        ("0.0", '{}/{service=~"^(?:^(foo1|foo2|baz)$)$"}'),
        ("0.0.0", '{}/{service=~"^(?:^(foo1|foo2|baz)$)$"}/{severity="critical"}'),
    ]


def test_a_receivers_entries_are_its_integrations() -> None:
    (receiver,) = desk("all kinds").receivers.values()
    assert {each.name: each.send_resolved for each in receiver.integrations} == {
        "all/slack[0]": True,
        "all/slack[1]": notifiers()["slack"].send_resolved,
        "all/pagerduty[0]": True,
        "all/pagerduty[1]": True,
        "all/opsgenie[0]": True,
        "all/opsgenie[1]": True,
        "all/webhook[0]": False,
        "all/webhook[1]": True,
        "all/email[0]": True,
    }
    assert desk("all kinds").resolve_timeout_s == 600


def test_times_are_what_they_say() -> None:
    found = desk("times").time_intervals
    assert found["offhours"] == (
        TimeInterval(
            times=(Span(18 * 60, 24 * 60), Span(0, 8 * 60 + 30)), weekdays=(Span(1, 5),), location="Europe/Berlin"
        ),
        TimeInterval(weekdays=(Span(6, 6), Span(0, 0))),
    )
    assert found["holidays"][0] == TimeInterval(months=(Span(12, 12),), days_of_month=(Span(24, 26), Span(-1, -1)))


def test_both_spellings_of_conditions_mean_the_same() -> None:
    first, second = desk("inhibition").inhibit_rules
    assert (str(first.source), str(first.target)) == ('{alertname="ClusterDown"}', '{alertname=~"^(?:.+)$"}')
    assert (str(second.source), second.equal) == ('{alertname="NodeDown",env=~"prod|staging"}', ("node", "cluster"))
    assert desk("a label that must be missing").route.routes[0].matchers == Matchers.parse('team=""')
