"""Hands a mail over by SMTP, in a thread. A server that offers no STARTTLS gets nothing unless the config allows it."""

import smtplib
import ssl

from pipeline.desk.http_client import NoReply
from pipeline.desk.threads import own_thread
from schemas.calls import MailCall, Reply, Retry

_REFUSED = 599


async def send(call: MailCall, tls: ssl.SSLContext | None = None) -> Reply:
    """200 where the server took it for at least one recipient (the body names the others), 599 where it never will.

    Raises Retry where the server says "later" (4xx) or can't be reached.
    """
    return await own_thread(lambda: _send(call, tls or ssl.create_default_context()))


def _send(call: MailCall, tls: ssl.SSLContext) -> Reply:
    try:
        with _connected(call, tls) as server:
            if call.username is not None:
                server.login(call.username, call.password or "")
            refused = server.sendmail(call.sender, list(call.recipients), call.message)
            return Reply(200, body=_listed(refused).encode() if refused else b"")
    except smtplib.SMTPRecipientsRefused as error:
        return _judged(max(code for code, _ in error.recipients.values()), _listed(error.recipients))
    except smtplib.SMTPResponseException as error:  # also authentication, sender and data refused
        return _judged(error.smtp_code, _text(error.smtp_error))
    except smtplib.SMTPNotSupportedError as error:
        return Reply(_REFUSED, body=f"the server can't do what the config asks: {error}".encode())
    except ssl.SSLCertVerificationError as error:
        raise NoReply(f"{call.host}: certificate refused: {error.verify_message}") from None
    except TimeoutError:
        raise NoReply(f"{call.host}: no answer within {call.timeout_s:g} s", is_timeout=True) from None
    except smtplib.SMTPServerDisconnected as error:
        raise NoReply(f"{call.host}: cut off: {error}") from None
    except OSError as error:
        raise NoReply(f"{call.host}: {error.strerror or error}") from None


def _connected(call: MailCall, tls: ssl.SSLContext) -> smtplib.SMTP:
    if call.security == "tls":
        return smtplib.SMTP_SSL(call.host, call.port, call.hello, timeout=call.timeout_s, context=tls)
    server = smtplib.SMTP(call.host, call.port, call.hello, timeout=call.timeout_s)
    if call.security == "starttls":
        try:
            server.starttls(context=tls)
        except BaseException:
            server.close()
            raise
    return server


def _judged(code: int, text: str) -> Reply:
    if 400 <= code < 500:
        raise Retry(f"{code} {text}")
    return Reply(_REFUSED, body=f"{code} {text}".encode())


def _listed(refused: "dict[str, tuple[int, bytes]]") -> str:
    return "; ".join(f"{recipient} refused: {code} {_text(text)}" for recipient, (code, text) in refused.items())


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
