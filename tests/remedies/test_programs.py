"""Remedies that run programs, and that ask other programs: written replies, and real ones where they are cheap."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from incidents.remedies.base import Remedy
from incidents.remedies.kinds import KINDS
from schemas.calls import ExecCall, KafkaCall, Refused, Reply, Retry
from tests.doubles.http import Double, Fault, Request, Response
from tests.remedies.talk import CONTEXT, INTENT, held, intent, remedy, told

SHOW = b"LoadState=loaded\nActiveState=%s\nActiveEnterTimestamp=@%d\n"


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
