"""What a service answers is a Reply, what it doesn't is a Retry, and neither costs more than it is allowed to."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from pipeline.desk.http_client import BODY_BYTES_MAX, HttpClient, HttpConfig, NoReply
from pipeline.desk.secrets import hidden
from schemas.calls import HttpCall, Refused, Reply
from tests.doubles.http import Double, Fault, Response


def call(client: HttpClient, made: HttpCall) -> Reply:
    async def run() -> Reply:
        try:
            return await client.call(made)
        finally:
            await client.aclose()

    return asyncio.run(run())


def mocked(handler: object, config: HttpConfig | None = None) -> HttpClient:
    assert callable(handler)
    return HttpClient(config, transport=httpx.MockTransport(handler))


PACKED = {"Content-Encoding": "gzip"}
POST = HttpCall("POST", "https://hooks.example/services/secret-path", {"X-Key": "k"}, b'{"a":1}', timeout_s=0.3)


@pytest.mark.parametrize("status", [200, 202, 301, 302, 307, 400, 404, 429, 500, 503])
def test_every_status_is_a_reply_also_a_redirect(status: int) -> None:
    heard = []

    def handler(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        return httpx.Response(status, headers={"Retry-After": "7", "Location": "https://elsewhere.example"}, text="why")

    reply = call(mocked(handler), POST)
    assert (reply.status, reply.headers["retry-after"], reply.body) == (status, "7", b"why")
    (request,) = heard
    assert request.content == b'{"a":1}'
    assert request.headers["x-key"] == "k"


def test_redirects_are_followed_where_the_config_says_so() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "hooks.example":
            return httpx.Response(307, headers={"Location": "https://elsewhere.example/"})
        return httpx.Response(200, content=request.content)

    assert call(mocked(handler, HttpConfig(follow_redirects=True)), POST).body == b'{"a":1}'


def test_an_untrusted_address_never_gets_redirects_followed_nor_the_configs_headers() -> None:
    heard = []

    def handler(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        return httpx.Response(302, headers={"Location": "https://169.254.169.254/"})

    config = HttpConfig(follow_redirects=True, headers={"Authorization": "Bearer abc"})
    reply = call(mocked(handler, config), HttpCall("POST", "https://hooks.example/x", trusted=False))
    assert reply.status == 302
    assert len(heard) == 1
    assert "authorization" not in heard[0].headers


def test_of_an_answer_64_kib_are_read() -> None:
    read = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 16_384
                yield b"x" * 16_384

    reply = call(mocked(lambda request: httpx.Response(200, stream=Endless())), POST)
    assert len(reply.body) == BODY_BYTES_MAX
    assert read <= BODY_BYTES_MAX + 2 * 16_384


def test_a_compressed_answer_isnt_asked_for_nor_unpacked() -> None:
    bomb = gzip.compress(b"x" * 10_000_000)
    reply = call(mocked(lambda request: httpx.Response(200, stream=httpx.ByteStream(bomb), headers=PACKED)), POST)
    assert reply.body == b""
    reply = call(mocked(lambda request: httpx.Response(200, text=request.headers["accept-encoding"])), POST)
    assert reply.body == b"identity"


@pytest.mark.parametrize(
    ("error", "is_timeout"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ReadError("reset"), False),
        (httpx.RemoteProtocolError("cut"), False),
        (httpx.ConnectTimeout("slow"), True),
        (httpx.ReadTimeout("slow"), True),
        (httpx.PoolTimeout("busy"), True),
    ],
)
def test_where_nothing_comes_back_it_is_tried_again_and_the_reason_hides_the_path(
    error: Exception, is_timeout: bool
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(NoReply) as caught:
        call(mocked(handler), POST)
    assert caught.value.is_timeout is is_timeout
    assert "secret-path" not in caught.value.reason


def test_a_header_that_is_none_is_not_shown() -> None:
    with Double(lambda request: Response()) as double:
        config = HttpConfig(headers={"Authorization": "Bearer canary\nof two lines"})
        with pytest.raises(NoReply, match="no valid HTTP") as caught:
            call(HttpClient(config), HttpCall("POST", double.url))
        assert "canary" not in caught.value.reason
        assert double.requests == []


def test_a_slow_answer_ends_at_the_calls_own_time_even_where_bytes_keep_coming() -> None:
    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0.05)
                yield b"x"

    started_s = time.monotonic()
    with pytest.raises(NoReply) as caught:
        call(mocked(lambda request: httpx.Response(200, stream=Dripping())), POST)
    assert caught.value.is_timeout
    assert time.monotonic() - started_s < 2.0


@pytest.mark.parametrize("url", ["", "hooks.example/x", "ftp://hooks.example/", "http://[::1", "https://:0/"])
def test_what_is_no_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises((Refused, NoReply)) as caught:
        call(HttpClient(), HttpCall("POST", url))
    assert "hooks.example/x" not in str(caught.value)


def test_a_real_server_is_asked_over_a_real_socket() -> None:
    with Double(lambda request: Response(201, b"made")) as double:
        reply = call(HttpClient(), HttpCall("POST", double.url + "/hook", {"A": "b"}, b"body"))
        assert (reply.status, reply.body) == (201, b"made")
        (request,) = double.requests
        assert request.body == b"body"


def test_a_lost_reply_is_a_retry() -> None:
    with Double(lambda request: Response()) as double:
        double.fail(Fault(is_reply_lost=True))
        with pytest.raises(NoReply):
            call(HttpClient(), HttpCall("POST", double.url, body=b"heard"))
        assert [request.body for request in double.requests] == [b"heard"]


def test_httpx_itself_logs_addresses_which_is_why_its_log_goes_through_redact(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where this fails httpx has stopped doing so."""
    caplog.set_level("INFO", "httpx")
    call(mocked(lambda request: httpx.Response(200)), POST)
    assert "secret-path" in caplog.text
    assert "secret-path" not in hidden(caplog.text)
