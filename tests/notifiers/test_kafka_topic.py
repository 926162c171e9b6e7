"""A Kafka topic as a receiver: one webhook a group, or alert events as every consumer of `alerts` knows them."""

import json

import pytest

from schemas.alert import decode_alert
from schemas.calls import KafkaCall, Reply, Retry
from tests.notifiers.notes import alert, note, resolved, told
from tests.notifiers.talk import answered, context, notifier


def test_a_webhook_is_one_record_keyed_by_group() -> None:
    one = note(told(), resolved(alert({"host": "b"})))
    (call,), _ = answered(notifier("kafka", topic="told").deliver(one, {}, context()), [Reply(200)])
    assert isinstance(call, KafkaCall)
    assert (call.topic, call.key) == ("told", one.group.id.encode())
    assert json.loads(call.value)["groupKey"] == one.group.key
    assert dict(call.headers)["idempotency-key"] == one.id.encode()


def test_alert_events_can_be_told_apart_and_doubles_dropped() -> None:
    one = note(
        told(alert(), "raised", "warning"), resolved(alert({"host": "b"})), told(alert({"host": "c"}), "departed")
    )
    calls, _ = answered(notifier("kafka", topic="told", format="alert").deliver(one, {}, context()), [Reply(200)] * 2)
    assert len(calls) == 2
    for call, (status, level, before) in zip(
        calls, [("firing", "critical", "warning"), ("resolved", None, "critical")], strict=True
    ):
        assert isinstance(call, KafkaCall)
        event = decode_alert(call.value)
        assert (event.status, event.level, event.previous_level) == (status, level, before)
        assert call.key == event.fingerprint.encode()
        assert dict(call.headers)["ce_id"] == f"{event.id}:{event.seq}".encode()


def test_what_kafka_did_not_take_is_sent_again() -> None:
    with pytest.raises(Retry, match="topic told"):
        answered(notifier("kafka", topic="told").deliver(note(), {}, context()), [Reply(599, {}, b"no leader")])
