"""Who we are to a service comes from its http_config, read anew where it changes; Apprise and Kafka are asked aside."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer
from pydantic import BaseModel

from alerting.notifiers.base import Call
from pipeline.desk.senders import Senders, connection
from pipeline.desk.threads import own_thread
from schemas.calls import AppriseCall, HttpCall, KafkaCall, Reply, Retry
from schemas.config.http_config import Authorization, BasicAuth, HttpConfig, TlsConfig
from schemas.desk import Integration
from schemas.secret import Secret
from tests.doubles.http import Double, Response


class Settings(BaseModel):
    http_config: HttpConfig | None = None


def integration(config: HttpConfig | None = None) -> Integration:
    return Integration("ops", "webhook", 0, Settings(http_config=config), True)


def made(call: Call, to: Integration | None = None, bootstrap: str = "127.0.0.1:1") -> Reply:
    async def run() -> Reply:
        senders = Senders(bootstrap)
        try:
            return await senders.make(to or integration(), call)
        finally:
            await senders.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("config", "header"),
    [
        (None, None),
        (HttpConfig(), None),
        (HttpConfig(basic_auth=BasicAuth(username="ann", password=Secret("text", "pw"))), "Basic YW5uOnB3"),
        (HttpConfig(authorization=Authorization(credentials=Secret("text", "token-1"))), "Bearer token-1"),
        (HttpConfig(bearer_token=Secret("text", "token-2")), "Bearer token-2"),
    ],
)
def test_authorization_is_sent_as_alertmanager_would(config: HttpConfig | None, header: str | None) -> None:
    with Double(lambda request: Response()) as double:
        made(HttpCall("POST", double.url), integration(config))
        assert double.requests[0].headers.get("authorization") == header


def test_a_rotated_token_is_used_from_the_next_call_on(tmp_path: Path) -> None:
    file = tmp_path / "token"
    config = HttpConfig(bearer_token_file=str(file))

    async def run(url: str) -> None:
        senders = Senders("127.0.0.1:1")
        for token in ("first-token", "second-token"):
            file.write_text(token)
            await senders.make(integration(config), HttpCall("POST", url))
        file.unlink()
        with pytest.raises(Retry, match="secret file"):
            await senders.make(integration(config), HttpCall("POST", url))
        await senders.aclose()

    with Double(lambda request: Response()) as double:
        asyncio.run(run(double.url))
        assert [r.headers["authorization"] for r in double.requests] == ["Bearer first-token", "Bearer second-token"]


def test_redirects_are_followed_only_where_the_file_asks_for_it() -> None:
    assert not connection(HttpConfig(), {}).follow_redirects
    assert connection(HttpConfig(follow_redirects=True), {}).follow_redirects


def test_a_certificate_file_that_is_gone_is_a_retry_that_names_it() -> None:
    config = HttpConfig(tls_config=TlsConfig(ca_file="nowhere/ca.pem"))
    with pytest.raises(Retry, match=r"nowhere/ca\.pem"):
        made(HttpCall("POST", "https://127.0.0.1:1"), integration(config))


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # one of Apprise's services
def test_apprise_is_handed_a_message() -> None:
    pytest.importorskip("apprise")
    with Double(lambda request: Response()) as double:
        url = double.url.replace("http://", "json://")
        assert made(AppriseCall((url,), "down", "help", "failure")).status == 200
        assert double.requests[0].json["title"] == "down"
    with pytest.raises(Retry, match="couldn't reach"):
        made(AppriseCall((url,), "down", "help"))
    reply = made(AppriseCall(("nothing-like-it://",)))
    assert (reply.status, reply.body) == (599, b"address 1 is none that Apprise knows")


def test_without_kafka_it_is_a_retry() -> None:
    with pytest.raises(Retry, match=r"Kafka at 127\.0\.0\.1:1"):
        made(KafkaCall("alerts-out", b"k", b"v"))


@pytest.mark.kafka
def test_a_record_arrives_in_kafka(kafka: str, topic_name: str) -> None:
    reply = made(KafkaCall(topic_name, b"key", b'{"a":1}', (("h", b"x"),)), bootstrap=kafka)
    assert reply.status == 200
    assert reply.body.decode().startswith(f"{topic_name}:")
    consumer = KafkaConsumer(topic_name, bootstrap_servers=kafka, auto_offset_reset="earliest")
    (record,) = next(iter(consumer.poll(timeout_ms=10_000).values()))
    assert (record.key, json.loads(record.value or b""), record.headers) == (b"key", {"a": 1}, [("h", b"x")])
    consumer.close()
    large = made(KafkaCall(topic_name, b"key", b"x" * 3_000_000), bootstrap=kafka)
    assert large.status == 599


def test_slow_calls_dont_wait_for_each_other() -> None:
    async def run() -> float:
        started_s = time.monotonic()
        await asyncio.gather(*(own_thread(lambda: time.sleep(0.2)) for _ in range(50)))
        return time.monotonic() - started_s

    assert asyncio.run(run()) < 2.0
