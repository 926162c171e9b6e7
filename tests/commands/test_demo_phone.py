"""What the demo shows of the messages that the desk sends."""

import time

import httpx
import msgspec

from pipeline.demo.phone import Message, PhoneAlert, phone, render


def message(*alerts: tuple[str, str]) -> Message:
    made = [PhoneAlert(status, {"level": level}, {"why": f"{level} it is"}) for status, level in alerts]
    return Message("firing", made, {"alertname": "errors", "service": "checkout"})


def test_a_message_is_shown_by_the_worst_that_fires() -> None:
    shown = str(render(message(("firing", "info"), ("firing", "critical"), ("resolved", "critical"))))
    assert shown == "  on duty: CRITICAL errors, checkout, 2 series  critical it is"
    assert "RESOLVED errors, checkout" in str(render(message(("resolved", "critical"))))


def test_a_hostile_label_stays_on_its_line() -> None:
    hostile = Message("firing", [], {"alertname": "a\n\x1b[2Jb"})
    assert "\n" not in str(render(hostile))
    assert "\x1b" not in str(render(hostile))


def test_the_phone_hears_a_webhook_and_refuses_what_is_none() -> None:
    with phone() as made:
        sent = message(("firing", "warning"))
        assert httpx.post(made.url, content=msgspec.json.encode(sent)).status_code == 200
        assert httpx.post(made.url, content=b"{}").status_code == 400
        deadline_s = time.monotonic() + 5
        while not (heard := list(made.messages())) and time.monotonic() < deadline_s:
            pass
        assert heard == [sent]
