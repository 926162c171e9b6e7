"""What the core asks the shell to do outside, and what comes back. Rules render and judge; the shell makes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class HttpCall:
    """A request. `trusted`: the address stands in the config, so a private one is normal; others are checked."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: str = field(repr=False)  # often a credential
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = b""
    timeout_s: float = 10.0
    trusted: bool = True


@dataclass(frozen=True)
class MailCall:
    """A mail, whole (RFC 5322), and how to hand it over. security: `starttls` refuses a server that has none."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    message: bytes
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    hello: str = "localhost"
    timeout_s: float = 30.0


@dataclass(frozen=True)
class KafkaCall:
    """A record for the desk's own Kafka."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class AppriseCall:
    """A message for Apprise's hundred services."""

    urls: tuple[str, ...] = field(repr=False)
    title: str = ""
    body: str = ""
    kind: Literal["info", "success", "warning", "failure"] = "info"


@dataclass(frozen=True)
class Reply:
    """What came back. HTTP: status, lower-case header names, at most 64 KiB of body. Others: 200, or 599 and a text.

    Where nothing came back (refused, timed out, cut off) the shell throws a `Retry` into the conversation, which may
    know somebody else to ask; where it doesn't, it begins again later.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Retry(Exception):
    """Not now: try again, not before `after_s` seconds where the other side said so."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after_s = reason, after_s


class Refused(Exception):
    """Never: the same again will be refused again. Whoever reads `reason` should know what to mend."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class ExecCall:
    """A program to be run: no shell, so each argument arrives as it is. env: all that it gets.

    Reply: status 0 - 255 as it exited, body: the end of what it wrote. Where it was killed at `timeout_s`, or nobody
    knows how it ended, a Retry is thrown.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    folder: str = "/"
    timeout_s: float = 30.0
