"""A mail is handed over, or it is said why not; and never in the clear where the config didn't allow it."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from pipeline.desk import smtp
from schemas.calls import MailCall, Reply, Retry

MAIL = b"Subject: down\r\nMessage-ID: <g-1@desk>\r\n\r\nhelp\r\n"


class Mailbox:
    """A server's handler: takes mail, refuses recipients that say so."""

    def __init__(self, data: str = "250 taken") -> None:
        self.mails: list[bytes] = []
        self.data = data

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody"):
            return "550 no such user"
        if address.startswith("later"):
            return "451 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.data.startswith("250"):
            self.mails.append(envelope.content)
        return self.data


@contextmanager
def server(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    with socket.socket() as free:  # the controller itself can't be given port 0: it connects to see whether it is up
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def sent(port: int, *recipients: str, **fields: Any) -> Reply:
    call = MailCall("127.0.0.1", port, "desk@example", recipients or ("ann@example",), MAIL, timeout_s=5.0, **fields)
    return asyncio.run(smtp.send(call))


def test_a_mail_arrives_whole() -> None:
    mailbox = Mailbox()
    with server(mailbox) as port:
        assert sent(port, security="none").status == 200
    assert mailbox.mails == [MAIL]


def test_a_server_without_starttls_gets_nothing_unless_the_config_allows_it() -> None:
    mailbox = Mailbox()
    with server(mailbox) as port:
        reply = sent(port, username="ann", password="canary-password")
    assert reply.status == 599
    assert b"STARTTLS" in reply.body
    assert b"canary" not in reply.body
    assert mailbox.mails == []


def test_a_certificate_that_nobody_signed_is_refused_and_tried_again(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    mailbox = Mailbox()
    with server(mailbox, tls_context=context) as port:
        with pytest.raises(Retry, match="certificate refused"):
            sent(port)
        trusting = ssl.create_default_context(cafile=cert)
        trusting.check_hostname = False
        call = MailCall("127.0.0.1", port, "desk@example", ("ann@example",), MAIL)
        assert asyncio.run(smtp.send(call, trusting)).status == 200
    assert mailbox.mails == [MAIL]


def test_who_we_are_is_said_and_a_wrong_password_is_final() -> None:
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=data.password == b"right", handled=False)

    mailbox = Mailbox()
    options = {"authenticator": authenticate, "auth_require_tls": False}
    with server(mailbox, **options) as port:
        assert sent(port, security="none", username="ann", password="right").status == 200
        reply = sent(port, security="none", username="ann", password="wrong")
    assert reply.status == 599
    assert b"535" in reply.body
    assert len(mailbox.mails) == 1


def test_recipients_that_are_refused_are_named_and_the_others_get_it() -> None:
    mailbox = Mailbox()
    with server(mailbox) as port:
        reply = sent(port, "ann@example", "nobody@example", security="none")
        assert reply.status == 200
        assert b"nobody@example refused: 550 no such user" in reply.body
        assert sent(port, "nobody@example", security="none").status == 599
        with pytest.raises(Retry, match="451"):
            sent(port, "later@example", security="none")
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(("data", "is_final"), [("451 later", False), ("554 spam", True)])
def test_what_the_server_says_of_the_mail_decides(data: str, is_final: bool) -> None:
    with server(Mailbox(data)) as port:
        if is_final:
            assert sent(port, security="none") == Reply(599, body=data.encode())
        else:
            with pytest.raises(Retry, match=data):
                sent(port, security="none")


def test_a_server_that_isnt_there_is_a_retry() -> None:
    with pytest.raises(Retry, match="refused"):
        sent(1, security="none")
