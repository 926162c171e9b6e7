"""What our transport and app take from Faust's and aiokafka's inside: these fail when a release moves one of them."""

import inspect

import faust
import pytest
from faust.transport import by_url
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import ConsumerMessage
from yarl import URL

from pipeline.transport import Consumer, Transport


def test_faust_finds_our_transport_by_the_scheme_of_the_broker_url() -> None:
    assert by_url(URL("tidegauge://127.0.0.1:9092")) is Transport
    assert Transport.Consumer is Consumer


@pytest.mark.parametrize(
    "name", ["_wait_next_records", "perform_seek", "flow_active", "_commit", "highwater", "assignment", "getmany"]
)
def test_the_consumer_still_has(name: str) -> None:
    assert hasattr(driver.Consumer, name)


def test_getmany_is_still_what_faust_pulls_messages_from() -> None:
    assert list(inspect.signature(FaustConsumer.getmany).parameters) == ["self", "timeout"]
    assert "getmany" in inspect.getsource(FaustConsumer._drain_messages)
    source = inspect.getsource(FaustConsumer.__init__)
    for attribute in ("_committed_offset", "_buffered_partitions"):
        assert attribute in source


def test_messages_still_carry_the_generation_in_which_they_were_fetched() -> None:
    assert "generation_id" in inspect.signature(ConsumerMessage.__init__).parameters
    assert "consumer_generation_id" in inspect.getsource(driver.ConsumerRebalanceListener)


def test_the_signals_we_commit_in_are_still_sent() -> None:
    for name in ("on_partitions_revoked", "on_rebalance_complete", "on_before_shutdown"):
        assert hasattr(faust.App, name)


def test_a_commit_still_says_whether_it_was_refused() -> None:
    assert inspect.signature(driver.AIOKafkaConsumerThread._commit).return_annotation in (bool, "bool")
