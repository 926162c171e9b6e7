"""The other kinds: commands, units, webhooks, switches, records. Against written replies, and real ones."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from incidents.remedies.base import Done, Remedy
from incidents.remedies.kinds import KINDS
from schemas.calls import ExecCall, HttpCall, KafkaCall, Refused, Reply, Retry
from tests.doubles.http import Double, Fault, Request, Response
from tests.remedies.talk import CONTEXT, INTENT, held, intent, labelled, remedy, told

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


# Programs ------------------------------------------------------------------------------------------------------------


def test_a_command_is_told_what_it_is_for_and_nothing_else(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("hunter2\n")
    one = remedy("command", argv=["/usr/bin/env"], env={"HOST": "{host}"}, secrets={"TOKEN": f"file:{token}"})
    done = held(one, one.act(intent(), CONTEXT))
    for each in ("HOST=web-1", "TOKEN=hunter2", f"TIDEGAUGE_ID={INTENT.id}", "TIDEGAUGE_REMEDY=mend"):
        assert each in done.text
    assert "HOME=" not in done.text


def test_how_a_command_failed_is_told() -> None:
    one = remedy("command", argv=["/bin/sh", "-c", "echo no such host >&2; exit 4"])
    with pytest.raises(Refused, match=r"exited with 4: no such host; what it did before that stays done"):
        held(one, one.act(intent(), CONTEXT))


def test_a_command_that_took_too_long_is_unknown() -> None:
    kind = KINDS["command"]
    one = kind(kind.Settings.model_validate({"argv": ("/bin/sleep", "60"), "timeout_s": 0.2}))
    with pytest.raises(Retry, match="nobody knows how far it came"):
        held(one, one.act(intent(), CONTEXT))


@pytest.mark.parametrize(("status", "failure"), [(0, None), (1, Refused), (2, Retry), (127, Retry)])
def test_what_a_command_says_of_itself_after_a_crash(status: int, failure: type[Exception] | None) -> None:
    one = remedy("command", argv=["/bin/true"], verify=["/bin/sh", "-c", f"exit {status}"])
    if failure is None:
        held(one, one.verify(intent(), CONTEXT))
        return
    with pytest.raises(failure):
        held(one, one.verify(intent(), CONTEXT))


def test_a_secret_that_is_not_there_is_known_to_have_changed_nothing() -> None:
    one = remedy("command", argv=["/bin/true"], secrets={"TOKEN": "file:no/such/file"})
    with pytest.raises(Refused, match="secret file"):
        held(one, one.act(intent(), CONTEXT))


def test_a_unit_is_restarted_and_looked_at() -> None:
    one = remedy("systemd", unit="web.service")
    shown = [Reply(0, body=SHOW % (b"failed", 1)), Reply(0), Reply(0, body=SHOW % (b"active", 2))]
    done, calls = told(one.act(intent(), CONTEXT), *shown)
    assert done.text == "restart of web.service: it is active"
    assert isinstance(calls[1], ExecCall)
    assert calls[1].argv[-3:] == ("restart", "--", "web.service")
    assert calls[1].argv[0] == "/usr/bin/systemctl"


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(1, body=b"Failed to connect to bus")],
        [Reply(0, body=b"LoadState=not-found\nActiveState=inactive\n")],
        [Reply(0, body=SHOW % (b"active", 1)), Reply(1, body=b"Access denied")],
        [Reply(0, body=SHOW % (b"active", 1)), Reply(0), Reply(0, body=SHOW % (b"failed", 1))],
    ],
)
def test_a_unit_that_does_not_run_afterwards_is_not_mended(replies: list[Reply]) -> None:
    one = remedy("systemd", unit="web.service")
    with pytest.raises(Refused):
        told(one.act(intent(), CONTEXT), *replies)


@pytest.mark.parametrize(
    ("state", "since_s", "is_done"), [(b"active", 60, True), (b"active", -60, False), (b"failed", 60, False)]
)
def test_whether_a_unit_was_restarted_is_seen_by_when_it_started(state: bytes, since_s: int, is_done: bool) -> None:
    one = remedy("systemd", unit="web.service")
    shown = Reply(0, body=SHOW % (state, int(INTENT.now_s) + since_s))
    if is_done:
        told(one.verify(intent(), CONTEXT), shown)
        return
    with pytest.raises(Refused):
        told(one.verify(intent(), CONTEXT), shown)


# Other programs ------------------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_and_carries_a_key() -> None:
    with Double(lambda request: Response.of(200, {"ok": True})) as double:
        one = remedy("webhook", url=double.url, name="{host}", secret="key", payload={"host": "{host}", "act": "drain"})
        held(one, one.act(intent(), CONTEXT))
        held(one, one.act(intent(), CONTEXT))
        first, again = double.requests
    t, v1 = (part.split("=", 1)[1] for part in first.headers["x-tidegauge-signature"].split(","))
    assert v1 == hmac.new(b"key", f"{t}.".encode() + first.body, hashlib.sha256).hexdigest()
    assert t == str(int(INTENT.now_s))
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"]
    assert first.json["payload"] == {"host": "web-1", "act": "drain"}
    assert first.json["id"] == INTENT.id


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (200, None),
        (204, None),
        (302, Refused),
        (400, Refused),
        (409, Refused),
        (429, Refused),
        (408, Retry),
        (503, Retry),
    ],
)
def test_what_a_webhook_answers(status: int, failure: type[Exception] | None) -> None:
    seen = []

    def respond(request: Request) -> Response:
        seen.append(request.path)
        return Response(status, b"", {"Location": "/elsewhere"})

    with Double(respond) as double:
        one = remedy("webhook", url=double.url)
        if failure is None:
            held(one, one.act(intent(), CONTEXT))
        else:
            with pytest.raises(failure):
                held(one, one.act(intent(), CONTEXT))
    assert seen == ["/"], "a redirect is not followed"


def test_a_webhook_whose_answer_is_lost_is_unknown_and_only_asked_again_where_it_promised() -> None:
    with Double(lambda request: Response(404 if request.path == "/status" else 200)) as double:
        double.fail(Fault(is_reply_lost=True))
        one = remedy("webhook", url=double.url)
        with pytest.raises(Retry):
            held(one, one.act(intent(), CONTEXT))
        assert one.verify(intent(), CONTEXT) is None
        asked = remedy("webhook", url=double.url, verify_url=f"{double.url}/status")
        with pytest.raises(Refused, match="not taken effect"):
            held(asked, asked.verify(intent(), CONTEXT))
        again = remedy("webhook", url=double.url, is_idempotent=True)
        held(again, again.verify(intent(), CONTEXT))
        keys = {request.headers["idempotency-key"] for request in double.requests}
    assert len(keys) == 1


class SwitchDouble(Double):
    """Turned by whoever knows what it is on."""

    def __init__(self, active: str) -> None:
        super().__init__(self._turn)
        self.active = active

    def _turn(self, request: Request) -> Response:
        if request.method == "POST":
            if request.json["was"] != self.active:
                return Response.of(409, {"active": self.active})
            self.active = request.json["active"]
        return Response.of(200, {"active": self.active})


def switch(double: Double, **more: Any) -> Remedy:
    return remedy("switch", url=double.url, name="database", to="backup", **({"from": "primary"} | more))


def test_a_switch_is_turned_and_turned_back() -> None:
    with SwitchDouble("primary") as double:
        one = switch(double)
        done = held(one, one.act(intent(), CONTEXT))
        assert double.active == "backup"
        assert (done.before, done.after) == ({"active": "primary"}, {"active": "backup"})
        assert "already" in held(one, one.act(intent(), CONTEXT)).text
        held(one, one.verify(intent(), CONTEXT))
        held(one, one.undo(intent(), done, CONTEXT))
        assert double.active == "primary"
        with pytest.raises(Refused, match="is on primary, not on backup as we left it"):
            held(one, one.undo(intent(), done, CONTEXT))


def test_a_switch_that_is_elsewhere_is_left_alone() -> None:
    with SwitchDouble("third") as double:
        one = switch(double)
        with pytest.raises(Refused, match="only primary may be switched away from"):
            held(one, one.act(intent(), CONTEXT))
        assert [request.method for request in double.requests] == ["GET"]


def test_a_switch_whose_answer_is_lost_is_read() -> None:
    with SwitchDouble("primary") as double:
        one = switch(double)
        double.fail(None, Fault(is_reply_lost=True))
        held(one, one.act(intent(), CONTEXT))
        assert double.active == "backup"
        double.active = "primary"
        double.fail(None, Fault(status=503))
        with pytest.raises(Retry, match="503"):
            held(one, one.act(intent(), CONTEXT))


def test_a_record_has_a_key_and_what_tells_doubles_apart() -> None:
    one = remedy("kafka", topic="remedies", key="{host}", payload={"act": "drain"}, undo=True)
    done, (call,) = told(one.act(intent(), CONTEXT), Reply(200, body=b"remedies:0:12"))
    assert isinstance(call, KafkaCall)
    assert (call.topic, call.key) == ("remedies", b"web-1")
    assert dict(call.headers)["idempotency-key"] == f"{INTENT.id}-do".encode()
    assert json.loads(call.value)["payload"] == {"act": "drain"}
    assert done.text == "written to remedies:0:12"
    _, (undone,) = told(one.undo(intent(), done, CONTEXT), Reply(200))
    assert isinstance(undone, KafkaCall)
    assert json.loads(undone.value)["act"] == "undo"
    with pytest.raises(Refused, match="too large"):
        told(one.act(intent(), CONTEXT), Reply(599, body=b"too large"))


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
