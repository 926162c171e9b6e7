"""The other kinds: commands, units, webhooks, switches, records. Against written replies, and real ones."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from incidents.remedies.base import Done
from incidents.remedies.kinds import KINDS
from pipeline.config import read_config
from schemas.calls import ExecCall, HttpCall, Refused, Reply
from tests.remedies.talk import CONTEXT, intent, labelled, remedy, told

KUBERNETES = {"api": "http://127.0.0.1:1", "namespace": "shop", "deployment": "{service}"}
EACH: dict[str, dict[str, Any]] = {
    "command": {"argv": ["/bin/echo", "{host}"]},
    "kafka": {"topic": "remedies", "key": "{host}"},
    "kubernetes_restart": KUBERNETES,
    "kubernetes_rollback": KUBERNETES,
    "kubernetes_scale": KUBERNETES | {"to": 5, "max": 8},
    "switch": {"url": "http://127.0.0.1:1/", "name": "database", "to": "backup"},
    "systemd": {"unit": "web.service"},
    "webhook": {"url": "http://127.0.0.1:1/", "name": "{host}"},
}
SHOW = b"LoadState=loaded\nActiveState=%s\nActiveEnterTimestamp=@%d\n"


def test_each_kind_is_tried_here() -> None:
    assert set(EACH) == set(KINDS)
    assert {kind: each.kind for kind, each in KINDS.items()} == {kind: kind for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_writes_nothing(kind: str) -> None:
    """Whatever is read."""
    one = remedy(kind, **EACH[kind])
    replies = {
        "switch": [Reply(200, body=b'{"active": "primary"}')],
        "systemd": [Reply(0, body=SHOW % (b"failed", 1))],
        "kubernetes_restart": [_deployment()],
        "kubernetes_rollback": [_deployment(), Reply(200, body=b'{"items": [%s]}' % _replica_set().body)],
        "kubernetes_scale": [_scale(), Reply(200, body=b'{"items": []}')],
    }
    done, calls = told(one.act(intent(is_dry_run=True), CONTEXT), *replies.get(kind, []))
    assert done.text.startswith("would ")
    for call in calls:
        is_read = isinstance(call, HttpCall) and call.method == "GET"
        assert is_read or (isinstance(call, ExecCall) and "show" in call.argv), call


@pytest.mark.parametrize("kind", KINDS)
def test_an_undo_that_is_only_tried_writes_nothing(kind: str) -> None:
    one = remedy(kind, **EACH[kind])
    done = Done("", {"replicas": 3, "active": "primary"}, {"replicas": 5, "active": "backup"})
    undoing = one.undo(intent(is_dry_run=True), done, CONTEXT)
    if undoing is None:
        return
    replies = {
        "switch": [Reply(200, body=b'{"active": "backup"}')],
        "kubernetes_scale": [_scale(5), Reply(200, body=b'{"items": []}')],
    }
    _, calls = told(undoing, *replies.get(kind, []))
    assert all(isinstance(call, HttpCall) and call.method == "GET" for call in calls)


_ANY = st.text(max_size=30) | st.sampled_from(
    ["; rm -rf /", "a\nb", "-rf", "--help", "\0", "\u202e", "\ud800", "../x", ""]
)
_NAMES = {"command": "host", "kafka": "host", "webhook": "host", "kubernetes_scale": "service"}


@given(st.sampled_from(sorted(_NAMES)), _ANY)
def test_a_label_is_one_whole_value_or_refused(kind: str, value: str) -> None:
    """Of letters, digits and `._:@-`, where no pattern says otherwise."""
    one = remedy(kind, **EACH[kind])
    try:
        target = one.target({_NAMES[kind]: value})
    except Refused:
        with pytest.raises(Refused):
            next(one.act(labelled({_NAMES[kind]: value}), CONTEXT))
        return
    assert value in target
    assert value[0].isalnum()
    assert value.isascii()
    assert not set(value) - set("._:@-") - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


@given(_ANY)
def test_whatever_the_pattern_allows_no_option_and_no_control_character_gets_through(value: str) -> None:
    one = remedy("command", argv=["/bin/echo", "{host}"], labels={"host": "(?s:.*)"})
    try:
        call = next(one.act(labelled({"host": value}), CONTEXT))
    except Refused:
        assert not value or value.startswith("-") or not value.isprintable()
        return
    assert isinstance(call, ExecCall)
    assert call.argv == ("/bin/echo", value)


@pytest.mark.parametrize(
    ("kind", "wrong", "reason"),
    [
        ("command", {"argv": ["echo"]}, "whole path"),
        ("command", {"argv": ["{host}"]}, "whole path"),
        ("command", {"argv": []}, "at least 1"),
        ("command", {"argv": ["/bin/echo", "a\0b"]}, "NUL"),
        ("command", {"argv": ["/bin/echo"], "env": {"LD_PRELOAD": "x"}}, "can't be set"),
        ("command", {"argv": ["/bin/echo"], "labels": {"host": "x"}}, "nothing here stands for"),
        ("command", {"argv": ["/bin/echo", "--host={host}"], "labels": {"host": "x"}}, "nothing here stands for"),
        ("command", {"argv": ["/bin/echo", "{host}"], "labels": {"host": "("}}, "host"),
        ("systemd", {"unit": "web"}, "not the name of a unit"),
        ("systemd", {"unit": "-web.service"}, "not the name of a unit"),
        ("systemd", {"unit": "web.service;reboot.service"}, "not the name of a unit"),
        ("webhook", {"url": "http://h/", "http_config": {"follow_redirects": True}}, "never sent on"),
        ("webhook", {"url": "http://h/", "secret": "a", "secret_file": "b"}, "keep one"),
        ("switch", {"url": "http://h/", "name": "x", "to": "a", "from": "a"}, "the same"),
        ("kubernetes_scale", KUBERNETES | {"to": 5, "step": 1, "max": 8}, "needs one of"),
        ("kubernetes_scale", KUBERNETES | {"to": 9, "max": 8}, "not between"),
        ("kubernetes_scale", KUBERNETES | {"step": 1, "min": 9, "max": 8}, "no number lies between"),
        ("kubernetes_scale", KUBERNETES | {"step": 0, "max": 8}, "changes nothing"),
        ("kubernetes_restart", {"namespace": "shop"}, "needs either"),
        ("kubernetes_restart", {"namespace": "shop", "deployment": "Web_1"}, "not a name in Kubernetes"),
        ("kubernetes_restart", KUBERNETES | {"api": "http://10.0.0.1", "token": "x"}, "in clear"),
        ("kubernetes_rollback", {"namespace": "shop", "stateful_set": "db"}, "needs a deployment"),
    ],
)
def test_a_setting_that_can_not_be_meant_is_an_error(kind: str, wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        remedy(kind, **wrong)


def _scale(replicas: int = 3) -> Reply:
    body = {"kind": "Scale", "metadata": {"resourceVersion": "7"}, "spec": {"replicas": replicas}}
    return Reply(200, body=json.dumps(body).encode())


def _deployment() -> Reply:
    metadata = {"resourceVersion": "7", "uid": "u", "annotations": {"deployment.kubernetes.io/revision": "2"}}
    body = {"metadata": metadata, "spec": {"template": {"spec": {"containers": [2]}}}}
    return Reply(200, body=json.dumps(body).encode())


def _replica_set() -> Reply:
    owner = {"uid": "u", "controller": True}
    metadata = {"ownerReferences": [owner], "annotations": {"deployment.kubernetes.io/revision": "1"}}
    body = {"metadata": metadata, "spec": {"template": {"spec": {"containers": [1]}}}}
    return Reply(200, body=json.dumps(body).encode())


# The page ------------------------------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs/remedies.md"
WRITTEN = [
    yaml.safe_load(part.split("```")[0]) for part in PAGE.read_text().split("```yaml\n")[1:] if "---" not in part
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_a_line_for_each_kind(kind: str) -> None:
    assert f"| `{kind}` |" in PAGE.read_text()


def test_what_the_page_shows_is_right(tmp_path: Path) -> None:
    shown = {kind: settings for each in WRITTEN for kind, settings in each.items() if kind in KINDS}
    assert set(shown) == set(KINDS) - {"kubernetes_restart", "kubernetes_rollback"}
    remedies = [{"name": kind, "matchers": ['a="b"'], kind: settings} for kind, settings in shown.items()]
    (automation,) = [each["automation"] for each in WRITTEN if "automation" in each]
    file = tmp_path / "desk.yaml"
    file.write_text(yaml.safe_dump({"automation": {**automation, "remedies": remedies}}))
    plan = read_config(file, need_rules=False).desk.response.automation
    assert [rule.kind for rule in plan.remedies] == list(shown)
    assert plan.scaling[0].name == "web"
