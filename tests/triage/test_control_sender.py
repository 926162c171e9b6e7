"""Verdicts on a real broker: the topic is made where it is missing, and a worker can read what is on it."""

import pytest

from pipeline.desk.incidents.control_sender import ControlSender
from pipeline.feedback import control_about
from schemas.control import decode_control
from tests.live.harness import read
from tests.triage.test_verdicts import of_a_series


@pytest.mark.kafka
@pytest.mark.timeout(120)
def test_what_is_sent_is_there_and_the_topic_is_made(kafka: str, topic_name: str) -> None:
    made = [control_about(of_a_series("a"), "noise", f"{n:016x}", 1_800_000_000.0, "ann", "") for n in range(3)]
    sender = ControlSender(kafka, topic_name)
    try:
        assert [sender.publish(control) for control in made] == [None] * 3
    finally:
        sender.close()
    records = read(kafka, topic_name)
    assert [decode_control(record.value or b"") for record in records] == made
    assert [record.key for record in records] == [control.id.encode() for control in made]
    assert {record.partition for record in records} == {0}


def test_where_nobody_answers_it_says_so() -> None:
    sender = ControlSender("127.0.0.1:1", "control")
    control = control_about(of_a_series("a"), "noise", "0" * 16, 1_800_000_000.0, "ann", "")
    assert sender.publish(control) == "Kafka at 127.0.0.1:1: no answer"
    sender.close()
